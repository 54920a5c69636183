"""What visitors of a host have brought and begun goes some days after its last use. What is the host's own stays."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime

from gan_core.errors import UserError
from gan_core.job import STATUS, Job
from gan_core.train.run import Run
from studio import hosting, uploads
from studio.evaluate.folder import EvaluationFolder
from studio.export.folder import ExportFolder
from studio.jobs import launch
from studio.models import downloads
from studio.models import store as models
from studio.study import store as studies

KINDS: tuple[type[Job], ...] = (Run, EvaluationFolder, ExportFolder)
_DAY = 24 * 3600.0


def sweep() -> None:
    """Removes what has not been used for `hosting.keep_days`: visitors' trainings, evaluations, exports, studies and
    models, then uploads that nothing is made of any more; and how downloads ended, after a day.

    Raises `UserError` where the host's setting is no number: then nothing is removed.
    """
    seconds = hosting.keep_days() * _DAY
    for job in [job for kind in KINDS for job in kind.all()]:
        with suppress(UserError, OSError):  # at work, or gone meanwhile
            if job.owner() and _unused(job) > seconds:
                launch.delete(job)
    with suppress(UserError):  # damaged, or written by a newer version: its page says so
        studies.expire(datetime.fromtimestamp(time.time() - seconds, UTC))
    for stored in models.stored():
        with suppress(UserError):
            if stored.origin.owner and time.time() - stored.origin.when > seconds:
                models.remove(stored.name)
    uploads.sweep(seconds)
    downloads.forget(older=downloads.KEPT_SECONDS)


def _unused(job: Job) -> float:
    """Seconds since a job was asked for, or has last written how it stands."""
    return time.time() - max(p.stat().st_mtime for p in (job.path / job.holds, job.path / STATUS) if p.exists())
