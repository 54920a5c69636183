"""One file's bytes to squares of gray values, trusting nothing that the file says of itself."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from gan_core import registry

Fit = Literal["crop", "pad"]

# What a file may ask for.
MAX_PIXELS = 64_000_000  # of one image: 8000 x 8000; the largest mammograms have 28 million
MAX_IMAGE_BYTES = 4 * MAX_PIXELS  # of one image's values
MAX_SLICES = 10_000  # of one file
MAX_FILE_BYTES = 512 * 2**20

# Only these: other formats of Pillow's start outside programs (EPS) or are never a data set.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
_DEPTHS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 16, "F": 32}  # others have 8 bits
HEAD = 144  # bytes that tell a picture from another file
MAGIC = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"BM",
    b"GIF8",
    *(b"P%d" % n for n in range(1, 7)),
    b"\0\0\0\x0cjP  \r\n",
    b"\xff\x4f\xff\x51",
)
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by the orientation of EXIF and TIFF


class Taken(NamedTuple):
    """What a film's file says of how it was taken."""

    spacing: float | None = None  # a pixel's side in mm; None where it is not known
    spacing_from: str = ""  # where that is from, in words
    side: str = ""  # of the body, "R" or "L"; "" for both or unknown
    mirrored: bool = False  # whether the patient's right is on the picture's right
    remarks: tuple[str, ...] = ()  # what a person should know of all that, in sentences


class Frame(NamedTuple):
    """An image of a file, decoded."""

    image: Image.Image  # "L" or "F", 0..255
    size: tuple[int, int]  # width and height as stored, the right way up
    depth: int  # bits of a value as stored: 8, 10, 12, 16, 32, 64; 1 for black and white
    patient: str = ""  # as a DICOM file says; "" where unknown
    taken: Taken = Taken()


class Unusable(Exception):
    """A file that yields no image; its text is the reason, for people."""


def pixel_limit(width: int | None = None, height: int | None = None) -> str:
    """The reason given for an image that is too large."""
    asks = f"{width} x {height} pixels" if width else "far too many pixels"
    return f"it claims {asks}; at most {MAX_PIXELS // 10**6} million are read"


_change = threading.Condition()
_taken = 0  # pixels of all images being decoded


@contextmanager
def room(pixels: int, each: int = 2) -> Iterator[None]:
    """Waits until all images that are being decoded, this one among them, have at most MAX_PIXELS: a pixel takes up to
    22 bytes meanwhile, and as many images are decoded at once as there are cores.

    Pixels of more bytes `each` than 3, all their channels together, count as more: those of 8 bytes take up to 32.
    """
    global _taken
    pixels = min(MAX_PIXELS, pixels * max(1, each // 2))
    with _change:
        _change.wait_for(lambda: _taken + pixels <= MAX_PIXELS)
        _taken += pixels
    try:
        yield
    finally:
        with _change:
            _taken -= pixels
            _change.notify_all()


# -- a file -----------------------------------------------------------------------------------------------------------


@cache
def _decoders() -> tuple[ModuleType, ...]:
    return tuple(import_module(name) for name in registry.DECODERS)


def _claimed(head: bytes, name: str) -> ModuleType | None:
    """The registered decoder that reads such a file."""
    return next((decoder for decoder in _decoders() if decoder.claims(head, name)), None)


def is_picture(head: bytes, name: str) -> bool:
    """Whether a file that begins with `head` (its first HEAD bytes) claims to be an image that is read."""
    return (
        _claimed(head, name) is not None
        or head.startswith(MAGIC)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or head[4:12] in (b"ftypavif", b"ftypavis")
    )


def unread(head: bytes, name: str) -> str:
    """Why a file that is none of `is_picture` is passed over."""
    return registry.resolve(registry.UNREAD)(head, name) if registry.UNREAD else "not an image"


@cache
def decoders() -> str:
    """The decoders that are installed, with their versions: changes when what can be decoded may have changed."""
    packages = ("pillow", *(package for found in registry.DECODERS.values() for package in found))
    return ", ".join(f"{name} {version(name)}" for name in sorted(set(packages)))


def frames(file: IO[bytes], name: str, resolution: int) -> Iterator[Frame]:
    """The images in a file, one at a time.

    Files of slices give each of these, other formats their first image. A JPEG of more than four times `resolution` may
    come out smaller, though no smaller than that, since its decoder can do so for less; its size is told as stored.

    Raises:
        Unusable: with the reason.
    """
    try:
        head = file.read(HEAD)
        file.seek(0)
        if not head:
            raise Unusable("empty file")
        if not is_picture(head, name):
            raise Unusable(unread(head, name))
        decoder = _claimed(head, name)
        yield from decoder.frames(file, name, resolution) if decoder else pictures(file, resolution)
    except Unusable:
        raise
    except Image.DecompressionBombError as e:
        raise Unusable(pixel_limit()) from e
    except UnidentifiedImageError as e:
        raise Unusable("damaged or not an image") from e
    except Exception as e:  # decoders fed with damaged bytes raise anything
        why = " ".join(re.sub(r"<\S+ object at \w+>", "it", str(e)).split())
        raise Unusable(f"damaged: {why[:200] or 'it cannot be decoded'}") from e


def pictures(file: IO[bytes], resolution: int) -> Iterator[Frame]:
    """The first picture in a file, by Pillow."""
    with Image.open(file, formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise Unusable(pixel_limit(width, height))
        scale = 4 * resolution / min(width, height)
        if scale < 1 and image.format in ("JPEG", "MPO"):
            image.draft("L", (int(width * scale) + 1, int(height * scale) + 1))
        orientation = _orientation(image)
        depth = _DEPTHS.get(image.mode, 8)
        with room(image.width * image.height):
            image.load()
            upright = gray(image)
            if orientation in UPRIGHT:
                upright = upright.transpose(UPRIGHT[orientation])
            yield Frame(upright, (height, width) if orientation >= 5 else (width, height), depth)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken metadata around a whole picture
        return 1


# -- its pixels -------------------------------------------------------------------------------------------------------


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
