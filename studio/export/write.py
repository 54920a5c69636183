"""The export itself: batch by batch, each file whole or not at all, so that a killed one goes on where it was.

A file's bytes depend on the model, its seed, class and truncation alone, and images are made in the same batches
whatever is there already: the same export again is the same byte for byte (on one machine; others round otherwise).

Memory does not grow with the number of images (benchmarks/exporting.py measures it).
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gan_core import __version__, images
from gan_core.data import short_source
from gan_core.errors import UserError, why
from gan_core.files import check_parts, no_room, read_own, replacing, size_text, sweep, write_bytes, write_text
from gan_core.generate import generate
from gan_core.model import Model, find_generator, load_model
from studio.export import archive, card, dicom
from studio.export.folder import ABOUT, JOURNAL, MANIFEST, MAX_PICTURE
from studio.export.plan import DICOM, ExportRequest, Plan, name_of, plan
from studio.jobs.work import Progress

if TYPE_CHECKING:
    from studio.export.near import Check, Finding

BATCH = 16
COLUMNS = (
    "file",
    "seed",
    "class",
    "truncation",
    "model",
    "model_sha256",
    "file_sha256",
    "uid",
    "nearest_features",
    "nearest_pixels",
    "near",
)
NOT_CHECKED = "not checked"
_HEADER_BYTES = 4096  # of a DICOM file, at most; and a file's share of a disk's block
Row = dict[str, str]


@dataclass
class Tally:
    """What came of an export."""

    images: int = 0  # in the export
    kept: int = 0  # of these, there from before
    near: int = 0  # of these, nearer to a training image than likeness explains
    left_out: int = 0  # for being near
    counts: dict[str, int] = field(default_factory=dict)  # images by class, in the model's order


class Export:
    """An export of `request` into the folder `out`. Raises `UserError` where there is no such model, or it cannot."""

    def __init__(self, request: ExportRequest, out: Path) -> None:
        if request.drop_near and not request.reference:
            raise UserError("Leaving out what is near to a patient's image needs the training images as reference.")
        self.request, self.out = request, out
        self._progress: Progress = lambda *_: None
        folder = find_generator(request.model)
        self.name = name_of(request.model, folder)
        self.model: Model = load_model(folder)
        self.plan: Plan = plan(request, self.model.config, self.name)

    def run(self, progress: Progress) -> Tally:
        """Makes what is not there yet. Raises `UserError`, and leaves what is made, where the disk is full."""
        done = 0

        def counted(what: str, at: int, of: int) -> None:
            nonlocal done
            done = at
            progress(what, at, of)

        self._progress = progress
        try:
            self._claim()
            tally = self._images(counted)
            write_text(self.out / "README.md", card.card(self, tally))
            if self.request.format == "datasets":
                card.write_metadata(self.out, self._rows(MANIFEST), self.plan)
            if self.request.zip:
                archive.write_zip(self.out, self.zip_path, (row["file"] for row in self._rows(MANIFEST)), progress)
        except OSError as e:
            if no_room(e):
                raise UserError(
                    f"The disk is full at {done:,} of {len(self.plan):,}. Make room and start the same export again: "
                    "what is there is kept."
                ) from e
            raise UserError(f"{self.out} cannot be written: {why(e)}.") from e
        return tally

    @property
    def zip_path(self) -> Path:
        return self.out.with_name(f"{self.out.name}.zip")

    @cached_property
    def check(self) -> Check | None:
        """The nearest-patient check; None where no training images are given. Reads them, which takes a while."""
        if not self.request.reference:
            return None
        from studio.export.near import Check  # slow to load, and seldom needed

        about = self.model.config
        return Check(self.request.reference, about.net.resolution, about.fit, self._progress)

    # -- the folder ---------------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """What `export.json` says: what this is and all that it depends on; of this machine it tells nothing."""
        asked = self.request.model_dump(exclude={"model", "reference", "zip"})
        return {
            "what": "Synthetic images. They show no patient and are not for diagnosis.",
            "version": __version__,
            "model": self.name,
            "model_sha256": self.model.digest,
            "label_name": self.model.config.label_name,
            **asked,
            "reference": short_source(self.request.reference),
        }

    def _claim(self) -> None:
        """Makes the folder, or knows it again. Raises `UserError` where it holds anything else."""
        path = self.out / ABOUT
        if self.out.is_dir() and any(not p.name.startswith(".half-") for p in self.out.iterdir()):
            try:
                before = json.loads(read_own(path, self.out))
            except (OSError, ValueError, RecursionError) as e:
                raise UserError(f"{self.out} holds other files and no {ABOUT}: choose a new folder.") from e
            if before != self.about():
                raise UserError(f"{self.out} holds an export of other settings or another model: choose a new folder.")
            check_parts(self.out)
            if self.request.format == "dicom":
                self._move_dicom()
        else:
            _ = self.check  # what cannot be read, or does not fit, leaves no folder behind
            self.out.mkdir(parents=True, exist_ok=True)
            self._room()
            write_text(path, json.dumps(self.about(), indent=2))
        sweep(self.out)

    def _move_dicom(self) -> None:
        """Of an export begun before its DICOM had a folder of its own."""
        for name in self.plan.folders:
            if (self.out / name).is_dir() and name != DICOM:
                (self.out / DICOM).mkdir(exist_ok=True)
                (self.out / name).rename(self.out / DICOM / name)

    def _rows(self, name: str) -> Iterator[Row]:
        """The rows of a table as far as they are whole; none where there is no such table."""
        with suppress(FileNotFoundError), (self.out / name).open(newline="", encoding="utf-8", errors="replace") as f:
            for row in csv.DictReader(f):
                if row.keys() == set(COLUMNS) and None not in row.values():
                    yield row

    def _mend_journal(self) -> None:
        """Takes back a last line that was cut off in the middle."""
        with suppress(FileNotFoundError), (self.out / JOURNAL).open("rb+") as f:
            f.truncate(f.read().rfind(b"\n") + 1)

    def _room(self) -> None:
        """Raises `UserError`, and takes the new folder back, where the images surely do not fit on its disk."""
        side = self.model.config.net.resolution
        need = len(self.plan) * (side**2 // (1 if self.request.format == "dicom" else 4) + _HEADER_BYTES)
        need *= 2 if self.request.zip else 1
        free = shutil.disk_usage(self.out).free
        if need > free:
            self.out.rmdir()
            raise UserError(
                f"About {size_text(need)} are needed and {size_text(free)} are free where {self.out} lies: make room, "
                "or ask for fewer images."
            )

    # -- the images ---------------------------------------------------------------------------------------------------

    def _images(self, progress: Progress) -> Tally:
        self._mend_journal()
        kept = {row["file"]: row for name in (MANIFEST, JOURNAL) for row in self._rows(name)}
        total = len(self.plan)
        tally = Tally(counts=dict.fromkeys(self.plan.count(), 0))
        with (
            replacing(self.out / MANIFEST) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as manifest,
            (self.out / JOURNAL).open("a", newline="", encoding="utf-8") as journal,
        ):
            every, new = csv.DictWriter(manifest, COLUMNS), csv.DictWriter(journal, COLUMNS)
            every.writeheader()
            if not journal.tell():
                new.writeheader()
            for start in range(0, total, BATCH):
                progress("Making images", start, total)
                batch = range(start, min(total, start + BATCH))
                rows = [self._kept(i, kept) for i in batch]
                tally.kept += sum(row is not None for row in rows)
                if None in rows:
                    rows = self._make(batch, rows, new)
                    journal.flush()
                for i, row in zip(batch, rows, strict=True):
                    self._count(i, row, tally)
                    if row is not None:
                        every.writerow(row)
            progress("Making images", total, total)
        (self.out / JOURNAL).unlink()
        return tally

    def _kept(self, i: int, kept: dict[str, Row]) -> Row | None:
        """The row of image `i`, where its file is there and whole."""
        row = kept.get(self.plan.path(i))
        if row is None or row != row | self._known(i) or not self._sound(row):
            return None
        try:
            there = read_own(self.out / row["file"], self.out, MAX_PICTURE)
        except OSError:
            return None
        return row if hashlib.sha256(there).hexdigest() == row["file_sha256"] else None

    def _make(self, batch: range, rows: list[Row | None], new: csv.DictWriter) -> list[Row | None]:
        """The rows with those that were missing; None is left for what is left out for being near."""
        part = slice(batch.start, batch.stop)
        labels = self.plan.classes[part] if self.plan.names else None
        made = generate(self.model, self.plan.seeds[part], labels, self.request.truncation)
        findings = self.check(made) if self.check else [None] * len(batch)
        out: list[Row | None] = []
        for i, row, image, found in zip(batch, rows, made[:, 0], findings, strict=True):
            if row is None and not (found and found.near and self.request.drop_near):
                row = self._write(i, image, found)
                new.writerow(row)
            out.append(row)
        return out

    def _write(self, i: int, image: NDArray[np.uint8], found: Finding | None) -> Row:
        name, uid = self.plan.path(i), ""
        if self.request.format == "dicom":
            origin = dicom.Origin(
                model=self.name,
                digest=self.model.digest,
                seed=self.plan.seeds[i],
                truncation=self.request.truncation,
                class_name=self.plan.class_name(i),
                class_index=int(self.plan.classes[i]),
                label_name=self.model.config.label_name,
            )
            content, uid = dicom.encode(image, origin), dicom.instance_uid(image, origin)
        else:
            content = images.png(image)
        write_bytes(self.out / name, content)
        ratios = found.ratios if found else {}
        return self._known(i) | {
            "file_sha256": hashlib.sha256(content).hexdigest(),
            "uid": uid,
            "nearest_features": f"{ratios['features']:.4f}" if found else "",
            "nearest_pixels": f"{ratios['pixels']:.4f}" if found else "",
            "near": found.word if found else NOT_CHECKED,
        }

    def _known(self, i: int) -> Row:
        """What the row of image `i` says before it is made."""
        return {
            "file": self.plan.path(i),
            "seed": str(self.plan.seeds[i]),
            "class": self.plan.class_name(i),
            "truncation": f"{self.request.truncation:g}",
            "model": self.name,
            "model_sha256": self.model.digest,
        }

    def _sound(self, row: Row) -> bool:
        """Whether the rest of a row, which may be damaged, looks as it was written."""
        ratio, near = (
            (r"\d+\.\d{4}|inf|nan", "no|features|pixels|features and pixels") if self.request.reference else ("", "")
        )
        shapes = {
            "uid": r"[\d.]+" if self.request.format == "dicom" else "",
            "nearest_features": ratio,
            "nearest_pixels": ratio,
            "near": near or NOT_CHECKED,
        }
        return all(re.fullmatch(shape, row[name], re.ASCII) for name, shape in shapes.items())

    def _count(self, i: int, row: Row | None, tally: Tally) -> None:
        if row is None:
            tally.left_out += 1
            return
        tally.images += 1
        tally.near += row["near"] not in ("no", NOT_CHECKED)
        if name := self.plan.class_name(i):
            tally.counts[name] += 1
