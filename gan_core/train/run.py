"""The run directory: what a training writes and everybody else reads. No network is touched here.

`config.json` (every setting), `status.json` (how it stands), `stats.jsonl` (a line a tick), `samples/` (the fixed seeds
at every snapshot), `state.pt` (all that resuming needs), `generator/`, `generator-best/` and `discriminator/` (model
folders), `log.txt`, TensorBoard's event files, and for a moment `stop` (somebody asks it to end).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import Field

from gan_core.config import TrainConfig
from gan_core.errors import UserError
from gan_core.files import check_own, read_own, sweep, write_text
from gan_core.job import Job, runs_root
from gan_core.status import ProcessStatus, duration

CONFIG = "config.json"
BEST = "best.json"
LOCK = "lock"  # held by the process that trains
MAX_NIMG = 10**12  # images that a run may have seen


def number(value: Any) -> float | None:
    """A finite number as a float; None for all else that a file may hold in its place."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


class Status(ProcessStatus):
    """How a run stands. Its `seconds` are those of training, over all its sessions."""

    warnings: list[str] = Field(default_factory=list)
    remarks: list[str] = Field(default_factory=list)  # how the data was understood
    images_seen: int = Field(0, ge=0, le=MAX_NIMG)
    images_total: int = Field(0, ge=0, le=MAX_NIMG)
    images_per_second: float = Field(0.0, ge=0)
    dataset_size: int = Field(0, ge=0, le=MAX_NIMG)

    @property
    def seconds_left(self) -> float | None:
        left = self.images_total - self.images_seen
        return left / self.images_per_second if self.images_per_second > 0 else None

    @property
    def share(self) -> float | None:
        return min(1.0, self.images_seen / self.images_total) if self.images_total else None

    def progress(self) -> str:
        """How far it is, how fast, and how long it will take, in one line."""
        parts = [f"{min(self.images_seen, self.images_total):,} of {self.images_total:,} images"]
        if self.dataset_size:
            parts.append(f"epoch {self.images_seen / self.dataset_size:.1f}")
        if self.seconds:
            parts.append(f"{duration(self.seconds)} so far")
        if self.state == "running" and self.seconds_left is not None:
            parts += [f"{self.images_per_second:,.0f} images a second", f"{duration(self.seconds_left)} left"]
        return " · ".join(parts)


class Run(Job[TrainConfig, Status]):
    kind = "training"
    called = "a run directory"
    holds = CONFIG
    request_schema = TrainConfig
    status_schema = Status
    advice = "It can be resumed from the last saved state."

    @property
    def state_path(self) -> Path:
        return self.path / "state.pt"

    @property
    def stats_path(self) -> Path:
        return self.path / "stats.jsonl"

    @property
    def samples_path(self) -> Path:
        return self.path / "samples"

    @property
    def generator_path(self) -> Path:
        return self.path / "generator"

    @property
    def best_path(self) -> Path:
        """The generator that was nearest to the reals along the way."""
        return self.path / "generator-best"

    @property
    def discriminator_path(self) -> Path:
        return self.path / "discriminator"

    def config(self) -> TrainConfig:
        """Raises `UserError` where the file is missing or does not fit."""
        return self.request()

    def write_config(self, config: TrainConfig) -> None:
        self.write_request(config)

    def starting(self) -> Status:
        before, total = self.status(), round(self.config().kimg * 1000)
        kept = {"images_seen": before.images_seen, "seconds": before.seconds}
        return Status(message="Starting", images_total=total, **kept)

    def in_use(self) -> bool:
        """Whether it is at work, or a process holds it whatever its status says. The folder must be there."""
        try:
            with FileLock(self.path / LOCK, timeout=0):
                return self.alive()
        except Timeout:
            return True

    def sources(self) -> tuple[str, ...]:
        return (self.config().data,)

    def command(self) -> list[str]:
        return ["train", "--resume", "--queue", "--out", str(self.path.resolve())]

    def stats(self) -> list[dict]:
        """The ticks so far, all of them finite numbers; a line that is damaged or cut off in the middle is left out."""
        try:
            check_own(self.stats_path, self.path)
            lines = self.stats_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        out = []
        for line in lines:
            try:
                tick = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(tick, dict) and type(nimg := tick.get("nimg")) is int and 0 <= nimg <= MAX_NIMG:
                out.append({k: found for k, v in tick.items() if (found := number(v)) is not None} | {"nimg": nimg})
        return out

    def best_distance(self) -> float:
        """Of the generator in `best_path` to the reals; infinite while there is none.

        Kept apart from the ticks, which are taken back to the last saved state on resuming: a generator that a killed
        session has kept is as good as any that comes again.
        """
        try:
            distance = number(json.loads(read_own(self.path / BEST, self.path))["kd_knee"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return math.inf
        return math.inf if distance is None else distance

    def write_best(self, distance: float) -> None:
        write_text(self.path / BEST, json.dumps({"kd_knee": distance}))

    def trim(self, nimg: int) -> None:
        """Takes back what was written after the state at `nimg` images was saved: it is about to be done again."""
        sweep(self.path)
        if nimg < 0:  # a fresh start
            (self.path / BEST).unlink(missing_ok=True)
        kept = [t for t in self.stats() if t["nimg"] <= nimg]
        write_text(self.stats_path, "".join(json.dumps(t) + "\n" for t in kept))
        for at, path in self.samples().items():
            if at > nimg:
                path.unlink(missing_ok=True)

    def add_stats(self, tick: dict) -> None:
        with self.stats_path.open("a", encoding="utf-8") as f:
            f.write(json.dumps(tick) + "\n")

    def sample_path(self, nimg: int) -> Path:
        return self.samples_path / f"{nimg:09d}.png"

    def samples(self) -> dict[int, Path]:
        """Images seen -> the picture of the fixed seeds at that point, in order. Links are not followed."""
        if self.samples_path.is_symlink():
            return {}
        found = (p for p in sorted(self.samples_path.glob("[0-9]*.png")) if p.stem.isdecimal() and not p.is_symlink())
        return {nimg: p for p in found if (nimg := int(p.stem)) <= MAX_NIMG}


def list_runs(root: Path | None = None) -> list[Run]:
    """All runs under `root`, the newest first."""
    return Run.all(root)


def find_run(name: str, root: Path | None = None) -> Run:
    """A run by its name or by a path. Raises `UserError` where there is none."""
    root = root or runs_root()
    for run in list_runs(root):
        if run.name == name:
            return run
    if (Path(name) / CONFIG).is_file():
        return Run(Path(name))
    raise UserError(f"There is no run {name!r} in {root}. `python -m gan_core runs` lists them.")


def create_run(config: TrainConfig, data_name: str, root: Path | None = None) -> Run:
    """A new, numbered directory with the configuration in it. Raises `UserError` where it cannot be written."""
    return Run.create(config, data_name, config.preset, root=root)


def find_unfinished(config: TrainConfig, root: Path | None = None) -> Run | None:
    """The newest run of the same settings that was stopped or cut off."""
    for run in list_runs(root):
        try:
            same = run.config().same_run(config)
        except UserError:
            continue
        if same and run.status().state in ("stopped", "interrupted"):
            return run
    return None
