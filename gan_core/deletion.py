"""Deleting runs and evaluations. An upload goes with the last of them that needs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gan_core.errors import UserError
from gan_core.evaluations import EvaluationFolder
from gan_core.files import remove
from gan_core.jobs import REQUEST
from gan_core.runs import CONFIG, UPLOADS, Run, deleting, list_runs, runs_root


def delete_run(run: Run) -> None:
    """Removes the directory. Raises `UserError` while the run is at work, where it is no run, or cannot be removed."""
    with deleting(run.name, run.path.parent):
        if not (run.path / CONFIG).is_file():
            raise UserError(f"{run.path} is not a run directory.")
        sources = list(_of_run(run))
        if run.in_use():
            raise UserError(f"{run.name} is still training: stop it first.")
        remove(run.path, CONFIG)
    _forget_uploads(sources)


def delete_evaluation(folder: EvaluationFolder) -> None:
    """Removes the folder. Raises `UserError` while it is at work, where it is no evaluation, or cannot be removed."""
    with deleting(folder.name, runs_root()):
        folder.check_deletable()
        sources = list(_of_evaluation(folder))
        remove(folder.path, REQUEST)
    _forget_uploads(sources)


def _of_run(run: Run) -> Iterator[str]:
    with suppress(UserError):
        yield run.config().data


def _of_evaluation(folder: EvaluationFolder) -> Iterator[str]:
    with suppress(UserError):
        request = folder.request()
        yield from (request.data, request.reference)


def _forget_uploads(sources: list[str]) -> None:
    """Removes those of `sources` that are uploads which nothing needs any more."""
    needed = {_upload(s) for run in list_runs() for s in _of_run(run)}
    needed |= {_upload(s) for evaluation in EvaluationFolder.all() for s in _of_evaluation(evaluation)}
    for upload in map(_upload, sources):
        if upload and upload not in needed:
            shutil.rmtree(upload, ignore_errors=True)


def _upload(source: str) -> Path | None:
    """The folder in uploads/ that a source lies in, if it lies in one."""
    root = (runs_root() / UPLOADS).resolve()
    try:
        path = Path(source).resolve()
    except (OSError, RuntimeError, ValueError):  # no path at all
        return None
    return root / path.relative_to(root).parts[0] if path != root and path.is_relative_to(root) else None
