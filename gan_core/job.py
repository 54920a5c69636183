"""Work in a process of its own, as a folder which that process writes and everybody else reads. A run is one kind of
it; the application adds others.

The folder holds what is asked (of a run `config.json`, else `request.json`), `status.json` (how it stands), `log.txt`
and, for a moment, `stop` (somebody asks it to end). Where several people share a server, `owner` says whose it is.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from gan_core.config import Settings
from gan_core.errors import UserError, why
from gan_core.files import read_own, remove, write_text
from gan_core.status import ALIVE, ProcessStatus

RUNS_ENV = "KNEE_GAN_RUNS"
STATUS = "status.json"
OWNER = "owner"
LAST = ".last"  # of a folder of jobs: the number last given
PATIENCE = 10.0  # seconds for another process to have begun or deleted something

_R = TypeVar("_R", bound=Settings)
_S = TypeVar("_S", bound=ProcessStatus)
_J = TypeVar("_J", bound="Job")


def runs_root() -> Path:
    return Path(os.environ.get(RUNS_ENV, "runs"))


@dataclass(frozen=True)
class Job(Generic[_R, _S]):
    """A job, by its folder. Each kind says what the class variables are."""

    path: Path
    kind: ClassVar[str]  # "evaluation"
    called: ClassVar[str]  # what a folder of its kind is: "an evaluation"
    request_schema: ClassVar[type[Settings]]
    status_schema: ClassVar[type[ProcessStatus]]
    advice: ClassVar[str]  # to whom finds it cut off
    where: ClassVar[str] = ""  # the folder, in that of the runs, that holds all of its kind; "": that one itself
    holds: ClassVar[str] = "request.json"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    @property
    def stop_path(self) -> Path:
        return self.path / "stop"

    @property
    def house(self) -> Path:
        """The folder of runs that it belongs to."""
        return self.path.parent.parent if self.where else self.path.parent

    def owner(self) -> str:
        """Whose it is, as `belonging_to` was told; "" of one that is whoever's this computer is."""
        try:
            return read_own(self.path / OWNER, self.path, 200).decode("ascii", "replace").strip()
        except OSError:
            return ""

    def belonging_to(self: _J, owner: str) -> _J:
        """The job, which nobody has started yet, as somebody's: under a name that nobody guesses, so that only whoever
        is given its link finds it. Raises `UserError` where its folder cannot be written."""
        path = self.path.with_name(f"{self.name}-{secrets.token_hex(6)}")
        try:
            write_text(self.path / OWNER, owner)
            self.path.rename(path)
        except OSError as e:
            raise UserError(f"No {self.kind} can be kept in {self.path.parent}: {why(e)}.") from e
        return type(self)(path)

    def request(self) -> _R:
        """Raises `UserError` where the file is missing or does not fit."""
        try:
            return self.request_schema.model_validate_json(read_own(self.path / self.holds, self.path))  # type: ignore[return-value]
        except (OSError, ValidationError) as e:
            raise self._none() from e

    def _none(self) -> UserError:
        return UserError(f"{self.name} is not {self.called}, or no longer one: it holds no valid {self.holds}.")

    def write_request(self, request: Settings) -> None:
        write_text(self.path / self.holds, json.dumps(request.model_dump(), indent=2))

    def status(self) -> _S:
        """As written, but "interrupted", with advice, where its process should be at work and is gone."""
        try:
            status = self.status_schema.model_validate_json(read_own(self.path / STATUS, self.path))
            if status.state not in ALIVE or status.process_alive():
                return status  # type: ignore[return-value]
            said = f"Its process ended without saying why. {self.advice}"
        except FileNotFoundError:
            status, said = self.status_schema(), f"It was cut off before it began. {self.advice}"
        except (OSError, ValidationError):
            status, said = self.status_schema(), "Its status cannot be read."
        return status.model_copy(update={"state": "interrupted", "message": said})  # type: ignore[return-value]

    def starting(self) -> _S:
        """The status of one that is about to be started."""
        return self.status_schema(message="Starting")  # type: ignore[return-value]

    def write_status(self, status: ProcessStatus) -> None:
        status.write(self.path / STATUS)

    def alive(self) -> bool:
        return self.status().state in ALIVE

    def in_use(self) -> bool:
        """Whether it is at work. The folder must be there."""
        return self.alive()

    def request_stop(self) -> None:
        """Asks the job to end at its next step; of no effect on one that is gone.

        Raises `UserError` where its folder cannot be written.
        """
        try:
            if not self.stop_path.is_symlink():  # one would lead out of the folder
                self.stop_path.touch()
        except FileNotFoundError:
            pass
        except OSError as e:
            raise UserError(f"{self.name} cannot be asked to stop: {why(e)}.") from e

    def sources(self) -> Sequence[str]:
        """The sources of images that it reads. Raises `UserError` as `request`."""
        return ()

    def command(self) -> list[str]:
        """What does it, after `python -m gan_core`."""
        return ["work", str(self.path.resolve())]

    def delete(self) -> None:
        """Removes the folder. Raises `UserError` while it is at work, where it is no such job, or cannot be removed."""
        try:
            with changing(self.house):
                if not (self.path / self.holds).is_file():
                    raise self._none()
                if self.in_use():
                    raise UserError(f"{self.name} is still at work: stop it first.")
                remove(self.path, self.holds)
        except OSError as e:
            raise UserError(f"{self.name} cannot be deleted: {why(e)}.") from e

    @classmethod
    def root(cls) -> Path:
        return runs_root() / cls.where

    @classmethod
    def create(cls: type[_J], request: Settings, *names: str, root: Path | None = None) -> _J:
        """A new, numbered folder with the request in it. Raises `UserError` where it cannot be written."""
        root = root or cls.root()
        try:
            job = cls(numbered(root, *names))
            job.write_request(request)
        except OSError as e:
            raise UserError(f"No {cls.kind} can be kept in {root}: {why(e)}.") from e
        return job

    @classmethod
    def all(cls: type[_J], root: Path | None = None) -> list[_J]:
        """All of this kind, the newest first by their numbers; what cannot be read is none."""
        found = []
        with suppress(OSError):
            for path in (root or cls.root()).iterdir():
                with suppress(OSError):
                    if (path / cls.holds).is_file():
                        found.append(cls(path))
        return sorted(found, key=lambda job: ([int(d) for d in re.findall(r"^\d+", job.name)], job.name), reverse=True)


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Within, no other process numbers, starts or deletes what is in `root`, which several servers may share.

    Raises `OSError` where `root` cannot be written, `UserError` where somebody else is at it for long.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".changing.lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout as e:
        raise UserError(f"Another process is starting or deleting something in {root}: try again.") from e
    try:
        yield
    finally:
        lock.release()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "data"


def numbered(root: Path, *names: str) -> Path:
    """A new folder `00001-<name>-<name>` in `root`, with the next number; that of one deleted is not given again, or an
    old link would show another. Raises as `changing`."""
    last = root / LAST
    with changing(root):
        given = [int(m[0]) for p in root.iterdir() if (m := re.match(r"\d+", p.name))]
        with suppress(OSError, ValueError):
            given.append(int(read_own(last, root, 20)))
        number = 1 + max(given, default=0)
        folder = root / "-".join([f"{number:05d}", *map(_slug, names)])
        folder.mkdir()
        with suppress(OSError):  # on a full disk the job itself says so
            write_text(last, str(number))
    return folder
