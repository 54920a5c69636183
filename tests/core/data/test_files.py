"""Folders and zips: classes, what is skipped and what is refused."""

import io
import os
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_core.data import load
from gan_core.errors import UserError
from studio.data import archives
from studio.data.survey import inspect


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path_factory.mktemp("cache")))


def png(value=100, size=(8, 8)):
    out = io.BytesIO()
    Image.new("L", size, value).save(out, "PNG")
    return out.getvalue()


def bomb(width=100_000, height=100_000):
    """A PNG of a few bytes that claims ten thousand million pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def make(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(root)


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return str(path)


def reasons(dataset):
    return {s.file: s.reason for s in dataset.skipped}


# Classes


def test_flat_folder_has_no_classes(tmp_path):
    found = load(make(tmp_path / "My Films", {"b.png": png(20), "a.png": png(10)}), 8)
    assert found.class_names == ()
    assert found.labels.tolist() == [0, 0]
    assert found.labels.dtype == np.int64
    assert found.files == ("a.png", "b.png")
    assert found.images.shape == (2, 1, 8, 8)
    assert found.images.dtype == np.uint8
    assert found.images[:, 0, 0, 0].tolist() == [10, 20]
    assert found.name == "my-films"


def test_folder_a_class_in_natural_order_with_deeper_files_counted_for_their_top(tmp_path):
    found = load(make(tmp_path, {"10/a.png": png(1), "2/b.png": png(2), "2/deep/er/c.png": png(3)}), 8)
    assert found.class_names == ("2", "10")
    assert dict(zip(found.files, found.labels.tolist(), strict=True)) == {
        "2/b.png": 0,
        "2/deep/er/c.png": 0,
        "10/a.png": 1,
    }


@pytest.mark.parametrize("wrapped", ["", "knees/", "knees/train/"])
def test_zip_equals_its_folder_and_a_wrapping_folder_is_no_class(tmp_path, wrapped):
    files = {"0/a.png": png(1), "0/b.png": png(2), "1/c.png": png(3)}
    folder = load(make(tmp_path / "folder", files), 8)
    zipped = load(make_zip(tmp_path / "set.zip", {wrapped + name: body for name, body in files.items()}), 8)
    assert np.array_equal(folder.images, zipped.images)
    assert np.array_equal(folder.labels, zipped.labels)
    assert folder.class_names == zipped.class_names == ("0", "1")
    assert zipped.files == tuple(wrapped + name for name in folder.files)
    assert zipped.name == "set"


def test_a_renamed_zip_is_the_same_data(tmp_path):
    source = make_zip(tmp_path / "a.zip", {"0/a.png": png(1), "1/b.png": png(2)})
    first = load(source, 8)
    (tmp_path / "a.zip").rename(tmp_path / "upload-17.zip")
    assert load(str(tmp_path / "upload-17.zip"), 8).fingerprint == first.fingerprint


def test_images_beside_class_folders_are_skipped_and_named(tmp_path):
    found = load(make(tmp_path, {"0/a.png": png(), "1/b.png": png(), "overview.png": png()}), 8)
    assert found.class_names == ("0", "1")
    assert reasons(found) == {"overview.png": "lies beside the class folders, not in one"}


def test_a_few_images_in_a_subfolder_do_not_make_classes_of_a_flat_folder(tmp_path):
    found = load(make(tmp_path, {"a.png": png(), "b.png": png(), "c.png": png(), "more/d.png": png()}), 8)
    assert found.class_names == ()
    assert len(found.images) == 4


def test_a_class_folder_without_images_is_no_class(tmp_path):
    found = load(make(tmp_path, {"0/a.png": png(), "1/b.png": png(), "notes/readme.txt": b"hello"}), 8)
    assert found.class_names == ("0", "1")


def test_single_image_file(tmp_path):
    make(tmp_path, {"a.png": png(7)})
    found = load(str(tmp_path / "a.png"), 8)
    assert found.files == ("a.png",)
    assert found.images[0, 0, 0, 0] == 7


# What is skipped


def test_bad_files_are_skipped_and_named_with_a_reason(tmp_path):
    whole = png(50, (64, 64))
    files = {
        "good.png": png(),
        "empty.png": b"",
        "text.png": b"this is not a picture",
        "labels.csv": b"file,grade\n",
        "cut.png": whole[: len(whole) // 2],
        "cut.jpg": b"\xff\xd8\xff\xe0" + bytes(40),
        "bomb.png": bomb(),
        "large.png": bomb(9000, 9000),
        "more.zip": b"PK\3\4" + bytes(90),
    }
    found = load(make(tmp_path, files), 8)
    assert found.files == ("good.png",)
    why = reasons(found)
    assert set(why) == set(files) - {"good.png"}
    assert why["empty.png"] == "empty file"
    assert why["text.png"] == why["labels.csv"] == "not an image"
    assert "damaged" in why["cut.png"]
    assert "damaged" in why["cut.jpg"]
    assert "too many pixels" in why["bomb.png"]
    assert "9000 x 9000 pixels" in why["large.png"]
    assert "zip" in why["more.zip"]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_flipped_bytes_never_raise_anything_but_a_clear_error(tmp_path):
    rng = np.random.default_rng(0)
    out = io.BytesIO()
    for fmt in ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"):
        out.seek(0)
        out.truncate()
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(out, fmt)
        for i in range(12):
            body = bytearray(out.getvalue())
            for place in rng.integers(8, len(body), 6):
                body[place] = rng.integers(256)
            make(tmp_path, {f"{fmt}{i}.img": bytes(body)})
    make(tmp_path, {"good.png": png()})
    found = load(str(tmp_path), 8)
    assert "good.png" in found.files
    assert len(found.files) + len(found.skipped) >= 73


def test_the_operating_systems_own_files_are_passed_over_in_silence(tmp_path):
    junk = {".DS_Store": b"x", "Thumbs.db": b"x", "__MACOSX/a.png": b"x", "0/._a.png": b"x", ".git/a.png": png()}
    files = {"0/a.png": png(), "1/b.png": png(), **junk}
    for source in (make(tmp_path / "f", files), make_zip(tmp_path / "z.zip", files)):
        found = load(source, 8)
        assert found.files == ("0/a.png", "1/b.png")
        assert found.skipped == ()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_inside_are_followed_and_links_that_lead_outside_are_skipped(tmp_path):
    make(tmp_path / "secret", {"s.png": png()})
    source = make(tmp_path / "in", {"a.png": png(1)})
    (tmp_path / "in" / "b.png").symlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "out.png").symlink_to(tmp_path / "secret" / "s.png")
    (tmp_path / "in" / "outside").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nowhere")
    found = load(source, 8)
    assert found.files == ("a.png", "b.png")
    assert reasons(found) == {
        "out.png": "a link that leads outside the folder",
        "outside": "a link that leads outside the folder",
        "loop": "a link to a folder",
        "gone.png": "a link that leads nowhere",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_block(tmp_path):
    source = make(tmp_path, {"a.png": png()})
    os.mkfifo(tmp_path / "pipe.png")
    assert reasons(load(source, 8)) == {"pipe.png": "not a regular file"}


# One clear error


@pytest.mark.parametrize("source", ["no/such/folder", "", "  ", "phantm", "~nobody-here/x", "a\0b", "x" * 5000])
def test_a_missing_source_is_a_clear_error(source):
    with pytest.raises(UserError, match=r"no file or folder|cannot be opened"):
        load(source, 8)


def test_nothing_usable_is_one_clear_error_that_names_the_first_files(tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (str(tmp_path / "empty"), make_zip(tmp_path / "e.zip", {})):
        with pytest.raises(UserError, match="holds no files"):
            load(source, 8)
    source = make(tmp_path / "bad", {"a.txt": b"hi", "b.png": b""})
    for call in (lambda: load(source, 8), lambda: inspect(source), lambda: load(source, 8)):
        with pytest.raises(
            UserError, match=r"no usable image; 2 files were skipped \(a.txt: not an image; b.png: empty"
        ):
            call()
    make(tmp_path, {"bomb.png": bomb()})
    with pytest.raises(UserError, match="pixels"):
        load(str(tmp_path / "bomb.png"), 8)


@pytest.mark.parametrize("resolution", [0, -3, 100_000])
def test_an_absurd_resolution_is_a_clear_error(resolution):
    with pytest.raises(UserError, match="resolution"):
        load("digits", resolution)


# Zips that are refused


@pytest.mark.parametrize(
    "name", ["../a.png", "x/../../a.png", "/etc/a.png", "C:/a.png", "..\\a.png", "\\a.png", "C:\\a.png"]
)
def test_zip_with_a_name_that_leads_outside_is_refused(tmp_path, name):
    source = make_zip(tmp_path / "a.zip", {"good.png": png(), name: png()})
    with pytest.raises(UserError, match="refused"):
        load(source, 8)


def test_zip_with_a_link_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="link"):
        load(str(tmp_path / "a.zip"), 8)


def test_zip_past_the_stated_limit_is_refused(tmp_path, monkeypatch):
    source = make_zip(tmp_path / "a.zip", {"a.png": png(), "b.bin": bytes(200_000)})
    load(source, 8)
    monkeypatch.setattr(archives, "MAX_ZIP_BYTES", 100_000)
    with pytest.raises(UserError, match="would expand to"):
        load(source, 8)


def test_zip_that_expands_out_of_all_proportion_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ZIP_RATIO_BYTES", 2**20)
    with pytest.raises(UserError, match="100 times"):
        load(make_zip(tmp_path / "a.zip", {"a.png": png(), "b.bin": bytes(4 * 2**20)}), 8)


def test_zip_member_that_lies_about_its_size_is_not_expanded(tmp_path):
    body = b"\x89PNG\r\n\x1a\n" + bytes(3_000_000)
    source = make_zip(tmp_path / "a.zip", {"a.png": png(), "b.png": body})
    raw = (tmp_path / "a.zip").read_bytes()
    real, claimed = struct.pack("<I", len(body)), struct.pack("<I", 1000)
    assert raw.count(real) == 2
    (tmp_path / "a.zip").write_bytes(raw.replace(real, claimed))
    found = load(source, 8)
    assert found.files == ("a.png",)
    assert [s.file for s in found.skipped] == ["b.png"]


def test_a_broken_zip_is_a_clear_error_and_a_broken_member_is_skipped(tmp_path):
    make(tmp_path, {"a.zip": b"PK\3\4 and no more"})
    with pytest.raises(UserError, match="not a readable zip"):
        load(str(tmp_path / "a.zip"), 8)
    source = make_zip(tmp_path / "b.zip", {"a.png": png(), "b.png": png(9, (64, 64))})
    raw = bytearray((tmp_path / "b.zip").read_bytes())
    place = raw.index(b"b.png") + 12
    raw[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "b.zip").write_bytes(raw)
    found = load(source, 8)
    assert found.files == ("a.png",)
    assert [s.file for s in found.skipped] == ["b.png"]


def test_a_file_larger_than_the_limit_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr("gan_core.data.source.MAX_FILE_BYTES", 2**20)
    source = make(tmp_path, {"a.png": png(), "b.png": b"\x89PNG\r\n\x1a\n" + bytes(2**20)})
    assert reasons(load(source, 8)) == {"b.png": "larger than 1 MiB"}


# inspect


def test_inspect_tells_count_classes_sizes_and_what_was_skipped(tmp_path):
    whole = png(50, (64, 64))
    files = {
        "0/a.png": png(size=(8, 12)),
        "0/b.png": png(size=(8, 12)),
        "1/c.png": png(size=(30, 20)),
        "1/cut.png": whole[: len(whole) // 2],
        "1/x.txt": b"hello",
    }
    source = make(tmp_path, files)
    first, again = inspect(source), inspect(source)
    assert first == again
    assert (first["count"], first["classes"], first["sizes"]) == (3, {"0": 2, "1": 1}, {"8x12": 2, "30x20": 1})
    assert [s["file"] for s in first["skipped"]] == ["1/cut.png", "1/x.txt"]
    assert all(s["reason"] for s in first["skipped"])


def test_inspect_reports_stored_size_of_a_large_jpeg_the_right_way_up(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (640, 480)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("L", (640, 480)).save(tmp_path / "b.jpg")
    assert inspect(str(tmp_path))["sizes"] == {"480x640": 1, "640x480": 1}
