"""Doing a job in the process started for it: how it stands is written down as it goes, and it ends when asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.job import Job
from gan_core.status import ProcessStatus, State, duration, ended_by

STATUS_SECONDS = 0.5
SURE_AFTER = 2.0  # seconds of a step, before its end is foretold
Progress = Callable[[str, int, int], None]  # (what is being done, so many, of so many)
_R = TypeVar("_R", bound=Settings)
_S = TypeVar("_S", bound="JobStatus")


class JobStatus(ProcessStatus):
    """How a job stands: `message` says what is being done, and `done` of `total` of it are."""

    done: int = Field(0, ge=0)
    total: int = Field(0, ge=0)
    seconds_left: float | None = None  # of this step

    @property
    def share(self) -> float | None:
        return min(1.0, self.done / self.total) if self.total else None

    def progress(self) -> str:
        """How far this step is and how long it will take, in one line."""
        left = "" if self.seconds_left is None else f" · {duration(self.seconds_left)} left"
        return f"{self.done:,} of {self.total:,}{left}"


class _StopRequest(Exception):
    """Somebody asked for an end."""


class Task(Job[_R, _S]):
    """A job of the application's. Each kind says what it does."""

    kept: ClassVar[str] = ""  # what becomes of one that is stopped

    def work(self, progress: Progress) -> Any:
        """Does what is asked, and says how far it is. Raises `UserError` where something is wrong."""
        raise NotImplementedError

    def told(self, result: Any) -> dict[str, int]:
        """What the status says of the result besides."""
        return {}

    def run(self, show: Progress) -> Any:
        """The result of `work`, while the status says how it stands; None where somebody asked it to stop.

        `show` gets the progress too. Raises what `work` raises, after writing it into the status.
        """
        began = time.monotonic()
        written, step, since, first, reached = 0.0, "", 0.0, 0, (0, 0)

        def say(state: State, message: str, **more: float | None) -> None:
            seconds = time.monotonic() - began
            status = self.status_schema.model_validate({"state": state, "message": message, "seconds": seconds, **more})
            self.write_status(status.with_process())

        def progress(what: str, done: int, of: int) -> None:
            nonlocal written, step, since, first, reached
            show(what, done, of)
            reached = (done, of)
            now = time.monotonic()
            if what == step and now - written <= STATUS_SECONDS:
                return
            if what != step:
                step, since, first = what, now, done
            written = now
            if self.stop_path.exists():
                raise _StopRequest
            seconds, made = now - since, done - first
            left = (of - done) * seconds / made if made > 0 and seconds > SURE_AFTER else None
            say("running", what, done=done, total=of, seconds_left=left)

        try:
            say("running", "Starting")
            result = self.work(progress)
            say("finished", "", **self.told(result))
            return result
        except (_StopRequest, KeyboardInterrupt):
            self.stop_path.unlink(missing_ok=True)
            done, total = reached
            at = f" at {self.status_schema(done=done, total=total).progress()}" if total else ""
            say("stopped", f"Stopped on request{at}. {self.kept}".strip())
            return None
        except UserError as e:
            say("failed", str(e))
            raise
        except Exception as e:
            say("failed", ended_by(f"the {self.kind}", e))
            raise
