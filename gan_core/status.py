"""How a job in a process of its own stands: it writes `status.json`, everybody else reads it."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Literal, TypeVar

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from gan_core.files import write_text

STALE_SECONDS = 300  # a job of another machine that has not written for so long is taken for dead
State = Literal["queued", "starting", "running", "stopped", "finished", "failed", "interrupted"]
ALIVE: frozenset[State] = frozenset({"queued", "starting", "running"})
_S = TypeVar("_S", bound="ProcessStatus")


def duration(seconds: float) -> str:
    """12345 as "3 h 26 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class ProcessStatus(BaseModel):
    """How a job stands. "interrupted" is never written: it is what a reader finds when the process is gone."""

    model_config = ConfigDict(extra="ignore")

    state: State = "starting"
    message: str = ""
    pid: int = 0
    process_started: float = 0.0
    host: str = ""
    updated: float = 0.0  # seconds since 1970

    def with_process(self: _S, process: psutil.Process | None = None) -> _S:
        """A copy that names `process`, by default this one, as the one at work."""
        process = process or psutil.Process()
        return self.model_copy(
            update={"pid": process.pid, "process_started": process.create_time(), "host": socket.gethostname()}
        )

    def process_alive(self) -> bool:
        """Whether the process that wrote this still runs: by its start time too, since numbers are used again."""
        if self.host != socket.gethostname():
            return time.time() - self.updated < STALE_SECONDS
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.process_started) < 2
            return same and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, ValueError):
            return False

    def write(self, path: Path) -> None:
        self.updated = time.time()
        write_text(path, self.model_dump_json(indent=2))


def read_status(path: Path, schema: type[_S], advice: str) -> _S:
    """As written; "interrupted", with `advice` on what to do, where its process should be at work and is gone."""
    try:
        status = schema.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return schema(state="interrupted", message="How this stands cannot be read.")
    if status.state in ALIVE and not status.process_alive():
        message = f"Its process ended without saying why. {advice}"
        return status.model_copy(update={"state": "interrupted", "message": message})
    return status
