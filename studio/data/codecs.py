"""JPEG of every kind to arrays: baseline, 12-bit and lossless JPEG, JPEG-LS, JPEG 2000, HTJ2K.

The size is read from the header here, so that nothing larger than was declared reaches a decoder.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from gan_core.data.decode import MAX_PIXELS, Unusable, pixel_limit

J2K = b"\xff\x4f\xff\x51"
JP2 = b"\0\0\0\x0cjP  \r\n"
_OTHER_JPEG = {5: "hierarchical", 6: "hierarchical", 7: "hierarchical", 13: "hierarchical", 14: "hierarchical"}
_OTHER_JPEG |= {15: "hierarchical", 11: "arithmetically coded lossless"}  # by start of frame


class Header(NamedTuple):
    """What a codestream says of itself."""

    kind: str  # "jpeg", "jpegls" or "jpeg2k"
    width: int
    height: int
    channels: int
    bits: int  # of a value, 1..38
    signed: bool
    lossless: bool  # of JPEG: not the process that Pillow reads
    rgb: bool  # of JPEG: its channels are marked as red, green and blue, or as no YCbCr


def header(src: bytes) -> Header:
    """Raises `Unusable` for what is no codestream, or of a kind that no decoder here reads."""
    try:
        if src.startswith((J2K, JP2)):
            return _jpeg2k(src)
        if src.startswith(b"\xff\xd8"):
            return _jpeg(src)
    except (struct.error, IndexError) as e:
        raise Unusable("damaged: it ends before it states its size") from e
    raise Unusable("damaged: its pixels are in no kind of JPEG")


def _jpeg(src: bytes) -> Header:
    """ITU-T T.81 B.2 and T.87 C: segments up to the start of frame."""
    at, rgb = 2, False
    while True:
        if src[at] != 0xFF:
            at += 1  # as decoders do
            continue
        marker = src[at + 1]
        if marker == 0xFF or marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # filling, or no length follows
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", src, at + 2)
        body = src[at + 4 : at + 2 + length]
        if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            rgb = body[11] == 0
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            break
        if marker in (0xD9, 0xDA):
            raise Unusable("damaged: it ends before it states its size")
        at += 2 + length
    process = marker - 0xC0
    if process in _OTHER_JPEG:
        raise Unusable(f"this kind of JPEG is not read: {_OTHER_JPEG[process]}; save it as PNG or DICOM")
    bits, height, width, channels = struct.unpack_from(">BHHB", body)
    rgb = rgb or bytes(body[6::3][:channels]) in (b"RGB", b"rgb")
    kind = "jpegls" if marker == 0xF7 else "jpeg"
    return Header(kind, width, height, channels, bits, False, process == 3, rgb)


def _jpeg2k(src: bytes) -> Header:
    """ISO/IEC 15444-1 A.5.1; of a JP2 file, of its first codestream (I.5.4)."""
    at = 0
    while src[at : at + 4] != J2K:
        length, box = struct.unpack_from(">I4s", src, at)
        start = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", src, at + 8)
            start = 16
        if box == b"jp2c":
            at += start
            if src[at : at + 4] != J2K:
                raise Unusable("damaged: its JPEG 2000 has no beginning")
        elif length < start:
            raise Unusable("damaged: its JPEG 2000 has no pixels")
        else:
            at += length
    right, bottom, left, top = struct.unpack_from(">4I", src, at + 8)
    channels, first = struct.unpack_from(">HB", src, at + 40)
    return Header("jpeg2k", right - left, bottom - top, channels, (first & 127) + 1, bool(first & 128), False, True)


def decode(src: bytes, told: Header) -> NDArray:
    """The values of a codestream, as [H, W] or [H, W, channels], in its own colour space.

    Raises:
        Unusable: where it claims too many pixels or channels; whatever the decoder raises of damaged ones.
    """
    if min(told.width, told.height, told.channels) < 1:
        raise Unusable("damaged: it claims to have no pixels")
    if told.width * told.height > MAX_PIXELS:
        raise Unusable(pixel_limit(told.width, told.height))
    if told.channels > 4:
        raise Unusable(f"this kind of JPEG is not read: {told.channels} channels; save it as PNG")
    try:
        if told.kind == "jpeg2k":
            values = imagecodecs.jpeg2k_decode(src)
        elif told.kind == "jpegls":
            values = imagecodecs.jpegls_decode(src)
        else:
            space = {1: "GRAYSCALE", 3: "RGB", 4: "CMYK"}.get(
                told.channels
            )  # the same in and out: nothing is converted
            values = imagecodecs.jpeg8_decode(src, colorspace=space, outcolorspace=space)
    except NotImplementedError as e:
        raise Unusable(f"this kind of JPEG is not read: {e}; save it as PNG") from e
    shape = (told.height, told.width, told.channels)
    if values.shape != (shape if told.channels > 1 else shape[:2]):
        raise Unusable("damaged: its pixels are not as many as it says")
    return np.asarray(values)
