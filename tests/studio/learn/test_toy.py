"""The toy games of the page Learn, the two distances, and what the server answers about them."""

import json
import math
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core import losses
from gan_core.errors import UserError
from gan_core.presets import configure
from studio.learn import games as learn_games
from studio.learn.toy import record as film
from studio.learn.toy.apart import slide
from studio.learn.toy.game import Game, games, settings
from studio.learn.toy.seen import seen
from studio.learn.toy.targets import EXTENT, TARGETS, target


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def short(monkeypatch):
    """Films of four frames, so that a test need not wait for a whole game."""
    for module in (film, learn_games):
        monkeypatch.setattr(module, "FRAMES", 3)
    monkeypatch.setattr(film, "EACH", 2)


# Targets


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_itself_is_good_and_covers_everything(name):
    goal = target(name)
    points = goal.sample(1000, rng())
    covered, good = goal.judge(points)
    assert covered == goal.modes
    assert good > 0.95
    assert points.abs().max() < EXTENT


def test_one_clump_is_one_clump_and_nowhere_is_none():
    goal = target("grid")
    assert goal.judge(goal.centres[7].expand(100, 2)) == (1, 1.0)
    assert goal.judge(torch.full((100, 2), 9.0)) == (0, 0.0)


# Games


@pytest.mark.parametrize("name", games())
def test_a_game_keeps_the_loss_of_its_recipe(name):
    toy, recipe = settings(name), configure(name)
    for setting in ("loss", "optimizer", "beta1", "beta2", "lr_final"):
        assert getattr(toy, setting) == getattr(recipe, setting)
    for penalty in ("clip", "gp_weight", "r1_gamma", "r2_gamma"):
        assert bool(getattr(toy, penalty)) == bool(getattr(recipe, penalty))


def test_the_penalised_loss_is_the_one_on_the_page():
    """Relativistic + R1 + R2, against the formula written out with autograd on each point."""
    game = Game(settings("knee-64"), target("ring"), 0)
    real, fake = (torch.randn(5, 1, 1, 2, generator=rng(i)) for i in (1, 2))

    def slope(x):
        total = 0.0
        for point in x.clone():
            point.requires_grad_(True)
            (grad,) = torch.autograd.grad(game.score(point[None])[0], point)
            total += grad.square().sum() / len(x)
        return total

    gap = game.score(fake) - game.score(real)
    expected = torch.log1p(gap.exp()).mean() + game.config.r1_gamma / 2 * (slope(real) + slope(fake))
    assert game.critic_loss(real, fake).item() == pytest.approx(expected.item(), rel=1e-4)
    assert game.generator_loss(real, fake).item() == pytest.approx(
        losses.d_relativistic(-game.score(real), -game.score(fake)).item(), rel=1e-5
    )


def test_clipped_weights_stay_in_their_range():
    game = Game(settings("wgan"), target("ring"), 0)
    game.step()
    assert max(p.abs().max().item() for p in game.D.parameters()) == pytest.approx(game.config.clip)


@pytest.mark.parametrize("name", games())
def test_the_same_seed_is_the_same_game_whatever_else_is_random(short, name):
    first = [film.encode(f) for f in film.record(name, "moons", 3)]
    torch.manual_seed(99)
    assert [film.encode(f) for f in film.record(name, "moons", 3)] == first
    assert [film.encode(f) for f in film.record(name, "moons", 4)] != first


@pytest.mark.slow
def test_dcgan_leaves_clumps_out_where_the_flagship_does_not():
    """What the page opens on. The last fifth of the game, since DCGAN's fakes go on moving from clump to clump."""

    def covered(name):
        return np.mean([f.covered for f in film.record(name, "grid", 0)][-20:])

    flagship = covered("knee-64")
    assert flagship >= 20
    assert covered("dcgan") <= flagship - 2


# Films


def test_a_frame_is_read_back_as_it_was_written(short):
    *_, frame = film.record("wgan-gp", "grid", 1)
    line = json.loads(json.dumps(film.encode(frame), allow_nan=False))
    fake = film.unpacked(line["fake"], EXTENT).reshape(-1, 2)
    np.testing.assert_allclose(fake, np.clip(frame.fake, -EXTENT, EXTENT), atol=EXTENT / 65534 + 1e-6)
    field = film.unpacked(line["field"], line["height"]).reshape(film.SIDE, film.SIDE)
    np.testing.assert_allclose(field, frame.field - frame.middle, atol=line["height"] / 65534 + 1e-6)
    slope = film.unpacked(line["slope"], line["steepest"]).reshape(-1, 2)
    np.testing.assert_allclose(slope, frame.slope, atol=line["steepest"] / 65534 + 1e-6)
    assert (line["step"], line["covered"]) == (frame.step, frame.covered)


def test_a_whole_film_is_less_than_a_megabyte(short):
    lines = [json.dumps(film.encode(f)) for f in film.record("dcgan", "ring", 0)]
    assert max(map(len, lines)) * 101 < 1_000_000


def test_the_arrows_point_where_the_field_rises(short):
    """Along its slope the critic's score is higher, against it lower."""
    game = Game(settings("knee-64"), target("ring"), 0)
    *_, frame = film.record("knee-64", "ring", 0)
    for _ in range(frame.step):
        game.step()
    at, slope = torch.tensor(frame.fake[: film.ARROWS]), torch.tensor(frame.slope)
    ahead, behind = (
        game.score((at + s * 1e-3 * slope / slope.norm(dim=1, keepdim=True)).view(-1, 1, 1, 2)) for s in (1, -1)
    )
    assert (ahead > behind).float().mean() > 0.9


@pytest.mark.parametrize(
    "wrong", [("gan", "ring", 0), ("dcgan", "cube", 0), ("dcgan", "ring", 6), ("dcgan", "ring", -1)]
)
def test_what_is_not_on_offer_is_told(wrong):
    with pytest.raises(UserError, match=r"There is no|whole number"):
        film.check(*wrong)


# Distances


@pytest.mark.parametrize("kind", ["bells", "points"])
def test_jensen_shannon_ends_at_log_2_and_wasserstein_is_the_shift(kind):
    found = slide(kind)
    assert found["js"][0] == pytest.approx(0, abs=1e-9)
    assert found["js"].max() <= math.log(2) + 1e-9
    assert found["js"][-1] == pytest.approx(math.log(2), abs=1e-3)
    assert (np.diff(found["js"]) >= -1e-9).all()
    np.testing.assert_allclose(found["wasserstein"], found["shift"], atol=1e-6)
    np.testing.assert_allclose(found["wasserstein_slope"][1:], 1, atol=1e-6)
    assert abs(found["js_slope"][-1]) < 1e-2


def test_points_are_as_far_apart_as_can_be_at_once():
    found = slide("points")
    np.testing.assert_allclose(found["js"][1:], math.log(2), rtol=1e-9)
    assert not found["js_slope"].any()


# Augmentations


def test_each_augmentation_changes_the_phantom_and_only_its_kind_of_thing():
    pictures = seen(0, resolution=64)
    knee = pictures.pop("as it is")[0].astype(float)
    assert all((p != knee).any() for p in pictures.values())
    for changed in pictures["brightness"].astype(float):
        inside = (changed > 0) & (changed < 255)
        assert np.ptp((changed - knee)[inside]) <= 2  # one shift for all pixels
    for changed in pictures["cutout"]:
        assert set(np.unique(changed[changed != knee])) <= {127, 128}
    again = seen(0, resolution=64)
    assert all((again[name] == p).all() for name, p in pictures.items())


# Command line


def test_toy_as_json_and_as_gif(call, short, tmp_path):
    code, _, _ = call("toy", "--game", "dcgan", "--game", "wgan", "--target", "ring", "--out", tmp_path / "t.json")
    assert code == 0
    found = json.loads((tmp_path / "t.json").read_text())
    assert {name: len(frames) for name, frames in found["games"].items()} == {"dcgan": 4, "wgan": 4}
    assert found["modes"] == 8
    code, _, _ = call("toy", "--game", "dcgan", "--out", tmp_path / "t.gif")
    assert code == 0
    with Image.open(tmp_path / "t.gif") as gif:
        assert gif.n_frames > 1


def test_toy_streams_the_games_in_step(call, short):
    code, out, _ = call("toy", "--out", "-")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["game"], line["step"]) for line in lines[:4]] == [
        ("dcgan", 0),
        ("knee-64", 0),
        ("dcgan", 2),
        ("knee-64", 2),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["toy", "--game", "gan", "--out", "-"],
        ["toy", "--seed", "77", "--out", "-"],
        ["toy", "--target", "cube", "--out", "-"],
        ["toy", "--out", "film.exe"],
        ["distances", "--kind", "ropes"],
    ],
)
def test_a_wrong_call_is_one_line(call, words):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1


def test_distances_and_augmentations(call, tmp_path):
    code, out, _ = call("distances", "--kind", "points", "--json")
    assert code == 0
    assert json.loads(out)["Wasserstein"][-1] == pytest.approx(8)
    code, _, _ = call("augmentations", "--out", tmp_path / "seen.png")
    assert code == 0
    assert Image.open(tmp_path / "seen.png").size == (3 * 128, 7 * 128)


# The server


class Counted:
    """In place of the process that computes: the same lines at once, and how often it was asked."""

    def __init__(self, fail=False):
        self.calls, self.fail, self.go = [], fail, threading.Event()
        self.go.set()

    def __call__(self, keys):
        self.calls.append([key.game for key in keys])
        self.go.wait(30)
        for step in range(learn_games.FRAMES + 1):
            if self.fail and step == 2:
                raise OSError("killed")
            for key in keys:
                yield json.dumps({"game": key.game, "step": step}) + "\n"


@pytest.fixture
def served(short, monkeypatch):
    """served(compute) -> a client of a server whose films come from `compute`."""

    def make(compute):
        monkeypatch.setattr(learn_games, "library", learn_games.Library(compute))
        return TestClient(Starlette(routes=[learn_games.route]))

    return make


PAIR = "/api/toy?game=dcgan&game=wgan&target=ring&seed=0"


def test_a_class_costs_one_computation(served):
    compute = Counted()
    client = served(compute)
    answers = [client.get(PAIR).text for _ in range(5)]
    assert len(set(answers)) == 1
    lines = [json.loads(line) for line in answers[0].splitlines()]
    assert [(line["game"], line["step"]) for line in lines] == [(g, s) for s in range(4) for g in ("dcgan", "wgan")]
    client.get("/api/toy?game=wgan&game=wgan-gp&target=ring&seed=0")
    assert compute.calls == [["dcgan", "wgan"], ["wgan-gp"]]  # what is there already is not computed again


def test_two_games_are_never_computed_at_once(served):
    compute = Counted()
    compute.go.clear()
    served(compute)
    for seed in (0, 1, 2):
        films = learn_games.library.films([learn_games.Key("dcgan", "ring", seed)])
    assert not films[0].lines
    assert len(compute.calls) <= 1
    compute.go.set()


def test_a_game_that_breaks_off_is_told_and_can_be_tried_again(served):
    compute = Counted(fail=True)
    client = served(compute)
    *_, last = client.get(PAIR).text.splitlines()
    assert "could not be computed" in json.loads(last)["error"]
    compute.fail = False
    assert "error" not in client.get(PAIR).text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "game=dcgan",
        "game=dcgan&target=ring&seed=-1",
        "game=dcgan&target=ring&seed=1e9",
        "game=dcgan&target=ring&seed=99999999999999999999",
        "game=dcgan&target=ring&seed=٣",
        "game=../../etc/passwd&target=ring&seed=0",
        "game=dcgan&target=%00&seed=0",
        "game=dcgan&game=wgan&game=wgan-gp&target=ring&seed=0",
        "game=--help&target=ring&seed=0",
        f"game={'x' * 5000}&target=ring&seed=0",
    ],
)
def test_a_hostile_address_is_refused_in_words(served, query):
    compute = Counted()
    answer = served(compute).get(f"/api/toy?{query}")
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 10
    assert len(answer.json()["error"]) < 300
    assert not compute.calls


def test_the_process_that_computes_answers_line_by_line():
    lines = learn_games.compute([learn_games.Key("dcgan", "ring", 0)])
    first = json.loads(next(iter(lines)))
    lines.close()
    assert (first["game"], first["step"]) == ("dcgan", 0)


@pytest.mark.parametrize("game", ["dcgan", "knee-64"])
def test_what_the_page_opens_with_is_recorded_and_is_the_very_game(game):
    lines = [json.loads(line) for line in learn_games.recorded(learn_games.Key(game, "grid", 0))]
    assert [line["step"] for line in lines] == [film.EACH * i for i in range(film.FRAMES + 1)]
    for kept, frame in zip(lines[:3], film.record(game, "grid", 0), strict=False):
        fresh = film.encode(frame)
        assert kept.keys() == fresh.keys() | {"game"}
        for name, span in (("fake", None), ("slope", "steepest"), ("field", "height")):
            mine, its = (film.unpacked(line[name], line[span] if span else EXTENT) for line in (kept, fresh))
            assert np.allclose(mine, its, atol=0.02 * np.abs(its).max())


def test_a_recorded_game_moves_without_being_computed(served):
    compute = Counted()
    films = served(compute) and learn_games.library.films([learn_games.Key("dcgan", "grid", 0)])
    assert films[0].over
    assert not compute.calls
