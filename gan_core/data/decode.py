"""One file's bytes to gray images, trusting nothing that the file says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from gan_core import registry
from gan_core.data.limits import MAX_PIXELS, Unusable, pixel_limit, room
from gan_core.data.pixels import UPRIGHT, Frame, gray

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


def frames(file: BinaryIO, name: str, resolution: int) -> Iterator[Frame]:
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


def pictures(file: BinaryIO, resolution: int) -> Iterator[Frame]:
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
