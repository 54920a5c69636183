"""A few pictures at a time by ONNX Runtime, which draws one in half of PyTorch's time (of sixteen both take the same).

A shipped model brings the file, which `python -m gan_core onnx --from-w` writes; no other model's is ever opened.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from gan_core.model import SHIPPED, Model
from gan_core.onnx_export import DIGEST, POINTS

FILE = "synthesis.onnx"
FEW = 4  # points, up to which it pays
TRIES = 5

Draw = Callable[[Tensor], Tensor]


def drawer(model: Model) -> Draw | None:
    """What draws points [n <= FEW, dim] as `Space.synthesis` does; None where there is no file, or it is no faster."""
    if model.path.parent != SHIPPED or not (model.path / FILE).is_file():
        return None
    return _drawer(model.path, model.digest, model.net.synthesis)


@lru_cache(maxsize=4)
def _drawer(folder: Path, digest: str, synthesis: Draw) -> Draw | None:
    try:
        session = _open(folder / FILE)
    except Exception as e:  # whatever ONNX Runtime finds wrong: PyTorch draws as well
        logging.getLogger(__name__).warning("%s is left aside: %s", folder / FILE, e)
        return None
    if session.get_modelmeta().custom_metadata_map.get(DIGEST) != digest:
        logging.getLogger(__name__).warning("%s belongs to other weights: left aside", folder / FILE)
        return None

    def draw(p: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {POINTS: p.numpy()})[0])

    (given,) = session.get_inputs()
    p = torch.zeros(1, given.shape[1])
    return draw if _seconds(draw, p) < _seconds(synthesis, p) else None


def _open(path: Path):  # type: ignore[no-untyped-def]  # the package has no types
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the processor is shared with viewers
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def _seconds(draw: Draw, p: Tensor) -> float:
    """The shortest of a few tries."""

    def once() -> float:
        start = time.perf_counter()
        draw(p)
        return time.perf_counter() - start

    return min(once() for _ in range(TRIES))
