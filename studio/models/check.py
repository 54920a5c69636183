"""What a model from elsewhere must be: the files that are taken, and what its configuration may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.model import CARD, CONFIG, MAX_CONFIG_BYTES, TENSORS, load_model, read_config

CRITIC = "discriminator"
_MOST = {CONFIG: MAX_CONFIG_BYTES, CARD: 1_000_000, TENSORS: 8 * networks.MAX_PARAMETERS + 10_000_000}
TAKEN = _MOST | {f"{CRITIC}/{name}": most for name, most in _MOST.items()}  # no other file is, and its bytes at most
NEEDED = (CONFIG, TENSORS)
_MAX_MAP = 2**24  # numbers in the largest feature map of one image: those of sixteen images take a gigabyte


def check_sizes(sizes: dict[str, int]) -> None:
    """Raises `UserError` where the files, by name and bytes, are no model's, or larger than a model's ever are."""
    if missing := [name for name in NEEDED if name not in sizes]:
        raise UserError(
            f"it lacks {missing[0]}. A model is {CONFIG} and {TENSORS}, as this program writes them; pickled files, "
            "such as .pt or .pkl, are never opened"
        )
    for name, size in sizes.items():
        if size > TAKEN[name]:
            raise UserError(f"its {name} is larger ({size:,} bytes) than that of any model here")


def check_affordable(net: NetConfig, tensor_bytes: int) -> None:
    """Raises `UserError`, before any memory is taken, where the network asks for more than a host should give, or
    where its file is larger than the network."""
    if net.channels * net.resolution**2 > _MAX_MAP:
        raise UserError(
            f"it asks for {net.channels} channels at {net.resolution} x {net.resolution} pixels, more memory than an "
            "image should take"
        )
    with torch.device("meta"):
        state = networks.build(net).state_dict()
    most = 8 * sum(t.numel() for t in state.values()) + 1000 * len(state) + 100_000  # numbers of 8 bytes, and a header
    if tensor_bytes > most:
        raise UserError(f"its tensors take {tensor_bytes:,} bytes, and the network that it describes at most {most:,}")


def check_model(folder: Path) -> None:
    """Raises `UserError` where a folder holds no generator, or no discriminator beside it, that loads strictly."""
    for part, role in ((folder, "generator"), (folder / CRITIC, "discriminator")):
        if role == "generator" or part.is_dir():
            tensors = part / TENSORS
            check_affordable(read_config(part).net, tensors.stat().st_size if tensors.is_file() else 0)
            load_model(part, role)


@contextmanager
def called(name: str, folder: Path | None = None) -> Iterator[None]:
    """An error inside is told of the model by its name, not by where it lies for the moment."""
    try:
        yield
    except UserError as e:
        why = str(e).replace(f"{folder}", name) if folder else str(e)
        raise UserError(f"{name} cannot be used: {why.rstrip('.')}.") from None
