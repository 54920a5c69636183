"""The latent space: a latent brings its picture back, paths end where they should, directions do what they say."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_dicom import bilateral_dicom

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.generate import generate
from gan_core.images import png
from gan_core.model import ModelConfig, load_model, save_model
from studio.explore.directions import RANGE, Direction, components, directions, find, varimax
from studio.explore.film import gif, loop_film
from studio.explore.latent import Latent, draw, dump, from_query, load_latent, opened
from studio.explore.project import likeness, project
from studio.explore.sheets import STOPS, direction_sheet, plane_sheet
from studio.explore.upload import read_film, read_image, read_knee, seen
from studio.knee.localizer import framed
from studio.knee.phantom import phantom

KINDS = {
    "mapped": {"architecture": "residual", "num_classes": 5, "conditioning": "embedding", "norm": "batch"},
    "style": {"architecture": "style", "num_classes": 5, "conditioning": "embedding", "norm": "none"},
    "mapped-unlabelled": {"architecture": "residual", "norm": "layer"},
    "plain": {"architecture": "dcgan", "norm": "batch"},
    "plain-labelled": {"architecture": "dcgan", "num_classes": 3, "conditioning": "embedding", "norm": "batch"},
}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """make(kind): a small model that has learnt nothing, loaded from its folder."""
    made = {}

    def build(kind):
        if kind not in made:
            net = NetConfig(role="generator", resolution=32, channels=4, max_channels=16, z_dim=12, **KINDS[kind])
            n = net.num_classes
            names, shares = tuple(map(str, range(n))), tuple(1 / n for _ in range(n))
            config = ModelConfig(net=net, class_names=names, class_shares=shares, label_name="KL grade")
            folder = tmp_path_factory.mktemp(kind)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                save_model(folder, networks.build(net), config, "a card")
            made[kind] = load_model(folder)
        return made[kind]

    return build


def unit(model, i):
    vector = tuple(float(j == i) for j in range(model.config.net.z_dim))
    return Direction(name="Mixed", low="-", high="+", effects={"brightness": 1.0}, vector=vector)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("truncation", [1.0, 0.6])
def test_a_seed_s_latent_is_the_image_that_generate_makes(make, kind, truncation):
    model = make(kind)
    labels = [1] if model.class_names else None
    latent = Latent(model=model.digest, seed=7, grade=1.0 if labels else None, truncation=truncation)
    assert np.abs(draw(latent, model).astype(int) - generate(model, [7], labels, truncation)).max() <= 1


@pytest.mark.parametrize("kind", ["mapped", "plain-labelled"])
def test_a_grade_in_between_lies_between_and_differs_from_both(make, kind):
    model = make(kind)
    low, mid, high = (draw(Latent(model=model.digest, seed=1, grade=g), model).astype(int) for g in (1, 1.5, 2))
    whole = np.abs(high - low).mean()
    assert 0 < np.abs(mid - low).mean() < whole * 1.01
    assert 0 < np.abs(high - mid).mean() < whole * 1.01


@pytest.mark.parametrize("kind", KINDS)
def test_no_variety_is_one_image_whatever_the_seed(make, kind):
    model = make(kind)
    a, b = (draw(from_query({"seed": s, "grade": "1", "truncation": "0"}, model), model) for s in ("3", "4"))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_link_and_file_bring_back_the_very_picture(make, kind):
    model = make(kind)
    found = [unit(model, 0), unit(model, 1)]
    # A grade as the encoder reads it has more digits than a link.
    start = Latent(model=model.digest, seeds=(1, 2, 3), at=4 / 3, grade=0.123456789 if model.class_names else None)
    latent = opened(start, model).model_copy(update={"truncation": 0.85, "moves": (0.5, -2.0)})
    picture = draw(latent, model, found)
    assert np.array_equal(draw(from_query(latent.to_query(), model), model, found), picture)
    assert np.array_equal(draw(load_latent(dump(latent).encode(), model), model, found), picture)


def test_an_opened_knee_looks_as_it_did_between_its_seeds(make):
    model = make("mapped")
    between = from_query({"seeds": "1,2,3,4", "x": "0.3", "y": "0.8", "grade": "2"}, model)
    alone = opened(between, model)
    assert alone.seeds is None
    assert np.abs(draw(alone, model).astype(int) - draw(between, model)).max() <= 2


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"seed": "-1"}, "seed"),
        ({"seed": "99999999999999999999"}, "seed"),
        ({"seed": "1", "grade": "9"}, "grade"),
        ({"seed": "1", "grade": "nan"}, "grade"),
        ({"seed": "1", "truncation": "2"}, "Variety"),
        ({"seed": "1", "moves": "1e9"}, "moves"),
        ({"seed": "1", "moves": ",".join("1" * 500)}, "moves"),
        ({"seeds": "1", "at": "0"}, "seeds"),
        ({"seeds": "1,2", "at": "inf"}, "place"),
        ({"seeds": "1,2,3", "x": "0", "y": "0"}, "four"),
        ({"seeds": "1,2"}, "place"),
        ({"z": "%%%"}, "cut off"),
        ({"z": "AAAAAA=="}, "fit"),
        ({"seed": "1", "z": "AAAAAA=="}, "exactly one"),
    ],
)
def test_a_link_out_of_range_gets_words(make, query, words):
    with pytest.raises(UserError, match=words):
        from_query(query, make("mapped"))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["seed", "seeds", "z", "offset", "at", "grade", "moves", "x"]), st.text()))
def test_no_link_whatever_ends_in_anything_but_a_picture_or_words(query):
    config = NetConfig(role="generator", architecture="dcgan", resolution=16, z_dim=4, channels=1, max_channels=4)
    model = type("M", (), {"digest": "0" * 64, "class_names": (), "config": ModelConfig(net=config)})
    with suppress(UserError):
        assert from_query(query, model).model == model.digest


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b'{"model": 3}',
        b"\xff\xfe",
        b'{"kind": "knee-gan latent", "model": "' + b"0" * 64 + b'", "seed": 1, "more": 2}',
        b'{"model": "' + b"0" * 64 + b'", "z": [' + b"1e999," * 20 + b"1]}",
        b"[" * 100_000,
        b" " * 2_000_000,
    ],
)
def test_a_file_that_is_no_latent_gets_words(make, content):
    with pytest.raises(UserError):
        load_latent(content, make("mapped"))


def test_a_latent_of_another_model_says_so(make):
    latent = Latent(model=make("mapped").digest, seed=1)
    with pytest.raises(UserError, match="another model"):
        load_latent(dump(latent).encode(), make("plain"))


def test_a_move_along_a_direction_that_is_not_there_gets_words(make):
    model = make("mapped")
    with pytest.raises(UserError, match="directions"):
        draw(Latent(model=model.digest, seed=1, moves=(1.0, 1.0)), model, [unit(model, 0)])


@pytest.mark.parametrize("kind", KINDS)
def test_components_are_orthogonal_and_ordered(make, kind):
    found = components(make(kind)).double()
    lengths = found.norm(dim=1)
    cosines = (found / lengths[:, None]) @ (found / lengths[:, None]).T
    assert torch.allclose(cosines, torch.eye(len(found)).double(), atol=1e-3)
    assert (lengths.diff() <= 1e-6).all()


def test_varimax_finds_the_axes_that_a_rotation_hid():
    axes = np.zeros((6, 3))
    axes[[0, 1], 0], axes[[2, 3], 1], axes[[4, 5], 2] = 1, 0.8, 0.6
    hidden = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    found = axes @ hidden @ varimax(axes @ hidden)
    assert np.allclose(np.sort(np.abs(found), axis=1)[:, :2], 0, atol=1e-3)


@pytest.mark.parametrize("kind", ["mapped", "plain", "style"])
def test_directions_are_named_by_what_they_do_and_are_always_the_same(make, kind):
    model = make(kind)
    found = find(model)
    assert found == find(model)
    assert 0 < len(found) <= 8
    for d in found:
        strongest = next(iter(d.effects.values()))
        assert strongest == max(map(abs, d.effects.values())), "more of what it is named by is at its end"
        assert len(d.vector) == model.config.net.z_dim
    bright = next((i for i, d in enumerate(found) if d.effects["brightness"] > 0.2), None)
    assert bright is not None
    moves = [0.0] * len(found)
    changes = []
    for seed in range(8):
        ends = []
        for amount in (-1.0, 1.0):
            moves[bright] = amount
            latent = Latent(model=model.digest, seed=seed, moves=tuple(moves))
            ends.append(draw(from_query(latent.to_query(), model), model, found).mean())
        changes.append(ends[1] - ends[0])
    assert np.median(changes) > 0


def test_directions_come_from_the_cache_and_damage_there_is_mended(make, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path))
    model = make("plain")
    held = {}
    monkeypatch.setattr("studio.explore.directions._memo.held", held)
    first = directions(model)
    held.clear()
    (note,) = (tmp_path / "directions").glob("*.note")
    assert directions(model, lambda done, total: pytest.fail("measured again")) == first
    held.clear()
    note.write_text("half a fi")
    assert directions(model) == first


def test_sheets_show_the_ends_and_the_middle(make):
    model = make("mapped")
    found = [unit(model, 0), unit(model, 1)]
    latent = Latent(model=model.digest, seed=1, grade=1.0)
    sheet = direction_sheet(latent, model, found)
    assert sheet.shape == (2 * 32, STOPS * 32)
    assert np.array_equal(sheet[:32, 3 * 32 : 4 * 32], draw(latent, model)[0, 0])
    low = draw(latent.model_copy(update={"moves": (0.0, -RANGE)}), model, found)[0, 0]
    assert np.abs(sheet[32:, :32].astype(int) - low).max() <= 1
    four = Latent(model=model.digest, seeds=(1, 2, 3, 4), x=0.0, y=0.0, grade=1.0)
    assert np.abs(plane_sheet(four, model, [], side=3)[:32, :32].astype(int) - draw(latent, model)[0, 0]).max() <= 1


def test_a_film_of_the_loop_plays_for_ever_and_begins_with_the_first_seed(make):
    import io

    from PIL import Image

    model = make("plain")
    latent = Latent(model=model.digest, seeds=(1, 2), at=0.0)
    told = []
    film = loop_film(latent, model, [], 0.4, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(film.frames), len(film.frames)) == (20, 20)
    assert all(side % 2 == 0 for side in film.frames[0].shape)
    written = Image.open(io.BytesIO(gif(film)))
    assert written.n_frames > 5
    assert written.info["loop"] == 0


def test_search_comes_near_to_an_image_of_the_model_s_own_and_the_latent_is_that_picture(make):
    model = make("mapped")
    target = draw(Latent(model=model.digest, seed=1_000_003, grade=1.0), model)[0, 0]
    told = []
    found = project(target, model, 40, told.append)
    assert told[0].error > found.error
    assert np.array_equal(draw(load_latent(dump(found.latent).encode(), model), model)[0, 0], found.image)
    assert found.error == pytest.approx(np.sqrt(np.square(found.image.astype(float) - target).mean()))
    assert found.error < found.chance
    told = [likeness(replace(found, error=e, chance=30.0), 2.0) for e in (3.0, 12.0, 28.0)]
    assert ["can draw" in told[0], "of this kind" in told[1], "cannot draw" in told[2]] == [True] * 3


def test_a_search_that_is_stopped_has_told_what_it_had(make):
    model = make("plain")
    target = draw(Latent(model=model.digest, seed=5), model)[0, 0]
    told = []

    def stop(found):
        told.append(found)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project(target, model, 40, stop)
    assert told[0].image.shape == target.shape


@pytest.mark.parametrize("image", [np.zeros((32, 32), np.uint8), np.eye(16, dtype=np.uint8)])
def test_an_image_that_cannot_be_looked_for_gets_words(make, image):
    with pytest.raises(UserError):
        project(image, make("plain"), 4)


@pytest.mark.parametrize("name", ["knee.png", "knee.dcm", "../../etc/passwd"])
@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\nbroken", b"\0" * 128 + b"DICMbroken"])
def test_an_upload_that_is_no_image_gets_words(content, name):
    with pytest.raises(UserError):
        read_image(content, name, 32)


def test_an_upload_is_brought_to_the_model_s_size():
    image = np.arange(100 * 60, dtype=np.uint32).reshape(100, 60).astype(np.uint8)
    assert read_image(png(image), "knee.png", 32).shape == (32, 32)
    assert (read_image(png(image + 50), "knee.png", 32, "pad")[:, 0] == 0).all()


def test_of_a_bilateral_film_the_knee_that_is_named_is_taken_and_a_crop_as_it_is():
    film, crop = bilateral_dicom(), png(phantom(1, 64)[0][0, 0])
    whole = read_film(film, "film.dcm")
    for which, knee in zip("RL", whole.knees, strict=True):
        target = read_knee(film, "film.dcm", 64, which)
        assert np.array_equal(target.image, seen(whole, framed(knee), 64))
        assert target.side == which
        assert target.mm == pytest.approx(98 / 64)  # the frame that models know, in 64 pixels
    with pytest.raises(UserError, match="Name one with --knee R or --knee L"):
        read_knee(film, "film.dcm", 64)
    assert np.array_equal(read_knee(crop, "crop.png", 32).image, read_image(crop, "crop.png", 32))
    assert np.array_equal(
        read_knee(film, "film.dcm", 32, "whole", "pad").image, read_image(film, "film.dcm", 32, "pad")
    )


def test_the_commands_draw_a_file_s_picture_again(make, tmp_path):
    from typer.testing import CliRunner

    from studio.cli.common import app

    model = make("mapped")
    first, again, kept = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "knee.json"
    options = ["--model", str(model.path), "--out"]
    run = CliRunner().invoke
    asked = ["--query", "seeds=1,2,3&at=0.4&grade=2.5&truncation=0.9", "--save", str(kept)]
    assert run(app, ["draw", *options, str(first), *asked]).exit_code == 0
    assert json.loads(kept.read_text())["grade"] == 2.5
    assert run(app, ["draw", *options, str(again), "--latent", str(kept)]).exit_code == 0
    assert first.read_bytes() == again.read_bytes()
    strip = tmp_path / "strip.png"
    assert run(app, ["interpolate", *options, str(strip), "--seeds", "1,2"]).exit_code == 0
    assert strip.is_file()
    out = tmp_path / "found"
    wanted = ["project", str(first), *options, str(out), "--steps", "4", "--no-compare"]
    refused = run(app, wanted)  # an untrained model's picture is no knee
    assert "No knee was found" in str(refused.exception)
    assert run(app, [*wanted, "--knee", "whole"]).exit_code == 0
    assert {p.name for p in Path(out).iterdir()} == {"latent.json", "found.png", "compare.png"}
    assert run(app, ["draw", *options, str(again), "--query", "seed=1&grade=99"]).exit_code == 2
