"""Two processes that train together do what one does alone."""

import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing

from gan_core.errors import UserError
from gan_core.model import load_model
from gan_core.presets import configure
from gan_core.train.distributed import World, world
from gan_core.train.game import Batches, Game
from gan_core.train.run import Run

SMALL = {"resolution": 16, "g_channels": 4, "d_channels": 4, "max_channels": 8, "batch": 16, "z_dim": 8, "threads": 1}
EXACT = {"precision": "float32", "device": "cpu", "kimg": 1.0}
# Without batch normalisation, dropout and the noise that each process draws for itself.
CASES = {
    "knee-64": configure("knee-64", g_norm="pixel", penalty_every=1, **SMALL, **EXACT),
    "wgan-gp": configure("wgan-gp", g_norm="none", n_critic=2, **SMALL, **EXACT),
    "features": configure("knee-64", g_norm="pixel", feature_weight=0.1, **SMALL, **EXACT),
    "dcgan": configure(
        "dcgan+smooth", g_norm="pixel", d_norm="none", label_flip=0.2, mirror=True, grad_clip=0.5, **SMALL, **EXACT
    ),
}


def play(config, processes):
    """One step; what came of it."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 1, 16, 16), dtype=np.uint8)
    game = Game(config, Batches(images, rng.integers(0, 3, 50), 0), 3, processes)
    game.step()
    nets = {"G": game.G, "D": game.D} | ({"F": game.F} if game.F else {})
    return {
        "gradients": {f"{n}.{k}": p.grad for n, net in nets.items() for k, p in net.named_parameters()},
        "weights": {f"{n}.{k}": p.data for n, net in nets.items() for k, p in net.named_parameters()},
        "stats": game.take_stats(),
        "nimg": game.nimg,
    }


def work(rank, port, folder):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with world() as processes:
        assert processes == World(rank, 2)
        done = {name: play(config, processes) for name, config in CASES.items()}
        assert processes.any(rank == 1)
        assert not processes.any(False)
    if sys.platform == "linux":
        done["threads"] = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    torch.save(done, f"{folder}/{rank}.pt")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    multiprocessing.spawn(work, (free_port(), str(folder)), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_step_of_two_processes_equals_a_step_of_one(two, name):
    alone, (first, second) = play(CASES[name], World()), (result[name] for result in two)
    assert first["nimg"] == second["nimg"] == alone["nimg"]
    for net in {k.partition(".")[0] for k in alone["gradients"]}:
        # Relative to the network's largest gradient: Adam blows rounding up where a gradient is nothing but rounding.
        names = [k for k in alone["gradients"] if k.startswith(net)]
        largest = max(alone["gradients"][k].abs().max().item() for k in names)
        assert largest > 0
        for k in names:
            torch.testing.assert_close(
                first["gradients"][k],
                alone["gradients"][k],
                rtol=1e-4,
                atol=1e-5 * largest,
                msg=lambda m, k=k: f"{k}: {m}",
            )
    for k, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][k])  # both processes hold the same network
    assert first["stats"] == second["stats"]
    for k, value in alone["stats"].items():
        if "accuracy" in k and name != "dcgan":
            continue  # judged at the middle of each process's own scores
        assert first["stats"][k] == pytest.approx(value, rel=1e-4, abs=1e-5), k


def test_shares_cover_the_batch_once():
    parts = [list(range(12))[World(rank, 4).share(12)] for rank in range(4)]
    assert list(itertools.chain(*parts)) == list(range(12))


def test_a_critic_that_would_compare_reals_with_fakes_is_refused():
    images = np.zeros((50, 1, 16, 16), np.uint8)
    with pytest.raises(UserError, match="set batch to a multiple of 32"):
        Game(CASES["knee-64"], Batches(images, np.zeros(50, np.int64), 0), 0, World(0, 8))


def test_a_batch_that_does_not_divide_is_refused():
    images = np.zeros((50, 1, 16, 16), np.uint8)
    with pytest.raises(UserError, match="does not divide"):
        Game(CASES["dcgan"], Batches(images, np.zeros(50, np.int64), 0), 0, World(0, 3))


@pytest.mark.slow
def test_torchrun_trains_one_run(tmp_path):
    settings = (f"{k}={v}" for k, v in (SMALL | {"device": "cpu", "tick_kimg": 0.1, "samples": 9}).items())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "gan_core"]
    command += ["train", "--preset", "wgan-gp", "--data", "digits", "--kimg", "0.4", "--out", str(tmp_path / "run")]
    command += [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "run")  # one process speaks
    run = Run(tmp_path / "run")
    assert run.status().state == "finished"
    assert [t["nimg"] for t in run.stats() if "diversity" in t] == [160, 240, 320, 400]
    assert json.loads((run.generator_path / "config.json").read_text())["images_seen"] == 400
    load_model(run.generator_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of threads from /proc")
def test_no_thread_of_the_group_outlives_it(two):
    """One that does may abort a process that has ended well, on its way out."""
    for result in two:
        assert result["threads"]
        assert not [name for name in result["threads"] if "gloo" in name]
