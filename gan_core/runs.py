"""The run directory: what a training writes and everybody else reads. No network is touched here.

`config.json` (every setting), `status.json` (how it stands), `stats.jsonl` (a line a tick), `samples/` (the fixed seeds
at every snapshot), `state.pt` (all that resuming needs), `generator/` and `discriminator/` (model folders), `log.txt`,
TensorBoard's event files, and for a moment `stop` (somebody asks it to end).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gan_core.config import TrainConfig
from gan_core.errors import UserError
from gan_core.files import sweep, write_text

RUNS_ENV = "KNEE_GAN_RUNS"
UPLOADS = "uploads"
STALE_SECONDS = 300  # a run of another machine that has not written for so long is taken for dead
State = Literal["queued", "starting", "running", "stopped", "finished", "failed", "interrupted"]
ALIVE: frozenset[State] = frozenset({"queued", "starting", "running"})


def runs_root() -> Path:
    return Path(os.environ.get(RUNS_ENV, "runs"))


def duration(seconds: float) -> str:
    """12345 as "3 h 26 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Status(BaseModel):
    """How a run stands. "interrupted" is never written: it is what a reader finds when the process is gone."""

    model_config = ConfigDict(extra="ignore")

    state: State = "starting"
    message: str = ""
    warnings: list[str] = Field(default_factory=list)
    images_seen: int = 0
    images_total: int = 0
    images_per_second: float = 0.0
    seconds: float = 0.0  # of training, over all its sessions
    dataset_size: int = 0
    pid: int = 0
    process_started: float = 0.0
    host: str = ""
    updated: float = 0.0  # seconds since 1970

    @property
    def seconds_left(self) -> float | None:
        left = self.images_total - self.images_seen
        return left / self.images_per_second if self.images_per_second > 0 else None

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

    def with_process(self, process: psutil.Process | None = None) -> Status:
        """A copy that names `process`, by default this one, as the one at work."""
        process = process or psutil.Process()
        return self.model_copy(
            update={"pid": process.pid, "process_started": process.create_time(), "host": socket.gethostname()}
        )

    def process_alive(self) -> bool:
        """Whether the process that wrote this still runs: by its start time too, since numbers are used again."""
        if self.host != socket.gethostname():
            return time.time() - self.updated < STALE_SECONDS
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.process_started) < 2
            return same and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, ValueError):
            return False


@dataclass(frozen=True)
class Run:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def state_path(self) -> Path:
        return self.path / "state.pt"

    @property
    def stats_path(self) -> Path:
        return self.path / "stats.jsonl"

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    @property
    def samples_path(self) -> Path:
        return self.path / "samples"

    @property
    def generator_path(self) -> Path:
        return self.path / "generator"

    @property
    def discriminator_path(self) -> Path:
        return self.path / "discriminator"

    @property
    def stop_path(self) -> Path:
        return self.path / "stop"

    def config(self) -> TrainConfig:
        """Raises `UserError` where the file is missing or does not fit."""
        try:
            return TrainConfig.model_validate_json((self.path / "config.json").read_bytes())
        except (OSError, ValidationError) as e:
            raise UserError(f"{self.path} is not a run directory: it holds no valid config.json.") from e

    def write_config(self, config: TrainConfig) -> None:
        write_text(self.path / "config.json", json.dumps(config.model_dump(), indent=2))

    def status(self) -> Status:
        """As written, but "interrupted" where it should be at work and its process is gone."""
        try:
            status = Status.model_validate_json((self.path / "status.json").read_bytes())
        except (OSError, ValidationError):
            return Status(state="interrupted", message="The status of this run cannot be read.")
        if status.state in ALIVE and not status.process_alive():
            message = "Its process ended without saying why. It can be resumed from the last saved state."
            return status.model_copy(update={"state": "interrupted", "message": message})
        return status

    def write_status(self, status: Status) -> None:
        status.updated = time.time()
        write_text(self.path / "status.json", status.model_dump_json(indent=2))

    def alive(self) -> bool:
        return self.status().state in ALIVE

    def stats(self) -> list[dict]:
        """The ticks so far; a line cut off in the middle is left out."""
        try:
            lines = self.stats_path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []
        out = []
        for line in lines:
            try:
                tick = json.loads(line)
            except ValueError:
                continue
            if isinstance(tick, dict) and isinstance(tick.get("nimg"), int):
                out.append(tick)
        return out

    def trim(self, nimg: int) -> None:
        """Takes back what was written after the state at `nimg` images was saved: it is about to be done again."""
        sweep(self.path)
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
        """Images seen -> the picture of the fixed seeds at that point, in order."""
        found = self.samples_path.glob("[0-9]*.png")
        return {int(p.stem): p for p in sorted(found) if p.stem.isdigit()}

    def request_stop(self) -> None:
        """Asks the training to end at its next step; of no effect on a run that is gone."""
        with suppress(OSError):
            self.stop_path.touch()


def list_runs(root: Path | None = None) -> list[Run]:
    """All runs under `root`, the newest first."""
    root = root or runs_root()
    if not root.is_dir():
        return []
    found = [Run(p) for p in root.iterdir() if (p / "config.json").is_file()]
    return sorted(found, key=lambda r: ([int(d) for d in re.findall(r"^\d+", r.name)], r.name), reverse=True)


def find_run(name: str, root: Path | None = None) -> Run:
    """A run by its name or by a path. Raises `UserError` where there is none."""
    root = root or runs_root()
    for run in list_runs(root):
        if run.name == name:
            return run
    if (Path(name) / "config.json").is_file():
        return Run(Path(name))
    raise UserError(f"There is no run {name!r} in {root}. `python -m gan_core runs` lists them.")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "data"


def create_run(config: TrainConfig, data_name: str, root: Path | None = None) -> Run:
    """A new, numbered directory with the configuration in it."""
    root = root or runs_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        while True:
            number = 1 + max((int(m[0]) for p in root.iterdir() if (m := re.match(r"\d+", p.name))), default=0)
            run = Run(root / f"{number:05d}-{_slug(data_name)}-{_slug(config.preset)}")
            try:
                run.path.mkdir()
                break
            except FileExistsError:
                continue  # somebody else took the number
        run.write_config(config)
    except OSError as e:
        raise UserError(f"No run can be created in {root}: {e.strerror or e}.") from e
    return run


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


def delete_run(run: Run) -> None:
    """Removes the directory. Raises `UserError` while the run is at work, or where it is no run."""
    if run.alive():
        raise UserError(f"{run.name} is still training: stop it first.")
    if not (run.path / "config.json").is_file():
        raise UserError(f"{run.path} is not a run directory.")
    source = _uploaded(run)
    shutil.rmtree(run.path)
    if source and not any(_uploaded(other) == source for other in list_runs(run.path.parent)):
        shutil.rmtree(source, ignore_errors=True)


def _uploaded(run: Run) -> Path | None:
    """The folder in uploads/, beside the runs, that a run learns from: it goes with the last run that needs it."""
    root = (run.path.parent / UPLOADS).resolve()
    try:
        source = Path(run.config().data).resolve()
    except UserError:
        return None
    return root / source.relative_to(root).parts[0] if source != root and source.is_relative_to(root) else None
