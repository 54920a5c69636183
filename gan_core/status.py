"""How a job in a process of its own stands: it writes `status.json`, everybody else reads it."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Literal, TypeVar

import psutil
from pydantic import BaseModel, ConfigDict, Field

from gan_core.errors import no_utf8
from gan_core.files import no_room, overwrite, write_text

YEAR = 365 * 24 * 3600.0  # seconds
STALE_SECONDS = 300  # a job of another machine that has not written for so long is taken for dead
State = Literal["queued", "starting", "running", "stopped", "finished", "failed", "interrupted"]
ALIVE: frozenset[State] = frozenset({"queued", "starting", "running"})
_S = TypeVar("_S", bound="ProcessStatus")


def duration(seconds: float) -> str:
    """12345 as "3 h 26 min"."""
    if seconds > YEAR:
        return "more than a year"
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class ProcessStatus(BaseModel):
    """How a job stands. "interrupted" is never written: it is what a reader finds when the process is gone."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    state: State = "starting"
    message: str = ""
    pid: int = Field(0, ge=0, lt=2**31)
    process_started: float = 0.0  # see `_began`
    host: str = ""
    updated: float = 0.0  # seconds since 1970
    seconds: float = Field(0.0, ge=0)  # of work so far

    @property
    def share(self) -> float | None:
        """How much is done, from 0 to 1; None where that is not known."""
        return None

    def progress(self) -> str:
        """How far it is and how long it will take, in one line."""
        return ""

    def with_process(self: _S, process: psutil.Process | None = None) -> _S:
        """A copy that names `process`, by default this one, as the one at work."""
        process = process or psutil.Process()
        return self.model_copy(
            update={"pid": process.pid, "process_started": _began(process), "host": socket.gethostname()}
        )

    def process_alive(self) -> bool:
        """Whether the process that wrote this still runs: by its start time too, since numbers are used again."""
        if self.host != socket.gethostname():
            return abs(time.time() - self.updated) < STALE_SECONDS
        try:
            process = psutil.Process(self.pid)
            same = abs(_began(process) - self.process_started) < 0.1
            return same and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, ValueError):
            return False

    def write(self, path: Path) -> None:
        """Raises `OSError` where it cannot; on a full disk it still can where an earlier one was written."""
        self.updated = time.time()
        text = json.dumps(self.model_dump(), indent=2, ensure_ascii=False)
        try:
            write_text(path, text)
        except OSError as e:
            if not (no_room(e) and path.exists()):
                raise
            overwrite(path, text)


def _began(process: psutil.Process) -> float:
    """A number that, with its pid, belongs to this process alone, and that does not change when the clock is set."""
    # Linux counts from the boot, and psutil adds when that was by the clock of the moment; others keep the time it was.
    return process.create_time() - (psutil.boot_time() if psutil.LINUX else 0)


def ended_by(what: str, error: Exception) -> str:
    """What to say of an end that nobody meant, of `what`: "the training"."""
    if full := no_room(error):
        return (
            f"The disk has no room for what {what} writes ({full.strerror}). Make room there, then go on with it: what "
            "was saved before is kept."
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{what.capitalize()} could not read or write {error.filename or 'a file'} ({error.strerror})."
    if isinstance(error, UnicodeEncodeError):
        return no_utf8(error.object)
    return f"An unexpected error ended {what} ({type(error).__name__}: {error}). The log has more."
