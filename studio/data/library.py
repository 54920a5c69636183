"""The sources of images that people have brought, so that nothing is uploaded or typed twice: a small file for each.

On a computer of one's own there is one library, `HERE`. On a host each visitor has one, under a name made of a key that
their browser alone holds.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from gan_core.errors import UserError, why
from gan_core.files import write_text
from gan_core.job import runs_root
from studio.data.options import split_options, with_options

SOURCES, HERE = "sources", "here"
TITLE = "title"  # beside an upload: the name it came with, where its file has another
Kind = Literal["folder", "upload", "hub"]


@dataclass(frozen=True)
class Remembered:
    """A source that was brought."""

    source: str  # without options
    kind: Kind
    brought: str  # when, as an ISO date with time
    count: int = 0  # images; 0 where nobody has looked yet
    licence: str = ""  # of a data set on the Hub
    said: dict[str, str] = field(default_factory=dict)  # how it is read, where a person has said so

    def __post_init__(self) -> None:
        texts = (self.source, self.brought, self.licence, *self.said, *self.said.values())
        if not all(isinstance(text, str) for text in texts) or self.kind not in get_args(Kind):
            raise ValueError("not what `remember` writes")
        datetime.fromisoformat(self.brought)
        if type(self.count) is not int or self.count < 0:
            raise ValueError("no number of images")

    @property
    def id(self) -> str:
        """Eight letters and digits by which a command names it."""
        return _stem(self.source)[:8]

    @property
    def name(self) -> str:
        """What a person knows it by: the upload's file, the folder's last two parts, the data set's name."""
        if self.kind == "hub":
            repo, _, part = self.source.partition(":")[2].partition(":")
            return repo.partition("@")[0] + (f":{part}" if part else "")
        path = Path(self.source)
        if self.kind == "folder":
            return "/".join(path.parts[-2:])
        with suppress(OSError, ValueError):  # it has just gone
            if path.is_dir():
                first, *others = sorted(p.name for p in path.iterdir())
                return f"{first} and {len(others):,} more" if others else first
            return (path.parent.parent / TITLE).read_text(encoding="utf-8")
        return path.name


def owner_of(key: str) -> str:
    """The name of the library of whoever holds this key; the key cannot be told from it."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def remember(owner: str, source: str, kind: Kind, count: int = 0, licence: str = "") -> None:
    """Puts a source into a library, or to its top where it is in it already; how it is read is kept, but for the split,
    which is a matter of what is done with the images.

    Raises:
        UserError: if that cannot be written.
    """
    base, options = split_options(source)
    said = options.model_dump(exclude_defaults=True, exclude={"split"})
    path = _path(owner, base)
    try:
        before = _read(path)
        new = Remembered(
            source=base,
            kind=kind,
            brought=before.brought if before else datetime.now(UTC).isoformat(timespec="seconds"),
            count=count or (before.count if before else 0),
            licence=licence or (before.licence if before else ""),
            said=said,
        )
        if new == before:
            os.utime(path)
        else:
            write_text(path, json.dumps(asdict(new)))
    except OSError as e:
        raise UserError(f"What you bring cannot be remembered in {path.parent}: {why(e)}.") from e


def remembered(owner: str) -> list[Remembered]:
    """A library, what was used last first. Uploads that are gone are left out."""
    found = sorted(((_age(path), path) for path in (_root() / owner).glob("*.json")), key=lambda pair: pair[0])
    read = (_read(path) for _, path in found)
    return [r for r in read if r and (r.kind != "upload" or Path(r.source).exists())]


def read_as(owner: str, source: str) -> dict[str, str]:
    """How a source was read the last time; {} where nothing was said, or that is no longer understood."""
    known = _read(_path(owner, source))
    with suppress(UserError):
        if known:
            with_options(source, **known.said)
            return dict(known.said)
    return {}


def forget(owner: str, source: str) -> None:
    """Takes a source out of a library. Its images stay where they are. Raises `UserError` where that cannot be
    written."""
    path = _path(owner, source)
    try:
        path.unlink(missing_ok=True)
    except OSError as e:
        raise UserError(f"What was brought cannot be forgotten in {path.parent}: {why(e)}.") from e


def everything() -> Iterator[tuple[str, Remembered]]:
    """Each library's name, and a source in it."""
    for folder in sorted(_root().glob("*")):
        for known in remembered(folder.name):
            yield folder.name, known


def expire(seconds: float, keep: Callable[[str], bool]) -> None:
    """Visitors' libraries forget what nobody has used for so long, except the sources to `keep`."""
    for path in _root().glob("*/*.json"):
        known = _read(path)
        if path.parent.name != HERE and _age(path) > seconds and not (known and keep(known.source)):
            path.unlink(missing_ok=True)
            with suppress(OSError):  # others are in it
                path.parent.rmdir()


def _root() -> Path:
    return runs_root() / SOURCES


def _path(owner: str, source: str) -> Path:
    return _root() / owner / f"{_stem(source)}.json"


def _stem(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _age(path: Path) -> float:
    """Seconds since it was last used."""
    with suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0


def _read(path: Path) -> Remembered | None:
    with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
        return Remembered(**json.loads(path.read_bytes()))
    return None
