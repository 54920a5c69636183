"""Starting a training in a process of its own, which outlives whoever started it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from gan_core import environment
from gan_core.config import TrainConfig
from gan_core.errors import UserError
from gan_core.runs import Run, Status, create_run, list_runs, runs_root

BUSY_ENV = "KNEE_GAN_WHEN_BUSY"  # "queue" (the default) or "refuse"
NICENESS = 10  # whoever looks at pages goes first
_ROOT = Path(__file__).resolve().parent.parent


def busy(root: Path | None = None) -> Run | None:
    """The run that is at work, or else one that waits; None where there is neither."""
    alive = [(run.status().state, run) for run in list_runs(root)]
    at_work = [run for state, run in alive if state in ("starting", "running")]
    waiting = [run for state, run in alive if state == "queued"]
    return next(iter(at_work + waiting), None)


def refuses_when_busy() -> bool:
    return os.environ.get(BUSY_ENV, "queue") == "refuse"


def start_new(config: TrainConfig, data_name: str) -> Run:
    """A new run of `config`, started. Raises `UserError`, and leaves nothing behind, where it cannot start now."""
    _check_free(runs_root())
    run = create_run(config, data_name)
    try:
        start(run)
    except UserError:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _check_free(root: Path) -> None:
    if refuses_when_busy() and (other := busy(root)):
        raise UserError(f"{other.name} is training, and this server trains one at a time: try again when it has ended.")


def start(run: Run) -> None:
    """Starts, or goes on with, `run` in a new process, after the runs beside it; its output goes to the run's log.

    Raises `UserError` where it is gone, at work already, or another is and the setting is to refuse.
    """
    config = run.config()
    if run.alive():
        raise UserError(f"{run.name} is already training.")
    _check_free(run.path.parent)
    command = [sys.executable, "-m", "gan_core", "train", "--resume", "--queue", "--out", str(run.path.resolve())]
    detached: dict = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    before = run.status()
    try:
        with run.log_path.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=environment.for_training(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **detached,
            )
        child = psutil.Process(process.pid)
        child.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS)
        status = Status(
            message="Starting",
            images_seen=before.images_seen,
            images_total=round(config.kimg * 1000),
            seconds=before.seconds,
        )
        run.write_status(status.with_process(child))
    except OSError as e:
        raise UserError(f"{run.name} cannot be started: {e.strerror or e}.") from e
