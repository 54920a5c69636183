"""Decoded once: the cache, its damage, its rivals and its place in memory."""

import io
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from paths import ROOT
from PIL import Image

from gan_core.data import cache, load, source, take
from gan_core.errors import UserError


def picture(value):  # of the same number of bytes, whatever the value
    out = io.BytesIO()
    Image.new("L", (8, 8), value).save(out, "BMP")
    return out.getvalue()


@pytest.fixture
def films(tmp_path):
    for grade in "01":
        (tmp_path / "films" / grade).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "films" / grade / f"{i}.bmp").write_bytes(picture(10 * i + int(grade)))
    (tmp_path / "films" / "0" / "bad.bmp").write_bytes(b"no picture")
    return tmp_path / "films"


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files decoded so far."""
    names = []
    frames = source.frames

    def watched(file, name, resolution):
        names.append(name)
        return frames(file, name, resolution)

    monkeypatch.setattr(source, "frames", watched)
    return names


def same(a, b):
    assert np.array_equal(a.images, b.images)
    assert np.array_equal(a.labels, b.labels)
    assert a.images.dtype == b.images.dtype
    assert a.labels.dtype == b.labels.dtype
    assert (a.class_names, a.files, a.skipped, a.fingerprint) == (b.class_names, b.files, b.skipped, b.fingerprint)


def test_a_second_load_decodes_nothing_and_gives_the_same(films, tmp_path, decoded):
    steps = []
    first = load(str(films), 16, cache_dir=tmp_path / "c", progress=lambda *step: steps.append(step))
    assert steps == [(i, 7) for i in range(1, 8)]
    assert len(decoded) == 6
    again = load(str(films), 16, cache_dir=tmp_path / "c", progress=lambda *step: steps.append(step))
    same(first, again)
    assert len(steps) == 7
    assert len(decoded) == 6


def test_copied_and_touched_files_are_known_by_their_content(films, tmp_path, decoded):
    first = load(str(films), 16, cache_dir=tmp_path / "c")
    count = len(decoded)
    os.utime(films / "0" / "0.bmp")
    same(first, load(str(films), 16, cache_dir=tmp_path / "c"))
    shutil.copytree(films, tmp_path / "copied")
    copy = load(str(tmp_path / "copied"), 16, cache_dir=tmp_path / "c")
    same(first, copy)
    assert copy.name == "copied"
    assert len(decoded) == count


def test_settled_files_are_not_even_read_again(films, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_SETTLED_NS", -(10**9))
    first = load(str(films), 16, cache_dir=tmp_path / "c")
    monkeypatch.setattr(cache, "_file_digest", lambda path: pytest.fail("read again"))
    same(first, load(str(films), 16, cache_dir=tmp_path / "c"))


@pytest.mark.parametrize("settled", [True, False])
def test_changed_content_is_decoded_anew_even_with_the_same_size_and_time(films, tmp_path, settled, monkeypatch):
    if settled:
        monkeypatch.setattr(cache, "_SETTLED_NS", -(10**9))
    first = load(str(films), 16, cache_dir=tmp_path / "c")
    path = films / "0" / "0.bmp"
    before, size = path.stat(), len(picture(0))
    if settled:
        time.sleep(0.05)  # past the grain of the file system's clock
    path.write_bytes(picture(255))
    assert len(picture(255)) == size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = load(str(films), 16, cache_dir=tmp_path / "c")
    assert changed.fingerprint != first.fingerprint
    assert changed.images[0].min() == 255


def test_a_file_renamed_added_or_removed_is_noticed(films, tmp_path):
    prints = {load(str(films), 16, cache_dir=tmp_path / "c").fingerprint}
    (films / "0" / "0.bmp").rename(films / "1" / "9.bmp")
    moved = load(str(films), 16, cache_dir=tmp_path / "c")
    assert moved.labels.tolist() == [0, 0, 1, 1, 1, 1]
    prints.add(moved.fingerprint)
    (films / "0" / "new.bmp").write_bytes(picture(99))
    prints.add(load(str(films), 16, cache_dir=tmp_path / "c").fingerprint)
    (films / "0" / "new.bmp").unlink()
    assert load(str(films), 16, cache_dir=tmp_path / "c").fingerprint == moved.fingerprint
    assert len(prints) == 3


def test_resolution_and_fit_have_each_their_own(films, tmp_path):
    loads = [load(str(films), r, fit=f, cache_dir=tmp_path / "c") for r, f in ((16, "crop"), (16, "pad"), (20, "crop"))]
    assert len({x.fingerprint for x in loads}) == 3
    assert loads[2].images.shape == (6, 1, 20, 20)


def _entry(folder, suffix):
    (found,) = folder.glob(f"*.{suffix}")
    return found


def _cut(folder):
    path = _entry(folder, "npy")
    path.write_bytes(path.read_bytes()[:-100])


def _flip(folder):
    path = _entry(folder, "npy")
    body = bytearray(path.read_bytes())
    body[-5] ^= 255
    path.write_bytes(body)


def _empty(folder):
    _entry(folder, "npy").write_bytes(b"")


def _no_images(folder):
    _entry(folder, "npy").unlink()


def _no_names(folder):
    _entry(folder, "note").unlink()


def _half_names(folder):
    path = _entry(folder, "note")
    path.write_bytes(path.read_bytes()[:40])


def _other_names(folder):
    path = _entry(folder, "note")
    path.write_text(path.read_text().replace("1/0.bmp", "1/7.bmp"))


def _wrong_head(folder):
    path = _entry(folder, "npy")
    path.write_bytes(b"\x93NUMPY" + b"\xff" * 40 + path.read_bytes()[46:])


@pytest.mark.parametrize("harm", [_cut, _flip, _empty, _no_images, _no_names, _half_names, _other_names, _wrong_head])
def test_a_damaged_cache_is_rebuilt(films, tmp_path, harm, decoded):
    first = load(str(films), 16, cache_dir=tmp_path / "c")
    count = len(decoded)
    harm(tmp_path / "c")
    same(first, load(str(films), 16, cache_dir=tmp_path / "c"))
    assert len(decoded) == 2 * count
    same(first, load(str(films), 16, cache_dir=tmp_path / "c"))
    assert len(decoded) == 2 * count


def test_an_interrupted_build_leaves_nothing_behind(films, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(str(films), 16, cache_dir=tmp_path / "c", progress=stop)
    assert not [p for p in (tmp_path / "c").rglob("*") if p.suffix == ".npy"]
    assert len(load(str(films), 16, cache_dir=tmp_path / "c").images) == 6


def test_what_a_killed_build_left_is_swept_up_later(films, tmp_path):
    (tmp_path / "c").mkdir()
    old, new = tmp_path / "c" / ".key-1.npy", tmp_path / "c" / ".key-2.npy"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    load(str(films), 16, cache_dir=tmp_path / "c")
    assert not old.exists()
    assert new.exists()  # another process may still be at it


def test_past_its_share_of_memory_the_array_is_a_read_only_map_with_the_same_pixels(films, tmp_path, decoded):
    plain = load(str(films), 16, cache_dir=tmp_path / "c")
    assert not isinstance(plain.images, np.memmap)
    count = len(decoded)
    mapped = load(str(films), 16, cache_dir=tmp_path / "c", memory_share=0.0)
    assert isinstance(mapped.images, np.memmap)
    assert not mapped.images.flags.writeable
    same(plain, mapped)
    assert len(decoded) == count
    fresh = load(str(films), 16, cache_dir=tmp_path / "d", memory_share=0.0)
    assert isinstance(fresh.images, np.memmap)
    same(plain, fresh)


@pytest.mark.parametrize("nowhere", ["file", "below a file"])
def test_without_a_writable_cache_all_is_held_in_memory(films, tmp_path, nowhere):
    (tmp_path / "file").write_bytes(b"")
    folder = tmp_path / "file" if nowhere == "file" else tmp_path / "file" / "c"
    found = load(str(films), 16, cache_dir=folder, memory_share=0.0)
    same(found, load(str(films), 16, cache_dir=tmp_path / "c"))


def test_without_room_on_the_disk_all_is_held_in_memory(films, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage._replace(free=10))
    found = load(str(films), 16, cache_dir=tmp_path / "c")
    assert len(found.images) == 6
    assert not list((tmp_path / "c").glob("*.npy"))


def test_with_room_nowhere_it_is_a_clear_error(films, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(cache, "available_memory", lambda: 1000)
    with pytest.raises(UserError, match="KNEE_GAN_CACHE"):
        load(str(films), 16, cache_dir=tmp_path / "file")


def test_the_cache_folder_is_the_users_choice(films, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "mine"))
    load(str(films), 16)
    assert list((tmp_path / "mine").glob("*.npy"))


@pytest.mark.skipif(os.name == "nt", reason="no way to hand pages back there")
def test_batches_taken_from_a_map_do_not_pile_up_in_memory(tmp_path):
    (tmp_path / "f").mkdir()
    for i in range(300):
        (tmp_path / "f" / f"{i}.bmp").write_bytes(picture(i % 256))
    found = load(str(tmp_path / "f"), 512, cache_dir=tmp_path / "c", memory_share=0.0)
    before = psutil.Process().memory_info().rss
    for start in range(0, 300, 10):
        index = np.arange(start, start + 10)[::-1]
        batch = take(found.images, index)
        assert np.array_equal(batch[:, 0, 0, 0], index % 256)
        assert not isinstance(batch, np.memmap)
    assert psutil.Process().memory_info().rss - before < found.images.nbytes / 3


PEAK = """
import resource, sys
from gan_core.data import load
import numpy as np, PIL.PngImagePlugin
from pathlib import Path
load(sys.argv[1], 16, cache_dir=Path(sys.argv[2]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = load(sys.argv[1], 512, cache_dir=Path(sys.argv[2]), memory_share=float(sys.argv[3]))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * (1 if sys.platform == "darwin" else 1024) / found.images.nbytes)
"""


@pytest.mark.skipif(os.name == "nt", reason="no peak of memory to ask for here")
@pytest.mark.parametrize(("share", "most"), [("1.0", 2.0), ("0.0", 0.5)])
def test_memory_peaks_at_twice_the_array_and_well_below_it_with_a_map(tmp_path, share, most):
    (tmp_path / "f").mkdir()
    for i in range(400):  # 105 MB at 512 x 512
        (tmp_path / "f" / f"{i}.bmp").write_bytes(picture(i % 256))
    code = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "f"), str(tmp_path / "c"), share],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert float(code.stdout) <= most


RIVAL = """
import sys
from pathlib import Path
from gan_core.data import load
for resolution in range(16, 22):
    found = load(sys.argv[1], resolution, cache_dir=Path(sys.argv[2]))
    assert found.images.shape == (6, 1, resolution, resolution)
    print(found.images.sum())
"""


def test_two_processes_at_once_do_not_break_one_another(films, tmp_path):
    command = [sys.executable, "-c", RIVAL, str(films), str(tmp_path / "c")]
    rivals = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    outputs = [rival.communicate(timeout=120)[0] for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0, 0]
    assert outputs[0] == outputs[1] != ""
    assert not list((tmp_path / "c").rglob(".*"))


def test_available_memory_heeds_a_containers_limit(tmp_path, monkeypatch):
    (tmp_path / "max").write_text("5000\n")
    (tmp_path / "current").write_text("1000\n")
    monkeypatch.setattr(cache, "_CONTAINER_LIMITS", ((tmp_path / "max", tmp_path / "current"),))
    assert cache.available_memory() == 4000
    (tmp_path / "max").write_text("max\n")
    assert cache.available_memory() > 10**6
