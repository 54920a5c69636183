"""A person's own network from a TorchScript or ONNX file.

TorchScript runs what its author wrote: open only files that you trust, as you would a program. It is therefore for the
command line alone; no page of the app may offer it for an upload.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_core.errors import UserError
from gan_core.metrics.features import Extractor, at_side, sha256
from studio.evaluate.extractors.weights import file_digest

TORCHSCRIPT = (".pt", ".ts", ".torchscript")
ONNX = ".onnx"
SIDE = 224  # where neither the file nor the person says
SIDES = (8, 1024)  # that a person may ask for
_BATCH = 16


@dataclass(frozen=True)
class _Opened:
    run: Callable[[Tensor], object]
    channels: tuple[int, ...] = (3, 1)  # what it may take, tried in this order
    side: int | None = None
    batch: int | None = None  # the only one it takes


def names_file(text: str) -> bool:
    """Whether `text` ends as `PATH` or `PATH@SIDE` of such a file does."""
    return _split(text)[0].suffix.lower() in (*TORCHSCRIPT, ONNX)


def open_file(text: str, device: str) -> Extractor:
    """The network in the file `PATH` or `PATH@SIDE`: [n, C, H, W] in [-1, 1] -> [n, d], or [n, d, h, w] to be averaged.

    An ONNX file may say what C, H = W and n it takes. Otherwise C is 3 or 1, whichever runs, and the side is `SIDE`.
    Of several outputs the first counts. ONNX runs on the processor. Raises `UserError` where the file cannot be read or
    run, or gives something else.
    """
    path, wanted = _split(text)
    if not names_file(text):
        raise UserError(f"{path} is neither TorchScript ({', '.join(TORCHSCRIPT)}) nor ONNX ({ONNX}), by its name.")
    if wanted is not None and not SIDES[0] <= wanted <= SIDES[1]:
        raise UserError(f"A network's images have a side of {SIDES[0]} to {SIDES[1]} pixels, not {wanted}.")
    digest = file_digest(path)
    if path.suffix.lower() == ONNX:
        opened = _open_onnx(path)
        if (data := path.with_name(f"{path.name}.data")).is_file():  # where PyTorch's exporter puts large weights
            digest = sha256(digest, file_digest(data))
    else:
        opened = _open_torchscript(path, device)
    side = wanted or opened.side or SIDE
    batch = opened.batch or _BATCH
    channels = _probe(opened, side, path, device)

    def forward(images: NDArray[np.uint8]) -> tuple[Tensor, None]:
        x = at_side(images, side, device).repeat(1, channels, 1, 1)
        if opened.batch:
            x = torch.cat([x, x[-1:].expand(batch - len(x), -1, -1, -1)])
        return _features(opened, x, path)[: len(images)], None

    return Extractor(f"file:{path.name}", sha256("file", 1, side, channels, digest), forward, batch)


def _split(text: str) -> tuple[Path, int | None]:
    match = re.fullmatch(r"(.+)@(\d{1,4})", text)
    return (Path(match[1]), int(match[2])) if match else (Path(text), None)


@torch.inference_mode()
def _probe(opened: _Opened, side: int, path: Path, device: str) -> int:
    """The number of channels with which the network runs. Raises `UserError` where there is none."""
    *others, last = opened.channels
    for channels in others:
        with contextlib.suppress(UserError):
            _features(opened, torch.zeros(opened.batch or 1, channels, side, side, device=device), path)
            return channels
    _features(opened, torch.zeros(opened.batch or 1, last, side, side, device=device), path)
    return last


def _features(opened: _Opened, x: Tensor, path: Path) -> Tensor:
    try:
        out = opened.run(x)
    except Exception as e:  # whatever the network's author, or the library that runs it, raises
        raise UserError(
            f"{path.name} does not run on images {list(x.shape)}: {_words(e)} Another side is given as {path.name}@128."
        ) from e
    if isinstance(out, tuple | list) and out:
        out = out[0]
    if isinstance(out, Tensor) and out.ndim == 4:
        out = out.mean((2, 3))
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != len(x):
        shape = list(out.shape) if isinstance(out, Tensor) else "no tensor"
        raise UserError(f"{path.name} gives {shape} for {len(x)} images: an extractor gives [{len(x)}, features].")
    return out


def _words(e: Exception) -> str:
    """The end of what may be a long traceback, on one line."""
    return f"{' '.join(str(e).split())[-200:].rstrip('.')}."


def _open_torchscript(path: Path, device: str) -> _Opened:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyTorch prefers torch.export; people have such files
            net = torch.jit.load(str(path), map_location=device)
    except (RuntimeError, ValueError) as e:
        raise UserError(f"{path} is damaged or is not a TorchScript file: save one with torch.jit.save.") from e
    if hasattr(net, "training"):  # which a frozen one has not
        net.eval()
    return _Opened(net)


def _open_onnx(path: Path) -> _Opened:
    try:
        import onnxruntime
    except ImportError as e:
        raise UserError("An ONNX file needs ONNX Runtime: pip install onnxruntime.") from e
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (entry,) = session.get_inputs()
    except Exception as e:  # its exceptions have no common base
        raise UserError(f"{path} is damaged, is not an ONNX file, or takes more than one input.") from e
    if entry.type != "tensor(float)" or len(entry.shape) != 4:
        raise UserError(f"{path.name} takes {entry.type} {entry.shape}: an extractor takes float images [n, C, H, W].")
    batch, channels, side, _ = (d if isinstance(d, int) else None for d in entry.shape)

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {entry.name: x.cpu().contiguous().numpy()})[0])

    return _Opened(run, (channels,) if channels else (3, 1), side, batch)
