"""The example of a whole training does what it says, and the public interface is there."""

import os
import runpy
import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT
from PIL import Image

import gan_core
from gan_core.generate import generate

EXAMPLE = ROOT / "examples" / "train_minimal.py"
TINY = {"g_channels": 2, "d_channels": 2, "max_channels": 8, "batch": 8, "resolution": 16, "z_dim": 8}


def test_every_public_name_is_there():
    for name in gan_core.__all__:
        assert getattr(gan_core, name) is not None
    with pytest.raises(AttributeError):
        _ = gan_core.nothing_of_the_kind


@pytest.mark.parametrize("classes", [("0", "1"), ("",)])
def test_the_minimal_training_trains(tmp_path, monkeypatch, classes):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for i in range(16):
        path = tmp_path / "films" / classes[i % len(classes)] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(path)
    train = runpy.run_path(str(EXAMPLE))["train"]
    model = train(str(tmp_path / "films"), tmp_path / "model", kimg=0.1, **TINY)
    assert generate(model, range(3)).shape == (3, 1, 16, 16)
    assert model.class_names == (classes if len(classes) > 1 else ())
    assert model.config.images_seen >= 100


ALONE = """
import sys
from pathlib import Path
import gan_core
folder = Path(sys.argv[1])
found = gan_core.load(str(folder), 16)
assert found.class_names == ("0Normal", "2Mild"), found.class_names
assert found.labels.tolist() == [0, 0, 1]
assert found.files == ("0Normal/9000001L.png", "0Normal/9000001R.png", "2Mild/9000010.png")
assert found.patients[0] == found.patients[1] == "patient 9000001"
left = {s.file: s.reason for s in found.skipped}
assert left.pop("2Mild/damaged.png") and left == {
    "beside.png": "lies beside the class folders, not in one", "0Normal/notes.txt": "not an image"
}, left
flat = gan_core.load(str(folder / "0Normal"), 16)
assert flat.class_names == () and flat.labels.tolist() == [0, 0]
for nothing in ("phantom:20", str(folder / "beside.png"), ""):
    try:
        gan_core.load(nothing, 16)
    except gan_core.UserError as e:
        assert "There is no folder" in str(e)
    else:
        raise AssertionError(nothing)
assert not any(name.split(".")[0] == "studio" for name in sys.modules)
"""


def test_the_core_alone_reads_a_folder_for_each_class(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("0Normal/9000001L", "0Normal/9000001R", "2Mild/9000010", "beside"):
        path = tmp_path / "films" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 16), np.uint8)).save(path)
    (tmp_path / "films" / "2Mild" / "damaged.png").write_bytes(path.read_bytes()[:60])
    (tmp_path / "films" / "0Normal" / "notes.txt").write_text("nothing to see")
    env = os.environ | {"KNEE_GAN_CACHE": str(tmp_path / "cache")}
    run = [sys.executable, "-c", ALONE, str(tmp_path / "films")]
    done = subprocess.run(run, cwd=EXAMPLE.parent.parent, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_fits_on_a_page():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 60
