"""Images at the core's edge: uint8 arrays, grids of them, PNG files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gan_core.files import write_bytes

if TYPE_CHECKING:  # it takes seconds to load: files and grids do without
    import torch
    from torch import Tensor


def to_uint8(x: Tensor) -> np.ndarray:
    """Images in [-1, 1], any shape, as uint8."""
    import torch

    return x.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu().contiguous().numpy()


def to_float(images: np.ndarray, device: torch.device | None = None) -> Tensor:
    """uint8 images, any shape, as float in [-1, 1] on `device`, which gets them as bytes."""
    import torch

    return torch.from_numpy(images).to(device).float().div_(127.5).sub_(1)


def resize(x: Tensor, resolution: int) -> Tensor:
    """Images [N, 1, H, W] at another side: averaged down, or interpolated up (bicubic)."""
    from torch.nn import functional as F

    if x.shape[-1] == resolution == x.shape[-2]:
        return x
    if x.shape[-1] < resolution:
        return F.interpolate(x, (resolution, resolution), mode="bicubic", align_corners=False).clamp(-1, 1)
    return F.interpolate(x, (resolution, resolution), mode="bilinear", align_corners=False, antialias=True)


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 [N, 1, H, W] as one picture [rows * H, columns * W], row by row; what is left of the last row is black."""
    n, _, h, w = images.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, h, w), np.uint8)
    sheet[:n] = images[:, 0]
    return sheet.reshape(rows, columns, h, w).transpose(0, 2, 1, 3).reshape(rows * h, columns * w)


def ungrid(sheet: np.ndarray, side: int) -> np.ndarray:
    """The images [N, 1, side, side] of a `grid`, row by row."""
    rows, columns = sheet.shape[0] // side, sheet.shape[1] // side
    return sheet.reshape(rows, side, columns, side).transpose(0, 2, 1, 3).reshape(-1, 1, side, side)


def save_png(path: Path, image: np.ndarray) -> None:
    """Writes uint8 [H, W] as an 8-bit gray PNG."""
    write_bytes(path, png(image))


def png(image: np.ndarray) -> bytes:
    """uint8 [H, W] as an 8-bit gray PNG."""
    buffer = BytesIO()
    Image.fromarray(image, "L").save(buffer, "PNG")
    return buffer.getvalue()
