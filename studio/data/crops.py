"""The knees of whole films as a source of images.

`look` says which knees are on each film of a source. A source read with `crop=knees` gives an image for each knee
instead of one for each film; with `crop=PATH` the boxes are those of a table that a person has put right, and on films
that it does not name those that are found.

What is found is remembered by a film's content, a line for each file, in `knees/` of the cache: so a folder that has
grown costs only what is new in it, and work that was cut off goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_core.data.cache import MAX_RESOLUTION, Progress, cache_folder_of
from gan_core.data.cache import VERSION as DECODED
from gan_core.data.decode import Fit, Frame, Taken, Unusable, decoders, frames
from gan_core.data.source import File, Item, Layout, Source, in_order, open_source
from gan_core.errors import UserError
from gan_core.model import CONFIG, TENSORS
from studio.data.films import TABLE, Film, read_table, write_table
from studio.data.options import KNEES, split_options, with_options
from studio.data.sources import UnderstoodFiles
from studio.knee.localizer import Knee, cut, find, side_of
from studio.knee.localizer.net import FOLDER

__all__ = ["NO_KNEE", "TABLE", "CroppedFiles", "Film", "cropped", "films_of", "look", "read_table", "write_table"]

NO_KNEE = "no knee was found"
LEFT_OUT = "its knees are left out"
_VERSION = 2  # to be raised when the same film gives other knees with the same localiser
_NAMES = {"R": "right", "L": "left"}
_OTHER = {"R": "L", "L": "R", "": ""}
_SAME = 0.02  # pixels or degrees that a table's rounding may take


def look(source: str, progress: Progress | None = None, cache_dir: Path | None = None) -> Iterator[Film]:
    """Each film of a source in its order, with its knees: as the table of `crop=PATH` has them, else as found.

    Films that were looked at before come at once. Files that cannot be read come with their reason and no knee.
    `progress` is called with (files done, files in all).

    Raises:
        UserError: if the source is missing or refused.
    """
    opened = films_of(source, cache_dir)
    files = opened.in_use
    for done, films in enumerate(in_order(opened.films, files), 1):
        yield from films
        if progress:
            progress(done, len(files))


def films_of(source: str, cache_dir: Path | None = None) -> CroppedFiles:
    """A source of films, opened for their knees. Raises `UserError` as `look` does."""
    if not split_options(source)[1].crop:
        source = with_options(source, crop=KNEES)
    opened = open_source(source, cache_dir or cache_folder_of(source))
    assert isinstance(opened, CroppedFiles)
    return opened


def cropped(source: Source, cache_dir: Path) -> CroppedFiles:
    """A source of whole films as one of their knees.

    Raises:
        UserError: if its images are no films, or its table of crops is not there.
    """
    if not isinstance(source, UnderstoodFiles):
        raise UserError(f"{source.name} has no films to cut knees out of: leave out crop=.")
    known = {f.name: getattr(source, f.name) for f in fields(source)}
    if source.options.crop != KNEES:
        path = Path(source.options.crop).expanduser()
        if not path.is_file():  # a device may never end
            raise UserError(f"The table of crops {source.options.crop!r} cannot be opened (there is no such file).")
        known["files"] = (*source.files, ("?crop", path))
    known["recipe"] += f"|localizer={_localizer()}|{_VERSION}"
    return CroppedFiles(**known, memory=_Memory(cache_dir / "knees"))


@dataclass(frozen=True)
class CroppedFiles(UnderstoodFiles):
    """The knees of image files of whole films."""

    memory: _Memory | None = None

    @cached_property
    def known(self) -> tuple[list[File], Layout]:
        """As of the whole films, with a sentence where the film's class counts for each of its knees."""
        files, layout = super().known
        if any(f.label for f in files):
            layout = replace(layout, said=(*layout.said, "Where a film shows two knees, both have the film's class."))
        return files, layout

    @cached_property
    def table(self) -> Mapping[str, Film]:
        """The films whose knees a person has put right."""
        return {} if self.options.crop == KNEES else read_table(Path(self.options.crop).expanduser())

    @property
    def in_use(self) -> list[File]:
        """The files of the split that is used."""
        files, layout = self.known
        return [f for f in files if not layout.split or f.split == layout.split]

    def films(self, file: File) -> list[Film]:
        """The films in a file; one without a knee and with the reason where it cannot be read."""
        return self.each(file, lambda film: False, lambda film, pixels: film)

    def each(
        self, file: File, needed: Callable[[Film], bool], do: Callable[[Film, NDArray[np.uint8] | None], Film]
    ) -> list[Film]:
        """What `do` makes of each film in a file, as it gets them of `of_file`. What is wrong with a file becomes its
        reason; a `UserError` of `do` stops the work."""
        done: list[Film] = []
        why = file.reason
        if not why:
            try:
                done = [do(film, pixels) for film, pixels in self.of_file(file, needed)]
            except Unusable as e:
                why = str(e)
            except UserError:
                raise
            except Exception as e:  # a zip's decompressor, a disk
                why = f"cannot be read: {e}"
        return done if not why else [Film(file.name, reason=why, file=file)]

    def of_file(self, file: File, needed: Callable[[Film], bool]) -> Iterator[tuple[Film, NDArray[np.uint8] | None]]:
        """Each film in a file, with its pixels where one of them is `needed`, or new.

        Raises:
            Unusable: where the file gives no image.
        """
        with file.whole() as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
            rows = self.memory.get(digest) if self.memory else None
            if rows is not None:
                films = [self._film(file, row, i, len(rows) > 1) for i, row in enumerate(rows)]
                if not any(map(needed, films)):
                    yield from ((film, None) for film in films)
                    return
            content.seek(0)
            found: list[dict[str, Any]] = []
            before: NDArray[np.uint8] | None = None  # a film's name hangs on whether others follow it in the file
            for i, frame in enumerate(frames(content, file.name, MAX_RESOLUTION)):
                pixels = _gray(frame)
                if before is not None:
                    yield self._film(file, found[i - 1], i - 1, True), before
                found.append(rows[i] if rows is not None else _found(pixels, frame))
                before = pixels
            if before is not None:
                if rows is None and self.memory:
                    self.memory.put(digest, found)
                yield self._film(file, found[-1], len(found) - 1, len(found) > 1), before

    def _film(self, file: File, row: Mapping[str, Any], i: int, several: bool) -> Film:
        """A film as it was found, or as a person has put it right."""
        about = {k: v for k, v in row.items() if k not in ("patient", "knees", "size")}
        film = Film(
            f"{file.name}#{i}" if several else file.name,
            tuple(Knee(*knee) for knee in row["knees"]),
            tuple(row["size"]),
            file=self.owned_by(file, row["patient"]),
            decode=partial(_pixels, file, i),
            **about,
        )
        given = self.table.get(film.name)
        if given and not _same(film, given):
            mm = next((k.mm for k in film.knees if k.mm), film.spacing)
            film = film.put_right([replace(k, mm=k.mm or mm) for k in given.knees], given.unused)
        return film if film.used else replace(film, reason=LEFT_OUT if film.knees else NO_KNEE)

    def decode(self, file: File, resolution: int, fit: Fit) -> Item:
        images, sizes, labels, sides, mm, without, bare = [], [], [], [], [], [], []
        for film, pixels in self.of_file(file, lambda film: bool(film.used)):
            file = film.file
            without += [film.reason] if film.reason else []
            for knee in film.used:
                assert pixels is not None
                if (label := film.class_of(knee)) is None:
                    bare.append(f"its {_NAMES.get(knee.side, 'other')} knee has no label")
                    continue
                images.append(cut(pixels, knee, resolution))
                sizes.append(film.size)
                labels.append(label)
                sides.append(knee.side)
                mm.append(knee.side_px * knee.mm / resolution if knee.mm else math.nan)
        reasons = bare if images else without + bare  # a stack's other slices need not show a knee
        return Item(replace(file, reason="; ".join(dict.fromkeys(reasons))), images, sizes, 8, labels, sides, mm)


def _same(found: Film, given: Film) -> bool:
    """Whether a table has a film's knees as they were found."""

    def close(a: Knee, b: Knee) -> bool:
        pairs = ((a.x, b.x), (a.y, b.y), (a.side_px, b.side_px), (a.angle, b.angle))
        return a.side == b.side and all(abs(p - q) <= _SAME for p, q in pairs)

    same = len(found.knees) == len(given.knees) and not given.unused
    return same and all(close(a, b) for a, b in zip(found.knees, given.knees, strict=True))


def _pixels(file: File, index: int) -> NDArray[np.uint8]:
    with file.whole() as content:
        for i, frame in enumerate(frames(content, file.name, MAX_RESOLUTION)):
            if i == index:
                return _gray(frame)
    raise Unusable("it holds fewer images than before")


def _gray(frame: Frame) -> NDArray[np.uint8]:
    pixels = np.asarray(frame.image)
    return pixels if pixels.dtype == np.uint8 else np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _found(pixels: NDArray[np.uint8], frame: Frame) -> dict[str, Any]:
    """What is to be remembered of a film, for JSON."""
    how = frame.taken
    knees, remarks = sided(find(pixels, how.spacing), how)
    if how.spacing and any(knee.mm is None for knee in knees):
        wide = round(how.spacing * min(knee.side_px for knee in knees if knee.mm is None))
        remarks.append(f"The file's scale is not used: by it the knee's box would be {wide:,} mm wide.")
    return {
        "patient": frame.patient,
        "size": frame.size,
        "spacing": how.spacing,
        "spacing_from": how.spacing_from,
        "said": how.side,
        "remark": " ".join((*how.remarks, *remarks)),
        "knees": [[getattr(knee, f.name) for f in fields(Knee)] for knee in knees],
    }


def sided(knees: list[Knee], how: Taken) -> tuple[list[Knee], list[str]]:
    """Knees found on a picture, from left to right, with their sides, and what contradicts itself.

    One knee is of the side that the file says, else of its fibula's. Of two, the right one is on the picture's left,
    as films are shown, unless the file says that it is mirrored.
    """
    if how.mirrored:
        knees = [replace(knee, side=_OTHER[knee.side]) for knee in knees]
    if len(knees) == 1:
        side, remark = side_of(knees[0].side, how.side)
        return [replace(knees[0], side=side)], [remark] if remark else []
    remarks = []
    if how.side and knees:
        remarks.append(f"The file says {_NAMES[how.side]}, but {len(knees)} knees were found.")
    if len(knees) == 2:
        order = "LR" if how.mirrored else "RL"
        if any(knee.side not in ("", side) for knee, side in zip(knees, order, strict=True)):
            remarks.append("The sides are told by where the knees stand: by a fibula it looks otherwise.")
        knees = [replace(knee, side=side) for knee, side in zip(knees, order, strict=True)]
    return knees, remarks


# -- what is remembered -----------------------------------------------------------------------------------------------


@cache
def _localizer() -> str:
    """The shipped localiser's weights, in 16 hexadecimal digits."""
    return hashlib.sha256(b"".join((FOLDER / name).read_bytes() for name in (CONFIG, TENSORS))).hexdigest()[:16]


class _Memory:
    """What was found, in a file of lines: a checksum, and a film's digest with a row for each of its images.

    Lines are added and never changed, so several processes may work on it at once; a line that is not whole is none.
    """

    def __init__(self, folder: Path) -> None:
        version = f"{_VERSION}|{DECODED}|{decoders()}|{_localizer()}"
        self._path = folder / f"{hashlib.sha256(version.encode()).hexdigest()[:16]}.jsonl"
        self._lock = threading.Lock()

    @cached_property
    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        rows = {}
        with suppress(OSError), self._path.open("rb") as file:
            for line in file:
                checksum, _, body = line.strip().partition(b" ")
                if checksum == b"%08x" % zlib.crc32(body):
                    digest, found = json.loads(body)
                    rows[digest] = found
        return rows

    def get(self, digest: str) -> list[dict[str, Any]] | None:
        with self._lock:
            return self._rows.get(digest)

    def put(self, digest: str, found: list[dict[str, Any]]) -> None:
        body = json.dumps([digest, found]).encode()
        with self._lock:
            self._rows[digest] = found
            with suppress(OSError):  # a disk that is full or not to be written to: it is found again the next time
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab", buffering=0) as file:
                    file.write(b"\n%08x %s\n" % (zlib.crc32(body), body))  # begun anew, where one was cut off
