"""The game and the loop around it: every recipe plays, resumes bit for bit, stops when asked, fails in words."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from made_runs import batches
from PIL import Image

from gan_core import data, losses
from gan_core.errors import UserError
from gan_core.model import load_model
from gan_core.networks import Scores
from gan_core.presets import PRESETS, configure, fitting
from gan_core.seeds import seed_of
from gan_core.train import health
from gan_core.train.distributed import World
from gan_core.train.game import Batches, Game, can_fuse
from gan_core.train.run import Run, create_run
from gan_core.train.trainer import Trainer
from studio.train.session import train

CLOCK = {"seconds", "images_per_second"}  # the figures of a tick that are times


def run_of(path, config):
    path.mkdir(parents=True)
    run = Run(path)
    run.write_config(config)
    return run


def stop_at(run, nimg):
    """A watcher that asks `run` to stop once it has seen `nimg` images."""
    return lambda status: run.request_stop() if status.state == "running" and status.images_seen >= nimg else None


def result(run):
    """All that a training leaves and that is not a time."""
    folders = (run.generator_path, run.discriminator_path)
    files = [*(f / name for f in folders for name in ("config.json", "model.safetensors")), *run.samples().values()]
    assert all(f.is_file() for f in files)
    ticks = [{k: v for k, v in t.items() if k not in CLOCK} for t in run.stats()]
    return {str(f.relative_to(run.path)): f.read_bytes() for f in files} | {"ticks": ticks}


def whole(run):
    """The lines of statistics that hold all there is to measure; between them, early on, are others."""
    return [t for t in run.stats() if "diversity" in t]


def state(run):
    return torch.load(run.state_path, weights_only=True)


def tensors(tree):
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from tensors(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from tensors(value)


# The game


def recipes():
    for preset in PRESETS:
        fits = fitting(preset)
        classic = preset in ("dcgan", "wgan", "wgan-gp", "acgan")
        for n in {0, 1, 2, len(fits)} if classic else {len(fits)}:  # each pair of additions meets, and all of them
            for added in itertools.combinations(fits, n):
                if n == len(fits) or "features" not in added:  # slower by its frozen network, and apart from the others
                    yield preset, "".join(f"+{a}" for a in added), n == len(fits)


@pytest.mark.parametrize(
    ("recipe", "resolution"),
    [(p + a, r) for p, a, extreme in recipes() for r in (28, 64, 126) if r == 28 or extreme],
)
def test_every_recipe_plays(recipe, resolution):
    settings = {
        "g_channels": 4,
        "d_channels": 4,
        "max_channels": 8,
        "batch": 4,
        "device": "cpu",
        "precision": "float32",
    }
    game = Game(configure(recipe, resolution=resolution, **settings), batches(resolution), 3)
    before = [p.clone() for p in (*game.G.parameters(), *game.D.parameters())]
    game.step()
    game.step()
    assert game.nimg == 2 * 4 * game.config.n_critic
    assert game.finite()
    stats = game.take_stats()
    assert all(np.isfinite(v) for v in stats.values())
    assert {"d_loss", "g_loss", "d_grad", "g_grad", "d_accuracy_real", "d_accuracy_fake"} <= stats.keys()
    assert ("wasserstein" in stats) == ("wgan" in recipe)
    assert ("penalty" in stats) == bool(game.config.gp_weight or game.config.r1_gamma)
    assert ("f_loss" in stats) == bool(game.config.feature_weight)
    assert ("class_accuracy" in stats) == (recipe.startswith(("acgan", "knee-128", "knee-256")))
    assert 0 <= stats["d_accuracy_real"] <= 1
    assert stats["d_grad"] > 0
    assert stats["g_grad"] > 0
    moved = [not torch.equal(a, b) for a, b in zip(before, (*game.G.parameters(), *game.D.parameters()), strict=True)]
    assert np.mean(moved) > 0.8
    c = torch.tensor([0, 1, 2]) if game.num_classes else None
    z = torch.randn(3, game.config.z_dim)
    x = game.G_ema(z, c)
    assert x.isfinite().all()
    assert x.abs().max() <= 1
    images = game.sample(z, c)
    assert images.shape == (3, 1, resolution, resolution)
    assert images.dtype == np.uint8


@pytest.mark.parametrize("preset", ["dcgan", "knee-64"])
def test_bfloat16_plays_like_float32(tiny, preset):
    games = [Game(tiny(preset, precision=p), batches(), 3) for p in ("bfloat16", "float32")]
    for game in games:
        game.step()
    half, full = (game.take_stats() for game in games)
    assert half["d_loss"] == pytest.approx(full["d_loss"], rel=0.05)
    assert half["d_loss"] != full["d_loss"]
    assert {p.dtype for p in games[0].G.parameters()} == {torch.float32}


@pytest.mark.slow
@pytest.mark.skipif(not can_fuse(), reason="no C++ compiler or no Python headers on this machine")
def test_compiled_plays_like_uncompiled(tiny):
    settings = {"precision": "float32", "penalty_every": 2, "conditioning": "projection+classifier"}
    games = [Game(tiny("knee-64", compile=c, **settings), batches(), 3) for c in (True, False)]
    for game in games:
        for _ in range(4):
            game.step()
    compiled, plain = (game.take_stats() for game in games)
    assert compiled == pytest.approx(plain, rel=0.02, abs=0.02)
    for a, b in zip(games[0].G_ema.state_dict().items(), games[1].G_ema.state_dict().items(), strict=True):
        assert a[0] == b[0]
        torch.testing.assert_close(a[1], b[1], rtol=0.05, atol=0.01)


def test_compiling_asks_for_a_compiler_where_there_is_none(tiny, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"C\+\+ compiler"):
        Game(tiny("knee-64", compile=True), batches(), 3)


def test_clipping_bounds_every_weight_of_the_critic(tiny):
    game = Game(tiny("wgan", clip=0.01, d_lr=1e-3), batches(), 3)
    game.step()
    largest = max(p.abs().max().item() for p in game.D.parameters())
    assert largest == pytest.approx(0.01)
    assert max(p.abs().max().item() for p in game.G.parameters()) > 0.01


@pytest.mark.parametrize("flood", [0.0, 0.8])
def test_a_flooded_critic_does_not_learn_its_labels_by_heart(tiny, flood):
    game = Game(tiny("acgan", class_flood=flood, d_lr=3e-3, g_lr=1e-6), batches(n=8), 3)  # eight images of noise
    for _ in range(100):
        game.step()
    game.take_stats()
    for _ in range(20):
        game.step()
    known = game.take_stats()["class_accuracy"]
    assert known == 1 if not flood else known < 0.9


@pytest.mark.parametrize(("flip", "smoothing"), [(0.0, 0.1), (0.2, 0.0), (0.5, 0.1)])
def test_label_flips_swap_their_share(tiny, monkeypatch, flip, smoothing):
    seen = []

    def spy(real, fake, real_target, fake_target):
        seen.append((real_target, fake_target))
        return losses.d_non_saturating(real, fake, real_target, fake_target)

    spied = dataclasses.replace(losses.LOSSES["non-saturating"], d_loss=spy)
    monkeypatch.setitem(losses.LOSSES, "non-saturating", spied)
    game = Game(tiny("dcgan", label_flip=flip, label_smoothing=smoothing, batch=400), batches(), 3)
    for _ in range(3):
        game.step()
    reals, fakes = (torch.cat(t) for t in zip(*seen, strict=True))
    real_target = torch.tensor(1 - smoothing)
    assert set(torch.cat([reals, fakes]).tolist()) == {real_target.item(), 0.0}
    error = 5 * (flip * (1 - flip) / len(reals)) ** 0.5
    assert (reals == 0).float().mean().item() == pytest.approx(flip, abs=error)
    assert (fakes == real_target).float().mean().item() == pytest.approx(flip, abs=error)


def test_the_rates_fall_along_a_cosine(tiny):
    game = Game(tiny(kimg=0.08, batch=8, g_lr=1e-3, lr_final=0.1, lr_decay_from=0.5), batches(), 3)
    rates = []
    for _ in range(10):
        game.step()
        rates.append(game.g_opt.param_groups[0]["lr"] / 1e-3)
    assert rates[:6] == pytest.approx([1] * 6)
    assert rates[6:] == pytest.approx([0.1 + 0.45 * (1 + np.cos(np.pi * p)) for p in (0.2, 0.4, 0.6, 0.8)])


def test_gradient_clipping_bounds_the_step(tiny):
    """RMSprop and Adam hide a gradient's length, so it is read where the optimizer would."""
    game = Game(tiny("wgan-gp", grad_clip=1e-3), batches(), 3)
    game.step()
    for net in (game.G, game.D):
        length = torch.stack([p.grad.norm() for p in net.parameters()]).norm().item()
        assert length <= 1e-3 * 1.001
    assert game.take_stats()["d_grad"] > 1e-3  # the figure is the length before


def test_mirroring_flips_about_half_of_the_images(tiny):
    left = np.zeros((50, 1, 16, 16), np.uint8)
    left[..., :8] = 255
    game = Game(tiny(mirror=True, batch=400), Batches(left, np.zeros(50, np.int64), 0), 0)
    shown = []
    seen = game._seen
    game._seen = lambda x: shown.append(x) or seen(x)
    game.step()
    flipped = (shown[0][:, 0, 0, 0] < 0).float().mean().item()
    assert 0.35 < flipped < 0.65


def test_input_noise_fades_to_nothing(tiny):
    game = Game(tiny(input_noise=0.2, kimg=1.0), batches(), 0)
    x = torch.zeros(200, 1, 16, 16)
    game.nimg = 0
    assert game._seen(x).std().item() == pytest.approx(0.2, rel=0.05)
    game.nimg = 500
    assert game._seen(x).std().item() == pytest.approx(0.1, rel=0.05)
    game.nimg = 1000
    assert torch.equal(game._seen(x), x)


# The average of G


def test_the_average_starts_as_g(tiny):
    game = Game(tiny("knee-64"), batches(), 3)
    game.step()
    for ema, now in zip(game.G_ema.state_dict().values(), game.G.state_dict().values(), strict=True):
        torch.testing.assert_close(ema, now, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("init", "nimg"), [("", 1_000_000), ("a model", 0)], ids=["long past a start as noise", "from a model at once"]
)
def test_the_average_has_the_half_life_asked_for(tiny, init, nimg):
    game = Game(tiny("dcgan", ema_kimg=0.08, init=init), batches(), 3)
    game.nimg = nimg
    with torch.no_grad():
        for net, value in ((game.G_ema, 0.0), (game.G, 1.0)):
            for p in net.parameters():
                p.fill_(value)
    for _ in range(10):  # ten steps of eight images: 0.08 kimg
        game._average()
    assert {round(v, 4) for p in game.G_ema.parameters() for v in p.flatten().tolist()} == {0.5}


def test_no_half_life_follows_g_at_once(tiny):
    game = Game(tiny("dcgan", ema_kimg=0.0), batches(), 3)
    for _ in range(3):
        game.step()
    ema, now = game.G_ema.state_dict(), game.G.state_dict()
    assert all(torch.equal(ema[k], now[k]) for k in now)


# The stream of images


def test_an_epoch_shows_every_image_once():
    images = np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1)
    stream = Batches(images, np.arange(50), 4)
    first, second = (stream(start, 50)[1].tolist() for start in (0, 50))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    pictures, labels = stream(40, 20)  # over the epoch's end
    assert labels.tolist() == first[40:] + second[:10]
    assert pictures.ravel().tolist() == labels.tolist()


def test_the_stream_depends_on_the_seed_and_the_position_alone():
    a, b = batches(seed=1), batches(seed=1)
    a(0, 130)
    assert np.array_equal(a(70, 45)[0], b(70, 45)[0])
    assert not np.array_equal(batches(seed=1)(0, 50)[1], Batches(a.images, a.labels, 2)(0, 50)[1])


@pytest.mark.parametrize(
    ("balance", "shares"), [(0.0, (0.8, 0.16, 0.04)), (0.5, (0.59, 0.27, 0.13)), (1.0, (1 / 3,) * 3)]
)
def test_classes_are_balanced_as_asked(balance, shares):
    labels = np.repeat([0, 1, 2], [80, 16, 4])
    stream = Batches(np.zeros((100, 1, 1, 1), np.uint8), labels, 0, balance)
    shown = np.bincount(stream(100, 100)[1], minlength=3)
    assert shown.sum() == 100
    assert shown / 100 == pytest.approx(shares, abs=0.011)


def test_balancing_shows_every_image_of_a_class_about_as_often():
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1)
    stream = Batches(images, np.repeat([0, 1], [90, 10]), 0, 1.0)
    times = np.bincount(stream(0, 100)[0].ravel(), minlength=100)
    assert set(times[90:].tolist()) == {5}
    assert set(times[:90].tolist()) == {0, 1}


def test_only_what_is_chosen_is_shown():
    stream = batches(n=20)
    stream.images = np.arange(20, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 1, 4, 4), np.uint8)
    for balance in (0.0, 0.5):
        some = Batches(stream.images, stream.labels, 0, balance, np.array([1, 4, 5, 9]))
        assert set(some(3, 40)[0][:, 0, 0, 0]) <= {1, 4, 5, 9}
    assert set(Batches(stream.images, stream.labels, 0, chosen=np.array([7, 8]))(0, 2)[0][:, 0, 0, 0]) == {7, 8}


class Scorer(torch.nn.Module):
    """A discriminator that scores images by their mean."""

    def forward(self, x, c):
        return Scores(x.mean((1, 2, 3)), None)


@pytest.mark.parametrize(("level", "overfitting"), [(1.0, 0.0), (0.0, 0.5), (-1.0, 1.0)])
def test_overfitting_is_how_far_unseen_images_score_from_seen_ones_towards_synthetic_ones(tiny, level, overfitting):
    """And augmentation follows it, from none to all and no further."""
    gray = round((level + 1) * 127.5)
    unseen = Batches(np.full((6, 1, 16, 16), gray, np.uint8), np.zeros(6, int), 0)
    config = tiny("dcgan+ada", augment=("grain",), ada_target=0.3, ada_kimg=1)
    game = Game(config, batches(), 3, unseen=unseen)
    game.D = Scorer()
    shares = []
    for _ in range(3):
        game.nimg += 400
        found = game.watch({"score_real": 1.0, "score_fake": -1.0})
        shares.append(found["augment_share"])
    assert found["overfitting"] == pytest.approx(overfitting, abs=0.01)
    assert shares == pytest.approx([0.4, 0.8, 1.0] if overfitting > 0.3 else [0, 0, 0])


def test_who_is_held_out_is_not_learnt_from(tiny, tmp_path):
    """All images of a patient are on one side, and ticks tell how far D overfits."""
    config = tiny("acgan", held_out=0.3)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 1, 16, 16), dtype=np.uint8)
    files = tuple(f"{9000000 + i // 2}{'LR'[i % 2]}.png" for i in range(40))
    made = data.Dataset(pixels, np.arange(40) % 2, ("a", "b"), files, (), "made", "f")
    run = run_of(tmp_path / "run", config)
    trainer = Trainer(run, config, made)
    shown, held = (set(b.chosen) for b in (trainer.game.batches, trainer.game.unseen))
    assert len(held) == 12
    assert not {made.patients[i] for i in shown} & {made.patients[i] for i in held}
    trainer.train(lambda: "", lambda status: None)
    tick = run.stats()[-1]
    assert np.isfinite(tick["overfitting"])
    assert 0 <= tick["class_accuracy_unseen"] <= 1
    assert "augment_share" not in tick


def test_a_seed_depends_on_each_of_its_parts():
    assert seed_of("a", 1) != seed_of("a", 2) != seed_of("a1")


# A whole training


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A conditional run on the digits with all the additions; (run, status)."""
    config = configure(
        "acgan+smooth+noise+augment",
        **{"data": "digits", "resolution": 16, "kimg": 0.4, "z_dim": 8, "g_channels": 4, "d_channels": 4},
        **{"max_channels": 8, "batch": 8, "tick_kimg": 0.1, "sample_kimg": 0.2, "samples": 20, "threads": 1},
        **{"precision": "float32", "device": "cpu"},
    )
    run = run_of(tmp_path_factory.mktemp("finished") / "run", config)
    return run, train(run, config, World())


def test_a_training_writes_all_that_is_promised(finished):
    run, status = finished
    assert status.state == run.status().state == "finished"
    assert status.images_seen == status.images_total == 400
    assert status.dataset_size == 1797
    assert run.config().preset == "acgan+smooth+noise+augment"
    ticks = whole(run)
    assert [t["nimg"] for t in ticks] == [104, 200, 304, 400]
    for t in run.stats():
        assert {
            "d_loss",
            "g_loss",
            "d_accuracy_real",
            "d_accuracy_fake",
            "class_accuracy",
            "g_grad",
            "d_grad",
        } <= t.keys()
        assert {"images_per_second", "epoch", "seconds"} <= t.keys()
        assert t["images_per_second"] > 0
        assert t["epoch"] == pytest.approx(t["nimg"] / 1797)
    assert list(run.samples()) == [0, 104, 200, 304, 400]
    with Image.open(run.samples()[400]) as sheet:
        assert sheet.mode == "L"
        assert sheet.size == (10 * 16, 2 * 16)  # a column a class, a row a seed
    for folder in (run.generator_path, run.discriminator_path):
        assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    card = (run.generator_path / "README.md").read_text()
    assert "not for diagnosis" in card
    assert "python -m gan_core train --preset acgan+smooth+noise+augment --data digits" in card
    assert list(run.path.glob("events.out.tfevents*"))
    assert not [p.name for p in run.path.rglob(".*")]


def test_the_loop_takes_any_images_and_any_judge(tiny, tmp_path):
    """The nearest generator is kept, and a judge that has no time for it now is asked again at the next tick."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 1, 16, 16), np.uint8)
    names = tuple(f"{i}.png" for i in range(20))
    films = data.Dataset(images, np.zeros(20, np.int64), (), names, (), "noise", "0" * 64)
    answers = iter([None, {"kd_knee": 0.5, "kd_knee_se": 0.1}, {}, {"kd_knee": 0.7, "kd_knee_se": 0.1}])
    config = tiny("dcgan", data="noise", judge_kimg=0.1)
    run = run_of(tmp_path / "run", config)
    seen = []

    def judge(make):
        seen.append(make(range(3)).shape)
        return next(answers)

    trainer = Trainer(run, config, films, judge=judge, command="make noise")
    assert trainer.train(lambda: "", lambda status: None).state == "finished"
    assert seen == [(3, 1, 16, 16)] * 4
    assert [t.get("kd_knee") for t in whole(run)] == [None, 0.5, None, 0.7]
    assert load_model(run.best_path).config.images_seen == whole(run)[1]["nimg"]
    assert "`make noise`" in (run.generator_path / "README.md").read_text()


def test_the_state_is_read_without_unpickling(finished):
    run, _ = finished
    found = state(run)
    assert found["nimg"] == 400
    assert all(t.isfinite().all() for t in tensors(found))


def test_a_finished_run_goes_on_when_it_is_made_longer(tiny, tmp_path):
    config = tiny(kimg=0.2)
    run = run_of(tmp_path / "run", config)
    assert train(run, config, World()).images_seen == 200
    assert train(run, config, World()).images_seen == 200
    status = train(run, config.model_copy(update={"kimg": 0.3}), World())
    assert (status.state, status.images_seen) == ("finished", 304)
    assert run.config().kimg == 0.3
    assert [t["nimg"] for t in whole(run)] == [104, 200, 304]


def test_there_is_much_to_see_at_first_and_less_later(tiny, tmp_path):
    """A point and a picture before a hundred images, and never a tenth more images without another point."""
    config = tiny(kimg=1.2, tick_kimg=1.0, sample_kimg=10.0)
    run = run_of(tmp_path / "run", config)
    train(run, config, World())
    seen = [t["nimg"] for t in run.stats()]
    assert seen[0] == config.batch
    assert all(b - a <= max(config.batch, 0.09 * a + config.batch) for a, b in itertools.pairwise(seen))
    assert len(seen) < 50
    assert list(run.samples()) == [0, 104, 304, 1000, 1200]
    assert [t["nimg"] for t in whole(run)] == [1000, 1200]  # what takes time is not measured more often


def test_a_training_can_start_from_anothers_weights(finished, tiny, tmp_path):
    first, _ = finished
    config = tiny("acgan", samples=20, init=str(first.path), kimg=0.1)
    run = run_of(tmp_path / "run", config)
    train(run, config, World())
    assert run.samples()[0].read_bytes() == first.samples()[400].read_bytes()
    other = tiny("acgan", init=str(first.path), g_channels=8)
    with pytest.raises(UserError, match="cannot be this run's start"):
        train(run_of(tmp_path / "other", other), other, World())


def test_a_training_can_grow_out_of_a_smaller_model(tiny, tmp_path):
    small = tiny("knee-64", kimg=0.2)
    first = run_of(tmp_path / "small", small)
    train(first, small, World())
    large = small.model_copy(update={"resolution": 2 * small.resolution, "init": str(first.path), "kimg": 0.1})
    run = run_of(tmp_path / "large", large)
    status = train(run, large, World())
    assert (status.state, status.images_seen) == ("finished", 104)
    before, after = (np.asarray(Image.open(r.samples()[n]), float) for r, n in ((first, 200), (run, 0)))
    smaller = after.reshape(before.shape[0], 2, before.shape[1], 2).mean((1, 3))
    assert np.corrcoef(before.ravel(), smaller.ravel())[0, 1] > 0.7


def test_the_penalty_falls_along_a_cosine(tiny, monkeypatch):
    game = Game(tiny("knee-64", penalty_every=1, gamma_final=0.25), batches(), 3)
    monkeypatch.setattr("gan_core.losses.squared_gradient_norm", lambda score, x: score * 0 + 2.0)
    for done, scale in ((0, 1.0), (0.5, 0.625), (1, 0.25)):
        game.nimg = round(done * game.config.kimg * 1000)
        reals, c = game._reals()
        game._d_step(reals, game.G(game._z(), c).detach(), c)
        assert game.take_stats()["penalty"] == pytest.approx(2.0 * scale)


# Resuming


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("dcgan+smooth+noise+augment", {"mirror": True, "ema_kimg": 0.1}),
        ("wgan", {"kimg": 0.8}),
        ("wgan-gp", {"kimg": 0.8}),
        ("acgan", {}),
        ("knee-64", {"lr_decay_from": 0.1}),
        ("knee-64", {"precision": "bfloat16"}),
        ("dcgan+ada", {"ada_kimg": 0.5}),
        ("knee-128", {"init": "", "feature_weight": 0.1, "lr_decay_from": 0.1, "kimg": 0.16, "tick_kimg": 0.04}),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tiny, tmp_path, recipe, settings):
    config = tiny(recipe, **settings)
    straight, broken = (run_of(tmp_path / name, config) for name in ("straight", "broken"))
    train(straight, config, World())
    halfway = 1000 * config.kimg / 2
    stopped = train(broken, config, World(), on_status=stop_at(broken, halfway))
    assert stopped.state == broken.status().state == "stopped"
    assert halfway <= stopped.images_seen < 1000 * config.kimg
    assert not broken.stop_path.exists()
    assert train(broken, config, World()).state == "finished"
    assert result(broken) == result(straight)
    a, b = state(broken), state(straight)
    assert all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


def test_what_was_written_after_the_last_state_is_done_again(tiny, tmp_path):
    """As after a kill: ticks and pictures lie beyond the state."""
    config = tiny(kimg=0.4)
    straight, broken = (run_of(tmp_path / name, config) for name in ("straight", "broken"))
    train(straight, config, World())
    train(broken, config, World(), on_status=stop_at(broken, 100))
    kept = broken.state_path.read_bytes()
    train(broken, config, World(), on_status=stop_at(broken, 300))
    broken.state_path.write_bytes(kept)
    with broken.stats_path.open("a") as f:
        f.write('{"nimg": 31')
    train(broken, config, World())
    assert result(broken) == result(straight)


def start_training(out, kimg, *settings, environment=None):
    """A real training of a small DCGAN on the digits, in a process of its own."""
    small = ["g_channels=4", "d_channels=4", "max_channels=8", "batch=16", "z_dim=8"]
    small += ["threads=1", "device=cpu", "tick_kimg=0.1", "judge_kimg=0"]
    command = [sys.executable, "-m", "gan_core", "train", "--preset", "dcgan+noise+augment", "--data", "digits"]
    command += ["--resolution", "16", "--kimg", str(kimg), "--out", str(out)]
    command += [word for setting in (*small, *settings) for word in ("--set", setting)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, condition):
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_killed_at_any_moment_the_same_command_goes_on(tmp_path):
    usual = {k: v for k, v in os.environ.items() if k != "KNEE_GAN_PREPARED"}

    straight, broken = Run(tmp_path / "straight"), Run(tmp_path / "broken")

    def start():
        settings = ("sample_kimg=0.5", "samples=9", "save_seconds=0.02")
        return start_training(broken.path, 1, *settings, environment=usual)

    process = start()
    wait_for(process, lambda: broken.state_path.exists() and len(broken.stats()) > 2)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert broken.status().state == "interrupted"
    assert 0 < state(broken)["nimg"] < 1000
    process = start()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert out.strip() == str(broken.path)
    straight.path.mkdir()
    train(straight, broken.config(), World())
    assert result(broken) == result(straight)
    assert broken.status().state == "finished"
    assert not [p.name for p in broken.path.rglob(".*")]  # no half of a file is left


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "pickle", "other"])
def test_a_damaged_state_is_refused_in_words(tiny, tmp_path, damage):
    config = tiny(kimg=0.1)
    run = run_of(tmp_path / "run", config)
    train(run, config, World())
    whole = run.state_path.read_bytes()
    if damage == "other":
        torch.save(state(run) | {"G": {"nothing": torch.zeros(1)}}, run.state_path)
    elif damage == "pickle":
        torch.save({"code": subprocess.Popen}, run.state_path)
    else:
        run.state_path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"hello\n"}[damage])
    with pytest.raises(UserError, match="cannot be resumed"):
        train(run, config, World())
    assert run.status().state == "failed"
    assert "cannot be resumed" in run.status().message
    assert (run.generator_path / "model.safetensors").exists()


# Data


def write_images(folder, n=12, seed=0, labelled=False):
    rng = np.random.default_rng(seed)
    for i in range(n):
        path = folder / (f"class{i % 2}" if labelled else "") / f"image{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 20), dtype=np.uint8)).save(path)
    return str(folder)


def test_data_that_changed_in_between_is_refused(tiny, tmp_path):
    source = write_images(tmp_path / "films")
    config = tiny(data=source)
    run = run_of(tmp_path / "run", config)
    train(run, config, World(), on_status=stop_at(run, 100))
    kept = run.state_path.read_bytes()
    write_images(tmp_path / "films", n=13, seed=1)
    with pytest.raises(UserError, match="not what this run was trained on"):
        train(run, config, World())
    assert run.state_path.read_bytes() == kept


@pytest.mark.parametrize("preset", ["acgan", "knee-64"])
def test_labels_that_are_missing_are_asked_for_before_training(tiny, tmp_path, preset):
    config = tiny(preset, data=write_images(tmp_path / "films"))
    run = run_of(tmp_path / "run", config)
    with pytest.raises(UserError, match="one folder for each class"):
        train(run, config, World())
    assert run.status().state == "failed"
    assert not run.samples()
    labelled = tiny(preset, data=write_images(tmp_path / "labelled", labelled=True), kimg=0.1)
    assert train(run_of(tmp_path / "run2", labelled), labelled, World()).state == "finished"
    plain = tiny(preset, data=str(tmp_path / "films"), conditioning="none", kimg=0.1)
    assert train(run_of(tmp_path / "run3", plain), plain, World()).state == "finished"


def test_missing_data_is_said_in_the_status(tiny, tmp_path):
    config = tiny(data=str(tmp_path / "nowhere"))
    run = run_of(tmp_path / "run", config)
    with pytest.raises(UserError):
        train(run, config, World())
    assert run.status().state == "failed"
    assert "nowhere" in run.status().message


# Stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_with_everything_saved(tiny, tmp_path, number):
    config = tiny(kimg=10)
    run = run_of(tmp_path / "run", config)
    before = signal.getsignal(number)
    status = train(run, config, World(), on_status=lambda s: signal.raise_signal(number) if s.images_seen else None)
    assert status.state == run.status().state == "stopped"
    assert 0 < status.images_seen == state(run)["nimg"] <= 112  # a step past the first tick at the latest
    assert json.loads((run.generator_path / "config.json").read_text())["images_seen"] == status.images_seen
    assert signal.getsignal(number) is before


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGTERM", "stop"])
def test_a_training_process_that_is_stopped_ends_well(tmp_path, how, call):
    if sys.platform == "win32" and how != "stop":
        pytest.skip("Windows has no signals to send")
    run = Run(tmp_path / "run")
    process = start_training(run.path, 1000)
    wait_for(process, run.stats)
    if how == "stop":
        assert call("stop", run.path)[0] == 0
    else:
        process.send_signal(getattr(signal, how))
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 0, err
    status = run.status()
    assert status.state == "stopped"
    assert status.images_seen == state(run)["nimg"] > 0


def test_a_request_older_than_the_process_is_forgotten_and_a_new_one_obeyed(tiny, tmp_path):
    config = tiny(kimg=0.1)
    run = run_of(tmp_path / "run", config)
    run.request_stop()  # while the process is starting
    assert train(run, config, World()).state == "stopped"
    run.request_stop()
    os.utime(run.stop_path, (0, 0))  # before a kill, long ago
    assert train(run, config, World()).state == "finished"


# Numbers that are none


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_stops_the_run_and_keeps_the_last_good_state(tiny, tmp_path, monkeypatch, value):
    step = Game.step

    def poisoned(self):
        step(self)
        if self.nimg >= 240:
            next(self.G.parameters()).data.view(-1)[0] = value

    config = tiny(kimg=1, save_seconds=1e-9)
    run = run_of(tmp_path / "run", config)
    with monkeypatch.context() as patch:
        patch.setattr(Game, "step", poisoned)
        with pytest.raises(UserError, match="infinite or undefined"):
            train(run, config, World())
    status = run.status()
    assert status.state == "failed"
    assert "232 images, is kept" in status.message
    assert "lower learning rates" in status.message
    found = state(run)
    assert found["nimg"] == 232
    assert all(t.isfinite().all() for t in tensors(found))
    assert train(run, config.model_copy(update={"kimg": 0.3}), World()).state == "finished"


# What the figures say


def tick(**values):
    return {"diversity": 0.9, "d_accuracy_real": 0.7, "d_accuracy_fake": 0.7} | values


def test_diversity():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (1, 1, 64, 64), dtype=np.uint8)
    assert health.diversity(np.repeat(one, 8, axis=0)) == 0
    flat = np.array([0, 200], np.uint8).repeat(64 * 64).reshape(2, 1, 64, 64)
    assert health.diversity(flat) == pytest.approx(100, rel=0.01)
    noise = rng.normal(128, 20, (50, 1, 64, 64)).astype(np.uint8)
    assert health.diversity(noise) < 6  # grain is no variety


def test_warnings():
    assert health.warnings([tick()] * 10, "non-saturating") == []
    assert health.warnings([tick(), *[tick(diversity=0.1)] * 2], "non-saturating") == []  # too soon to tell
    assert health.warnings([tick(diversity=d / 100) for d in range(20)], "non-saturating") == []  # it has just begun
    (collapse,) = health.warnings([tick(), *[tick(diversity=0.1)] * 3], "wasserstein")
    assert "mode collapse" in collapse
    assert "10%" in collapse
    sure = [tick(d_accuracy_real=1.0, d_accuracy_fake=1.0)] * 3
    (saturated,) = health.warnings(sure, "non-saturating")
    assert "discriminator is nearly always right" in saturated
    assert health.warnings(sure, "wasserstein") == []  # a critic does not saturate
    assert health.warnings([*sure, tick()], "non-saturating") == []  # it recovered


def test_a_discriminator_that_knows_its_images_by_heart_is_told_of():
    learnt = [tick(overfitting=0.7)] * health.PATIENCE
    assert "+ada" in health.warnings(learnt, "non-saturating")[0]
    assert health.warnings([*learnt, tick(overfitting=0.5)], "non-saturating") == []


def judged(*distances, se=0.01):
    return [tick(kd_knee=d, kd_knee_se=se) for d in distances]


def test_a_training_that_undoes_what_it_has_learnt_is_told_of():
    assert health.setbacks([tick()] * 10) is None
    steady = health.setbacks(judged(0.9, 0.5, 0.52, 0.4))  # a rise within its error is none
    assert (steady.times, steady.down) == (0, False)
    up_and_down = health.setbacks(judged(0.9, 0.4, 0.8, 0.9, 0.3, 0.6))
    assert (up_and_down.times, up_and_down.down) == (2, True)
    assert up_and_down.worst == pytest.approx(0.9 / 0.4)
    (told,) = health.warnings(judged(0.9, 0.4, 0.8), "non-saturating")
    assert "from 0.400 to 0.800" in told
    assert "generator-best" in told
    assert health.warnings(judged(0.9, 0.4, 0.8, 0.41), "non-saturating") == []  # it has come back
    gray = [t | {"diversity": 0.02} for t in judged(0.3, 0.31)]  # untrained, and no distance to undo
    assert health.setbacks([*gray, *judged(0.9, 0.8, 0.7)]).times == 0


@pytest.mark.parametrize("how", ["request", "signal"])
def test_a_stop_while_the_images_are_read_ends_the_run_as_stopped(tiny, tmp_path, monkeypatch, how):
    config = tiny()
    run = create_run(config, "digits", tmp_path)
    read = data.load

    def slow(*args, progress, **options):
        if how == "request":
            run.request_stop()
        else:
            signal.raise_signal(signal.SIGTERM)
        progress(1, 2)
        return read(*args, progress=progress, **options)

    monkeypatch.setattr(data, "load", slow)
    assert train(run, config, World()).state == "stopped"
    assert run.status().state == "stopped"
    monkeypatch.undo()
    assert train(run, config, World()).state == "finished"
