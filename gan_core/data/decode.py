"""One file's bytes to gray images, trusting nothing that the file says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError

from gan_core.data import dicom
from gan_core.data.limits import MAX_PIXELS, MAX_SLICES, Unusable, pixel_limit, room
from gan_core.data.pixels import gray

# Only these: other formats of Pillow's start outside programs (EPS) or are never a data set.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
HEAD = 132  # bytes that tell a picture from another file
_MAGIC = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"BM",
    b"GIF8",
    *(b"P%d" % n for n in range(1, 7)),
    b"\0\0\0\x0cjP  \r\n",
    b"\xff\x4f\xff\x51",
)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation


class Frame(NamedTuple):
    image: Image.Image
    size: tuple[int, int]
    depth: int
    patient: str = ""


def unread(head: bytes, name: str) -> str:
    return "not an image"


def decoders() -> str:
    return ""


def is_picture(head: bytes, name: str) -> bool:
    """Whether a file that begins with `head` (its first HEAD bytes) claims to be an image or DICOM."""
    return (
        dicom.is_dicom(head, name)
        or head.startswith(_MAGIC)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or head[4:12] in (b"ftypavif", b"ftypavis")
    )


def frames(file: BinaryIO, name: str, resolution: int) -> Iterator[Frame]:
    """The images in a file, as (gray image "L" or "F" in 0..255, its size as stored), one at a time.

    DICOM and TIFF give each slice, other formats their first image. A JPEG of more than four times `resolution` may
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
            raise Unusable("not an image")
        yield from (
            Frame(*x, 8) for x in (dicom.frames(file) if dicom.is_dicom(head, name) else _pictures(file, resolution))
        )
    except Unusable:
        raise
    except Image.DecompressionBombError as e:
        raise Unusable(pixel_limit()) from e
    except UnidentifiedImageError as e:
        raise Unusable("damaged or not an image") from e
    except Exception as e:  # decoders fed with damaged bytes raise anything
        why = " ".join(re.sub(r"<\S+ object at \w+>", "it", str(e)).split())
        raise Unusable(f"damaged: {why[:200] or 'it cannot be decoded'}") from e


def _pictures(file: BinaryIO, resolution: int) -> Iterator[Frame]:
    with Image.open(file, formats=_FORMATS) as image:
        stack = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if stack > MAX_SLICES:
            raise Unusable(f"it claims {stack} slices, which is too many")
        for i in range(stack):
            if stack > 1:
                image.seek(i)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Unusable(pixel_limit(width, height))
            scale = 4 * resolution / min(width, height)
            if scale < 1 and image.format in ("JPEG", "MPO"):
                image.draft("L", (int(width * scale) + 1, int(height * scale) + 1))
            orientation = _orientation(image)
            with room(image.width * image.height):
                image.load()
                upright = gray(image)
                if image.format != "TIFF" and orientation in _UPRIGHT:  # a TIFF turns itself as it loads
                    upright = upright.transpose(_UPRIGHT[orientation])
                yield upright, (height, width) if orientation >= 5 else (width, height)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken metadata around a whole picture
        return 1
