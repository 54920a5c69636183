"""DICOM to gray images as a viewer shows them, a slice each: the grayscale pipeline of PS3.3 and PS3.4 in NumPy.

In the order of PS3.4 N.2: the stored bits (PS3.5 8.1.1), modality LUT or rescale (PS3.3 C.11.1), VOI LUT or window
(C.11.2), presentation LUT shape or else the photometric interpretation (C.11.6, C.7.6.3.1.2). Attributes that are empty
count as absent. Where the standard leaves a choice, dcmtk's is taken; `benchmarks/greys.py` compares the two.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.filereader import read_dataset
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from gan_core.data.decode import (
    MAGIC,
    MAX_FILE_BYTES,
    MAX_IMAGE_BYTES,
    MAX_PIXELS,
    MAX_SLICES,
    Frame,
    Unusable,
    pixel_limit,
    room,
    stretch,
)
from studio.data import codecs
from studio.data.deep import luma
from studio.data.taken import taken
from studio.data.tiff import MAGIC as TIFF

_SUFFIXES = (".dcm", ".dicom")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_JPEG = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (*range(50, 67), 70, 80, 81, 90, 91, 201, 202, 203))
_OTHERS = (
    *(ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
    RLELossless,
)  # read by pydicom itself
_FIRST = {
    2: (0x0000, 0x0001, 0x0002, 0x0003, 0x0010),
    8: (0x0000, 0x0001, 0x0005, 0x0006, 0x0008, 0x0012, 0x0013, 0x0014, 0x0016, 0x0018, 0x0020, 0x0060),
}  # elements that a file without a preamble begins with, by group
MAX_STACK_PIXELS = 1_000_000_000  # of all slices of one file
_NOBODY = frozenset({"anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "0", "patient", "xxx"})
_VRS = (b"UL", b"OB", b"UI", b"CS", b"SQ", b"DA", b"TM", b"LO", b"RET")


def start(head: bytes) -> int | None:
    """Where the data set, or its file meta information (PS3.10 7.1), begins; None where a file seems to be no DICOM.

    Without the magic after the preamble, as in old files, by the first element: one of group 2 or 8 of plausible
    length, in any encoding, at the very beginning or behind a preamble whose magic is missing.
    """
    if head[128:132] == b"DICM":
        return 132
    places = (0,) if any(head[:128]) else (128, 132)
    return next((at for at in places if _is_element(head[at : at + 8])), None)


def _is_element(head: bytes) -> bool:
    for order in "<>":
        if len(head) < 8:
            return False
        group, element = struct.unpack_from(f"{order}2H", head)
        if element in _FIRST.get(group, ()):
            (length,) = struct.unpack_from(f"{order}I", head, 4)
            return head[4:6] in _VRS or (order == "<" and length <= 128 and length % 2 == 0)
    return False


def claims(head: bytes, name: str) -> bool:
    """Whether a file is DICOM: by the magic after its preamble or, as old files lack both, by its first element or its
    name, where it begins like no picture."""
    if head[128:132] == b"DICM":
        return True
    return not head.startswith((*MAGIC, *TIFF)) and (start(head) is not None or name.lower().endswith(_SUFFIXES))


def frames(file: BinaryIO, name: str, resolution: int) -> Iterator[Frame]:
    """The slices of a DICOM file, each with an image "F" in 0..255, decoded one at a time.

    The output range of the first window or of the VOI LUT becomes 0..255. Where both stand, the window counts, as for
    dcmtk and Orthanc (C.11.2.1.1 allows either). Without either, images of 8 bits that are not rescaled stay as stored
    and others are scaled by the range of the file. Padding (C.7.5.1.1.2) is black. Colour becomes luma.

    Raises:
        Unusable: where the file has no pixels, declares too many, expands too far, or is of a kind that is not read.
    """
    ds = _read(file)
    if "DirectoryRecordSequence" in ds:
        raise Unusable("a DICOMDIR, which only lists other files")
    rows, columns, count = (int(ds.get(keyword) or 0) for keyword in ("Rows", "Columns", "NumberOfFrames"))
    count = count or 1
    if not any(ds.get(keyword) for keyword in _PIXELS) or min(rows, columns, count) < 1:
        raise Unusable("DICOM without an image")
    if rows * columns > MAX_PIXELS:
        raise Unusable(pixel_limit(columns, rows))
    if count > MAX_SLICES or rows * columns * count > MAX_STACK_PIXELS:
        raise Unusable(f"it claims {count} slices of {columns} x {rows} pixels, which is too many")
    _complete(ds)
    patient = str(ds.get("PatientID") or "").strip()
    patient = "" if patient.casefold() in _NOBODY else patient
    how = taken(ds)
    depth = int(ds.BitsStored) if "PixelData" in ds else 32 if "FloatPixelData" in ds else 64
    stored = partial(_compressed if ds.file_meta.TransferSyntaxUID in _JPEG else _native, ds, count)
    each = ds.SamplesPerPixel * max(ds.BitsAllocated, 8) // 8 if "PixelData" in ds else depth // 8
    if rows * columns * each > MAX_IMAGE_BYTES:
        raise Unusable(f"its pixels take more than {MAX_IMAGE_BYTES // 10**6} MB")
    with room(rows * columns, each):
        if count == 1:  # a stack is decoded again rather than held
            once = list(stored())
            stored = partial(iter, once)  # type: ignore[arg-type]
        gray = ds.SamplesPerPixel == 1 and ds.PhotometricInterpretation != "PALETTE COLOR"
        shown = _gray(ds, stored, count) if gray else (_colour(ds, s) for s in stored())
        made = 0
        for pixels in shown:
            made += 1
            yield Frame(Image.fromarray(pixels), (columns, rows), depth, patient, how)
        if made < count:
            raise Unusable(f"damaged: it holds {made} of {count} slices")


# -- the file ---------------------------------------------------------------------------------------------------------


def _read(file: BinaryIO) -> pydicom.Dataset:
    """The whole data set; a deflated one is inflated here first, to a limit that pydicom does not have."""
    head = file.read(144)
    at = start(head) or 0
    file.seek(at)
    meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, n: tag.group != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        inflate.decompress(file.read(), MAX_FILE_BYTES)
        if inflate.unconsumed_tail:
            raise Unusable(f"it expands past {MAX_FILE_BYTES // 2**20} MiB")
    if head[128:132] == b"DICM":
        at = 0
    file.seek(at)
    ds = pydicom.dcmread(BytesIO(file.read()) if at else file, force=True)
    if not ds.file_meta.get("TransferSyntaxUID"):
        implicit, little = ds.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    return ds


def _complete(ds: pydicom.Dataset) -> None:
    """What must stand there but is empty or missing gets its usual value.

    Raises:
        Unusable: where the pixels are of a kind that is not read, with its name.
    """
    syntax = ds.file_meta.TransferSyntaxUID
    if not syntax.is_valid:
        raise Unusable("damaged: its transfer syntax is invalid")
    if syntax not in (*_JPEG, *_OTHERS):
        name = "" if syntax.name == syntax else f"{syntax.name}, "
        raise Unusable(
            f"this kind of DICOM is not read: its transfer syntax is {name}{syntax[:64]}, which no installed package "
            "reads; export it uncompressed (dcmtk, GDCM), or as PNG"
        )
    allocated = int(ds.get("BitsAllocated") or 0)
    if "PixelData" in ds and allocated not in (1, 8, 16, 32, 64):
        raise Unusable(f"this kind of DICOM is not read: {allocated} bits allocated; export the film as PNG")
    usual = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}
    usual |= {"PlanarConfiguration": 0, "BitsStored": allocated}
    for keyword, value in usual.items():
        if ds.get(keyword) in (None, ""):
            setattr(ds, keyword, value)
    if not 1 <= ds.BitsStored <= max(1, allocated):
        ds.BitsStored = allocated
    high = ds.get("HighBit")
    if high is None or not ds.BitsStored - 1 <= high < max(1, allocated):
        ds.HighBit = ds.BitsStored - 1


# -- stored values ----------------------------------------------------------------------------------------------------


class _Stored(NamedTuple):
    """A slice as it is stored."""

    values: NDArray  # [H, W] or [H, W, samples], of the pixel representation's sign
    cells: NDArray  # the same before bits that do not belong to them were taken away
    rgb: bool = False  # its codestream says that it is RGB, whatever the header says


def _native(ds: pydicom.Dataset, count: int) -> Iterator[_Stored]:
    """Uncompressed slices, and those of RLE, by pydicom: big-endian, in planes, subsampled, single bits."""
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    found = decoder.iter_array(ds, raw=True, correct_unused_bits=False, allow_excess_frames=False)  # type: ignore[arg-type]
    for cells, _ in islice(found, count):
        cells = cells.astype(cells.dtype.newbyteorder("="), copy=False)
        whole = cells.dtype.kind == "f" or ds.BitsAllocated == 1
        yield _Stored(cells if whole else _bits(cells, ds.PixelRepresentation, ds.BitsStored, ds.HighBit), cells)


def _compressed(ds: pydicom.Dataset, count: int) -> Iterator[_Stored]:
    """Slices of any JPEG."""
    offsets = ds.get("ExtendedOffsetTable"), ds.get("ExtendedOffsetTableLengths")
    sources = generate_frames(ds.PixelData, number_of_frames=count, extended_offsets=offsets if all(offsets) else None)  # type: ignore[arg-type]
    for source in islice(sources, count):
        told = codecs.header(source)
        if (told.width, told.height, told.channels) != (ds.Columns, ds.Rows, ds.SamplesPerPixel):
            raise Unusable(
                f"damaged: its pixels are {told.width} x {told.height} of {told.channels} values each, but its header "
                f"says {ds.Columns} x {ds.Rows} of {ds.SamplesPerPixel}"
            )
        if told.bits > ds.BitsAllocated:
            raise Unusable(f"damaged: its values have {told.bits} bits, but its header says {ds.BitsAllocated}")
        cells = codecs.decode(source, told)
        if 8 * cells.itemsize < ds.BitsAllocated:  # so that the header's sign bit finds its place
            cells = cells.astype(f"{cells.dtype.kind}{ds.BitsAllocated // 8}")
        bits, high = ds.BitsStored, ds.HighBit
        agreed = told.kind == "jpeg2k" and told.signed == bool(ds.PixelRepresentation)
        if told.kind == "jpeg2k" and not agreed:
            bits = min(told.bits, bits)  # the uppermost that was coded is the sign, or is none
        if told.bits <= bits:
            high = bits - 1  # no more than these were coded
        values = cells if agreed and high == bits - 1 else _bits(cells, ds.PixelRepresentation, bits, high)
        yield _Stored(values, cells, told.rgb)


def _bits(cells: NDArray, signed: int, stored: int, high: int) -> NDArray:
    """PS3.5 8.1.1: of each cell the `stored` bits up to bit `high`; others may hold overlays, or anything."""
    size = 8 * cells.itemsize
    stored = min(stored, size)
    high = max(min(high, size - 1), stored - 1)
    values = cells.view(f"{'i' if signed else 'u'}{cells.itemsize}")
    return values if stored == size else (values << (size - 1 - high)) >> (size - stored)


# -- gray -------------------------------------------------------------------------------------------------------------


class _Display(NamedTuple):
    """What says how a slice is shown."""

    modality: _Table | None
    slope: float
    intercept: float
    voi: Callable[[NDArray], NDArray[np.float32]] | None  # to 0..255; None without a usable VOI LUT or window


class _Table(NamedTuple):
    """A LUT (C.11.1.1, C.11.2.1.1)."""

    first: int  # the value that its first entry is for
    entries: NDArray[np.uint16]
    bits: int  # its output is 0 to 2^bits - 1, whatever of that its entries use

    def __call__(self, values: NDArray) -> NDArray[np.uint16]:
        index = np.clip(np.rint(values), self.first, self.first + len(self.entries) - 1) - self.first
        return self.entries[index.astype(np.int32)]


def _gray(ds: pydicom.Dataset, stored: Callable[[], Iterator[_Stored]], count: int) -> Iterator[NDArray[np.float32]]:
    displays = [_display(ds, i) for i in range(count)]
    low, high = 0.0, 0.0
    if any(display.voi is None for display in displays):
        low, high = _range(ds, displays, stored())
    shape = str(ds.get("PresentationLUTShape") or "")
    inverse = ds.PhotometricInterpretation == "MONOCHROME1"
    if shape in ("IDENTITY", "INVERSE"):  # the two never add up: DX has INVERSE of MONOCHROME1 (C.8.11.3.1.2)
        inverse = shape == "INVERSE"
    for display, frame in zip(displays, stored(), strict=False):
        values = _modality(frame.values, display)
        shown = display.voi(values) if display.voi else stretch(values, low, high)
        if inverse:
            np.subtract(255, shown, out=shown)
        del values  # of a large film, some hundred megabytes
        if (padding := _padding(frame, ds)) is not None:
            shown[padding] = 0
        yield shown


def _display(ds: pydicom.Dataset, i: int) -> _Display:
    """Of slice `i`: by its functional group in an enhanced object (C.7.6.16), the shared one, or the file itself."""
    groups = [
        *(ds.get("PerFrameFunctionalGroupsSequence") or [])[i : i + 1],
        *(ds.get("SharedFunctionalGroupsSequence") or [])[:1],
    ]

    def place(sequence: str, *keywords: str) -> pydicom.Dataset:
        items = [item for group in groups for item in (group.get(sequence) or [])[:1]]
        return next((item for item in items if any(item.get(k) not in (None, "") for k in keywords)), ds)

    item = place("PixelValueTransformationSequence", "RescaleSlope", "RescaleIntercept")
    slope, intercept = _number(item, "RescaleSlope", 1.0), _number(item, "RescaleIntercept", 0.0)
    if slope == 0:  # would leave one value: as for dcmtk, nothing is rescaled
        slope, intercept = 1.0, 0.0
    modality = _table(ds, ds.get("ModalityLUTSequence"), bool(ds.PixelRepresentation))
    if modality:
        slope, intercept = 1.0, 0.0
    item = place("FrameVOILUTSequence", "WindowCenter", "VOILUTSequence")
    lowest = -(2.0 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0.0
    ends = (lowest, lowest + 2.0**ds.BitsStored - 1)
    negative = not modality and min(end * slope + intercept for end in ends) < 0
    lut = _table(ds, item.get("VOILUTSequence"), negative)
    voi = _window(item) or (partial(_through, lut) if lut else None)
    return _Display(modality, slope, intercept, voi)


def _number(ds: pydicom.Dataset, keyword: str, otherwise: float) -> float:
    """The first value of an attribute; `otherwise` where that is empty or no finite number."""
    value = ds.get(keyword)
    if isinstance(value, list | pydicom.multival.MultiValue):
        value = value[0] if len(value) else None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return number if math.isfinite(number) else otherwise


def _table(ds: pydicom.Dataset, sequence: Any, negative: bool) -> _Table | None:
    """The first LUT of a sequence, for values some of which are `negative`; None where there is none that has entries.

    Entries of 8 bits may stand two in a word (C.11.1.1.1), and a table that is cut short ends with what it has.
    """
    item = sequence[0] if sequence else {}
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    if not descriptor or len(descriptor) != 3 or data in (None, "", b""):
        return None
    length, first, bits = (int(value) for value in descriptor)
    length = length & 0xFFFF or 2**16
    if first > 0x7FFF and negative:  # written without its sign
        first -= 2**16
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if ds.original_encoding[1] is not False else ">u2")
    else:
        words = np.array([data] if isinstance(data, int) else list(data), np.int64).astype(np.uint16)
    if bits <= 8 and len(words) == (length + 1) // 2 > 0 and length > 1:
        words = words.astype("<u2").view(np.uint8)
    entries = words[:length].astype(np.uint16)
    if not len(entries):
        return None
    return _Table(first, entries, max(bits, int(entries.max()).bit_length()) if 1 <= bits <= 16 else 16)


def _through(lut: _Table, values: NDArray) -> NDArray[np.float32]:
    return stretch(lut(values), 0, 2.0**lut.bits - 1)


def _window(item: pydicom.Dataset) -> Callable[[NDArray], NDArray[np.float32]] | None:
    """The first window by its function: LINEAR (C.11.2.1.2.1), LINEAR_EXACT (C.11.2.1.3.2), SIGMOID (C.11.2.1.3.1).

    Another word for the function counts as none, which is LINEAR, and a width that the function does not allow
    as no window.
    """
    center, width = _number(item, "WindowCenter", math.nan), _number(item, "WindowWidth", math.nan)
    function = item.get("VOILUTFunction")
    if function in ("LINEAR_EXACT", "SIGMOID"):
        if not (width > 0 and math.isfinite(center)):
            return None
        return partial(_sigmoid if function == "SIGMOID" else _linear, center=center, width=width)
    return partial(_linear, center=center - 0.5, width=width - 1) if width >= 1 and math.isfinite(center) else None


def _linear(values: NDArray, center: float, width: float) -> NDArray[np.float32]:
    if width == 0:  # a threshold
        return np.where(values > center, np.float32(255), np.float32(0))
    return stretch(values, center - width / 2, center + width / 2)


def _sigmoid(values: NDArray, center: float, width: float) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # far outside
        return np.float32(255) / (1 + np.exp(np.float32(-4 / width) * (values.astype(np.float32) - np.float32(center))))


def _modality(values: NDArray, display: _Display) -> NDArray:
    if display.modality:
        return display.modality(values)
    if (display.slope, display.intercept) == (1, 0):
        return values
    rescaled: Any = values.astype(np.float32 if values.itemsize <= 2 else np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        rescaled *= display.slope
        rescaled += display.intercept
    return rescaled


def _range(ds: pydicom.Dataset, displays: list[_Display], stored: Iterator[_Stored]) -> tuple[float, float]:
    """The range of values shown where nothing says which."""
    as_stored = all(d.modality is None and (d.slope, d.intercept) == (1, 0) for d in displays)
    if any(k in ds and ds.get(k) != usual for k, usual in (("RescaleSlope", 1), ("RescaleIntercept", 0))):
        as_stored = False  # also where they are empty or make no sense: these are a device's values, not greys
    if "PixelData" in ds and ds.BitsStored <= 8 and not ds.PixelRepresentation and as_stored:
        return 0.0, 2.0**ds.BitsStored - 1
    low, high = np.inf, -np.inf
    for frame, display in zip(stored, displays, strict=False):
        values = _modality(frame.values, display)
        padding = _padding(frame, ds)
        seen = values if padding is None else values[~padding]
        if seen.dtype.kind == "f":
            seen = seen[np.isfinite(seen)]
        if seen.size:
            low, high = min(low, float(seen.min())), max(high, float(seen.max()))
    return (low, high) if low < high else (0.0, 0.0)


def _padding(frame: _Stored, ds: pydicom.Dataset) -> NDArray[np.bool_] | None:
    """Where a slice is padded: its value may stand there with or without its sign, in the stored bits or all."""
    if ds.get("PixelPaddingValue") in (None, "") or frame.values.dtype.kind == "f":
        return None
    value = int(_number(ds, "PixelPaddingValue", 0))
    ends = np.array([value, int(_number(ds, "PixelPaddingRangeLimit", value))]).astype(frame.values.dtype)
    low, high = ends.min(), ends.max()
    values, cells = frame.values, frame.cells.view(frame.values.dtype)
    return ((values >= low) & (values <= high)) | ((cells >= low) & (cells <= high))


# -- colour -----------------------------------------------------------------------------------------------------------


def _colour(ds: pydicom.Dataset, frame: _Stored) -> NDArray[np.float32]:
    """Brightness 0..255 of a colour slice (C.7.6.3.1.2): of YBR it is the first channel."""
    kind, values, bits = str(ds.PhotometricInterpretation), frame.values, int(ds.BitsStored)
    if kind == "PALETTE COLOR":
        values = apply_color_lut(values, ds)
        bits = 8 * values.itemsize
    elif kind.startswith(("YBR_FULL", "YBR_PARTIAL")) and not frame.rgb:
        low, high = (16, 235) if kind.startswith("YBR_PARTIAL") else (0, 2.0**bits - 1)
        return stretch(values[..., 0], low, high)
    elif kind not in ("RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL", "YBR_FULL_422") or values.ndim != 3:
        raise Unusable(f"this kind of DICOM is not read: {kind[:40]} of {ds.SamplesPerPixel} values a pixel")
    return stretch(luma(values), 0, 2.0**bits - 1)
