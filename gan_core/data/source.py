"""Where images come from: the interface of every source, and the plainest of them, a folder with a folder a class.

An application opens more than that (`registry.OPEN`): archives, tables, what has no folder at all.
"""

from __future__ import annotations

import math
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, TypeVar
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from gan_core import registry
from gan_core.data.dataset import Skipped, patient
from gan_core.data.decode import HEAD, MAX_FILE_BYTES, Fit, Unusable, frames, is_picture, square, unread
from gan_core.errors import UserError, readable

T = TypeVar("T")
R = TypeVar("R")
_SILENT = frozenset({"__MACOSX", "Thumbs.db", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class File:
    """A file that may hold images, or a made image, and all that is known of it without its pixels."""

    name: str  # relative to its source, with "/"
    open: Callable[[], IO[bytes]] = BytesIO  # at its beginning; to be read from there on
    size: int | None = None  # bytes, as declared; None where nothing says
    path: Path | None = None  # where it lies, of a file on the disk
    folders: tuple[str, ...] | None = None  # that it counts as lying in; None for those of its name
    label: str | None = None  # its class, "" for none; None where nothing has said yet
    split: str = ""
    patient: str = ""  # "patient 9000099", or "file a.png" for one that stands alone
    patient_from: str = ""  # in words; "" for one that stands alone
    parts: Mapping[str, str] = field(default_factory=dict)  # the classes of what it shows, where they are told apart
    side: str = ""  # of the body, "R" or "L"; "" where nothing says
    across: float | None = None  # what the image shows from left to right, in mm; None where that is not known
    reason: str = ""  # why no image comes of it

    @property
    def parents(self) -> tuple[str, ...]:
        """The folders that it counts as lying in, the outermost first."""
        return PurePosixPath(self.name).parts[:-1] if self.folders is None else self.folders

    def whole(self) -> IO[bytes]:
        """Its bytes, to go back and forth in: on the disk, or in memory, of which a declared size that is a lie fills
        no more than was declared."""
        stream = self.open()
        if self.path or isinstance(stream, BytesIO):
            return stream
        with stream:
            return BytesIO(stream.read(-1 if self.size is None else self.size))


@dataclass(frozen=True)
class Item:
    """What one file came to: images, or in `file.reason` why not."""

    file: File
    images: Sequence[NDArray[np.uint8]] = ()  # each [R, R]
    sizes: Sequence[tuple[int, int]] = ()  # each image's width and height as stored
    depth: int = 8  # bits a value as stored
    labels: Sequence[str] = ()  # each image's own class; () where all are of the file's
    sides: Sequence[str] = ()  # of the body each image is of: "R", "L", "" for unknown; () where nothing says
    mm: Sequence[float] = ()  # a pixel's side in each image; NaN for unknown; () where nothing says

    @property
    def classes(self) -> Sequence[str]:
        """Each image's class, "" for none."""
        return self.labels or [self.file.label or ""] * len(self.images)

    @property
    def names(self) -> tuple[str, ...]:
        """What each image is called: as its file, "#3" behind it of the fourth of several."""
        several = len(self.images) > 1
        return tuple(f"{self.file.name}#{i}" if several else self.file.name for i in range(len(self.images)))


@dataclass(frozen=True)
class Layout:
    """What is known of all images together."""

    label_name: str = "class"  # what a class is: "KL grade", a column's name; "" where 0 to 4 may be grades
    class_order: tuple[str, ...] = ()  # every class, in the order of the labels; () for natural order
    split: str = ""  # the one that is used; "" for all images
    splits: tuple[str, ...] = ()  # all that there are
    said: tuple[str, ...] = ()  # how the source was understood, in sentences


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
        """What is known of all images together."""

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """(name, path) of every file that the images hang on ..."""

    @property
    def recipe(self) -> str:
        """... and in words what else they hang on."""

    def __len__(self) -> int:
        """How many items come, at most."""

    def items(self, resolution: int, fit: Fit, survey: bool = False) -> Iterator[Item]:
        """Each item in a fixed order, decoded in parallel, with few held at a time; for a survey those of every split,
        and images only where their sizes alone do not tell of them."""


@dataclass(frozen=True)
class FileSource:
    """Image files, the class of each the outermost folder that it lies in."""

    name: str
    listed: Callable[[], Sequence[File]]  # asked once, and not where all is in the cache
    files: tuple[tuple[str, Path], ...]
    skipped: tuple[Skipped, ...] = ()
    recipe: str = "class folders"

    def __len__(self) -> int:
        return len(self.listing)

    @cached_property
    def listing(self) -> Sequence[File]:
        return self.listed()

    @property
    def layout(self) -> Layout:
        return self.known[1]

    @property
    def owned(self) -> bool:
        """Whether a file may say in itself whose it is."""
        return True

    @cached_property
    def known(self) -> tuple[list[File], Layout]:
        """Every file with what is known of it, and what is known of all."""
        files = self.sniffed()
        classes = {f.parents[0] for f in files if f.parents and not f.reason}
        if len(classes) < 2:
            classes = set()

        def place(file: File) -> File:
            if file.reason:
                return file
            whose = patient(file.name)
            known_from = "the names of the files" if whose.startswith("patient ") else ""
            alone = "lies beside the class folders, not in one" if classes and not file.parents else ""
            label = file.parents[0] if classes and file.parents else ""
            return replace(file, label=label, patient=whose, patient_from=known_from, reason=alone)

        said = (f"Classes: {', '.join(sorted(classes, key=natural))}, from the folders.",) if classes else ()
        return [place(f) for f in files], Layout("" if classes and classes <= set("01234") else "class", said=said)

    def sniffed(self) -> list[File]:
        """Every file, with the reason why it is passed over where it does not claim to be a picture."""
        reasons = in_order(_sniff, self.listing)
        return [replace(f, reason=why) if why else f for f, why in zip(self.listing, reasons, strict=True)]

    def items(self, resolution: int, fit: Fit, survey: bool = False) -> Iterator[Item]:
        files, layout = self.known
        return self.decoded(
            [f for f in files if survey or not layout.split or f.split == layout.split], resolution, fit
        )

    def decoded(self, files: Iterable[File], resolution: int, fit: Fit) -> Iterator[Item]:
        """The items of these files, in their order."""

        def decode(file: File) -> Item:
            if file.reason:
                return Item(file)
            try:
                return self.decode(file, resolution, fit)
            except Unusable as e:
                return Item(replace(file, reason=str(e)))
            except Exception as e:  # a zip's decompressor, a disk
                return Item(replace(file, reason=f"cannot be read: {e}"))

        return in_order(decode, files)

    def decode(self, file: File, resolution: int, fit: Fit) -> Item:
        """The images of a file. What it raises is why there are none."""
        images, sizes, sides, mm, depth, owner = [], [], [], [], 0, ""
        with file.whole() as content:
            for frame in frames(content, file.name, resolution):
                sizes.append(frame.size)
                images.append(square(frame.image, resolution, fit))
                sides.append(file.side or frame.taken.side)
                across = file.across if fit == "crop" else None
                if not across and frame.taken.spacing:
                    across = frame.taken.spacing * (min if fit == "crop" else max)(frame.size)
                mm.append(across / resolution if across else math.nan)
                depth, owner = max(depth, frame.depth), owner or frame.patient
        return Item(self.owned_by(file, owner), images, sizes, depth, sides=sides, mm=mm)

    def owned_by(self, file: File, owner: str) -> File:
        """The file with whose it is by its own word, "" for none."""
        if not owner or not self.owned:
            return file
        return replace(file, patient=f"patient {owner}", patient_from="DICOM's PatientID")


def open_source(source: str, cache_dir: Path) -> Source:
    """What a source's text names: whatever the application opens or, without one, a folder of pictures.

    Raises:
        UserError: if it names nothing, or what it names cannot be read.
    """
    if registry.OPEN:
        return registry.resolve(registry.OPEN)(source, cache_dir)
    path = Path(source)
    if not source or not path.is_dir():
        raise UserError(f"There is no folder {source[:200]!r}; give a folder of pictures.")
    path = path.resolve()
    found, skipped = list_folder(path)
    paths = tuple((f.name, f.path) for f in found if f.path)
    return FileSource(slug(path.name), lambda: found, paths, tuple(skipped))


def short_source(source: str) -> str:
    """`source` as it may be shown to others: of a path on this machine, also after kinds (`knee:/a/b`), two parts, and
    of one among its options (`?labels=/a/b.csv`) the name."""
    base, mark, asked = source.rpartition("?")
    if not re.match(r"\w+=", asked):
        base, mark, asked = source, "", ""
    asked = "&".join(_short_option(option) for option in asked.split("&"))
    for start in (0, *(i + 1 for i, letter in enumerate(base) if letter == ":")):
        if (path := Path(base[start:])).is_absolute():
            base = base[:start] + "/".join(path.parts[-2:])
            break
    return base + mark + asked


def _short_option(option: str) -> str:
    key, _, value = option.partition("=")
    path = Path(unquote(value))
    return f"{key}={quote(path.name, safe=' ')}" if path.is_absolute() else option


# -- files ------------------------------------------------------------------------------------------------------------


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sorting key by which 2 comes before 10."""
    parts = re.split(r"([0-9]+)", name)
    return [(1, 0, p) if i % 2 == 0 else (0, int(p), "") for i, p in enumerate(parts) if p], name


def slug(text: str) -> str:
    """A short name in lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-") or "images"


def on_disk(name: str, path: Path) -> File:
    """A file that lies on the disk."""
    return File(name, lambda: path.open("rb"), path.stat().st_size, path)


def is_silent(name: str) -> bool:
    """Whether a file is of the operating system's making and passed over without a word."""
    return any(part.startswith(".") or part in _SILENT for part in name.split("/"))


def list_folder(root: Path, also: Sequence[Path] = ()) -> tuple[list[File], list[Skipped]]:
    """All files below a folder, in natural order. Links to folders, and those that lead neither into it nor into one
    of the folders `also`, are skipped."""
    files: list[File] = []
    skipped: list[Skipped] = []
    inside_of = (root.resolve(), *also)

    def visit(folder: str, inside: str) -> None:
        try:
            found = list(os.scandir(folder))
        except OSError as e:
            skipped.append(Skipped(inside.rstrip("/") or ".", f"cannot be opened: {e.strerror}"))
            return
        for item in found:
            name = inside + readable(item.name)
            if is_silent(item.name):
                continue
            if item.is_dir(follow_symlinks=False):
                visit(item.path, f"{name}/")
            elif item.is_symlink() and (reason := _bad_link(Path(item.path), inside_of)):
                skipped.append(Skipped(name, reason))
            elif not item.is_file():
                skipped.append(Skipped(name, "not a regular file"))
            else:
                files.append(on_disk(name, Path(item.path)))

    visit(str(inside_of[0]), "")
    return sorted(files, key=lambda f: natural(f.name)), skipped


def _bad_link(path: Path, inside_of: Iterable[Path]) -> str | None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    if not any(target.is_relative_to(root) for root in inside_of):
        return "a link that leads outside the folder"
    return "a link to a folder" if target.is_dir() else None


def _sniff(file: File) -> str:
    """Why a file is passed over without decoding; "" for one that claims to be a picture."""
    if file.size == 0:
        return "empty file"
    if file.size is not None and file.size > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES // 2**20} MiB"
    try:
        with file.open() as content:
            head = content.read(HEAD)
        return "" if is_picture(head, file.name) else unread(head, file.name)
    except Exception as e:  # as in decoding
        return f"cannot be read: {e}"


def cores() -> int:
    """The processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(job: Callable[[T], R], inputs: Iterable[T], workers: int = 0) -> Iterator[R]:
    """`map` in threads, since decoders release the interpreter's lock; results in order, few of them waiting."""
    workers = workers or min(8, cores())
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for value in inputs:
            waiting.append(pool.submit(job, value))
            if len(waiting) >= 8 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
