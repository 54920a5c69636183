"""A source of images behind one interface, whatever it is made of, and the images that come from it in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gan_core.data import limits
from gan_core.data.dataset import Skipped
from gan_core.data.decode import HEAD, frames, is_picture, unread
from gan_core.data.files import Entry
from gan_core.data.pixels import Fit, square

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Item:
    """What one file, or one made image, came to: images, or a reason why not."""

    name: str
    label: str  # of its class; "" where the source has none
    images: Sequence[NDArray[np.uint8]] = ()  # each [R, R]
    sizes: Sequence[tuple[int, int]] = ()  # each image's width and height as stored
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
    def class_order(self) -> tuple[str, ...]:
        """The class names, in the order of the labels; empty for those that occur, in natural order."""

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

    def survey(self) -> Iterator[Item]:
        """Each item, with sizes but without images."""


@dataclass(frozen=True)
class FileSource:
    """Image and DICOM files of a folder, a zip or a repository."""

    name: str
    entries: Sequence[Entry]
    files: tuple[tuple[str, Path], ...]
    skipped: tuple[Skipped, ...] = ()
    class_order: tuple[str, ...] = ()
    recipe: str = "files"

    def __len__(self) -> int:
        return len(self.entries)

    def items(self, resolution: int, fit: Fit) -> Iterator[Item]:
        return self._each(resolution, lambda image: square(image, resolution, fit))

    def survey(self) -> Iterator[Item]:
        return self._each(1, None)

    def _each(self, resolution: int, convert: Callable | None) -> Iterator[Item]:
        reasons = list(in_order(_sniff, self.entries))
        labels = class_of([e.parents for e, reason in zip(self.entries, reasons, strict=True) if not reason])
        by_entry = iter(labels)
        jobs = [(e, reason, "" if reason else next(by_entry)) for e, reason in zip(self.entries, reasons, strict=True)]

        def decode(job: tuple[Entry, str, str | None]) -> Item:
            entry, reason, label = job
            if reason:
                return Item(entry.name, "", reason=reason)
            if label is None:
                return Item(entry.name, "", reason="lies beside the class folders, not in one")
            images, sizes = [], []
            try:
                with entry.open() as file:
                    for frame in frames(file, entry.name, resolution):
                        sizes.append(frame.size)
                        if convert:
                            images.append(convert(frame.image))
            except limits.Unusable as e:
                return Item(entry.name, label, reason=str(e))
            except Exception as e:  # a zip's decompressor, a disk
                return Item(entry.name, label, reason=f"cannot be read: {e}")
            return Item(entry.name, label, images, sizes)

        return in_order(decode, jobs)


def _sniff(entry: Entry) -> str:
    """Why an entry is passed over without decoding; "" for one that claims to be a picture."""
    if entry.size == 0:
        return "empty file"
    if entry.size and entry.size > limits.MAX_FILE_BYTES:
        return f"larger than {limits.MAX_FILE_BYTES // 2**20} MiB"
    try:
        with entry.open() as file:
            head = file.read(HEAD)
            if is_picture(head, entry.name):
                return ""
            return unread(head, entry.name)
    except Exception as e:  # as in decoding
        return f"cannot be read: {e}"


def class_of(parents: Sequence[tuple[str, ...]]) -> list[str | None]:
    """Each image's class by the folders it lies in: the outermost that is not around all of them.

    All "" where there are no class folders, which is also so when more than half of the images lie beside folders
    rather than in one; None for an image that lies beside class folders.
    """
    if not parents:
        return []
    first, last = min(parents), max(parents)  # what these two share, all share
    depth = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    inner = [p[depth] if len(p) > depth else None for p in parents]
    if 2 * inner.count(None) > len(inner):
        return [""] * len(inner)
    return list(inner)


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
