"""A source of images behind one interface, whatever it is made of, and the images that come from it in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gan_core.data import limits, tables
from gan_core.data.dataset import Skipped
from gan_core.data.decode import HEAD, frames, is_picture, unread
from gan_core.data.files import Entry
from gan_core.data.layout import File, Layout, Place, understand
from gan_core.data.options import Options
from gan_core.data.pixels import Fit, square
from gan_core.errors import UserError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Item:
    """What one file, or one made image, came to: images, or a reason why not."""

    name: str
    place: Place = Place()  # noqa: RUF009  (it is frozen)
    images: Sequence[NDArray[np.uint8]] = ()  # each [R, R]
    sizes: Sequence[tuple[int, int]] = ()  # each image's width and height as stored
    depth: int = 8  # bits a value as stored
    reason: str = ""


class Source(Protocol):
    """Where images come from."""

    @property
    def name(self) -> str:
        """A short slug."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was passed over without being opened."""

    @property
    def layout(self) -> Layout:
        """What is known of the images as a whole; of sources of files also of each."""

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """(name, path) of every file that the images hang on ..."""

    @property
    def recipe(self) -> str:
        """... and in words what else they hang on."""

    def __len__(self) -> int:
        """How many items come, at most."""

    def items(self, resolution: int, fit: Fit) -> Iterator[Item]:
        """Each item in a fixed order, decoded in parallel, with few held at a time."""

    def survey(self, resolution: int) -> Iterator[Item]:
        """Each item of every split; images only where their sizes alone do not tell of them."""

    def some(self, names: Collection[str], resolution: int) -> Iterator[Item]:
        """The items of these names, whole; none of a source that finds nothing odd in its own images."""


@dataclass(frozen=True)
class FileSource:
    """Image and DICOM files of a folder, an archive or a repository."""

    name: str
    entries: Sequence[Entry]
    files: tuple[tuple[str, Path], ...]
    skipped: tuple[Skipped, ...] = ()
    options: Options = Options()  # noqa: RUF009  (it is frozen)
    class_order: tuple[str, ...] = ()  # of a container that names its classes
    column: str = ""  # that they stand in
    recipe: str = "files"

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def layout(self) -> Layout:
        return self._jobs[1]

    def items(self, resolution: int, fit: Fit) -> Iterator[Item]:
        split = self.layout.split
        jobs = [job for job in self._jobs[0] if job[1] or not split or job[2].split == split]
        return self._each(jobs, resolution, fit)

    def survey(self, resolution: int) -> Iterator[Item]:
        return self._each(self._jobs[0], resolution, "crop")

    def some(self, names: Collection[str], resolution: int) -> Iterator[Item]:
        jobs = [(entry, "", Place()) for entry in self.entries if entry.name in names]
        return self._each(jobs, resolution, "pad")

    @cached_property
    def _jobs(self) -> tuple[list[tuple[Entry, str, Place]], Layout]:
        """Every entry that is no table of labels, why it is passed over unopened, and what is known of it."""
        reasons = list(in_order(_sniff, self.entries))
        pictures = [e for e, reason in zip(self.entries, reasons, strict=True) if not reason]
        found, sure, unread = self._tables(reasons)
        files = [File(e.name, e.parents, e.label, e.split, e.patient) for e in pictures]
        layout = understand(files, found, sure, self.options, self.class_order, self.column)
        layout = replace(layout, said=(*layout.said, *unread))
        places = iter(layout.places)
        jobs = [
            (e, reason, Place() if reason else next(places))
            for e, reason in zip(self.entries, reasons, strict=True)
            if e.name not in layout.tables
        ]
        return jobs, layout

    def _tables(self, reasons: Sequence[str]) -> tuple[dict[str, list[dict[str, str]]], frozenset[str], list[str]]:
        """The rows of the tables that may hold labels, by name, which of them certainly are such tables, and what is to
        be said of those that are not used.

        Raises:
            UserError: if the one that was asked for cannot be read.
        """
        asked = self.options.labels
        if asked == "none":
            return {}, frozenset(), []
        if asked:
            return {asked: _asked_table(asked)}, frozenset({asked}), []
        texts = {e.name: e for e, why in zip(self.entries, reasons, strict=True) if why and _is_table(e.name)}
        named = [name for name in texts if PurePosixPath(name).name.lower() in tables.TABLES]
        chosen = named or (list(texts) if len(texts) == 1 else [])
        found: dict[str, list[dict[str, str]]] = {}
        csvs = [name for name in texts if name.lower().endswith((".csv", ".tsv"))]
        unread = []
        if csvs and not chosen:
            listed = ", ".join(csvs[:4]) + (f" and {len(csvs) - 4:,} more" if len(csvs) > 4 else "")
            unread.append(
                f"Tables lie beside the images: {listed}. Where one holds their classes, name it with --labels."
            )
        for name in chosen:
            try:
                with texts[name].open_whole() as file:
                    found[name] = tables.read_rows(file.read(tables.MAX_TABLE_BYTES), name)
            except (UserError, OSError, limits.Unusable) as e:  # it stays among the files that are no images
                if name in named:
                    unread.append(f"The labels are not read: {e}")
        return found, frozenset(named), unread

    def _each(self, jobs: Sequence[tuple[Entry, str, Place]], resolution: int, fit: Fit) -> Iterator[Item]:
        def decode(job: tuple[Entry, str, Place]) -> Item:
            entry, reason, place = job
            if reason or place.left_out:
                return Item(entry.name, place, reason=reason or place.left_out)
            images, sizes, depth, owner = [], [], 0, ""
            try:
                with entry.open() as file:
                    for frame in frames(file, entry.name, resolution):
                        sizes.append(frame.size)
                        images.append(square(frame.image, resolution, fit))
                        depth, owner = max(depth, frame.depth), owner or frame.patient
            except limits.Unusable as e:
                return Item(entry.name, place, reason=str(e))
            except Exception as e:  # a zip's decompressor, a disk
                return Item(entry.name, place, reason=f"cannot be read: {e}")
            return Item(entry.name, self._owned(place, owner), images, sizes, depth)

        return in_order(decode, jobs)

    def _owned(self, place: Place, patient_id: str) -> Place:
        """The file itself says whose it is, unless a person has said how that is known."""
        if self.options.patients or not patient_id or patient_id.casefold() in _NOBODY:
            return place
        return replace(place, patient=f"patient {patient_id}", patient_from="DICOM's PatientID")


_NOBODY = frozenset({"anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "0", "patient", "xxx"})


def _asked_table(path: str) -> list[dict[str, str]]:
    try:
        with Path(path).expanduser().open("rb") as file:
            return tables.read_rows(file.read(tables.MAX_TABLE_BYTES), path)
    except (OSError, RuntimeError, ValueError) as e:
        raise UserError(f"The table of labels {path!r} cannot be opened ({getattr(e, 'strerror', None) or e}).") from e


def _is_table(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in tables.SUFFIXES


def _sniff(entry: Entry) -> str:
    """Why an entry is passed over without decoding; "" for one that claims to be a picture."""
    if entry.size == 0:
        return "empty file"
    if entry.size is not None and entry.size > limits.MAX_FILE_BYTES:
        return f"larger than {limits.MAX_FILE_BYTES // 2**20} MiB"
    try:
        with entry.open() as file:
            head = file.read(HEAD)
            if is_picture(head, entry.name):
                return ""
            archive = head[:4] == b"PK\3\4" and not entry.name.lower().endswith(".npz")
            return "a zip inside the source; name it as a source itself" if archive else unread(head, entry.name)
    except Exception as e:  # as in decoding
        return f"cannot be read: {e}"


def in_order(job: Callable[[T], R], inputs: Iterable[T]) -> Iterator[R]:
    """`map` in threads, since decoders release the interpreter's lock; results in order, few of them waiting."""
    workers = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for value in inputs:
            waiting.append(pool.submit(job, value))
            if len(waiting) >= 8 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
