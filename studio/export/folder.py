"""Exports that the app starts, on disk: jobs whose folder holds, besides, the export itself with its zip beside it."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom

from gan_core.files import check_own, read_own
from gan_core.images import png
from studio.export.plan import ExportRequest, safe
from studio.jobs.work import JobStatus, Progress, Task

if TYPE_CHECKING:
    from studio.export.write import Tally

MANIFEST, ABOUT = "manifest.csv", "export.json"
MAX_PICTURE = 10_000_000  # bytes of an exported image
JOURNAL = ".unfinished.csv"  # what is made so far; the manifest takes its place


class ExportStatus(JobStatus):
    """Of a finished one also what it made."""

    images: int = 0
    near: int = 0
    left_out: int = 0


class ExportFolder(Task[ExportRequest, ExportStatus]):
    kind, called, where = "export", "an export", "exports"
    request_schema = ExportRequest
    status_schema = ExportStatus
    advice = "Go on with it: what is there is kept."
    kept = "What is made so far is kept."

    def work(self, progress: Progress) -> Tally:
        from studio.export.write import Export  # which needs this module

        return Export(self.request(), self.files_path).run(progress)

    def told(self, result: Tally) -> dict[str, int]:
        return {"images": result.images, "near": result.near, "left_out": result.left_out}

    @property
    def files_path(self) -> Path:
        """The export itself."""
        return self.path / f"synthetic-{self.name}"

    @property
    def zip_path(self) -> Path:
        return self.path / f"{self.files_path.name}.zip"

    def label_name(self) -> str:
        """What a class is called; "" while that is not known."""
        try:
            return str(json.loads(read_own(self.files_path / ABOUT, self.path))["label_name"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return ""

    def rows(self, most: int) -> list[dict[str, str]]:
        """The first rows of the manifest, or of what is made so far; [] while there is none."""
        for name in (MANIFEST, JOURNAL):
            with suppress(OSError, csv.Error):
                check_own(self.files_path / name, self.path)
                with (self.files_path / name).open(newline="", encoding="utf-8", errors="replace") as f:
                    return [{k: v or "" for k, v in row.items() if k} for row in islice(csv.DictReader(f), most)]
        return []

    def pictures(self, most: int) -> list[Picture]:
        """The first images; what is damaged is passed over."""
        found = []
        for row in self.rows(most):
            with suppress(Exception):  # what a decoder makes of damaged bytes
                path = self.files_path / row["file"]
                content = read_own(path, self.path, MAX_PICTURE)
                found.append(Picture(int(row["seed"]), row["class"], path.stem, _as_png(path.suffix, content)))
        return found


@dataclass(frozen=True)
class Picture:
    """An exported image to look at."""

    seed: int
    class_name: str
    stem: str  # of its file's name
    png: bytes


def _as_png(suffix: str, content: bytes) -> bytes:
    return png(pydicom.dcmread(BytesIO(content)).pixel_array) if suffix == ".dcm" else content


def create_export(request: ExportRequest) -> ExportFolder:
    """A new, numbered folder with the request in it. Raises `UserError` where it cannot be written."""
    return ExportFolder.create(request, safe(request.model), request.format)
