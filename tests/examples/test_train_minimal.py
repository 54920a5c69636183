"""The example of a whole training does what it says, and the public interface is there."""

import runpy

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


def test_it_fits_on_a_page():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 60
