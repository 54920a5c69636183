"""Deleting runs and evaluations. An upload goes with the last of them that uses it."""

from __future__ import annotations

from gan_core.errors import UserError
from gan_core.files import remove
from gan_core.train.run import CONFIG, Run, deleting, runs_root
from studio import uploads
from studio.evaluate.folder import EvaluationFolder
from studio.jobs.folder import REQUEST


def delete_run(run: Run) -> None:
    """Removes the directory. Raises `UserError` while the run is at work, where it is no run, or cannot be removed."""
    with deleting(run.name, run.path.parent):
        if not (run.path / CONFIG).is_file():
            raise UserError(f"{run.name} is not a run directory, or no longer.")
        sources = list(uploads.of_run(run))
        if run.in_use():
            raise UserError(f"{run.name} is still training: stop it first.")
        remove(run.path, CONFIG)
    uploads.forget(sources)


def delete_evaluation(folder: EvaluationFolder) -> None:
    """Removes the folder. Raises `UserError` while it is at work, where it is no evaluation, or cannot be removed."""
    with deleting(folder.name, runs_root()):
        folder.check_deletable()
        sources = list(uploads.of_evaluation(folder))
        remove(folder.path, REQUEST)
    uploads.forget(sources)
