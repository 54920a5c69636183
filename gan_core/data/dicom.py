"""DICOM to gray images as a viewer shows them: rescale, VOI LUT or window, MONOCHROME1 inverted, a slice each."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.filereader import read_dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, iter_pixels
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gan_core.data.limits import MAX_FILE_BYTES, MAX_PIXELS, MAX_SLICES, MAX_STACK_PIXELS, Unusable, pixel_limit, room
from gan_core.data.pixels import stretch

_SUFFIXES = (".dcm", ".dicom")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def is_dicom(head: bytes, name: str) -> bool:
    """Whether a file is DICOM: by the magic after its preamble or, as old files lack both, by its name."""
    return head[128:132] == b"DICM" or name.lower().endswith(_SUFFIXES)


def frames(file: BinaryIO) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """The slices of a DICOM file, as (gray image "F" in 0..255, its size), decoded one at a time.

    Values pass through the modality LUT or rescale, then the VOI LUT or the first window, whose output range becomes
    0..255. Without one, 8-bit images stay as stored and deeper ones are scaled by the range of the file. Padding is
    black.

    Raises:
        Unusable: where the file has no pixels, declares too many, or expands too far.
    """
    ds = _read(file)
    if "Rows" not in ds or not any(keyword in ds for keyword in _PIXELS):
        raise Unusable("DICOM without an image")
    rows, columns, count = int(ds.Rows), int(ds.Columns), int(ds.get("NumberOfFrames") or 1)
    if min(rows, columns, count) < 1:
        raise Unusable("DICOM without an image")
    if rows * columns > MAX_PIXELS:
        raise Unusable(pixel_limit(columns, rows))
    if count > MAX_SLICES or rows * columns * count > MAX_STACK_PIXELS:
        raise Unusable(f"it claims {count} slices of {columns} x {rows} pixels, which is too many")
    with room(rows * columns):
        once = list(iter_pixels(ds)) if count == 1 else None  # a stack is decoded again rather than held

        def stored() -> Iterable[NDArray]:
            return iter_pixels(ds) if once is None else once

        if str(ds.PhotometricInterpretation).startswith("MONOCHROME"):
            shown = _monochrome(ds, [_display(ds, i) for i in range(count)], stored)
        else:
            shown = (_luma(frame, ds) for frame in stored())
        for pixels in shown:
            yield Image.fromarray(pixels), (columns, rows)


def _read(file: BinaryIO) -> pydicom.Dataset:
    """The whole data set; a deflated one is inflated here first, to a limit that pydicom does not have."""
    file.seek(132)
    meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, n: tag.group != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        inflate.decompress(file.read(), MAX_FILE_BYTES)
        if inflate.unconsumed_tail:
            raise Unusable(f"it expands past {MAX_FILE_BYTES // 2**20} MiB")
    file.seek(0)
    ds = pydicom.dcmread(file, force=True)
    if "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if ds.original_encoding[0] else ExplicitVRLittleEndian
    return ds


def _display(ds: pydicom.Dataset, i: int) -> pydicom.Dataset:
    """What says how slice `i` is shown: the file itself or, in an enhanced multi-frame object, its functional group."""
    groups = [
        *ds.get("SharedFunctionalGroupsSequence", [])[:1],
        *ds.get("PerFrameFunctionalGroupsSequence", [])[i : i + 1],
    ]
    items = [
        item
        for group in groups
        for keyword in ("PixelValueTransformationSequence", "FrameVOILUTSequence")
        for item in group.get(keyword, [])[:1]
    ]
    if not items:
        return ds
    display = pydicom.Dataset()
    display.file_meta = ds.file_meta
    for keyword in ("BitsStored", "PixelRepresentation", "PhotometricInterpretation"):
        if keyword in ds:
            display[keyword] = ds[keyword]
    for item in items:
        display.update(item)
    return display


def _monochrome(ds, displays, stored) -> Iterator[NDArray[np.float32]]:
    windows = [_window(display) for display in displays]
    low, high = 0.0, 0.0
    if None in windows:
        low, high = _range(ds, displays, stored())
    for frame, display, window in zip(stored(), displays, windows, strict=True):
        values = apply_modality_lut(frame, display)
        shown = stretch(values, low, high) if window is None else stretch(_voi(values, display), *window)
        if ds.PhotometricInterpretation == "MONOCHROME1":
            shown = 255 - shown
        padding = _padding(frame, ds)
        yield shown if padding is None else np.where(padding, np.float32(0), shown)


def _voi(values: NDArray, display: pydicom.Dataset) -> NDArray:
    if display.get("VOILUTSequence"):  # a table wants whole numbers, which a rescale does not leave
        values = np.rint(values).astype(np.int64)
    with np.errstate(over="ignore"):  # far outside a sigmoid window
        return apply_voi_lut(values, display)


def _window(display: pydicom.Dataset) -> tuple[float, float] | None:
    """The output for the darkest and for the brightest input; None without a usable VOI LUT or window."""
    if not display.get("VOILUTSequence") and None in (display.get("WindowCenter"), display.get("WindowWidth")):
        return None
    try:
        ends = _voi(np.array([-1e9, 1e9]), display)
    except Exception:  # a window of no width, a table cut short: show the image's own range instead
        return None
    return float(min(ends)), float(max(ends))


def _range(ds: pydicom.Dataset, displays: list[pydicom.Dataset], stored: Iterable[NDArray]) -> tuple[float, float]:
    """The range of values shown where nothing says which."""
    rescaled = ds.get("ModalityLUTSequence") or (ds.get("RescaleSlope", 1), ds.get("RescaleIntercept", 0)) != (1, 0)
    if "PixelData" in ds and ds.BitsStored <= 8 and not ds.PixelRepresentation and not rescaled:
        return 0.0, 2.0**ds.BitsStored - 1
    low, high = np.inf, -np.inf
    for frame, display in zip(stored, displays, strict=True):
        values = apply_modality_lut(frame, display)
        padding = _padding(frame, ds)
        seen = values if padding is None else values[~padding]
        seen = seen[np.isfinite(seen)]
        if seen.size:
            low, high = min(low, float(seen.min())), max(high, float(seen.max()))
    return (low, high) if low < high else (0.0, 0.0)


def _padding(frame: NDArray, ds: pydicom.Dataset) -> NDArray[np.bool_] | None:
    value = ds.get("PixelPaddingValue")
    if value is None:
        return None
    other = ds.get("PixelPaddingRangeLimit", value)
    return (frame >= min(value, other)) & (frame <= max(value, other))


def _luma(frame: NDArray, ds: pydicom.Dataset) -> NDArray[np.float32]:
    """Brightness 0..255 of a colour frame (RGB, as pydicom makes YBR; or a palette)."""
    bits = ds.BitsStored
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        frame = apply_color_lut(frame, ds)
        bits = 8 * frame.itemsize
    return stretch(frame[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32), 0, 2.0**bits - 1)
