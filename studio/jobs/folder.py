"""Evaluations and exports on disk, as runs are: `runs/evaluations/00001-<name>-<name>/`. No network is touched here.

Each is a folder with `request.json` (what is asked), `status.json` (how it stands), `log.txt`, for a moment `stop`
(somebody asks it to end), and what it makes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from pydantic import Field, ValidationError

from gan_core.config import Settings
from gan_core.errors import UserError, why
from gan_core.files import read_own, write_text
from gan_core.status import ALIVE, ProcessStatus, State, ask_to_stop, duration, ended_by, read_status
from gan_core.train.run import newest_first, numbered, runs_root

REQUEST = "request.json"
STATUS_SECONDS = 0.5
SURE_AFTER = 2.0  # seconds of a step, before its end is foretold
Progress = Callable[[str, int, int], None]  # (what is being done, so many, of so many)


class JobStatus(ProcessStatus):
    """How a job stands: `message` says what is being done, and `done` of `total` of it are."""

    done: int = Field(0, ge=0)
    total: int = Field(0, ge=0)
    seconds: float = Field(0.0, ge=0)  # since it began
    seconds_left: float | None = None  # of this step

    def progress(self) -> str:
        """How far this step is and how long it will take, in one line."""
        left = "" if self.seconds_left is None else f" · {duration(self.seconds_left)} left"
        return f"{self.done:,} of {self.total:,}{left}"


_R = TypeVar("_R", bound=Settings)
_S = TypeVar("_S", bound=JobStatus)
_F = TypeVar("_F", bound="JobFolder")
_T = TypeVar("_T")


@dataclass(frozen=True)
class JobFolder(Generic[_R, _S]):
    """A job; each kind says what its class variables are."""

    path: Path
    kind: ClassVar[str]  # "evaluation"; its folders stand in runs/evaluations/
    request_schema: ClassVar[type[Settings]]
    status_schema: ClassVar[type[JobStatus]]
    advice: ClassVar[str]  # to whom finds it cut off
    kept: ClassVar[str]  # what becomes of one that is stopped

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    @property
    def stop_path(self) -> Path:
        return self.path / "stop"

    def request(self) -> _R:
        """Raises `UserError` where the file is missing or does not fit."""
        try:
            return self.request_schema.model_validate_json(read_own(self.path / REQUEST, self.path))  # type: ignore[return-value]
        except (OSError, ValidationError) as e:
            raise UserError(f"{self.name} is not an {self.kind}, or no longer: it holds no valid request.json.") from e

    def status(self) -> _S:
        return read_status(self.path / "status.json", self.status_schema, self.advice)  # type: ignore[return-value]

    def write_status(self, status: JobStatus) -> None:
        status.write(self.path / "status.json")

    def alive(self) -> bool:
        return self.status().state in ALIVE

    def request_stop(self) -> None:
        """Asks the job to end. Raises `UserError` where its folder cannot be written."""
        ask_to_stop(self.stop_path)

    @classmethod
    def root(cls) -> Path:
        return runs_root() / f"{cls.kind}s"

    @classmethod
    def create(cls: type[_F], request: Settings, *names: str) -> _F:
        """A new, numbered folder with the request in it. Raises `UserError` where it cannot be written."""
        try:
            folder = cls(numbered(cls.root(), *names))
            write_text(folder.path / REQUEST, json.dumps(request.model_dump(), indent=2))
        except OSError as e:
            raise UserError(f"No {cls.kind} can be kept in {cls.root()}: {why(e)}.") from e
        return folder

    @classmethod
    def all(cls: type[_F]) -> list[_F]:
        """All that there are, the newest first."""
        return [cls(path) for path in newest_first(cls.root(), REQUEST)]

    def check_deletable(self) -> None:
        """Raises `UserError` while it is at work, or where it is no such job."""
        if self.alive():
            raise UserError(f"{self.name} is still at work: stop it first.")
        self.request()  # which is there, or this is none


class _StopRequest(Exception):
    """Somebody asked for an end."""


def run_job(
    folder: JobFolder, work: Callable[[Progress], _T], show: Progress, told: Callable[[_T], dict[str, int]]
) -> _T | None:
    """Does `work` and writes into the folder's status how it stands; None where somebody asked it to stop.

    `show` gets the progress too, and `told` what the status says of the result besides.

    Raises what `work` raises, after writing it into the status.
    """
    began = time.monotonic()
    written, step, since, first, at = 0.0, "", 0.0, 0, ""

    def say(state: State, message: str, **more: float | None) -> None:
        seconds = time.monotonic() - began
        status = folder.status_schema.model_validate({"state": state, "message": message, "seconds": seconds, **more})
        folder.write_status(status.with_process())

    def progress(what: str, done: int, of: int) -> None:
        nonlocal written, step, since, first, at
        show(what, done, of)
        at = f" at {done:,} of {of:,}" if of else ""
        now = time.monotonic()
        if what == step and now - written <= STATUS_SECONDS:
            return
        if what != step:
            step, since, first = what, now, done
        written = now
        if folder.stop_path.exists():
            raise _StopRequest
        seconds, made = now - since, done - first
        left = (of - done) * seconds / made if made > 0 and seconds > SURE_AFTER else None
        say("running", what, done=done, total=of, seconds_left=left)

    try:
        say("running", "Starting")
        result = work(progress)
        say("finished", "", **told(result))
        return result
    except (_StopRequest, KeyboardInterrupt):
        folder.stop_path.unlink(missing_ok=True)
        say("stopped", f"Stopped on request{at}. {folder.kept}".strip())
        return None
    except UserError as e:
        say("failed", str(e))
        raise
    except Exception as e:
        say("failed", ended_by(f"the {folder.kind}", e))
        raise
