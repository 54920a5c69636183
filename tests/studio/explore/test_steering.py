"""Sliders that move one thing: they do what they say, hold the rest, and a link brings the same picture back."""

import numpy as np
import pytest
import torch

from gan_core.errors import UserError
from gan_core.generate import render
from gan_core.images import to_float
from gan_core.latent import latents, mixtures, to_w
from gan_core.model import SHIPPED, load_model
from studio.explore import steering
from studio.explore.directions import RANGE
from studio.explore.latent import Latent, draw, dump, from_query, load_latent
from studio.explore.sheets import STOPS, slider_sheet
from studio.knee.joint_space import joint_space
from studio.knee.readings import QUANTITIES, outwards, read

pytestmark = pytest.mark.skipif(
    not all((SHIPPED / name / "config.json").is_file() for name in ("knee-64", "knee-reader")),
    reason="knee-64 or knee-reader is not there",
)
NAMES = list(QUANTITIES)


@pytest.fixture(scope="module")
def model():
    return load_model(SHIPPED / "knee-64")


def knee_of(model, seed, grade=1.0):
    c = mixtures([grade], len(model.class_names))
    with torch.inference_mode():
        w = to_w(model.net, latents([seed], model.config.net.z_dim), c)
    return steering.Knee(model, steering.frame(model), w.clone(), c)


def test_a_step_moves_its_own_quantity_the_right_way_and_the_others_less(model):
    changes = torch.stack([knee_of(model, seed).tried() for seed in range(40, 50)])  # [knees, sliders, quantities]
    for i, slider in enumerate(steering.SLIDERS):
        if slider in ("side", steering.TILT):  # a side has ends; the tilt is of two
            continue
        own = changes[:, i, NAMES.index(slider)]
        assert (own > 0).float().mean() >= 0.9, slider
        others = np.delete(changes[:, i].abs().mean(0).numpy(), NAMES.index(slider))
        assert others.mean() < 0.5 * own.median(), slider


def test_tilt_widens_one_side_and_narrows_the_other(model):
    change = torch.stack(
        [knee_of(model, seed).changed(knee_of(model, seed).moved([{"tilt": 1.0}]))[0] for seed in range(6)]
    )
    medial, lateral = (change[:, NAMES.index(name)].median() for name in ("medial_space", "lateral_space"))
    assert medial < 0 < lateral


def test_another_measure_sees_the_joint_space_narrow_too(model):
    """`joint_space` follows edges; no slider has ever asked it."""
    before, after = [], []
    for seed in range(60, 72):
        knee = knee_of(model, seed)
        images = render(model, torch.cat([knee.w, knee.moved([{"medial_space": -1.5}])]), knee.c)
        found = joint_space(images)
        medial = found.left if float(knee.sign) > 0 else found.right
        before.append(medial[0])
        after.append(medial[1])
    assert np.nanmedian(np.subtract(after, before)) < 0


def test_nothing_asked_is_the_same_picture_and_link_and_file_bring_back_a_steered_one(model):
    latent = from_query({"seed": "3", "grade": "2", "steer": "medial_space:-1.25,contrast:0.5"}, model)
    assert latent.steer == {"medial_space": -1.25, "contrast": 0.5}
    picture = draw(latent, model)
    assert np.array_equal(draw(from_query(latent.to_query(), model), model), picture)
    assert np.array_equal(draw(load_latent(dump(latent).encode(), model), model), picture)
    plain = draw(from_query({"seed": "3", "grade": "2"}, model), model)
    assert not np.array_equal(picture, plain)
    none = draw(from_query({"seed": "3", "grade": "2", "steer": "contrast:0"}, model), model)
    assert np.array_equal(none, plain)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"steer": "patella:1"}, "A slider is one of"),
        ({"steer": "contrast:9"}, "A slider is one of"),
        ({"steer": "contrast"}, "A slider is one of"),
        ({"steer": "contrast:nan"}, "A slider is one of"),
        ({"seeds": "1,2", "at": "0.5", "steer": "contrast:1"}, "edit it on its own first"),
    ],
)
def test_what_cannot_be_steered_gets_words(model, query, words):
    with pytest.raises(UserError, match=words):
        from_query(query, model)


def test_a_model_of_something_else_cannot_be_steered_and_says_so(model, monkeypatch):
    monkeypatch.setattr(steering, "frame", lambda model: None)
    with pytest.raises(UserError, match="cannot be steered"):
        draw(Latent(model=model.digest, seed=1, grade=0.0, steer={"contrast": 1.0}), model)


def test_without_the_reader_there_are_no_such_sliders_and_that_is_not_remembered(model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(steering, "reader", lambda: None)
        assert steering.frame(model) is None
        assert steering.kept(model)
    assert steering.frame(model) is not None


def test_the_strips_stand_in_the_order_of_the_sliders_and_their_middle_is_the_knee(model):
    latent = Latent(model=model.digest, seed=5, grade=1.0)
    sheet = slider_sheet(latent, model, [])
    side = model.config.net.resolution
    assert sheet.shape == (len(steering.SLIDERS) * side, STOPS * side)
    middle = sheet[:side, STOPS // 2 * side : (STOPS // 2 + 1) * side]
    assert np.abs(middle.astype(int) - draw(latent, model)[0, 0]).max() <= 2
    bright = list(steering.SLIDERS).index("brightness")
    row = sheet[bright * side : (bright + 1) * side].astype(float)
    means = [row[:, i * side : (i + 1) * side].mean() for i in range(STOPS)]
    assert means[0] < means[STOPS // 2] < means[-1]
    assert RANGE == 2.0  # the ends, as a link may have them


def test_readings_follow_the_side_and_do_not_see_exposure(model):
    """The mirrored knee is of the other side, with the same medial and lateral space; another exposure is the same."""
    from gan_core.generate import generate

    reader = steering.reader()
    x = to_float(generate(model, range(30)))
    sign, mirrored = outwards(x, reader), outwards(x.flip(3), reader)
    assert (sign == -mirrored).float().mean() > 0.9
    same = sign == -mirrored
    a, b = read(x, reader, sign)[same], read(x.flip(3), reader, mirrored)[same]
    spread = a.std(0)
    for name in ("medial_space", "lateral_space", "size", "position_distal"):
        i = NAMES.index(name)
        assert (a[:, i] - b[:, i]).abs().median() < 0.5 * spread[i], name
    brighter = read((0.7 * x - 0.2), reader, sign)
    for name in ("medial_space", "lateral_space", "size", "rotation"):
        i = NAMES.index(name)
        assert (brighter[same, i] - a[:, i]).abs().max() < 0.1 * spread[i], name
