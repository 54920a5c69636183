import importlib
import json
import math
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from paths import ROOT, needs_model
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from gan_core.presets import configure
from gan_core.train.game import Batches, Game
from gan_core.train.run import Run


def call(program, *words):
    """What a program of benchmarks/ does when called with these words, in this process: torch is imported already."""
    app = typer.Typer()
    app.command()(program.main)
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def throughput():
    return importlib.import_module("throughput")


def small_game(preset):
    images = np.random.default_rng(0).integers(0, 256, (16, 1, 32, 32), np.uint8)
    config = configure(preset, resolution=32, batch=4, precision="float32", device="cpu")
    return Game(config, Batches(images, np.zeros(16, np.int64), 0), 2)


def test_the_program_prints_positive_figures_that_agree_and_fit_its_table(throughput):
    arguments = ("--resolution", "32", "--batch", "8", "--seconds", "0.2", "--threads", "1", "--presets", "dcgan")
    done = call(throughput, *arguments, "--json")
    assert done.exit_code == 0, done.output
    results = json.loads(done.stdout)
    (result,) = results
    low, high = result["images_per_second_range"]
    assert 0 < low <= result["images_per_second"] <= high
    for name in ("gflop_per_image", "peak_gflops", "share_of_peak", "peak_memory_mib", "g_parameters", "d_parameters"):
        assert result[name] > 0
    assert result["threads"] == 1
    assert math.isclose(result["gflops"], result["images_per_second"] * result["gflop_per_image"])

    table = throughput.markdown(results, throughput.Options(32, 8, 0.2, 1))
    heading, rule, row = (line for line in table.splitlines() if line.startswith("|"))
    assert heading.count("|") == rule.count("|") == row.count("|")
    assert row.startswith(f"| dcgan | {result['images_per_second']:.1f} ")


def test_an_unknown_preset_is_a_bad_call_and_named(throughput):
    done = call(throughput, "--presets", "nothing")
    assert done.exit_code == 2
    assert "nothing" in done.stderr


def test_the_operations_of_a_dcgan_step_are_those_counted_by_hand(throughput):
    game = small_game("dcgan")
    macs = {}

    def note(module, inputs, output):
        x = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        macs[module] = module.weight.numel() * math.prod(x.shape[2:]) * game.config.batch

    hooks = [m.register_forward_hook(note) for net in (game.G, game.D) for m in net.modules() if hasattr(m, "weight")]
    game.D(game.G(game._z()))
    for hook in hooks:
        hook.remove()
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    g, d = (sum(macs[m] for m in net.modules() if isinstance(m, layers)) for net in (game.G, game.D))
    # A backward pass costs two forward ones: for the weights and for the inputs, if these ask for a gradient.
    # G's forward pass serves both steps.
    d_step = 2 * (d + 2 * d - macs[game.D.convs[0]])
    g_step = (g + 2 * g - macs[game.G.first]) + 2 * d
    assert throughput.count_work(game, 1)[0] == 2 * (d_step + g_step)


def test_a_penalty_on_the_gradient_is_counted(throughput):
    game = small_game("knee-64")
    with_penalty, without = (throughput.count_work(game, 1)[0] for _ in range(2))
    assert with_penalty > 1.2 * without


def test_the_plain_game_takes_the_same_steps_without_channels_last(throughput):
    game = small_game("knee-64")
    throughput.make_plain(game)
    seen = []
    convolutions = [m for net in (game.G, game.D) for m in net.modules() if isinstance(m, nn.Conv2d)]
    for convolution in convolutions:
        assert convolution.weight.is_contiguous()
        convolution.register_forward_hook(lambda m, i, out: seen.append(out.stride(1) == math.prod(out.shape[2:])))
    throughput.run_steps(game, 2)
    assert len(seen) > len(convolutions)
    assert all(seen)
    assert game.nimg == 8
    assert game.finite()


@needs_model
def test_generation_is_timed_by_each_way_there_is(monkeypatch):
    generation = importlib.import_module("generation")
    monkeypatch.setattr(generation, "COUNTS", (1, 2))
    one, two = (row.strip("| ").split(" | ") for row in generation.measure(ROOT / "weights/knee-64", 1))
    assert (one[:2], two[:2]) == (["knee-64", "1"], ["knee-64", "2"])
    assert all(float(cell) > 0 for row in (one, two) for cell in row[2:])
    assert len(one) == len(two) == 4


def test_the_baselines_systems_run_resume_and_are_written_down(tmp_path, monkeypatch):
    """One of them, on made images: from nothing to the folder that the Runs page reads."""
    seeds, paper = importlib.import_module("baselines"), importlib.import_module("baselines_paper")
    systems = [s for s in seeds.SYSTEMS if s.name == "clothing-acgan-28"]
    monkeypatch.setattr(seeds, "SYSTEMS", systems)
    # A process for each is for speed, and here would cost two imports of torch.
    monkeypatch.setattr(seeds, "ProcessPoolExecutor", lambda n, mp_context: nullcontext(SimpleNamespace(map=map)))
    rng = np.random.default_rng(0)
    for c in range(4):
        (tmp_path / "data/clothing" / str(c)).mkdir(parents=True)
        for i in range(25):
            image = Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8))
            image.save(tmp_path / "data/clothing" / str(c) / f"{i}.png")
    out = tmp_path / "work"
    seeds.main(tmp_path / "data", out, "clothing-acgan-28", 1.0, quick=True, write=False, here=False)
    result = out / "quick" / "clothing-acgan-28" / "result.json"
    found = json.loads(result.read_text())
    assert {"is", "fd", "d_loss", "class_accuracy"} <= found["figures"].keys()
    assert 1 <= found["figures"]["is"]["value"] <= 4
    before = result.stat().st_mtime_ns
    seeds.main(tmp_path / "data", out, "clothing-acgan-28", 1.0, quick=True, write=False, here=False)
    assert result.stat().st_mtime_ns == before  # what is finished is not done again

    monkeypatch.setattr(paper, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(paper, "PAPER", tmp_path / "BASELINES.md")
    monkeypatch.setattr(paper, "BASELINES", tmp_path / "baselines.md")
    for name, marks in (("BASELINES.md", paper.MARKS), ("baselines.md", paper.SHORT)):
        (tmp_path / name).write_text("above\n" + "\n".join(marks) + "\nbelow\n")
    paper.write_all(out / "quick", importlib.import_module("baselines_systems").SYSTEMS)
    text = (tmp_path / "BASELINES.md").read_text()
    assert text.startswith("above")
    assert text.rstrip().endswith("below")
    assert "| AC-GAN, bare |" in text
    assert "| AC-GAN, bare |" in (tmp_path / "baselines.md").read_text()
    assert "Not run yet: DCGAN, bare" in text
    shipped = tmp_path / "shipped" / "clothing-acgan-28"
    kept = {p.name for p in shipped.iterdir()}
    assert kept == {"config.json", "result.json", "samples", "stats.jsonl", "status.json"}
    assert Run(shipped).status().state == "finished"
    assert str(tmp_path) not in "".join(p.read_text() for p in shipped.glob("*.json*"))
    assert (tmp_path / "seeds-clothing-28.png").exists()


def test_when_one_recipe_passes_the_other(tmp_path):
    ttq = importlib.import_module("time_to_quality")

    def curve(*distances, fd):
        return ttq.Curve("new", [i + 1.0 for i in range(len(distances))], list(distances), fd, 4.0)

    assert ttq.passes(curve(8, 2, fd=0), 10) == 1
    assert ttq.passes(curve(8, 2, fd=0), 4) == pytest.approx(1.5)  # half the way along the logarithm
    assert ttq.passes(curve(8, 5, fd=0), 4) == math.inf
    old, new = curve(20, 12, 15, 15, fd=104), curve(10, 5, 3, 3, fd=29)
    told = ttq.verdict(old, new)
    assert "ends at a kernel distance of 15.00" in told
    assert "when first judged, after 1.0 minutes (25% of that time)" in told
    assert "25% of the distance above the floor" in told
    assert "never" in ttq.verdict(new, old)
    ttq.draw([old, new, new], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_every_system_of_the_seeds_is_a_preset_with_a_name_of_its_own():
    seeds, systems = importlib.import_module("baselines"), importlib.import_module("baselines_systems").SYSTEMS
    assert len({s.name for s in systems}) == len(systems)
    for system in systems:
        config = seeds.configure(system, Path("data"), 10.0)
        assert config.preset == system.preset
        assert bool(system.minutes) != bool(system.epochs)
        assert not system.start or any(s.name == system.start for s in systems)


@pytest.mark.slow
def test_several_viewers_at_once_while_a_training_runs_meet_no_error():
    words = ["--viewers", "3", "--views", "2", "--pause", "1", "--json"]
    program = [sys.executable, ROOT / "benchmarks" / "viewers.py", *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["errors"] == {}
    assert told["tracebacks"] == 0
    assert sum(page["n"] for page in told["pages"].values()) >= 6
    assert told["training"]["state"] == "running"


def test_a_trial_of_the_recipe_is_trained_measured_and_not_repeated(tmp_path, monkeypatch):
    recipe = importlib.import_module("recipe")
    # As in a process of its own, with small networks and few images: their size is not the point.
    monkeypatch.setattr(recipe, "subprocess", SimpleNamespace(run=lambda words, **_: call(recipe, *words[2:])))
    small = {"g_channels": 4, "d_channels": 4, "max_channels": 8, "batch": 8}
    monkeypatch.setitem(recipe.BASES, "start", recipe.BASES["start"] | small)
    monkeypatch.setattr(recipe, "FAKES", 60)
    (tmp_path / "unseen").mkdir()
    for i in range(60):
        noise = np.random.default_rng(i).integers(0, 256, (64, 64), np.uint8)
        Image.fromarray(noise).save(tmp_path / "unseen" / f"{i}.png")
    words = ["--data", "phantom:120", "--unseen", tmp_path / "unseen", "--minutes", "0.02"]
    words += ["--only", "start/without-grades", "--out", tmp_path / "out"]
    done = call(recipe, *words)
    row = next(line for line in done.stdout.splitlines() if line.startswith("| without grades |"))
    assert float(row.split("|")[4]) > 0, done.stderr
    result = tmp_path / "out" / "start" / "without-grades" / "result.json"
    made = result.read_bytes()
    again = call(recipe, *words)
    assert again.exit_code == 0
    assert again.stdout == done.stdout
    assert result.read_bytes() == made
