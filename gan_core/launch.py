"""Starting a training in a process of its own, which outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from gan_core import environment
from gan_core.errors import UserError
from gan_core.runs import ALIVE, Run, Status, list_runs

BUSY_ENV = "KNEE_GAN_WHEN_BUSY"  # "queue" (the default) or "refuse"
NICENESS = 10  # whoever looks at pages goes first
_ROOT = Path(__file__).resolve().parent.parent


def busy(root: Path | None = None) -> Run | None:
    """The run that is at work or next in the queue, if any."""
    return next((run for run in list_runs(root) if run.status().state in ALIVE), None)


def refuses_when_busy() -> bool:
    return os.environ.get(BUSY_ENV, "queue") == "refuse"


def start(run: Run) -> None:
    """Starts, or goes on with, `run` in a new process, after the runs beside it; its output goes to the run's log.

    Raises `UserError` where it is at work already, or another is and the setting is to refuse.
    """
    if run.alive():
        raise UserError(f"{run.name} is already training.")
    if refuses_when_busy() and (other := busy(run.path.parent)):
        raise UserError(f"{other.name} is training, and this server trains one at a time: try again when it has ended.")
    run.stop_path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "gan_core", "train", "--resume", "--queue", "--out", str(run.path.resolve())]
    detached: dict = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
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
    before = run.status()
    run.write_status(
        Status(
            message="Starting",
            images_seen=before.images_seen,
            images_total=round(run.config().kimg * 1000),
            seconds=before.seconds,
        ).with_process(child)
    )
