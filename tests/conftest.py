"""What all tests share: one thread, folders of their own, and the smallest training that has every part."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["KNEE_GAN_PREPARED"] = "1"  # else a training inside a test replaces pytest's own process by a faster one

import pytest


@pytest.fixture(scope="session", autouse=True)
def _folders(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNEE_GAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("KNEE_GAN_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


@pytest.fixture
def tiny():
    """tiny(preset, **settings): a configuration that trains on scikit-learn's digits in about a second."""
    from gan_core.presets import configure

    def make(preset="dcgan", **settings):
        base = {
            "data": "digits",
            "resolution": 16,
            "kimg": 0.4,
            "z_dim": 8,
            "g_channels": 4,
            "d_channels": 4,
            "max_channels": 8,
            "batch": 8,
            "tick_kimg": 0.1,
            "sample_kimg": 0.2,
            "samples": 10,
            "judge_kimg": 0,
            "precision": "float32",
            "device": "cpu",
            "threads": 1,
        }
        return configure(preset, **(base | settings))

    return make
