"""Exports that the app starts, on disk as evaluations are: `runs/exports/00001-<model>-<format>/`.

`request.json` (what is asked), `status.json` (how it stands), `log.txt`, for a moment `stop`, and the export itself
with its zip beside it.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pydicom
from pydantic import ValidationError
from pydicom.errors import InvalidDicomError

from gan_core.errors import UserError
from gan_core.export.plan import ExportRequest, safe
from gan_core.files import write_text
from gan_core.images import png
from gan_core.runs import numbered, runs_root
from gan_core.status import ALIVE, ProcessStatus, duration, read_status

FOLDER = "exports"
MANIFEST, ABOUT = "manifest.csv", "export.json"
JOURNAL = ".unfinished.csv"  # what is made so far; the manifest takes its place


class ExportStatus(ProcessStatus):
    """How an export stands: `message` says what is being done, and `done` of `total` of it are."""

    done: int = 0
    total: int = 0
    seconds_left: float | None = None  # of this step
    images: int = 0  # of a finished one
    near: int = 0
    left_out: int = 0

    def progress(self) -> str:
        """How far it is and how long it will take, in one line."""
        left = "" if self.seconds_left is None else f" · {duration(self.seconds_left)} left"
        return f"{self.done:,} of {self.total:,}{left}"


@dataclass(frozen=True)
class ExportFolder:
    path: Path

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
    def files_path(self) -> Path:
        """The export itself."""
        return self.path / f"synthetic-{self.name}"

    @property
    def zip_path(self) -> Path:
        return self.path / f"{self.files_path.name}.zip"

    def request(self) -> ExportRequest:
        """Raises `UserError` where the file is missing or does not fit."""
        try:
            return ExportRequest.model_validate_json((self.path / "request.json").read_bytes())
        except (OSError, ValidationError) as e:
            raise UserError(f"{self.path} is not an export: it holds no valid request.json.") from e

    def status(self) -> ExportStatus:
        return read_status(self.path / "status.json", ExportStatus, "Go on with it: what is there is kept.")

    def write_status(self, status: ExportStatus) -> None:
        status.write(self.path / "status.json")

    def alive(self) -> bool:
        return self.status().state in ALIVE

    def request_stop(self) -> None:
        """Asks the export to end."""
        with suppress(OSError):
            self.stop_path.touch()

    def label_name(self) -> str:
        """What a class is called; "" while that is not known."""
        try:
            return str(json.loads((self.files_path / ABOUT).read_bytes())["label_name"])
        except (OSError, ValueError, LookupError, TypeError):
            return ""

    def rows(self, most: int) -> list[dict[str, str]]:
        """The first rows of the manifest, or of what is made so far; [] while there is none."""
        for name in (MANIFEST, JOURNAL):
            with (
                suppress(OSError, csv.Error),
                (self.files_path / name).open(newline="", encoding="utf-8", errors="replace") as f,
            ):
                return [{k: v or "" for k, v in row.items() if k} for row in islice(csv.DictReader(f), most)]
        return []

    def pictures(self, most: int) -> list[Picture]:
        """The first images; what is damaged is passed over."""
        found = []
        root = self.files_path.resolve()
        for row in self.rows(most):
            with suppress(OSError, ValueError, LookupError, AttributeError, NotImplementedError, InvalidDicomError):
                path = (root / row["file"]).resolve()
                if path.is_relative_to(root):
                    found.append(Picture(int(row["seed"]), row["class"], path.stem, _as_png(path)))
        return found


@dataclass(frozen=True)
class Picture:
    """An exported image to look at."""

    seed: int
    class_name: str
    stem: str  # of its file's name
    png: bytes


def _as_png(path: Path) -> bytes:
    return png(pydicom.dcmread(path).pixel_array) if path.suffix == ".dcm" else path.read_bytes()


def exports_root() -> Path:
    return runs_root() / FOLDER


def create_export(request: ExportRequest) -> ExportFolder:
    """A new, numbered folder with the request in it. Raises `UserError` where it cannot be written."""
    try:
        folder = ExportFolder(numbered(exports_root(), safe(request.model), request.format))
        write_text(folder.path / "request.json", json.dumps(request.model_dump(), indent=2))
    except OSError as e:
        raise UserError(f"No export can be kept in {exports_root()}: {e.strerror or e}.") from e
    return folder


def list_exports() -> list[ExportFolder]:
    """All of them, the newest first."""
    root = exports_root()
    if not root.is_dir():
        return []
    found = [ExportFolder(p) for p in root.iterdir() if (p / "request.json").is_file()]
    return sorted(found, key=lambda e: ([int(d) for d in re.findall(r"^\d+", e.name)], e.name), reverse=True)


def delete_export(folder: ExportFolder) -> None:
    """Removes the folder. Raises `UserError` while it is at work, or where it is no export."""
    if folder.alive():
        raise UserError(f"{folder.name} is still at work: stop it first.")
    folder.request()  # which is there, or this is no export
    shutil.rmtree(folder.path)
