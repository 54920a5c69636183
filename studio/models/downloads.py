"""Downloads of models in the background of the app, and the one that the host wants first."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.hub import Unreachable
from gan_core.model import shipped_generators
from gan_core.status import duration
from studio import hosting
from studio.models.inventory import places
from studio.models.pull import Found, pull, pull_or_cached
from studio.models.store import Stored

SILENCE = 3  # seconds without a byte after which a person is told
FIRST_PAUSE, LONGEST_PAUSE = 15.0, 3600.0  # seconds between two tries to reach the Hub without anybody asking


class Cancelled(Exception):
    """Somebody asked for an end."""


@dataclass
class Progress:
    """How far a download is."""

    total: int  # bytes
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)  # when the last byte came

    def add(self, n: int) -> None:
        self.done += n
        self.heard = time.monotonic()

    def text(self) -> str:
        """Bytes, and the time left at the pace so far; or for how long nothing has come."""
        now = time.monotonic()
        said = f"{size_text(self.done)} of {size_text(self.total)}"
        if self.done >= self.total:
            return f"{said} · checking"
        if now - self.heard > SILENCE:
            return f"{said} · the Hub has sent nothing for {duration(now - self.heard)}; trying again"
        if self.done <= 0 or now - self.started < 1:
            return said
        return f"{said} · {duration((self.total - self.done) * (now - self.started) / self.done)} left"


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


class Job(threading.Thread):
    """A `pull` in the background of the app. It goes on when the page is left, and ends with the server."""

    def __init__(self, found: Found) -> None:
        super().__init__(daemon=True)
        self.found = found
        self.progress = Progress(found.size)
        self.state: Literal["running", "finished", "failed", "cancelled"] = "running"
        self.message = ""
        self.result: Stored | None = None

    def run(self) -> None:
        try:
            self.result = pull(self.found, self._add)
            self._end("finished")
        except Cancelled:
            pass
        except UserError as e:
            self._end("failed", str(e))
        except Exception as e:  # whatever it was, a person must hear of it; its text may hold what is not for them
            self._end("failed", f"An unexpected error ended the download ({type(e).__name__}). Try again.")

    def _add(self, n: int) -> None:
        if self.state == "cancelled":
            raise Cancelled
        self.progress.add(n)

    def _end(self, state: Literal["finished", "failed"], message: str = "") -> None:
        if self.state == "running":
            self.state, self.message = state, message

    def cancel(self) -> None:
        """At once for whoever looks; the connection is let go with its next bytes."""
        if self.state == "running":
            self.state = "cancelled"


_jobs: dict[str, Job] = {}
_lock = threading.Lock()


def start(found: Found) -> Job:
    """Begins to fetch; where the same is being fetched already, that is the job."""
    with _lock:
        job = _jobs.get(str(found.name))
        if job is None or job.state != "running":
            job = _jobs[str(found.name)] = Job(found)
            job.start()
        return job


def jobs() -> list[Job]:
    """Those at work, and how others ended that nobody has dismissed yet."""
    with _lock:
        return list(_jobs.values())


def dismiss(job: Job) -> None:
    with _lock:
        _jobs.pop(str(job.found.name), None)
