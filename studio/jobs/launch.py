"""Starting a job in a process of its own, which outlives whoever started it; which are at work; and deleting one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import psutil

from gan_core import environment
from gan_core.errors import UserError, why
from gan_core.files import check_parts
from gan_core.job import Job, changing
from gan_core.train.run import Run
from studio import hosting, owners, uploads
from studio.data.library import HERE
from studio.evaluate.folder import EvaluationFolder
from studio.export.folder import ExportFolder

BUSY_ENV = "KNEE_GAN_WHEN_BUSY"  # "queue" (the default) or "refuse"
NICENESS = 10  # whoever looks at pages goes first
HEAVY: tuple[type[Job], ...] = (Run, EvaluationFolder, ExportFolder)  # those that take the processor
_ROOT = Path(__file__).resolve().parents[2]
_J = TypeVar("_J", bound=Job)


def at_work() -> Job | None:
    """A job that takes the processor, or else one that waits for it; None where there is neither."""
    alive = [(job.status().state, job) for kind in HEAVY for job in kind.all()]
    return next((job for states in (("starting", "running"), ("queued",)) for s, job in alive if s in states), None)


def named(job: Job, visitor: str) -> str:
    """A job as `visitor` is told of it: by its name, which opens it, where it is theirs or everybody's."""
    if owners.is_listed(job.owner(), visitor):
        return job.name
    return f"{'An' if job.kind[0] in 'aeiou' else 'A'} {job.kind} of somebody else's"


def refuses_when_busy() -> bool:
    return os.environ.get(BUSY_ENV, "queue") == "refuse"


def start_new(job: _J, owner: str = "") -> _J:
    """The job, just made, started as that of `owner`. Raises `UserError`, and leaves nothing behind, where it cannot
    start now."""
    try:
        if owner not in ("", HERE):
            job = job.belonging_to(owner)
        start(job)
    except UserError:
        shutil.rmtree(job.path, ignore_errors=True)
        raise
    return job


def start(job: Job) -> None:
    """Starts, or goes on with, a job in a new process; its output goes to the job's log.

    Raises `UserError` where it is gone or at work already, another is and the setting is to refuse, or this server
    trains nothing.
    """
    minutes = hosting.check_training() if isinstance(job, Run) else None
    try:
        with changing(job.house):
            job.request()
            if job.in_use():
                raise UserError(f"{job.name} is already at work.")
            if isinstance(job, HEAVY) and refuses_when_busy() and (other := at_work()):
                at = named(other, job.owner() or HERE)
                raise UserError(
                    f"{at} is at work, and this server does one thing at a time: try again when it has ended."
                )
            _start(job, [*job.command(), *(["--minutes", str(minutes)] if minutes else [])])
    except OSError as e:
        raise UserError(f"{job.name} cannot be started: {why(e)}.") from e


def delete(job: Job) -> None:
    """Removes a job's folder, and uploads that nothing else uses. Raises `UserError` as `Job.delete`."""
    sources = uploads.of(job)
    job.delete()
    uploads.forget(sources)


def _start(job: Job, command: list[str]) -> None:
    """Raises `OSError`, and leaves no process behind, where there can be none or its folder cannot be written."""
    check_parts(job.path)
    job.stop_path.unlink(missing_ok=True)  # asked of a process that was killed before it could obey
    status = job.starting()
    child = _detached(command, job.log_path)
    try:
        job.write_status(status.with_process(child))
    except OSError:
        child.kill()
        raise


def _detached(arguments: list[str], log_path: Path) -> psutil.Process:
    """`python -m gan_core` with these arguments, apart from this process; its output goes to the end of the log.

    Raises `OSError` where there can be no such process.
    """
    apart: dict = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gan_core", *arguments],
            cwd=_ROOT,
            env=environment.for_training() | hosting.bound(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **apart,
        )
    child = psutil.Process(process.pid)
    # One that is nicer already stays so: without privileges it may not be less.
    child.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else max(NICENESS, child.nice()))
    return child
