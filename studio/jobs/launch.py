"""Starting a training, an evaluation or an export in a process of its own, which outlives whoever started it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from gan_core import environment
from gan_core.config import TrainConfig
from gan_core.errors import UserError, why
from gan_core.files import check_parts
from gan_core.status import ProcessStatus
from gan_core.train.run import STATUS, Run, Status, changing, create_run, list_runs, runs_root
from studio import hosting
from studio.evaluate.folder import EvaluationFolder, EvaluationRequest, create_evaluation
from studio.export.folder import ExportFolder
from studio.jobs.folder import JobFolder

BUSY_ENV = "KNEE_GAN_WHEN_BUSY"  # "queue" (the default) or "refuse"
NICENESS = 10  # whoever looks at pages goes first
_ROOT = Path(__file__).resolve().parents[2]


def busy(root: Path | None = None) -> Run | None:
    """The run that is at work, or else one that waits; None where there is neither."""
    alive = [(run.status().state, run) for run in list_runs(root)]
    at_work = [run for state, run in alive if state in ("starting", "running")]
    waiting = [run for state, run in alive if state == "queued"]
    return next(iter(at_work + waiting), None)


def evaluating() -> EvaluationFolder | None:
    """The evaluation that is at work, if any."""
    return next((evaluation for evaluation in EvaluationFolder.all() if evaluation.alive()), None)


def exporting() -> ExportFolder | None:
    """The export that is at work, if any."""
    return next((export for export in ExportFolder.all() if export.alive()), None)


def refuses_when_busy() -> bool:
    return os.environ.get(BUSY_ENV, "queue") == "refuse"


def start_new(config: TrainConfig, data_name: str) -> Run:
    """A new run of `config`, started. Raises `UserError`, and leaves nothing behind, where it cannot start now."""
    hosting.check_training()
    _check_free(runs_root())
    run = create_run(config, data_name)
    try:
        start(run)
    except UserError:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _check_free(root: Path) -> None:
    if refuses_when_busy() and (other := busy(root) or evaluating() or exporting()):
        raise UserError(
            f"{other.name} is at work, and this server does one thing at a time: try again when it has ended."
        )


def start(run: Run) -> None:
    """Starts, or goes on with, `run` in a new process, after the runs beside it; its output goes to the run's log.

    Raises `UserError` where it is gone, at work already, another is and the setting is to refuse, or this server trains
    nothing.
    """
    minutes = hosting.check_training()
    command = ["train", "--resume", "--queue", "--out", str(run.path.resolve())]
    command += ["--minutes", str(minutes)] if minutes else []
    with _starting(run.name, run.path.parent):
        config = run.config()
        if run.in_use():
            raise UserError(f"{run.name} is already training.")
        _check_free(run.path.parent)
        before = run.status()
        status = Status(
            message="Starting",
            images_seen=before.images_seen,
            images_total=round(config.kimg * 1000),
            seconds=before.seconds,
        )
        _start(command, run, status)


def start_evaluation(request: EvaluationRequest) -> EvaluationFolder:
    """A new evaluation, started in a process of its own.

    Raises `UserError` where it cannot be, or other work is being done and the setting is to refuse.
    """
    with _starting("The evaluation", runs_root()):
        _check_free(runs_root())
        folder = create_evaluation(request)
        _start_job(folder, "evaluate")
    return folder


def start_export(folder: ExportFolder) -> None:
    """Starts, or goes on with, the export that `folder` asks for, in a process of its own.

    Raises `UserError` where it is at work already, or other work is being done and the setting is to refuse.
    """
    with _starting(folder.name, runs_root()):
        if folder.alive():
            raise UserError(f"{folder.name} is already at work.")
        _check_free(runs_root())
        _start_job(folder, "export")


def _start_job(folder: JobFolder, verb: str) -> None:
    _start([verb, "--again", str(folder.path.resolve())], folder, folder.status_schema(message="Starting"))


@contextmanager
def _starting(what: str, root: Path) -> Iterator[None]:
    """Within, nothing else below `root` is started. Raises `UserError` where what is written within cannot be."""
    try:
        with changing(root):
            yield
    except OSError as e:
        raise UserError(f"{what} cannot be started: {why(e)}.") from e


def _start(arguments: list[str], folder: Run | JobFolder, status: ProcessStatus) -> None:
    """Raises `OSError`, and leaves no process behind, where there can be none or its folder cannot be written."""
    check_parts(folder.path)
    folder.stop_path.unlink(missing_ok=True)  # asked of a process that was killed before it could obey
    child = _detached(arguments, folder.log_path)
    try:
        status.with_process(child).write(folder.path / STATUS)
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
            env=environment.for_training(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **apart,
        )
    child = psutil.Process(process.pid)
    # One that is nicer already stays so: without privileges it may not be less.
    child.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else max(NICENESS, child.nice()))
    return child
