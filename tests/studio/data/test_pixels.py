"""Valid files of every kind come out as their own viewers show them: DICOM by the standard, JPEG, TIFF, PNG."""

import io
import itertools
import os
import re
import shutil
import struct
import zlib

import greys
import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from made_dicom import dicom
from paths import CASES, needs_cases
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from gan_core.data import cache, decode
from gan_core.data.decode import HEAD, MAX_PIXELS, Unusable, frames, is_picture, unread

needs_dcmtk = pytest.mark.skipif(not shutil.which("dcmj2pnm"), reason="dcmtk is not installed")

DEEP = (np.add.outer(np.arange(32) * 9, np.arange(24) * 13) * 7).astype(np.uint16)  # 0 to 4046: 12 bits


def read(content, name="a.dcm"):
    """The frames of a file, which may be a path, bytes or a data set."""
    if isinstance(content, pydicom.Dataset):
        buffer = io.BytesIO()
        content.save_as(buffer, enforce_file_format=True)
        content = buffer.getvalue()
    elif isinstance(content, os.PathLike):
        name, content = content.name, content.read_bytes()
    return list(frames(io.BytesIO(content), name, 64))


def shown(content, name="a.dcm"):
    """The only image of a file, as floats."""
    (frame,) = read(content, name)
    return np.asarray(frame.image, float)


def refused(content, name="a.dcm"):
    with pytest.raises(Unusable) as refusal:
        read(content, name)
    return str(refusal.value)


def ramp(low=0.0, high=4046.0):
    """What DEEP is when `low` is black and `high` white."""
    return np.clip((DEEP.astype(float) - low) / (high - low), 0, 1) * 255


def film(pixels=DEEP, **attributes):
    return dicom(pixels, **({"BitsStored": 12, "HighBit": 11} if pixels.dtype == np.uint16 else {}) | attributes)


def lut(descriptor, data, vr="US", data_vr="US"):
    item = Dataset()
    item.add_new("LUTDescriptor", vr, list(descriptor))
    item.add_new("LUTData", data_vr, data)
    return Sequence([item])


def near(got, expected, most=0.51):
    return got.shape == expected.shape and np.abs(got - expected).max() <= most


# -- the cases --------------------------------------------------------------------------------------------------------


@needs_cases
@pytest.mark.parametrize(
    ("name", "mean"),
    [
        ("F01-dicom-lossless/jpeg-extended-12bit.dcm", 88.1),
        ("F01-dicom-lossless/jpeg-lossless-sv1.dcm", 88.1),
        ("F01-dicom-lossless/jpeg-ls.dcm", 88.1),
        ("F02-negative-slope/s31-agfa-8bit-slope-10.dcm", 92.1),
        ("F03-white-is-zero/t2-8bit-whiteiszero.tif", 88),
        ("F09-presentation-lut-shape/s03-preslut-inverse-mono2.dcm", 165.9),
        ("F09-presentation-lut-shape/s26-preslutshape-mono2-nowindow-inverse.dcm", 163.0),
        ("F10-empty-attributes/s09-8bit-empty-rescale.dcm", 112.1),
        ("F10-empty-attributes/s32b-empty-rescale-nowindow.dcm", 91.0),
        ("F10-empty-attributes/s35-voifunc-lower.dcm", 88.1),
        ("F11-no-preamble-no-name/s30-IM0001", 88.1),
        ("F11-no-preamble-no-name/s30-IM0001.ima", 88.1),
    ],
)
def test_a_case_has_the_mean_of_its_viewer(name, mean):
    assert abs(shown(CASES / name).mean() - mean) <= 1.5


@needs_cases
def test_the_same_knee_in_other_formats_is_the_same_picture():
    """In each of them its values are 16 bits deep, so that their range is black to white."""
    reference = shown(CASES / "F03-white-is-zero/t1-16bit-whiteiszero.tif")
    for folder in ("F08-rgb16", "F18-tiff-types"):
        for path in (CASES / folder).iterdir():
            assert near(shown(path), reference, 1), path.name
    assert near(shown(CASES / "F19-other-formats/j1-jls.jls"), reference, 1)
    assert abs(shown(CASES / "F15-j2k-signed/j2k-unsigned-header-signed.dcm").mean() - reference.mean()) < 1.5


@needs_cases
@pytest.mark.parametrize("name", ["films.tar.gz", "j2-jxl.jxl", "j8.heic", "m1.nii.gz", "m1.mha", "g4.pam", "n1.npz"])
def test_another_format_is_named(name):
    path = CASES / "F19-other-formats" / name
    assert refused(path).startswith("this format is not read: ")


# -- DICOM's pipeline -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photometric", "shape", "inverse"),
    [
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "", True),
        ("MONOCHROME1", "INVERSE", True),  # not turned round twice
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
    ],
)
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_the_presentation_lut_shape_goes_before_the_photometric_interpretation(photometric, shape, inverse, window):
    ds = film(PhotometricInterpretation=photometric, **window)
    if shape is not None:
        ds.PresentationLUTShape = shape
    expected = ramp(0, 4095) if window else ramp()
    assert near(shown(ds), 255 - expected if inverse else expected)


@pytest.mark.parametrize("slope", [1, -1, 0.5, -10])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_is_not_turned_round_by_a_negative_slope(slope, function):
    rescaled = DEEP * float(slope) + 100
    center, width = float(np.median(rescaled)), 900.0
    ds = film(RescaleSlope=slope, RescaleIntercept=100, WindowCenter=center, WindowWidth=width)
    ds.VOILUTFunction = function
    expected = {
        "LINEAR": np.clip((rescaled - (center - 0.5)) / (width - 1) + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((rescaled - center) / width + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (rescaled - center) / width)),
    }[function]
    assert near(shown(ds), expected * 255)


@pytest.mark.parametrize("slope", [0, "", None])
def test_a_slope_of_nothing_rescales_nothing(slope):
    assert near(shown(film(RescaleSlope=slope, RescaleIntercept=7)), ramp())


@pytest.mark.parametrize(
    "empty",
    ["RescaleSlope", "RescaleIntercept", "WindowCenter", "VOILUTFunction", "PixelPaddingValue", "PresentationLUTShape"],
)
@pytest.mark.parametrize("value", ["", None])
def test_an_empty_attribute_is_none(empty, value):
    ds = film(RescaleSlope=1, RescaleIntercept=0)
    setattr(ds, empty, value)
    assert near(shown(ds), ramp())
    ds.WindowCenter, ds.WindowWidth = 2000, 1000
    if empty != "WindowCenter":
        assert near(shown(ds), ramp(2000 - 500, 2000 + 499))


def test_empty_numbers_of_the_image_are_the_usual_ones():
    ds = film()
    for keyword in ("NumberOfFrames", "HighBit", "PixelRepresentation", "SamplesPerPixel", "PlanarConfiguration"):
        setattr(ds, keyword, None)
    assert near(shown(ds), ramp())


@pytest.mark.parametrize(("width", "black"), [(1, 2000), (2, 2000), (0, None), (-5, None)])
def test_narrow_windows(width, black):
    got = shown(film(WindowCenter=2000, WindowWidth=width))
    assert near(got, ramp()) if black is None else set(got[black - 2 > DEEP]) == {0} and set(got[black < DEEP]) == {255}


def test_an_unknown_window_function_is_linear():
    window = {"WindowCenter": 2000, "WindowWidth": 1000}
    assert near(shown(film(VOILUTFunction="NONSENSE", **window)), shown(film(**window)), 0)


@pytest.mark.parametrize("high", [11, 13, 15])
@pytest.mark.parametrize("signed", [False, True])
def test_the_stored_bits_are_found_among_others(high, signed):
    """At any place in their cell, of either sign, and whatever overlays stand in the other bits."""
    values = DEEP.astype(np.int64) - (2048 if signed else 0)
    cells = ((values & 0xFFF) << (high - 11)).astype(np.uint16)
    noise = np.random.default_rng(0).integers(0, 2**16, cells.shape, np.uint16)
    mask = np.uint16((0xFFF << (high - 11)) & 0xFFFF)
    ds = film((cells & mask) | (noise & ~mask), HighBit=high, PixelRepresentation=int(signed))
    assert near(shown(ds), ramp())


LUT12 = [i // 2 for i in range(4096)]


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        (lut((4096, 0, 12), LUT12), DEEP // 2 / 4095),  # uses half of what it may: dark
        (lut((4096, 0, 16), LUT12), DEEP // 2 / 65535),
        (lut((4096, 0, 8), [v // 8 for v in LUT12]), DEEP // 16 / 255),
        (lut((4096, 0, 8), bytes(v // 8 for v in LUT12), data_vr="OW"), DEEP // 16 / 255),  # two in a word
        (lut((1024, 1000, 12), [4 * i for i in range(1024)]), np.clip(DEEP.astype(int) - 1000, 0, 1023) * 4 / 4095),
        (lut((4096, 0, 12), LUT12[:2000]), np.minimum(DEEP, 1999) // 2 / 4095),  # cut short
        (lut((4096, 0, 12), LUT12[::-1]), (4095 - DEEP.astype(int)) // 2 / 4095),
        (lut((0, 0, 16), np.arange(65536, dtype="<u2").tobytes(), data_vr="OW"), DEEP / 65535),  # 0 stands for 65,536
    ],
)
def test_a_voi_lut_spans_the_bits_that_it_declares(sequence, expected):
    assert near(shown(film(VOILUTSequence=sequence)), expected * 255)


@pytest.mark.parametrize(("first", "vr"), [(-1024, "SS"), (65536 - 1024, "US")])
def test_a_voi_lut_may_begin_below_zero(first, vr):
    ds = film(RescaleSlope=1, RescaleIntercept=-1024, VOILUTSequence=lut((4096, first, 12), list(range(4096)), vr))
    assert near(shown(ds), ramp(0, 4095))


def test_a_table_without_entries_is_none():
    assert near(shown(film(VOILUTSequence=lut((0, 0, 12), None), WindowCenter=2048, WindowWidth=4096)), ramp(0, 4095))


def test_a_modality_lut_goes_before_a_rescale():
    table = lut((4096, 0, 16), [i * i // 256 for i in range(4096)])
    table[0].ModalityLUTType = "US"
    expected = DEEP.astype(int) ** 2 // 256
    got = shown(film(ModalityLUTSequence=table, RescaleSlope=-1, RescaleIntercept=0))
    assert near(got, expected / expected.max() * 255)


def test_a_shared_functional_group_holds_for_every_slice_without_its_own():
    group, values, window = Dataset(), Dataset(), Dataset()
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = -1, 4046, "US"
    window.WindowCenter, window.WindowWidth = 2023.5, 4047
    group.PixelValueTransformationSequence, group.FrameVOILUTSequence = Sequence([values]), Sequence([window])
    ds = film(np.stack([DEEP, DEEP]), SharedFunctionalGroupsSequence=Sequence([group]))
    ds.WindowCenter, ds.WindowWidth = 1, 1
    assert all(near(np.asarray(frame.image, float), 255 - ramp()) for frame in read(ds))


def test_float_pixels():
    for kind, keyword in ((np.float32, "FloatPixelData"), (np.float64, "DoubleFloatPixelData")):
        ds = film(DEEP.astype(kind))
        setattr(ds, keyword, ds.PixelData)
        del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
        (frame,) = read(ds)
        assert near(np.asarray(frame.image, float), ramp())
        assert frame.depth == 8 * np.dtype(kind).itemsize


def test_single_bits():
    bits = (DEEP > 2000).astype(np.uint8)
    ds = film(bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    ds.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    assert np.array_equal(shown(ds), bits * 255.0)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_in_planes_and_ybr(planar):
    rgb = np.random.default_rng(0).integers(0, 256, (32, 24, 3), np.uint8)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    ds = dicom(rgb, PhotometricInterpretation="RGB")
    ds.PlanarConfiguration = planar
    ds.PixelData = (np.moveaxis(rgb, 2, 0) if planar else rgb).tobytes()
    assert near(shown(ds), luma, 1)
    ds.PhotometricInterpretation = "YBR_FULL"
    assert near(shown(ds), rgb[..., 0].astype(float), 0)


def test_subsampled_ybr():
    luma = (DEEP >> 4).astype(np.uint8)
    pairs = luma.reshape(-1, 2)
    ds = dicom(np.zeros((32, 24, 3), np.uint8), PhotometricInterpretation="RGB")
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PixelData = np.concatenate([pairs, np.full_like(pairs, 128)], 1).tobytes()
    assert near(shown(ds), luma.astype(float), 0)


def test_the_patient_and_the_depth_are_told():
    (frame,) = read(film(PatientID=" 9000099 "))
    assert (frame.patient, frame.depth, frame.size) == ("9000099", 12, (24, 32))
    assert read(film(PatientID=""))[0].patient == ""


@needs_dcmtk
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_combination_is_what_dcmtk_shows(tmp_path, signed, photometric):
    tables = {"": {}, "LUT": {"VOILUTSequence": lut((4096, -2048 if signed else 0, 12), LUT12, "SS")}}
    windows = {"": {}, "window": {"WindowCenter": [900, 5], "WindowWidth": [1500, 3]}}
    rescales = {"": {}, "up": {"RescaleSlope": 2, "RescaleIntercept": -50}}
    rescales |= {"down": {"RescaleSlope": -1.5, "RescaleIntercept": 4000}, "flat": {"RescaleSlope": 0}}
    shapes = ({}, {"PresentationLUTShape": "INVERSE"}, {"PresentationLUTShape": "IDENTITY"})
    functions = ({}, {"VOILUTFunction": "SIGMOID"}, {"VOILUTFunction": "LINEAR_EXACT"})
    tried = 0
    for parts in itertools.product(tables.values(), windows.values(), rescales.values(), shapes, functions):
        table, window, rescale, shape, function = parts
        if (function and not window) or (table and (window or rescale)):
            continue
        cells = ((DEEP.astype(np.int64) - 2048 * signed) & 0xFFF).astype(np.uint16)
        ds = film(cells, PixelRepresentation=signed, PhotometricInterpretation=photometric)
        for keyword, value in (table | window | rescale | shape | function).items():
            setattr(ds, keyword, value)
        ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        assert greys.compare(tmp_path / "a.dcm") <= greys.MOST, parts
        tried += 1
    assert tried > 40


@needs_dcmtk
@pytest.mark.slow
def test_the_test_files_of_pydicom_and_the_cases_are_what_dcmtk_shows(capsys):
    greys.main(None)  # exits where some differ
    agree = int(re.search(r"(\d+) agree, 0 differ", capsys.readouterr().out)[1])
    assert agree >= 60


# -- DICOM's files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("meta", [False, True])
@pytest.mark.parametrize("name", ["IM0001", "a.ima", "a"])
def test_no_preamble_and_any_name(tmp_path, syntax, meta, name):
    ds = film(syntax=ExplicitVRLittleEndian, SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", Modality="DX")
    little = syntax != ExplicitVRBigEndian
    if not little:
        ds.PixelData = DEEP.astype(">u2").tobytes()
    if meta:
        ds.file_meta.TransferSyntaxUID = syntax
        options = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": little}
        pydicom.dcmwrite(tmp_path / "whole", ds, enforce_file_format=True, **options)
        content = (tmp_path / "whole").read_bytes()[132:]
    else:
        body = Dataset(ds)
        body.save_as(tmp_path / "bare", implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little)
        content = (tmp_path / "bare").read_bytes()
    assert content[:4] in (b"\x02\0\0\0", b"\x08\0\x16\0", b"\0\x08\0\x16")
    assert is_picture(content[:HEAD], name)
    assert near(shown(content, name), ramp())
    if meta:  # a preamble whose magic is missing
        assert near(shown(bytes(132) + content, name), ramp())


@pytest.mark.parametrize(
    "head", [b"\x08\0\0\0", b"\x02\0\x01\0", b"\x08\0\x16\0abcd", b"\0\x08\0\x16\0\0\0\0", bytes(144)]
)
def test_other_files_are_not_taken_for_dicom(head):
    content = (head + b"\xff" * 200)[:HEAD]
    assert not is_picture(content, "data.bin") or head[:4] == b"\x08\0\0\0"


def test_a_picture_is_what_it_is_whatever_its_name_and_whatever_stands_where_dicom_begins(tmp_path):
    Image.fromarray(np.full((8, 8), 7, np.uint8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    assert np.all(shown(content, "a.dcm") == 7)
    for element in (b"\x08\0\0\0\x04\0\0\0", b"\x02\0\0\0UL\4\0"):
        comment = b"tEXt" + bytes(132 - 41) + element * 2
        chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
        assert np.all(shown(content[:33] + chunk + content[33:], "a.png") == 7)


EIGHT = (DEEP >> 4).astype(np.uint8)


@pytest.mark.parametrize(
    ("syntax", "pixels", "encode"),
    [
        (JPEGBaseline8Bit, EIGHT, lambda a: imagecodecs.jpeg8_encode(a, level=98)),
        (JPEGExtended12Bit, DEEP, lambda a: imagecodecs.jpeg8_encode(a, level=98, bitspersample=12)),
        (JPEGLossless, DEEP, lambda a: imagecodecs.jpeg8_encode(a, lossless=True)),
        (JPEGLosslessSV1, DEEP, lambda a: imagecodecs.jpeg8_encode(a, lossless=True, bitspersample=12)),
        (JPEGLosslessSV1, EIGHT, lambda a: imagecodecs.jpeg8_encode(a, lossless=True)),
        (JPEGLSLossless, DEEP, imagecodecs.jpegls_encode),
        (JPEGLSNearLossless, DEEP, lambda a: imagecodecs.jpegls_encode(a, level=2)),
        (JPEG2000Lossless, DEEP, lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k")),
        (JPEG2000Lossless, DEEP, lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="jp2")),
        (JPEG2000, DEEP, lambda a: imagecodecs.jpeg2k_encode(a, level=100, codecformat="j2k")),
        (HTJ2KLossless, DEEP, imagecodecs.htj2k_encode),
        (HTJ2KLosslessRPCL, DEEP, imagecodecs.htj2k_encode),
        (HTJ2K, EIGHT, imagecodecs.htj2k_encode),
    ],
)
@pytest.mark.parametrize("slices", [1, 2])
@pytest.mark.parametrize("table", [True, False])
def test_every_transfer_syntax_of_a_pacs(syntax, pixels, encode, slices, table):
    stack = np.stack([pixels] * slices)
    codes = [bytes(encode(pixels))] * slices
    window = {} if pixels is EIGHT else {"WindowCenter": 2048, "WindowWidth": 4096}
    ds = film(stack if slices > 1 else pixels, syntax=syntax, **window)
    ds.PixelData = encapsulate(codes, has_bot=table)
    ds["PixelData"].is_undefined_length = True
    expected = EIGHT.astype(float) if pixels is EIGHT else ramp(0, 4095)
    found = read(ds)
    assert len(found) == slices
    assert all(near(np.asarray(frame.image, float), expected, 2) for frame in found)


def test_rle_of_more_slices():
    ds = film(np.stack([DEEP, DEEP]))
    ds.compress(RLELossless)
    assert [near(np.asarray(frame.image, float), ramp()) for frame in read(ds)] == [True, True]


@pytest.mark.parametrize("header", [0, 1])
@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_2000_of_another_sign_than_its_headers(header, stream, bits):
    """The bits are right whatever the codestream calls them."""
    values = DEEP.astype(np.int64) - (2048 if header else 0)
    cells = values & (2**bits - 1)
    cells = np.where(cells >= 2 ** (bits - 1), cells - 2**bits, cells) if stream else cells
    code = imagecodecs.jpeg2k_encode(
        cells.astype(np.int16 if stream else np.uint16), level=0, codecformat="j2k", bitspersample=bits
    )
    ds = film(syntax=JPEG2000Lossless, BitsStored=bits, HighBit=bits - 1, PixelRepresentation=header)
    ds.PixelData = encapsulate([bytes(code)])
    ds["PixelData"].is_undefined_length = True
    assert near(shown(ds), ramp(), 1)


def test_eight_bits_that_were_coded_of_sixteen_signed_ones_are_not_negative():
    window = {"WindowCenter": 128, "WindowWidth": 256}
    for syntax, code in (
        (JPEGLossless, imagecodecs.jpeg8_encode(EIGHT, lossless=True)),
        (JPEGLSLossless, imagecodecs.jpegls_encode(EIGHT)),
    ):
        ds = film(syntax=syntax, BitsStored=16, HighBit=15, PixelRepresentation=1, **window)
        ds.PixelData = encapsulate([bytes(code)])
        ds["PixelData"].is_undefined_length = True
        assert near(shown(ds), EIGHT.astype(float))


def test_a_codestream_that_claims_another_size_is_refused():
    code = bytearray(imagecodecs.jpegls_encode(DEEP))
    at = code.index(b"\xff\xf7") + 5
    code[at : at + 4] = struct.pack(">2H", 60_000, 60_000)
    ds = film(syntax=JPEGLSLossless, PixelData=encapsulate([bytes(code)]))
    ds["PixelData"].is_undefined_length = True
    assert refused(ds).startswith("damaged: its pixels are 60000 x 60000")
    assert refused(bytes(code), "a.jls").startswith("it claims 60000 x 60000")


@pytest.mark.parametrize(
    ("syntax", "name"),
    [("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264"), ("1.2.840.10008.1.2.4.110", ""), ("1.2.840.113619.5.2", "")],
)
def test_a_transfer_syntax_that_is_not_read_is_named_whole(syntax, name):
    ds = film(syntax=UID("1.2.840.10008.1.2.4.90"), PixelData=encapsulate([b"\0\0\1\xba"]))
    ds["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    plain, other = b"1.2.840.10008.1.2.4.90", syntax.encode()
    plain, other = plain + b"\0" * (len(plain) % 2), other + b"\0" * (len(other) % 2)
    content = buffer.getvalue().replace(struct.pack("<H", len(plain)) + plain, struct.pack("<H", len(other)) + other, 1)
    text = refused(content)
    assert text.startswith(f"this kind of DICOM is not read: its transfer syntax is {name}")
    assert syntax in text
    assert text.endswith("or as PNG")


def test_a_stack_that_ends_early_is_damaged():
    ds = film(np.stack([DEEP] * 3), syntax=JPEGLSLossless)
    ds.PixelData = encapsulate([bytes(imagecodecs.jpegls_encode(DEEP))] * 2)
    ds["PixelData"].is_undefined_length = True
    assert "2 of 3 slices" in refused(ds)


# -- TIFF -------------------------------------------------------------------------------------------------------------


def tif(*pages, **options):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=options.pop("bigtiff", False)) as writer:
        for page in pages:
            writer.write(page, metadata=None, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_tiff_of_every_type_is_scaled_by_its_range(dtype, order, white_is_zero):
    values = (DEEP >> 5).astype(np.int64) - (60 if dtype[0] != "u" else 0)
    if dtype in ("u4", "u8"):
        values = values * 2**24 + 2**30
    buffer = io.BytesIO()
    photometric = "miniswhite" if white_is_zero else "minisblack"
    tifffile.imwrite(buffer, values.astype(dtype), byteorder=order, photometric=photometric, metadata=None)
    expected = (values - values.min()) / float(np.ptp(values)) * 255
    (frame,) = read(buffer.getvalue(), "a.tif")
    assert near(np.asarray(frame.image, float), 255 - expected if white_is_zero else expected)
    assert frame.depth == 8 * np.dtype(dtype).itemsize


@pytest.mark.parametrize(
    "compression", [None, "lzw", "deflate", "adobe_deflate", "packbits", "lzma", "zstd", "jpeg2000"]
)
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 5}, {"bigtiff": True}])
def test_tiff_however_it_is_packed(compression, layout):
    predictor = {"predictor": True} if compression in ("lzw", "deflate") else {}
    assert near(shown(tif(DEEP, compression=compression, **predictor, **layout), "a.tif"), ramp())


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("alpha", [None, "unassalpha", "assocalpha"])
@pytest.mark.parametrize("depth", [8, 16])
def test_tiff_in_colour(planes, alpha, depth):
    """16 bits in planes come out wrong of Pillow 13, without an error."""
    gray = DEEP if depth == 16 else EIGHT
    most = 2**depth - 1
    channels = [gray, gray, gray, *([np.full_like(gray, most)] if alpha else [])]
    stack = np.stack(channels, 0 if planes == "separate" else -1)
    options = {"extrasamples": [alpha]} if alpha else {}
    got = shown(tif(stack, photometric="rgb", planarconfig=planes, **options), "a.tif")
    assert near(got, ramp() if depth == 16 else EIGHT.astype(float), 1)


def test_tiff_transparency_lies_on_black():
    alpha = np.full_like(DEEP, 65535)
    alpha[:, 12:] = 0
    got = shown(tif(np.stack([DEEP, alpha], -1), photometric="minisblack", extrasamples=["unassalpha"]), "a.tif")
    assert not got[:, 12:].any()
    assert near(got[:, :12], ramp(0, DEEP[:, :12].max())[:, :12])


def test_tiff_of_few_bits_of_a_palette_and_of_jpeg():
    bilevel = DEEP > 2000
    for compression in (None, "ccitt_t6", "packbits"):
        if compression == "ccitt_t6":
            buffer = io.BytesIO()
            Image.fromarray(bilevel).save(buffer, "TIFF", compression="group4")
            content = buffer.getvalue()
        else:
            content = tif(bilevel, photometric="minisblack", compression=compression)
        (frame,) = read(content, "a.tif")
        assert np.array_equal(np.asarray(frame.image), bilevel * np.uint8(255))
        assert frame.depth == 1
    four = (DEEP >> 8).astype(np.uint8)
    assert near(shown(tif(four, bitspersample=4), "a.tif"), four * 17.0, 0)
    reversed_gray = np.stack([np.arange(255, -1, -1, dtype=np.uint16) * 257] * 3)
    assert near(shown(tif(EIGHT, photometric="palette", colormap=reversed_gray), "a.tif"), 255.0 - EIGHT, 1)
    rgb = np.stack([EIGHT] * 3, -1)
    assert near(shown(tif(rgb, compression="jpeg", compressionargs={"level": 98}), "a.tif"), EIGHT.astype(float), 3)
    assert near(shown(tif(EIGHT, compression="jpeg", compressionargs={"level": 98}), "a.tif"), EIGHT.astype(float), 3)


def test_a_preview_and_a_mask_are_no_second_image():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(DEEP, metadata=None, subifds=1)
        writer.write(DEEP[::2, ::2], subfiletype=1, metadata=None)  # a sub-IFD
        writer.write(DEEP[::4, ::4], subfiletype=1, metadata=None)
        writer.write(DEEP > 9, subfiletype=4, metadata=None)
        writer.write(DEEP[::-1], subfiletype=2, metadata=None)  # a page of several
    found = read(buffer.getvalue(), "a.tif")
    assert [frame.size for frame in found] == [(24, 32), (24, 32)]
    assert near(np.asarray(found[1].image, float), ramp()[::-1])
    assert len(read(tif(DEEP, subfiletype=1), "a.tif")) == 1  # nothing else is there


def test_a_tiff_that_is_not_read_is_not_called_damaged():
    assert refused(tif(EIGHT, photometric="cfa"), "a.tif").startswith(
        "this kind of TIFF is not read: its colours are CFA"
    )
    webp = tif(np.stack([EIGHT] * 3, -1), compression="webp")
    assert refused(webp, "a.tif").startswith("this kind of TIFF is not read: it is compressed as WEBP")
    content = tif(DEEP)
    assert refused(content[:100] + content[300:], "a.tif").startswith("damaged")


def test_a_tiff_that_claims_too_much_is_refused_before_it_is_decoded():
    huge = bytearray(tif(DEEP, compression="deflate"))
    for tag in (256, 257, 278):
        at = huge.index(struct.pack("<HHI", tag, 4, 1))
        huge[at + 8 : at + 12] = struct.pack("<I", 60_000)
    assert "60000 x 60000" in refused(bytes(huge), "a.tif")
    liar = bytearray(tif(EIGHT, compression="jpeg2000"))
    at = liar.index(b"\xff\x4f\xff\x51") + 8
    liar[at : at + 8] = struct.pack(">2I", 7_000, 7_000)
    assert refused(bytes(liar), "a.tif").startswith("damaged: a part of it claims 7000 x 7000")
    assert MAX_PIXELS > 7_000**2


# -- other pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_of_a_png_are_kept(channels):
    picture = np.stack([DEEP] * channels, -1) if channels > 1 else DEEP
    if channels in (2, 4):
        picture[..., -1] = 65535
    (frame,) = read(bytes(imagecodecs.png_encode(picture)), "a.png")
    assert near(np.asarray(frame.image, float), ramp())
    assert frame.depth == 16


def test_deep_transparency_lies_on_black():
    picture = np.stack([DEEP, np.where(np.arange(24) < 12, 65535, 0) + 0 * DEEP], -1).astype(np.uint16)
    got = shown(bytes(imagecodecs.png_encode(picture)), "a.png")
    assert not got[:, 12:].any()
    assert near(got[:, :12], ramp(0, DEEP[:, :12].max())[:, :12])


def test_sixteen_bits_of_a_ppm_are_kept():
    rgb = np.stack([DEEP] * 3, -1).astype(">u2")
    assert near(shown(b"P6\n# a comment\n24 32\n65535\n" + rgb.tobytes(), "a.ppm"), ramp())


@pytest.mark.parametrize(
    ("encode", "name"),
    [
        (imagecodecs.jpegls_encode, "a.jls"),
        (lambda a: imagecodecs.jpeg2k_encode(a, level=0), "a.jp2"),
        (lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k"), "a.j2k"),
        (imagecodecs.htj2k_encode, "a.j2c"),
        (lambda a: imagecodecs.jpeg8_encode(a, lossless=True), "a.jpg"),
        (lambda a: imagecodecs.jpeg8_encode(a, level=98, bitspersample=12), "b.jpg"),
    ],
)
@pytest.mark.parametrize("colour", [False, True])
def test_jpegs_of_every_kind(encode, name, colour):
    (frame,) = read(bytes(encode(np.stack([DEEP] * 3, -1) if colour else DEEP)), name)
    assert near(np.asarray(frame.image, float), ramp(), 2)
    assert frame.depth == (12 if name.endswith("jpg") else 16)


@pytest.mark.parametrize(
    ("head", "name", "said"),
    [
        (b"", "scan.nii.gz", "NIfTI"),
        (b"ObjectType = Image", "scan", "MetaImage"),
        (b"NRRD0004", "scan", "NRRD"),
        (b"\0\0\0\x18ftypheic", "IMG_1", "HEIC"),
        (b"\xff\x0a\0\0", "a", "JPEG XL"),
        (b"P7\nWIDTH 2", "a", "PAM"),
        (b"%PDF-1.7", "a", "PDF"),
        (b"\x1f\x8b\x08", "films.tar.gz", "tar; unpack it"),
        (b"\x1f\x8b\x08", "a", "gzip"),
        (b"\x89HDF\r\n\x1a\n", "a", "MATLAB or HDF5"),
        (b"PK\3\4", "chestmnist.npz", "NumPy"),
    ],
)
def test_what_is_not_read_is_named(head, name, said):
    text = unread(head.ljust(HEAD, b"\0"), name)
    assert not is_picture(head.ljust(HEAD, b"\0"), name)
    assert text.startswith(f"this format is not read: {said}")


def test_what_is_no_picture_is_not_named():
    assert unread(b"grade,file\n0,a.png\n", "labels.csv") == "not an image"
    assert unread(b"PK\3\4", "more.zip").startswith("a zip inside the source")


def test_another_decoder_makes_another_key(monkeypatch):
    before = cache.key("x")
    assert "imagecodecs" in decode.decoders()
    monkeypatch.setattr(cache, "decoders", lambda: "others")
    assert cache.key("x") != before
