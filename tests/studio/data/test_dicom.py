"""DICOM as a viewer shows it."""

import io

import numpy as np
import pydicom
import pytest
from made_dicom import RAMP, dicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from gan_core.data import load
from gan_core.errors import UserError
from studio.data.survey import inspect


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path_factory.mktemp("cache")))


def shown(path, ds):
    """The pixels that come of a data set, at their own size."""
    ds.save_as(path, enforce_file_format=True)
    return load(str(path), ds.Columns).images[:, 0]


def test_a_deep_film_without_a_window_is_scaled_by_its_own_range(tmp_path):
    got = shown(tmp_path / "a.dcm", dicom(RAMP + 1000))[0]
    assert np.abs(got - RAMP * 255 / 63).max() <= 0.51


def test_an_eight_bit_film_without_a_window_stays_as_it_is(tmp_path):
    pixels = (RAMP + 50).astype(np.uint8)
    assert np.array_equal(shown(tmp_path / "a.dcm", dicom(pixels))[0], pixels)


def test_monochrome1_is_inverted(tmp_path):
    pixels = (RAMP + 50).astype(np.uint8)
    got = shown(tmp_path / "a.dcm", dicom(pixels, PhotometricInterpretation="MONOCHROME1"))[0]
    assert np.array_equal(got, 255 - pixels)


def test_the_window_lies_on_rescaled_values_and_clips_outside(tmp_path):
    # Rescaled values are -100 to 530; DICOM's LINEAR function: below 200 black, above 299 white, between linear.
    ds = dicom(RescaleSlope=10, RescaleIntercept=-100, WindowCenter=250, WindowWidth=100)
    rescaled = RAMP * 10.0 - 100
    expected = np.clip((rescaled - 249.5) / 99 + 0.5, 0, 1) * 255
    got = shown(tmp_path / "a.dcm", ds)[0]
    assert np.abs(got - expected).max() <= 0.51
    assert got.min() == 0
    assert got.max() == 255


def test_a_window_wider_than_the_values_does_not_stretch_them(tmp_path):
    got = shown(tmp_path / "a.dcm", dicom(WindowCenter=128, WindowWidth=256))[0]
    assert np.abs(got.astype(int) - RAMP).max() <= 1


def test_of_several_windows_the_first_counts(tmp_path):
    one = shown(tmp_path / "a.dcm", dicom(WindowCenter=32, WindowWidth=20))
    many = shown(tmp_path / "b.dcm", dicom(WindowCenter=[32, 5], WindowWidth=[20, 4]))
    assert np.array_equal(one, many)


def test_a_sigmoid_window(tmp_path):
    got = shown(tmp_path / "a.dcm", dicom(WindowCenter=32, WindowWidth=20, VOILUTFunction="SIGMOID"))[0]
    assert np.abs(got - 255 / (1 + np.exp(-4 * (RAMP - 32.0) / 20))).max() <= 0.51


@pytest.mark.parametrize("broken", [{"WindowWidth": 0}, {"WindowWidth": 0, "VOILUTFunction": "SIGMOID"}])
def test_a_window_that_makes_no_sense_falls_back_to_the_range(tmp_path, broken):
    got = shown(tmp_path / "a.dcm", dicom(WindowCenter=10, **broken))[0]
    assert np.abs(got - RAMP * 255 / 63).max() <= 0.51


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 1, "RescaleIntercept": 0}])
def test_a_window_counts_before_a_voi_lut(tmp_path, rescale):
    table = Dataset()
    table.LUTDescriptor = [64, 0, 12]
    table.LUTData = [4095 - 65 * i for i in range(64)]  # falling, from 4095 to 0
    ds = dicom(VOILUTSequence=Sequence([table]), WindowCenter=3, WindowWidth=2, **rescale)
    ds.VOILUTSequence[0]["LUTDescriptor"].VR = "US"
    ds.VOILUTSequence[0]["LUTData"].VR = "US"
    assert set(np.unique(shown(tmp_path / "a.dcm", ds)[0])) == {0, 255}
    del ds.WindowCenter, ds.WindowWidth
    assert np.abs(shown(tmp_path / "b.dcm", ds)[0] - (255 - RAMP * 255 / 63)).max() <= 0.51


def test_a_modality_lut_is_applied(tmp_path):
    table = Dataset()
    table.LUTDescriptor = [64, 0, 16]
    table.ModalityLUTType = "US"
    table.LUTData = [i * i for i in range(64)]
    ds = dicom(ModalityLUTSequence=Sequence([table]))
    ds.ModalityLUTSequence[0]["LUTDescriptor"].VR = "US"
    ds.ModalityLUTSequence[0]["LUTData"].VR = "US"
    assert np.abs(shown(tmp_path / "a.dcm", ds)[0] - (RAMP.astype(float) / 63) ** 2 * 255).max() <= 0.51


def test_signed_values(tmp_path):
    got = shown(tmp_path / "a.dcm", dicom(RAMP.astype(np.int16) - 40))[0]
    assert np.abs(got - RAMP * 255 / 63).max() <= 0.51


def test_padding_is_black_and_does_not_count_in_the_range(tmp_path):
    pixels = RAMP.astype(np.int16)
    pixels[0, :4] = -2000
    for photometric, slope in (("MONOCHROME2", 1), ("MONOCHROME1", -1)):
        ds = dicom(pixels, PixelPaddingValue=-2000, PhotometricInterpretation=photometric)
        got = shown(tmp_path / f"{photometric}.dcm", ds)[0].astype(float)
        assert not got[0, :4].any()
        expected = (pixels - 4.0) * 255 / 59
        assert np.abs(got - (expected if slope == 1 else 255 - expected))[1:].max() <= 0.51


def test_each_slice_is_an_image_and_slices_share_one_range(tmp_path):
    stack = np.stack([np.full((8, 8), v, np.uint16) for v in (1000, 2000, 3000)])
    dicom(stack).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    found = load(str(tmp_path), 8)
    assert found.files == ("a.dcm#0", "a.dcm#1", "a.dcm#2")
    assert np.abs(found.images[:, 0, 0, 0].astype(int) - [0, 127, 255]).max() <= 1
    found = inspect(str(tmp_path))
    assert (found["count"], found["classes"], found["sizes"], found["skipped"]) == (3, {}, {"8x8": 3}, [])


def test_slices_of_an_enhanced_object_have_their_own_windows(tmp_path):
    def group(center, slope):
        values, window, item = Dataset(), Dataset(), Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, 0, "US"
        window.WindowCenter, window.WindowWidth = center, 11
        item.PixelValueTransformationSequence = Sequence([values])
        item.FrameVOILUTSequence = Sequence([window])
        return item

    stack = np.stack([RAMP, RAMP])
    groups = Sequence([group(20.5, 1), group(60.5, 2)])
    got = shown(tmp_path / "a.dcm", dicom(stack, PerFrameFunctionalGroupsSequence=groups))
    for image, values, center in ((got[0], RAMP, 20.5), (got[1], 2 * RAMP, 60.5)):
        assert np.abs(image - np.clip((values - (center - 0.5)) / 10 + 0.5, 0, 1) * 255).max() <= 0.51


def test_colour_becomes_luma(tmp_path):
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert np.all(shown(tmp_path / "a.dcm", dicom(red, PhotometricInterpretation="RGB")) == 76)


def test_a_palette_is_looked_up(tmp_path):
    ds = dicom((RAMP % 4).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for color in ("Red", "Green", "Blue"):
        setattr(ds, f"{color}PaletteColorLookupTableDescriptor", [4, 0, 16])
        setattr(ds, f"{color}PaletteColorLookupTableData", np.array([0, 20000, 40000, 65535], "<u2").tobytes())
    got = shown(tmp_path / "a.dcm", ds)[0]
    assert np.abs(got[0, :4].astype(int) - [0, 78, 156, 255]).max() <= 1


def test_aspect_and_resolution_as_for_any_picture(tmp_path):
    wide = np.zeros((20, 40), np.uint8)
    wide[:, 10:30] = 200
    dicom(wide).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.all(load(str(tmp_path / "a.dcm"), 10).images == 200)
    padded = load(str(tmp_path / "a.dcm"), 40, fit="pad").images[0, 0]
    assert not padded[:10].any()
    assert np.array_equal(padded[10:30], wide)


@pytest.mark.parametrize("name", ["IM0001", "scan.DCM", "scan.png"])
def test_dicom_is_known_by_its_magic_whatever_its_name(tmp_path, name):
    assert len(shown(tmp_path / name, dicom())) == 1


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_an_old_file_without_preamble_is_known_by_its_extension(tmp_path, syntax):
    ds = dicom(syntax=syntax)
    body = Dataset(ds)
    body.save_as(tmp_path / "old.dcm", implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    assert (tmp_path / "old.dcm").read_bytes()[128:132] != b"DICM"
    assert np.abs(load(str(tmp_path / "old.dcm"), 8).images[0, 0] - RAMP * 255 / 63).max() <= 0.51


def test_compressed_pixels(tmp_path):
    rle = dicom()
    rle.compress(RLELossless)
    assert np.abs(shown(tmp_path / "rle.dcm", rle)[0] - RAMP * 255 / 63).max() <= 0.51
    jpeg = io.BytesIO()
    Image.fromarray(np.full((16, 16), 90, np.uint8)).save(jpeg, "JPEG")
    ds = dicom(np.zeros((16, 16), np.uint8), JPEGBaseline8Bit, PixelData=encapsulate([jpeg.getvalue()]))
    ds["PixelData"].is_undefined_length = True
    assert np.all(shown(tmp_path / "jpeg.dcm", ds) == 90)


def test_deflated_is_read_and_a_deflated_bomb_is_not(tmp_path, monkeypatch):
    assert (
        np.abs(shown(tmp_path / "a.dcm", dicom(syntax=DeflatedExplicitVRLittleEndian)) - RAMP * 255 / 63).max() <= 0.51
    )
    bomb = dicom(np.zeros((1000, 1000), np.uint16), DeflatedExplicitVRLittleEndian)
    bomb.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    monkeypatch.setattr("studio.data.dicom.MAX_FILE_BYTES", 2**20)
    with pytest.raises(UserError, match="expands past 1 MiB"):
        load(str(tmp_path / "b.dcm"), 8)


@pytest.mark.parametrize(
    "claim", [{"Rows": 60_000, "Columns": 60_000}, {"NumberOfFrames": 2_000_000_000}, {"Rows": 30_000}, {"Rows": 0}]
)
def test_a_file_that_claims_more_than_it_holds_is_skipped(tmp_path, claim):
    dicom(**claim).save_as(tmp_path / "liar.dcm", enforce_file_format=True)
    dicom().save_as(tmp_path / "good.dcm", enforce_file_format=True)
    found = load(str(tmp_path), 8)
    assert found.files == ("good.dcm",)
    assert [s.file for s in found.skipped] == ["liar.dcm"]
    assert found.skipped[0].reason


def test_the_limits_count_all_slices(tmp_path, monkeypatch):
    dicom(np.zeros((4, 8, 8), np.uint8)).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    monkeypatch.setattr("studio.data.dicom.MAX_STACK_PIXELS", 255)
    with pytest.raises(UserError, match="4 slices of 8 x 8"):
        load(str(tmp_path), 8)


def test_damaged_and_imageless_files_are_skipped(tmp_path):
    whole = tmp_path / "good.dcm"
    dicom(np.zeros((64, 64), np.uint16)).save_as(whole, enforce_file_format=True)
    (tmp_path / "cut.dcm").write_bytes(whole.read_bytes()[:-4000])
    (tmp_path / "junk.dcm").write_bytes(b"no such thing" * 30)
    report = dicom()
    del report.PixelData
    report.save_as(tmp_path / "report", enforce_file_format=True)
    found = load(str(tmp_path), 8)
    assert found.files == ("good.dcm",)
    assert {s.file for s in found.skipped} == {"cut.dcm", "junk.dcm", "report"}
    assert {s.file: s.reason for s in found.skipped}["report"] == "DICOM without an image"


def test_a_sample_of_pydicoms_own(tmp_path):
    path = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    image = load(str(path), 128).images[0, 0]
    assert image.min() == 0
    assert image.max() == 255
