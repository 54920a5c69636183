"""Weights of other people's networks: read without unpickling anything, downloaded without waiting for ever."""

from __future__ import annotations

import hashlib
import http.client
import pickle
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gan_core.errors import UserError

PATIENCE = 5.0  # seconds until a server that does not answer is given up


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a .safetensors file or a PyTorch file, of which nothing is run.

    Raises `UserError` where it cannot be read, or holds more than tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as e:
        raise UserError(f"{path} cannot be read: give the path of a file with weights.") from e
    except pickle.UnpicklingError as e:
        raise UserError(
            f"{path} is damaged, or holds more than tensors, which could run code and is not opened. "
            "Save the network's state dict alone, best as .safetensors."
        ) from e
    except (SafetensorError, RuntimeError, ValueError, TypeError, AttributeError, LookupError, EOFError) as e:
        raise UserError(f"{path} is damaged, or is neither a .safetensors file nor a PyTorch state dict.") from e
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise UserError(f"{path} does not hold a state dict: tensors by name, and nothing else.")
    return state


def download(url: str, extractor: str) -> Path:
    """The file at `url`, in PyTorch's own folder of downloads; its name ends with the start of its sha256.

    Raises `UserError` where it cannot be had.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name
    if path.is_file():
        return path
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            pass  # it answers: PyTorch's download would wait without end for one that does not
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2])
    except (OSError, RuntimeError, http.client.HTTPException) as e:  # a wrong hash is a RuntimeError
        raise UserError(
            f"The weights of {extractor} could not be downloaded. Fetch {url} elsewhere and give the file as "
            f"{extractor}:PATH, or use the extractor knee, which needs no download."
        ) from e
    return path


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hex. Raises `UserError` where it cannot be read."""
    try:
        with path.open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as e:
        raise UserError(f"{path} cannot be read: give the path of a file.") from e
