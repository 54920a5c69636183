"""A few pictures at a time by ONNX Runtime, which draws one in half of PyTorch's time or less (sixteen take it longer).

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
from studio.export.onnx import DIGEST, POINTS

FILE = "synthesis.onnx"
FEW = 4  # points, up to which it pays
TRIES = 5

Draw = Callable[..., Tensor]


def drawer(model: Model) -> Draw | None:
    """What draws w [n <= FEW, z_dim] as `synthesis` does; None where there is no file, or it is no faster."""
    if model.path.parent != SHIPPED or not (model.path / FILE).is_file():
        return None
    return _drawer(model.path, model.digest, model.net.synthesis)


@lru_cache(maxsize=4)
def _drawer(folder: Path, digest: str, synthesis: Draw) -> Draw | None:
    try:
        draw, about, dim = opened(folder / FILE)
    except Exception as e:  # whatever ONNX Runtime finds wrong: PyTorch draws as well
        logging.getLogger(__name__).warning("%s is left aside: %s", folder / FILE, e)
        return None
    if about.get(DIGEST) != digest:
        logging.getLogger(__name__).warning("%s belongs to other weights: left aside", folder / FILE)
        return None
    p = torch.zeros(1, dim)
    return draw if _seconds(draw, p) < _seconds(synthesis, p) else None


def opened(path: Path) -> tuple[Draw, dict[str, str], int]:
    """What draws by a file, what the file says of itself, and the size of its points."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the processor is shared with viewers
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def draw(w: Tensor, c: Tensor | None = None) -> Tensor:
        return torch.from_numpy(session.run(None, {POINTS: w.numpy()})[0])

    (points,) = session.get_inputs()
    return draw, session.get_modelmeta().custom_metadata_map, points.shape[1]


@torch.inference_mode()
def _seconds(draw: Draw, p: Tensor) -> float:
    """The shortest of a few tries."""

    def once() -> float:
        start = time.perf_counter()
        draw(p)
        return time.perf_counter() - start

    return min(once() for _ in range(TRIES))
