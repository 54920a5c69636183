"""From any image to a square of gray: composite, scale, crop or pad."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Fit = Literal["crop", "pad"]


class Frame(NamedTuple):
    """An image of a file, decoded."""

    image: Image.Image  # "L" or "F", 0..255
    size: tuple[int, int]  # width and height as stored, the right way up
    depth: int  # bits of a value as stored: 8, 10, 12, 16, 32, 64; 1 for black and white
    patient: str = ""  # DICOM's PatientID; "" where unknown


UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by the orientation of EXIF and TIFF
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


def brightness(values: NDArray, bits: int, alpha: NDArray | None = None, inverse: bool = False) -> Image.Image:
    """`gray` of an array [H, W] or, of red, green and blue, [H, W, 3], whose values have `bits` bits.

    Unsigned values of at most 8 bits keep their brightness; deeper, signed and floating ones are scaled by the range of
    what is to be seen. `alpha` [H, W] is 0..1; `inverse` is for values of which the least is white.
    """
    shallow = bits <= 8 and values.dtype.kind in "ub"
    values = luma(values) if values.ndim == 3 else values
    low, high = 0.0, 2.0**bits - 1
    if not shallow:
        seen = values if alpha is None else values[alpha > 0]
        seen = seen[np.isfinite(seen)] if seen.dtype.kind == "f" else seen
        low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    shown = stretch(values, low, high)
    if inverse:
        np.subtract(255, shown, out=shown)
    if alpha is not None:
        shown *= alpha
    return Image.fromarray(np.rint(shown).astype(np.uint8) if shallow else shown)


def luma(values: NDArray) -> NDArray[np.float32]:
    """Brightness of colours [H, W, 3 or more] (red, green, blue, what comes then is left out), in their own range."""
    out: NDArray[np.float32] = np.multiply(values[..., 0], 0.299, dtype=np.float32)
    for channel, weight in ((1, 0.587), (2, 0.114)):
        out += np.multiply(values[..., channel], weight, dtype=np.float32)
    return out


def stretch(values: NDArray, low: float | None = None, high: float | None = None) -> NDArray[np.float32]:
    """Values scaled so that `low` (default: their least) is 0 and `high` (their greatest) is 255, clipped beyond.

    Values that are not finite become 0, and so does an image of one value only.
    """
    values = np.asarray(values)
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, values[finite].min() if finite.any() else 0)
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    if not 0 < high - low < np.inf:
        return np.zeros(values.shape, np.float32)
    exact = np.float32 if values.itemsize <= 2 or values.dtype == np.float32 else np.float64  # holds every value
    out = np.subtract(values, exact(low), dtype=exact)
    out *= exact(255 / (high - low))
    return np.clip(out, 0, 255, out=out).astype(np.float32, copy=False)


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
