"""What a picture's pixels become, whatever its format, depth, colour, orientation and shape."""

import numpy as np
import pytest
from PIL import Image

from gan_core.data import load


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path_factory.mktemp("cache")))


def decode(path, resolution, fit="crop"):
    return load(str(path), resolution, fit=fit).images[0, 0]


def ramp(size=32):
    """A gradient in both directions, so that no flip or turn leaves it the same."""
    y, x = np.mgrid[:size, :size]
    return (5 * y + 2 * x).astype(np.uint8)


def test_eight_bit_png_at_its_own_size_is_untouched(tmp_path):
    Image.fromarray(ramp()).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", 32), ramp())


def test_low_contrast_eight_bit_is_not_stretched(tmp_path):
    Image.fromarray(ramp(8) // 4 + 100).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", 8), ramp(8) // 4 + 100)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_images_are_scaled_by_their_own_range(tmp_path, dtype):
    deep = (ramp().astype(np.int64) * 13 + 500).astype(dtype)
    path = tmp_path / ("a.png" if dtype == np.uint16 else "a.tif")
    Image.fromarray(deep).save(path)
    expected = np.rint((deep - deep.min()).astype(float) / float(deep.max() - deep.min()) * 255)
    got = decode(path, 32).astype(float)
    assert got.min() == 0
    assert got.max() == 255
    assert np.abs(got - expected).max() <= 1


def test_deep_image_of_one_value_is_black(tmp_path):
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "a.png")
    assert not decode(tmp_path / "a.png", 8).any()


def test_values_that_are_no_numbers_are_black(tmp_path):
    values = ramp(8).astype(np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    Image.fromarray(values).save(tmp_path / "a.tif")
    got = decode(tmp_path / "a.tif", 8)
    assert got[0, 0] == got[0, 1] == 0
    assert got.max() == 255


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "CMYK", "LA", "RGBA"])
def test_gray_stays_gray_in_every_mode(tmp_path, mode):
    source = Image.fromarray(np.where(ramp() > 110, 255, 0).astype(np.uint8))
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    source.convert(mode, dither=Image.Dither.NONE).save(path)
    assert np.array_equal(decode(path, 32), np.asarray(source))


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    Image.fromarray(ramp()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(decode(tmp_path / "a.jpg", 32).astype(int) - ramp()).max() <= 8


def test_colour_becomes_luma(tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    assert np.all(decode(tmp_path / "red.png", 8) == 76)  # 0.299 of 255


def test_transparency_lies_on_black(tmp_path):
    white = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    white.paste((255, 255, 255, 128), (0, 0, 4, 8))
    white.save(tmp_path / "rgba.png")
    got = decode(tmp_path / "rgba.png", 8)
    assert np.abs(got[:, :4].astype(int) - 128).max() <= 1
    assert not got[:, 4:].any()


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_colour_lies_on_black(tmp_path, mode):
    image = Image.new("L", (8, 8), 200)
    image.paste(90, (0, 0, 4, 8))
    image = image.convert(mode)
    key = {"L": 200, "RGB": (200, 200, 200), "P": image.getpixel((7, 0))}[mode]
    image.save(tmp_path / "a.png", transparency=key)
    got = decode(tmp_path / "a.png", 8)
    assert np.all(got[:, :4] == 90)
    assert not got[:, 4:].any()


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1)), (8, np.rot90)],
)
def test_exif_orientation_is_honoured(tmp_path, fmt, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{fmt.lower()}"
    Image.fromarray(ramp()).save(path, fmt, exif=exif, **({"quality": 95} if fmt == "JPEG" else {}))
    assert np.abs(decode(path, 32).astype(int) - upright(ramp())).max() <= 6


@pytest.mark.parametrize("shape", [(30, 60), (60, 30)])
def test_crop_keeps_the_centre_and_pad_keeps_all_on_black(tmp_path, shape):
    picture = np.full(shape, 60, np.uint8)
    picture[10:20, 25:35] = 200  # inside the central square of neither
    middle = (slice(None), slice(15, 45)) if shape[1] > shape[0] else (slice(15, 45), slice(None))
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", 30), picture[middle])
    padded = decode(tmp_path / "a.png", 60, "pad")
    bars = (slice(0, 15), slice(45, 60))
    for bar in bars:
        assert not (padded[bar] if shape[1] > shape[0] else padded[:, bar]).any()
    inner = padded[15:45] if shape[1] > shape[0] else padded[:, 15:45]
    assert np.array_equal(inner, picture)


def test_nothing_outside_the_crop_bleeds_in(tmp_path):
    wide = np.zeros((20, 40), np.uint8)
    wide[:, 10:30] = 200
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert np.all(decode(tmp_path / "a.png", 10) == 200)


@pytest.mark.parametrize("resolution", [28, 64, 126, 128, 256, 800])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_any_resolution_keeps_the_brightness_in_place(tmp_path, resolution, fit):
    picture = np.repeat(np.linspace(0, 240, 40), 33).reshape(40, 33).astype(np.uint8)  # brighter downwards
    Image.fromarray(picture).save(tmp_path / "a.png")
    middle = decode(tmp_path / "a.png", resolution, fit)[:, resolution // 2].astype(float)
    assert len(middle) == resolution
    rows = (np.arange(resolution) + 0.5) / resolution  # from the top, as a share
    if fit == "crop":
        rows = (3 + rows * 33) / 40
    inside = slice(resolution // 10, -resolution // 10)
    assert np.abs(middle - np.interp(rows * 40 - 0.5, np.arange(40), picture[:, 0]))[inside].max() < 4


def test_downscaling_is_antialiased(tmp_path):
    lines = np.zeros((256, 256), np.uint8)
    lines[:, ::2] = 255
    Image.fromarray(lines).save(tmp_path / "a.png")
    assert np.abs(decode(tmp_path / "a.png", 32)[:, 2:-2].astype(int) - 127).max() <= 3


def test_a_large_jpeg_comes_out_as_through_a_full_decode(tmp_path):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (24, 24), np.uint8)).resize((1500, 1000), Image.Resampling.BICUBIC)
    smooth.convert("RGB").save(tmp_path / "a.jpg", quality=92)
    with Image.open(tmp_path / "a.jpg") as image:
        full = image.convert("L").crop((250, 0, 1250, 1000)).resize((64, 64), Image.Resampling.LANCZOS)
    difference = decode(tmp_path / "a.jpg", 64).astype(int) - np.asarray(full)
    assert np.abs(difference).max() <= 4
    assert np.abs(difference).mean() < 1


def test_each_page_of_a_tiff_is_an_image_and_a_gif_is_its_first(tmp_path):
    pages = [Image.fromarray(np.full((8, 8), v, np.uint8)) for v in (10, 20, 30)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.gif", save_all=True, append_images=pages[1:])
    found = load(str(tmp_path), 8)
    assert found.files == ("a.tif#0", "a.tif#1", "a.tif#2", "b.gif")
    assert found.images[:, 0, 0, 0].tolist() == [10, 20, 30, 10]
