"""Two sides of a comparison: who is on them, how their tones differ, who is near to whom."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan_core.data import load
from gan_core.errors import UserError
from gan_core.generate import class_index, generate
from gan_core.metrics.sample import Sample
from gan_core.model import SHIPPED, load_model
from gan_core.seeds import MAX_SEED
from gan_core.train.distributed import World
from gan_core.train.run import create_run
from studio import cli
from studio.compare.figures import figures, save_sheets
from studio.compare.sides import MOST, Sides, shared_classes, sides
from studio.compare.space import layout, look, methods, nearness, of_100
from studio.compare.tones import finest, finest_in_words, histograms, spectra
from studio.evaluate.extractors import open_extractor
from studio.train.session import train

needs_encoder = pytest.mark.skipif(
    not (SHIPPED / "knee-encoder" / "config.json").is_file(), reason="the knee encoder is not there"
)
MADE = {}  # models, each trained once


@pytest.fixture(scope="module")
def digits():
    return load("digits", 16)


@pytest.fixture
def model(tiny, tmp_path_factory):
    """model(preset): a generator that has hardly learnt anything, of digits."""

    def make(preset):
        if preset not in MADE:
            config = tiny(preset, kimg=0.05, samples=10)
            run = create_run(config, "digits", tmp_path_factory.mktemp("runs"))
            train(run, config, World())
            MADE[preset] = load_model(run.generator_path)
        return MADE[preset]

    return make


def texture(n, seed, blur=False):
    """Noise [n, 1, 16, 16]; blurred, it has less of the finest detail."""
    x = np.random.default_rng(seed).normal(128, 30, (n, 1, 16, 16))
    if blur:
        x = (x + np.roll(x, 1, 2) + np.roll(x, 1, 3) + np.roll(x, (1, 1), (2, 3))) / 4
    return x.clip(0, 255).astype(np.uint8)


def beside(fake, real, names=None):
    names = names or [f"{9000000 + i}L.png" for i in range(len(real))]
    seeds = [f"seed {i}" for i in range(len(fake))]
    made, given = (
        Sample(x, np.zeros(len(x), np.int64), np.empty((len(x), 0), np.float32), tuple(n), kind=kind)
        for x, n, kind in ((fake, seeds, "synthetic"), (real, names, "real"))
    )
    return Sides(made, given, first_seed=0, matching=len(given), learnt=False)


# -- who is compared --------------------------------------------------------------------------------------------------


def test_each_fake_is_of_the_class_of_the_real_beside_it_and_of_its_seed(model, digits):
    acgan = model("acgan")
    found = sides(acgan, digits, n=30, first_seed=7)
    assert len(found.fake) == len(found.real) == 30
    assert found.fake.classes == found.real.classes
    assert len(set(found.real.classes)) > 3
    for i in (0, 11, 29):
        assert found.fake.names[i] == f"seed {7 + i}"
        label = class_index(acgan, found.real.classes[i])
        np.testing.assert_array_equal(found.fake.images[i], generate(acgan, [7 + i], [label])[0])
        np.testing.assert_array_equal(found.real.images[i], digits.images[digits.files.index(found.real.names[i])])


def test_a_class_holds_both_sides_to_it(model, digits):
    found = sides(model("acgan"), digits, "3", n=25)
    assert set(found.fake.classes) == set(found.real.classes) == {"3"}


def test_an_unlabelled_model_is_compared_without_classes(model, digits):
    dcgan = model("dcgan")
    assert shared_classes(dcgan, digits) == ()
    found = sides(dcgan, digits, n=5)
    assert set(found.fake.classes) == {""}
    with pytest.raises(UserError, match="not a class"):
        sides(dcgan, digits, "3", n=5)


def test_classes_are_shared_only_where_the_model_knows_all_of_the_reals(model, digits):
    acgan = model("acgan")
    assert shared_classes(acgan, digits) == acgan.class_names
    assert shared_classes(acgan, replace(digits, class_names=("7", "2"))) == ("2", "7")
    assert shared_classes(acgan, replace(digits, class_names=("2", "severe"))) == ()


def test_few_reals_mean_few_fakes(model, digits):
    few = replace(digits, images=digits.images[:4], labels=digits.labels[:4], files=digits.files[:4])
    found = sides(model("dcgan"), few, n=50)
    assert len(found.fake) == len(found.real) == 4


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"n": MOST + 1}, {"first_seed": -1}, {"first_seed": MAX_SEED}, {"truncation": 2.0}]
)
def test_numbers_out_of_range_are_refused_in_words(model, digits, wrong):
    with pytest.raises(UserError):
        sides(model("dcgan"), digits, **{"n": 5} | wrong)


def test_reals_that_the_model_learnt_from_are_told_from_others(model, digits):
    dcgan = model("dcgan")
    same, other = (sides(dcgan, d, n=5) for d in (digits, replace(digits, name="elsewhere")))
    assert same.learnt
    assert not other.learnt
    assert "no test of memorisation" in other.about_copies
    assert "no test of memorisation" not in same.about_copies


# -- tones ------------------------------------------------------------------------------------------------------------


def test_the_gap_of_what_is_alike_is_about_its_floor_and_that_of_what_is_blurred_far_above():
    alike = spectra(beside(texture(60, 1), texture(60, 2)))
    blurred = spectra(beside(texture(60, 1, blur=True), texture(60, 2)))
    assert alike.floor is not None
    assert alike.gap < 2 * alike.floor
    assert blurred.floor == alike.floor
    assert blurred.gap > 10 * blurred.floor
    assert "times as far" in blurred.words


def test_the_finest_detail_is_told_with_its_sign():
    smooth, sharp = texture(40, 1, blur=True), texture(40, 2)
    less, more = spectra(beside(smooth, sharp)), spectra(beside(sharp, smooth))
    assert finest(less) < -1
    assert finest(more) == pytest.approx(-finest(less))
    assert "smoother" in finest_in_words(less)
    assert "more than the real ones" in finest_in_words(more)
    assert "alike" in finest_in_words(spectra(beside(sharp, texture(40, 3))))


def test_brightness_counts_the_gray_levels_between_the_sides():
    dark, bright = np.full((40, 1, 8, 8), 62, np.uint8), np.full((40, 1, 8, 8), 102, np.uint8)
    found = histograms(beside(dark, bright))
    assert found.gap == pytest.approx(40)
    assert found.floor == pytest.approx(0)
    assert found.fake.sum() == pytest.approx(1)


@pytest.mark.parametrize("names", [[f"{i}.png" for i in range(12)], ["1L.png", "1R.png"] * 15])
def test_without_enough_patients_there_is_a_gap_but_no_floor_and_a_reason(names):
    found = spectra(beside(texture(len(names), 1), texture(len(names), 2), names))
    assert found.gap > 0
    assert found.floor is None
    assert found.why in found.words


# -- what an encoder sees ---------------------------------------------------------------------------------------------


def seen(fake, real, names=None):
    """Sides of blank images, with these features."""
    blank = np.zeros((1, 1, 8, 8), np.uint8)
    found = beside(blank.repeat(len(fake), 0), blank.repeat(len(real), 0), names)
    fake, real = (np.asarray(features, np.float32) for features in (fake, real))
    return replace(found, fake=replace(found.fake, features=fake), real=replace(found.real, features=real))


def on_a_line(names, reals, fakes):
    return nearness(seen([[x, 0] for x in fakes], [[x, 0] for x in reals], names))


def test_distances_are_put_against_those_of_different_patients_alone():
    # Two knees of patient 1 lie together; they are no pair of different patients.
    near = on_a_line(["1L.png", "1R.png", "2L.png", "3L.png"], [0, 0.1, 10, 30], [11, 200])
    assert near.index[0].tolist() == [2, 1, 0, 3]
    np.testing.assert_allclose(near.pairs, [9.9, 10, 20, 29.9, 30], rtol=1e-5)
    np.testing.assert_allclose(near.closest, [9.9, 9.9, 10, 20], rtol=1e-5)
    assert near.distance[0, 0] == pytest.approx(1)
    assert near.nearer_than_pairs(1) == near.nearer_than_closest(1) == 1
    assert near.nearer_than_pairs(15) == pytest.approx(3 / 5)
    assert near.nearer_than_closest(15) == pytest.approx(1 / 4)
    assert near.nearer_than_closest(near.distance[1, 0]) == 0


def test_reals_of_one_patient_give_neighbours_but_nothing_to_put_them_against():
    near = on_a_line(["1L.png", "1R.png"], [0, 1], [5])
    assert near.index.tolist() == [[1, 0]]
    assert near.nearer_than_pairs(4) is None
    assert near.nearer_than_closest(4) is None


def test_a_map_keeps_distances_that_two_directions_can_hold():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(20, 2)) @ np.linalg.qr(rng.normal(size=(9, 2)))[0].T
    at = layout(seen(flat[:8], flat[8:]))
    both = np.concatenate([at.fake, at.real])
    assert at.shown == pytest.approx(1)
    assert np.linalg.norm(both[0] - both[15]) == pytest.approx(np.linalg.norm(flat[0] - flat[15]), rel=1e-4)


def test_a_map_that_cannot_be_drawn_says_why():
    with pytest.raises(UserError, match="at least 3"):
        layout(seen([[0, 1]], [[1, 0]]))
    with pytest.raises(UserError, match="no difference"):
        layout(seen(np.ones((3, 4)), np.ones((3, 4))))
    with pytest.raises(UserError, match="There is"):
        layout(seen(np.eye(3), np.eye(3)), "t-SNE")


def test_umap_is_on_offer_where_it_is_installed(monkeypatch):
    class Stub:
        def __init__(self, random_state):
            pass

        def fit_transform(self, x):
            return np.asarray(x)[:, 1::-1]

    stub = SimpleNamespace(UMAP=Stub, __spec__=SimpleNamespace())
    monkeypatch.setitem(sys.modules, "umap", stub)
    assert methods() == ("PCA", "UMAP")
    at = layout(seen([[1, 2, 3]], [[4, 5, 6], [7, 8, 9]]), "UMAP")
    assert at.fake.tolist() == [[2, 1]]
    assert at.shown is None


def test_shares_never_round_to_all_or_none():
    assert [of_100(s) for s in (0, 0.0001, 0.374, 0.9999, 1)] == [
        "none",
        "1 of 100",
        "37 of 100",
        "99 of 100",
        "all",
    ]


# -- all of it --------------------------------------------------------------------------------------------------------


@needs_encoder
def test_an_exact_copy_is_found_as_such(tmp_path):
    reals = load("phantom:30", 32)
    found = beside(reals.images[::-1].copy(), reals.images, list(reals.files))
    result = figures(look(found, open_extractor("knee")))
    assert json.loads(json.dumps(result, allow_nan=False))
    copies = {near["seed"]: near["reals"][0] for near in result["nearest"]}
    assert [copies[seed]["index"] for seed in (0, 20)] == [29, 9]
    assert copies[0]["distance"] == pytest.approx(0, abs=1e-3)
    assert copies[0]["nearer_than_pairs"] == 1
    save_sheets(tmp_path, found, result, pairs=True)
    pairs = np.asarray(Image.open(tmp_path / "pairs.png"))
    np.testing.assert_array_equal(pairs[:32, :32], pairs[:32, 32:64])


def run(*words):
    try:
        cli.app([*words], standalone_mode=False)
    except UserError as e:
        return str(e)
    return ""


@needs_encoder
def test_the_verb_prints_and_keeps_the_same_and_shows_patients_only_when_asked(model, tmp_path, capsys):
    folder = str(model("acgan").path)
    out = tmp_path / "out"
    call = ["compare", "--model", folder, "--data", "digits", "--n", "24", "--out", str(out), "--json"]
    assert not run(*call)
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert len(printed["nearest"]) == len(printed["map"]["fake"]) == 24
    assert printed["spectrum"]["floor"] > 0
    assert sorted(p.name for p in out.iterdir()) == ["comparison.json", "synthetic.png"]
    assert not run(*call[:-1], "--pairs")
    assert "digits" in capsys.readouterr().out
    assert (out / "pairs.png").is_file()


def test_the_verb_refuses_a_class_that_is_not_there(model):
    import typer

    with pytest.raises(typer.BadParameter, match="not a class"):
        run("compare", "--model", str(model("acgan").path), "--data", "digits", "--class", "seventeen")


def test_phantoms_that_are_drawn_as_they_are_needed_are_those_that_are_decoded(monkeypatch):
    from dataclasses import fields

    from gan_core import data
    from gan_core.data.cache import cache_folder
    from gan_core.data.dataset import take
    from gan_core.data.source import open_source
    from studio.knee.phantom import source

    whole = data.load("phantom:40", 32)
    drawn = []
    render = source.render
    monkeypatch.setattr(source, "render", lambda knees, *how: drawn.extend(knees) or render(knees, *how))
    found = open_source("phantom:40", cache_folder()).on_demand(32, "crop")
    for field in (f.name for f in fields(data.Dataset)):
        if field == "images":
            some = np.array([3, 39, 0])
            assert np.array_equal(take(found.images, some), whole.images[some])
        elif field != "checksum":  # of pixels that nobody has drawn
            np.testing.assert_array_equal(getattr(found, field), getattr(whole, field), err_msg=field)
    assert len(drawn) == 3
