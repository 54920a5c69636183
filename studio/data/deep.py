"""Pictures that Pillow would make 8 bits of, or not read at all.

These are 16-bit colour and alpha, 12-bit and lossless JPEG, JPEG-LS and deep JPEG 2000.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan_core.data.decode import MAX_PIXELS, Frame, Unusable, pictures, pixel_limit, room, stretch
from studio.data import codecs

_PNG = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 4: 2, 6: 4}  # of a PNG, by its kind of colour


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


def claims(head: bytes, name: str) -> bool:
    """Whether a file that begins so may be such a picture."""
    if head.startswith((b"\xff\xd8\xff", codecs.JP2, codecs.J2K)):
        return True
    return _is_png(head) or _is_ppm(head) is not None


def frames(file: BinaryIO, name: str, resolution: int) -> Iterator[Frame]:
    """The picture in a file. Raises `Unusable` where it is too large, or of a kind that is not read."""
    content = file.read()
    file.seek(0)
    yield from (_jpeg if content.startswith((b"\xff\xd8", codecs.JP2, codecs.J2K)) else _deep)(
        file, content, resolution
    )


def _is_png(head: bytes) -> bool:
    return head.startswith(_PNG) and len(head) > 25 and head[24] == 16 and head[25] in _CHANNELS


def _is_ppm(head: bytes) -> re.Match[bytes] | None:
    found = _PPM.match(head)
    return found if found and int(found[3]) > 255 else None


def _deep(file: BinaryIO, content: bytes, resolution: int) -> Iterator[Frame]:
    with Image.open(file, formats=("PNG", "PPM")) as image:  # its header alone
        width, height = image.size
    if width * height > MAX_PIXELS:
        raise Unusable(pixel_limit(width, height))
    ppm = _is_ppm(content)
    with room(width * height, 2 * (3 if ppm else _CHANNELS[content[25]])):
        if ppm:
            values = np.frombuffer(content, ">u2", 3 * width * height, ppm.end()).reshape(height, width, 3)
            parts: tuple[NDArray, int, NDArray | None] = (values.astype(np.uint16), 16, None)
        else:
            parts = _split(imagecodecs.png_decode(content), 16)
        yield Frame(brightness(*parts), (width, height), 16)


_PPM = re.compile(rb"P6(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


def _split(values: NDArray, bits: int) -> tuple[NDArray, int, NDArray | None]:
    """Values [H, W] or [H, W, channels] as gray or colour, their bits, and the alpha that comes last of 2 or 4."""
    if values.ndim == 2:
        return values, bits, None
    channels = values.shape[2]
    alpha = values[..., -1] * np.float32(1 / (2**bits - 1)) if channels in (2, 4) else None
    return (values[..., 0] if channels <= 2 else values[..., :3]), bits, alpha


def _jpeg(file: BinaryIO, content: bytes, resolution: int) -> Iterator[Frame]:
    """JPEG of any kind: baseline and progressive ones, and JPEG 2000 of 8 bits, are Pillow's."""
    told = codecs.header(content)
    if told.bits <= 8 and told.kind != "jpegls" and not told.lossless:
        yield from pictures(file, resolution)
        return
    if told.kind == "jpeg" and told.channels == 4:
        raise Unusable("this kind of JPEG is not read: CMYK, lossless or of 12 bits; save it as PNG")
    with room(told.width * told.height, 2 * told.channels):
        values = codecs.decode(content, told)
        if told.kind == "jpeg" and told.channels == 3 and not (told.rgb or told.lossless):
            values = values[..., 0]  # luma
        yield Frame(brightness(*_split(values, told.bits)), (told.width, told.height), max(8, told.bits))
