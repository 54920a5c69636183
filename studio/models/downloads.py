"""Downloads of models as jobs, `runs/downloads/00001-<owner>-<name>/`, and the model that the host wants first."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Event

from pydantic import Field

from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.hub import HubName, Unreachable
from gan_core.model import shipped_generators
from gan_core.status import duration
from studio import hosting
from studio.jobs.work import JobStatus, Progress, Task
from studio.models.inventory import places
from studio.models.pull import Found, look, pull, pull_or_cached
from studio.models.store import Stored, find_stored

SILENCE = 3  # seconds without a byte after which a person is told
FIRST_PAUSE, LONGEST_PAUSE = 15.0, 3600.0  # seconds between two tries to reach the Hub without anybody asking
KEPT_SECONDS = 24 * 3600.0  # for which is told how a download ended
_LOOK_SECONDS = 0.2  # between two looks at how far it is


class DownloadRequest(Settings):
    """Which model to fetch: what a person has seen of it before."""

    repo: str = Field(min_length=1, max_length=200)  # owner/name
    revision: str | None = Field(None, max_length=300)  # as it was asked for; None is the newest
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    size: int = Field(ge=0)  # bytes


class DownloadStatus(JobStatus):
    """Of bytes; the message says for how long none have come."""

    def progress(self) -> str:
        said = f"{size_text(self.done)} of {size_text(self.total)}"
        left = "" if self.seconds_left is None else f" · {duration(self.seconds_left)} left"
        return f"{said} · checking" if self.done >= self.total else f"{said}{left}"


class Download(Task[DownloadRequest, DownloadStatus]):
    kind, called, where = "download", "a download", "downloads"
    request_schema = DownloadRequest
    status_schema = DownloadStatus
    advice = "Start it again."
    kept = "Nothing was kept."

    def work(self, progress: Progress) -> Stored:
        return _fetch(self.request(), progress)

    def result(self) -> Stored | None:
        """The model that it has fetched, while it is here."""
        request = self.request()
        return find_stored(f"{request.repo}@{request.commit}")


def create_download(found: Found) -> Download:
    """A download of what `look` has found; what earlier ones of the same said is forgotten.

    Raises `UserError` where its folder cannot be written.
    """
    name = found.name
    forget(name.repo)
    request = DownloadRequest(repo=name.repo, revision=name.revision, commit=found.commit, size=found.size)
    return Download.create(request, name.repo)


def forget(repo: str = "", older: float = 0.0) -> None:
    """Removes downloads, of this `repo` alone or of all, that ended at least `older` seconds ago."""
    for download in Download.all():
        with suppress(UserError, OSError):  # one that is at work, or gone by now
            if time.time() - download.path.stat().st_mtime >= older and (not repo or repo == download.request().repo):
                download.delete()


class _Cancelled(Exception):
    """Somebody asked for an end."""


def _fetch(request: DownloadRequest, progress: Progress) -> Stored:
    """The model, fetched in a thread beside this one, which so hears of a wish to stop whatever the Hub is doing."""
    done, heard, cancelled = 0, time.monotonic(), Event()

    def add(n: int) -> None:
        nonlocal done, heard
        if cancelled.is_set():
            raise _Cancelled
        done, heard = done + n, time.monotonic()

    found = look(HubName(request.repo, request.commit))
    found = dataclasses.replace(found, name=HubName(request.repo, request.revision))
    pool = ThreadPoolExecutor(1)
    try:
        fetched = pool.submit(pull, found, add)
        while not wait([fetched], _LOOK_SECONDS).done:
            silent = time.monotonic() - heard
            quiet = f"The Hub has sent nothing for {duration(silent)}; trying again"
            progress("Fetching" if silent < SILENCE or done >= found.size else quiet, done, found.size)
        return fetched.result()
    finally:
        cancelled.set()
        pool.shutdown(wait=False)  # the process ends when the thread has taken away what it had


def fetch_first(wait: Callable[[float], None] = time.sleep) -> str:
    """Sees to it that the model which the host wants first is here: "" when it is, else why it cannot be.

    While the Hub gives no answer it is asked again, less and less often.
    """
    first, pause = hosting.first_model(), FIRST_PAUSE
    if not first or first in (name for name, *_ in places(shipped_generators())):
        return ""
    while True:
        try:
            pull_or_cached(first)
            return ""
        except Unreachable as e:
            logging.getLogger(__name__).warning("%s: %s", hosting.MODEL_ENV, e)
        except UserError as e:
            return str(e)
        wait(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
