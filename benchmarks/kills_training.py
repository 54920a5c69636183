"""Trainings that are killed and go on. Each tenth session is started anew; the others are forked from this program,
which has loaded all that they need, so that most of the kills are in the midst of work."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from kills_table import PATIENCE, Table, kill, progress

from gan_core import environment
from gan_core.config import TrainConfig
from gan_core.errors import UserError
from gan_core.model import CONFIG, TENSORS, load_model
from gan_core.presets import configure
from gan_core.train.run import Run, Status, create_run, list_runs
from studio import cli
from studio.jobs import launch

COLD = 10  # every so many-th session is a new Python
AT_A_WRITE = 0.3  # of the kills wait for a half-written file
CLOCK = {"seconds", "images_per_second"}  # the figures of a tick that are times
HALF = ".half-"


def small_training(kimg: float) -> TrainConfig:
    """A training that has every part and takes seconds."""
    small = {"resolution": 16, "batch": 8, "z_dim": 8, "g_channels": 4, "d_channels": 4, "max_channels": 8}
    often = {"tick_kimg": 0.1, "sample_kimg": 0.3, "samples": 9, "judge_kimg": 0, "save_seconds": 0.2}
    same = {"precision": "float32", "device": "cpu", "threads": 1}
    return configure("dcgan+noise+augment", data="phantom:64", kimg=kimg, **small, **often, **same)


@contextmanager
def forked() -> Iterator[None]:
    """Within, `launch` starts a job in a copy of this process."""

    def copy(arguments: list[str], log_path: Path) -> psutil.Process:
        if pid := os.fork():
            return psutil.Process(pid)
        try:
            os.setsid()
            with log_path.open("ab") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            os.environ.update(environment.for_training())
            sys.argv = ["gan_core", *arguments]
            cli.main()
        finally:
            os._exit(0)  # how it went stands in its status

    usual = launch._detached
    launch._detached = copy
    try:
        yield
    finally:
        launch._detached = usual


def begin(run: Run, cold: bool) -> psutil.Process:
    if cold or not hasattr(os, "fork"):
        launch.start(run)
    else:
        with forked():
            launch.start(run)
    return psutil.Process(run.status().pid)


@dataclass
class Left:
    """What the app reads of a run."""

    nimg: int = -1  # of the saved state, where there is one
    ticks: list[dict] = field(default_factory=list)
    seen: int = 0  # images, by the last word of the process
    problems: list[str] = field(default_factory=list)

    def saved(self, nimg: int) -> list[dict]:
        return [tick for tick in self.ticks if tick["nimg"] <= nimg]


def read_back(run: Run) -> Left:
    """All of it, and what of it is wrong."""
    import torch
    from PIL import Image

    left = Left(ticks=run.stats())
    left.seen = max([run.status().images_seen, *(tick["nimg"] for tick in left.ticks)])

    def attempt(what: str, read: Any) -> Any:
        try:
            return read()
        except (OSError, ValueError, RuntimeError, UserError) as e:
            left.problems.append(f"{what} cannot be read: {e}")

    if run.path not in [other.path for other in list_runs(run.path.parent)]:
        left.problems.append("it is not among the runs")
    if any(b["nimg"] <= a["nimg"] for a, b in zip(left.ticks, left.ticks[1:], strict=False)):
        left.problems.append("its ticks are out of order")
    if run.state_path.exists():
        state = attempt("its state", lambda: torch.load(run.state_path, weights_only=True))
        left.nimg = state["nimg"] if state else -1
    for folder, role in ((run.generator_path, "generator"), (run.discriminator_path, "discriminator")):
        if (folder / TENSORS).exists():
            attempt(role, lambda folder=folder, role=role: load_model(folder, role))
    for path in run.samples().values():
        attempt(path.name, lambda path=path: Image.open(path).load())
    for path in (p for p in run.path.rglob("*.json") if not p.name.startswith(HALF)):
        attempt(path.name, lambda path=path: json.loads(path.read_bytes()))
    left.problems += [f"{p.name} lies there" for p in run.path.rglob(".*") if not p.name.startswith(HALF)]
    return left


def outcome(run: Run) -> dict[str, Any]:
    """All that a training leaves and that is not a time."""
    folders = (run.generator_path, run.discriminator_path)
    files = [*(folder / name for folder in folders for name in (CONFIG, TENSORS)), *run.samples().values()]
    ticks = [{k: v for k, v in tick.items() if k not in CLOCK} for tick in run.stats()]
    half = sorted(p.name for p in run.path.rglob(".*"))
    return {str(f.relative_to(run.path)): f.read_bytes() for f in files} | {"ticks": ticks, "half-written": half}


def half_written(run: Run) -> set[str]:
    return {path.name for path in run.path.rglob(f"{HALF}*")}


def midst(halves: set[str], before: Status) -> str:
    """What a training was killed in the midst of, by the half-written files that it has left."""
    for name in halves:
        stem = name.split("-")[1]
        if stem in ("state", "status", "stats"):
            return f"writing its {stem}"
        return "writing a picture" if stem.isdecimal() else "writing a model"
    if before.state == "running":
        return "training"
    return "starting" if before.message == "Starting" else "getting ready: images, networks, its saved state"


def until(moment: float, at_a_write: bool, process: psutil.Process, run: Run, old: set[str]) -> None:
    """Waits so many seconds, and then perhaps for a half-written file that is not `old`; or for the training's end."""
    end = time.monotonic() + moment
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() < end:
            time.sleep(0.002)
        elif not at_a_write or half_written(run) - old:
            return


def straight(config: TrainConfig, cold: bool) -> tuple[dict[str, Any], float]:
    """What comes of a training that nobody kills, and how many seconds it takes."""
    run, start = create_run(config, "straight"), time.monotonic()
    begin(run, cold).wait(PATIENCE)
    seconds = time.monotonic() - start
    if run.status().state != "finished":
        raise SystemExit(f"Even a training that nobody kills fails here: {run.log_path.read_text(encoding='utf-8')}")
    found = outcome(run)
    shutil.rmtree(run.path)
    return found, seconds


def kill_trainings(kills: int, rng: random.Random, kimg: float, table: Table) -> None:
    """Kills trainings so many times; the last one then comes to its end."""
    from studio.train import session  # noqa: F401  what takes so long to load

    config = small_training(kimg)
    wanted, cold_seconds = straight(config, cold=True)
    again, warm_seconds = straight(config, cold=False)
    if again != wanted:
        raise SystemExit("Two trainings of the same settings differ: nothing can be told here.")
    progress(f"an undisturbed training takes {warm_seconds:.1f} s, and {cold_seconds:.1f} s where Python starts first")
    run, left, done, ended = create_run(config, "killed"), Left(), 0, 0
    while True:
        cold = done % COLD == COLD - 1
        old = half_written(run)
        process = begin(run, cold)
        if done < kills:
            moment = rng.uniform(0, cold_seconds if cold else warm_seconds / 2)
            until(moment, rng.random() < AT_A_WRITE, process, run, old)
        else:
            process.wait(PATIENCE)
        before = run.status()
        kill(process)
        now, status = read_back(run), run.status()
        if status.state == "finished":
            row = table.row("training", "(not killed, came to its end)")
            ended += 1
            row.note = f"{ended} equal to one never killed"
            row.problems += [f"{run.name} differs from one never killed"] if outcome(run) != wanted else []
            if row.problems or done == kills:
                return
            shutil.rmtree(run.path)
            run, left = create_run(config, "killed"), Left()
            continue
        row = table.row("training", midst(half_written(run) - old, before))
        row.kills += 1
        row.lost = max(row.lost, now.seen - max(now.nimg, 0))
        wrong = [*now.problems]
        wrong += [f"it is said to be {status.state} ({status.message})"] if status.state != "interrupted" else []
        wrong += ["its lock is held"] if run.in_use() else []
        wrong += [f"its state went back from {left.nimg} to {now.nimg} images"] if now.nimg < left.nimg else []
        wrong += ["saved ticks are gone or changed"] if now.saved(left.nimg) != left.saved(left.nimg) else []
        row.problems += [f"kill {done}: {text}" for text in wrong]
        if done >= kills:  # it should have ended
            return
        left, done = now, done + 1
        if done % 10 == 0:
            progress(f"{done} of {kills} kills of trainings, {ended} came to their end, {len(table.problems)} problems")
