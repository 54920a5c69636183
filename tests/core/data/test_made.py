"""Sources that need no folder."""

import gzip
import struct

import numpy as np
import pytest

from gan_core.data import load
from gan_core.errors import UserError
from studio.data.sources import SOURCES
from studio.data.survey import inspect
from studio.knee.phantom import phantom


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))


def test_digits_need_no_download():
    from sklearn.datasets import load_digits

    found = load("digits", 8)
    assert np.array_equal(found.images[:, 0], np.rint(load_digits().images * 255 / 16))
    assert np.array_equal(found.labels, load_digits().target)
    assert found.class_names == tuple("0123456789")
    assert found.name == "digits"
    assert len(set(found.files)) == 1797
    report = inspect("digits")
    assert report["count"] == sum(report["classes"].values()) == 1797
    assert report["sizes"] == {"8x8": 1797}
    assert load("Digits", 28).images.shape == (1797, 1, 28, 28)


def test_phantoms_come_with_their_grade_and_are_the_phantoms_of_seeds_from_zero():
    found = load("phantom:70", 32)
    images, params = phantom(70, 32)
    assert np.array_equal(found.images, images)
    assert found.class_names == ("0", "1", "2", "3", "4")
    assert found.labels.tolist() == [p.kl_grade for p in params]
    assert found.name == "phantom"
    assert [f[-1] for f in found.files] == [p.side for p in params]
    report = inspect("phantom:70")
    assert report["count"] == 70
    assert report["classes"] == {str(g): found.labels.tolist().count(g) for g in range(5)}
    assert inspect("phantom")["count"] == 2000


@pytest.mark.parametrize("source", ["phantom:0", "phantom:-3", "phantom:many", "phantom:1e9", "phantom:99999999"])
def test_an_absurd_number_of_phantoms_is_a_clear_error(source):
    with pytest.raises(UserError, match="number of images"):
        load(source, 32)


def idx(folder, images, labels):
    """The four files of MNIST as its mirrors hand them out, unpacked."""
    folder.mkdir(parents=True)
    for part, (x, y) in {"train": (images, labels), "t10k": (images[:1], labels[:1])}.items():
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">iiii", 2051, *x.shape) + x.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">ii", 2049, len(y)) + y.tobytes())


@pytest.mark.parametrize(
    ("source", "kind", "second"),
    [
        ("mnist", "MNIST", "1"),
        ("fashion-mnist", "FashionMNIST", "Trouser"),
        ("fashion_mnist", "FashionMNIST", "Trouser"),
    ],
)
def test_torchvision_sets_that_are_there_need_no_network(tmp_path, source, kind, second):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    labels = np.array([3, 1, 9, 0, 3], np.uint8)
    idx(tmp_path / "cache" / "torchvision" / kind / "raw", images, labels)
    found = load(source, 28)
    assert np.array_equal(found.images[:, 0], images)
    assert found.labels.tolist() == labels.tolist()
    assert len(found.class_names) == 10
    assert found.class_names[1] == second
    assert found.name == source.replace("_", "-")
    assert inspect(source)["classes"][second] == 1


def test_damaged_torchvision_files_are_a_clear_error(tmp_path):
    raw = tmp_path / "cache" / "torchvision" / "MNIST" / "raw"
    idx(raw, np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8))
    (raw / "train-images-idx3-ubyte").write_bytes(gzip.compress(b"not that"))
    with pytest.raises(UserError, match="damaged; delete"):
        load("mnist", 28)


@pytest.mark.parametrize("kind", ["MNIST", "FashionMNIST"])
def test_without_a_network_a_download_is_a_clear_error(monkeypatch, kind, capsys):
    from torchvision import datasets

    monkeypatch.setattr(getattr(datasets, kind), "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(UserError, match="digits, which needs no download"):
        load({"MNIST": "mnist", "FashionMNIST": "fashion-mnist"}[kind], 28)
    assert capsys.readouterr().out == ""


def test_every_named_source_is_named_in_the_error_for_a_misspelt_one():
    with pytest.raises(UserError) as e:
        load("fantom", 28)
    assert all(name in str(e.value) for name in SOURCES)
