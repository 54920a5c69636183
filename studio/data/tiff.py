"""TIFF to gray images, a page each, by tifffile: of every depth, sign and colour, in strips, tiles and planes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tifffile import COMPRESSION, PHOTOMETRIC, TiffPage

from gan_core.data.decode import (
    MAX_IMAGE_BYTES,
    MAX_PIXELS,
    MAX_SLICES,
    UPRIGHT,
    Frame,
    Unusable,
    pixel_limit,
    room,
)
from studio.data import codecs
from studio.data.deep import brightness, luma

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Those whose decoders are given the size that must come out of them ...
_PACKED = {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000}
_JPEG = {7, 33003, 33004, 33005, 34712, 34892}  # ... and those whose size is looked at first
_COLOURS = {0: "", 1: "", 2: "", 3: "", 5: "", 6: ""}
_ALPHA_ASSOCIATED, _ALPHA = 1, 2  # ExtraSamples: colours are multiplied by it already, or not yet

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it thinks of damaged files is told by the exception


def claims(head: bytes, name: str) -> bool:
    """Whether a file that begins so is a TIFF."""
    return head.startswith(MAGIC) and head[128:132] != b"DICM"  # a DICOM file's preamble may be a TIFF's head


def frames(file: BinaryIO, name: str, resolution: int) -> Iterator[Frame]:
    """The pages of a TIFF; previews (reduced resolution) and masks are none, unless there is nothing else.

    Raises:
        Unusable: where it claims too much or is of a kind that is not read.
    """
    with tifffile.TiffFile(file) as tiff:
        pages: list[TiffPage] = []
        for page in tiff.pages:
            if len(pages) == MAX_SLICES:
                raise Unusable(f"it claims more than {MAX_SLICES} slices, which is too many")
            if isinstance(page, TiffPage):  # all of them, since none was told to be a frame of another
                pages.append(page)
        for page in [p for p in pages if not _aside(p)] or pages[:1]:
            each = _check(page)
            width, height = page.imagewidth, page.imagelength
            orientation = page.tags.valueof(274, 1)
            with room(width * height, each):
                image = _gray(page)
                if orientation in UPRIGHT:
                    image = image.transpose(UPRIGHT[orientation])
                yield Frame(image, (height, width) if orientation in (5, 6, 7, 8) else (width, height), _depth(page))


def _aside(page: TiffPage) -> bool:
    """Whether a page is a smaller copy of another, or its mask (NewSubfileType, and the older SubfileType)."""
    return bool(page.subfiletype & 0b101) or page.tags.valueof(255, 1) == 2


def _depth(page: TiffPage) -> int:
    bits = page.bitspersample
    return bits if isinstance(bits, int) else max(bits)


def _check(page: TiffPage) -> int:
    """Bytes of a pixel. Raises `Unusable` before anything large is decoded, or anything that would come out wrong."""
    width, height, samples = page.imagewidth, page.imagelength, page.samplesperpixel
    if min(width, height, samples) < 1:
        raise Unusable("damaged: it claims to have no pixels")
    if width * height > MAX_PIXELS:
        raise Unusable(pixel_limit(width, height))
    what = ""
    if page.compression not in _PACKED | _JPEG:
        what = f"it is compressed as {_name(COMPRESSION, page.compression)}"
    elif page.photometric not in _COLOURS:
        what = f"its colours are {_name(PHOTOMETRIC, page.photometric)}"
    elif page.imagedepth > 1:
        what = "it is a volume"
    elif not isinstance(page.bitspersample, int) or page.dtype is None or page.dtype.kind not in "uifb":
        what = f"its values have {page.bitspersample} bits of format {page.sampleformat}"
    elif not _channels(page) <= samples <= 5:
        what = f"it has {samples} values a pixel"
    elif page.is_subsampled and page.compression not in _JPEG:
        what = "its colours are subsampled"
    if what:
        raise Unusable(f"this kind of TIFF is not read: {what}; save it as PNG")
    assert page.dtype is not None
    chunk = int(np.prod(page.chunks, dtype=object))
    if max(chunk, width * height * samples) * page.dtype.itemsize > MAX_IMAGE_BYTES:
        raise Unusable(f"its pixels take more than {MAX_IMAGE_BYTES // 10**6} MB")
    if page.compression in _JPEG:
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            page.parent.filehandle.seek(offset)
            told = codecs.header(page.parent.filehandle.read(size))
            if told.width * told.height * told.channels > chunk or told.channels > 4:
                raise Unusable(f"damaged: a part of it claims {told.width} x {told.height} pixels")
    return samples * page.dtype.itemsize


def _name(names: type, value: int) -> str:
    try:
        return names(value).name
    except ValueError:
        return f"number {value}"


def _channels(page: TiffPage) -> int:
    """Values a pixel without alpha and the like."""
    return {2: 3, 5: 4, 6: 3}.get(page.photometric, 1)


def _gray(page: TiffPage) -> Image.Image:
    try:
        planes = page.asarray(squeeze=False, maxworkers=1)  # [planes, 1, H, W, values]
    except NotImplementedError as e:
        raise Unusable(f"this kind of TIFF is not read: {e}; save it as PNG") from e
    values: NDArray = planes[0, 0] if planes.shape[0] == 1 else np.moveaxis(planes[:, 0, ..., 0], 0, -1)
    bits, channels = _depth(page), _channels(page)
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    alpha = None
    if page.extrasamples and page.extrasamples[0] == _ALPHA and values.dtype.kind == "u":
        alpha = values[..., channels] * np.float32(1 / (2**bits - 1))
    values = values[..., :channels]
    if page.photometric == 3:
        return _palette(page, values[..., 0])
    if page.photometric == 5 and values.dtype.kind == "u":
        black = 1 - values[..., 3] / np.float32(2**bits - 1)
        values = np.rint((2**bits - 1 - luma(values)) * black).astype(values.dtype)
    elif page.photometric == 6 and page.compression not in _JPEG:
        values = values[..., 0]  # luma itself; tifffile makes JPEG's RGB
    elif channels == 1:
        values = values[..., 0]
    return brightness(values, bits, alpha, inverse=page.photometric == 0)


def _palette(page: TiffPage, values: NDArray) -> Image.Image:
    colours = np.asarray(page.colormap)  # [3, 2^bits]
    if colours.max() > 255:  # else a writer's mistake that all readers know
        colours = colours >> 8
    return brightness(colours.T.astype(np.uint8)[values.clip(0, colours.shape[1] - 1)], 8)
