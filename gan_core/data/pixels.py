"""From any image to a square of gray: composite, scale, crop or pad."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Fit = Literal["crop", "pad"]

_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def gray(image: Image.Image) -> Image.Image:
    """One channel of brightness 0..255: mode "L" for 8-bit images, "F" for deeper ones.

    Deeper images are scaled by their own range. Colour becomes luma; transparency lies on black.
    """
    if image.mode in _DEEP_MODES:
        return Image.fromarray(stretch(np.asarray(image)))
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("L")
    return image.convert("RGB").convert("L")


def stretch(values: NDArray, low: float | None = None, high: float | None = None) -> NDArray[np.float32]:
    """Values scaled so that `low` (default: their least) is 0 and `high` (their greatest) is 255, clipped beyond.

    Values that are not finite become 0, and so does an image of one value only.
    """
    values = np.asarray(values, np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, values[finite].min() if finite.any() else 0)
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    if high <= low:
        return np.zeros(values.shape, np.float32)
    return np.clip((values - np.float32(low)) * np.float32(255 / (high - low)), 0, 255)


def square(image: Image.Image, resolution: int, fit: Fit) -> NDArray[np.uint8]:
    """A gray image ("L" or "F", 0..255) of any aspect as uint8 [R, R], through one antialiased Lanczos resize.

    "crop" keeps the centre and fills the square; "pad" keeps everything, on black.
    """
    width, height = image.size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        if width != height:  # before the resize, which would let what lies outside bleed in
            image = image.crop((left, top, left + side, top + side))
        size = (resolution, resolution)
    else:
        scale = resolution / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    if pixels.dtype != np.uint8:
        pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    if size == (resolution, resolution):
        return pixels
    canvas = np.zeros((resolution, resolution), np.uint8)
    left, top = (resolution - size[0]) // 2, (resolution - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = pixels
    return canvas
