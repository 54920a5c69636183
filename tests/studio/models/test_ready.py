"""What lies ready in a model's folder: it is what would be computed, and counts for nothing where it is not this
model's."""

import json
import shutil

import numpy as np
import pytest
from made_models import make

from gan_core.data.cache import read_note
from gan_core.generate import generate
from gan_core.model import SHIPPED, load_model, shipped_generators
from studio.cli.common import app
from studio.explore import directions as ways
from studio.knee.words import choose, pool
from studio.models.ready import FIRST_PAGE, MAX_READY_BYTES, READY, first_page, prepare, ready

SHIPPED_MODELS = [pytest.param(folder, id=folder.name) for folder in shipped_generators()]


@pytest.fixture
def afresh(monkeypatch, tmp_path):
    """Nothing is known of any model, in memory or in the cache's folder."""

    def forget():
        monkeypatch.setattr(ways._memo, "held", {})
        monkeypatch.setattr(pool._memo, "held", {})
        monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))

    forget()
    return forget


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A small model's folder with its file, and the cache of who made it."""
    base = tmp_path_factory.mktemp("ready")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNEE_GAN_CACHE", str(base / "cache"))
        prepare(load_model(make(base / "model", resolution=32)))
    return base


@pytest.fixture
def prepared(first, tmp_path, afresh):
    """The same, and nothing known but that."""
    shutil.copytree(first / "model", tmp_path / "model")
    return load_model(tmp_path / "model")


def refuse(*_, **__):
    raise AssertionError("computed again")


@pytest.mark.parametrize("folder", SHIPPED_MODELS)
def test_each_shipped_model_has_all_of_it(folder, afresh, monkeypatch):
    assert (folder / READY).stat().st_size < 1.2 * 2**20
    model = load_model(folder)
    assert ready(folder, model.digest).digest == model.digest
    monkeypatch.setattr(ways, "find", refuse)
    monkeypatch.setattr(pool, "generate", refuse)
    assert ways.kept(model)
    assert ways.directions(model)
    choose.fill(model)


@pytest.mark.slow
@pytest.mark.parametrize("folder", SHIPPED_MODELS)
def test_what_is_shipped_is_what_would_be_computed(folder, afresh):
    model = load_model(folder)
    shipped = first_page(folder, model.digest, model.config.net.resolution)
    assert np.abs(shipped.astype(int) - generate(model, range(FIRST_PAGE))).max() <= 1  # for another machine's rounding

    kept = pool.pool(model, None, 2 * pool.BLOCK)
    fresh = pool.look(generate(model, range(2 * pool.BLOCK)))
    for name, values in fresh.items():
        # A contour that is found by a hair, or not, may go either way with rounding.
        same = np.isclose(kept[name], values, rtol=1e-3, atol=1e-3, equal_nan=True)
        assert same.mean() > 0.95, name

    span = ways.components(model).double().numpy()
    vectors = np.array([d.vector for d in ways.directions(model)])
    within = vectors @ np.linalg.pinv(span) @ span
    assert np.allclose(within, vectors, atol=1e-3 * np.abs(vectors).max())


@pytest.mark.slow
def test_directions_that_are_shipped_are_those_that_would_be_found(afresh):
    model = load_model(SHIPPED / "phantom-64")
    shipped, found = ways.directions(model), ways.find(model)
    assert [d.name for d in shipped] == [d.name for d in found]
    for mine, fresh in zip(shipped, found, strict=True):
        assert mine.effects == pytest.approx(fresh.effects, abs=0.02)
        assert np.allclose(mine.vector, fresh.vector, atol=1e-2 * np.abs(fresh.vector).max())


def test_what_is_prepared_is_used_and_nothing_computed_again(prepared, monkeypatch, first):
    monkeypatch.setattr(ways, "find", refuse)
    monkeypatch.setattr(pool, "generate", refuse)
    assert ways.kept(prepared)
    (note,) = (first / "cache" / "directions").glob("*.note")
    assert [d.model_dump(mode="json") for d in ways.directions(prepared)] == read_note(note)["directions"]
    assert len(pool.pool(prepared, None, choose.REFERENCE)["brightness"]) == choose.REFERENCE
    assert np.array_equal(first_page(prepared.path, prepared.digest, 32), generate(prepared, range(FIRST_PAGE)))


def test_beside_other_weights_it_counts_for_nothing(prepared, tmp_path):
    other = load_model(make(tmp_path / "other", resolution=32, seed=1))
    (other.path / READY).write_bytes((prepared.path / READY).read_bytes())
    assert not ready(other.path, other.digest).findings
    assert not ways.kept(other)
    assert first_page(other.path, other.digest, 32) is None


def spoilt(found, **other):
    return json.dumps(found | other)


SPOILT = {
    "cut off": lambda found: json.dumps(found)[:-9],
    "deep": lambda found: "[" * 100_000,
    "no object": lambda found: "[1, 2]",
    "too large": lambda found: spoilt(found, first_page="A" * MAX_READY_BYTES),
    "of the future": lambda found: spoilt(found, format=2),
    "other kinds": lambda found: spoilt(found, findings={name: [name] for name in found["findings"]}, first_page="?"),
    "bytes": lambda found: spoilt(found, findings={}, first_page="iVBORw0KGgo="),
}


@pytest.mark.parametrize("damage", SPOILT)
def test_a_damaged_file_is_as_good_as_none(prepared, damage):
    path = prepared.path / READY
    path.write_text(SPOILT[damage](json.loads(path.read_text())))
    assert not ways.kept(prepared)
    assert first_page(prepared.path, prepared.digest, 32) is None
    assert len(pool.pool(prepared, None, pool.BLOCK)["brightness"]) == pool.BLOCK


@pytest.mark.parametrize(
    "lie",
    [
        {"name": "Call this number"},
        {"vector": [1.0]},
        {"vector": [float("nan")] * 8},
        {"effects": {"fever": 1.0, "brightness": 0.5}},
        {"effects": {}},
    ],
    ids=["name", "short", "no number", "unknown", "nothing"],
)
def test_directions_that_cannot_be_this_models_are_not_taken(prepared, lie):
    path = prepared.path / READY
    found = json.loads(path.read_text())
    (key,) = (name for name in found["findings"] if name.startswith("directions"))
    direction = {
        "name": "Brightness",
        "low": "darker",
        "high": "brighter",
        "effects": {"brightness": 1.0, "contrast": 0.1},
        "vector": [0.5] * 8,
    }
    found["findings"][key] = {"directions": [direction]}
    path.write_text(json.dumps(found))
    assert [d.name for d in ways.directions(prepared)] == ["Brightness"]
    ways._memo.held.clear()
    found["findings"][key] = {"directions": [direction | lie]}
    path.write_text(json.dumps(found, indent=1))
    assert not ways.kept(prepared)


def test_a_link_out_of_the_folder_is_not_followed(prepared, tmp_path):
    (tmp_path / "elsewhere.json").write_bytes((prepared.path / READY).read_bytes())
    (prepared.path / READY).unlink()
    (prepared.path / READY).symlink_to(tmp_path / "elsewhere.json")
    assert not ways.kept(prepared)


def test_the_command_prepares_models(first, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(first / "cache"))
    folder = tmp_path / "model"
    shutil.copytree(first / "model", folder)
    (folder / READY).unlink()
    app(["prepare", str(folder)], standalone_mode=False)
    assert (folder / READY).is_file()
    assert str(folder / READY) in capsys.readouterr().out
