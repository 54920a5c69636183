"""Files of a source: those of a folder, of a zip or one alone; which of them are read, and what class each is of."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gan_core.data import limits
from gan_core.data.dataset import Skipped
from gan_core.data.decode import HEAD, is_picture
from gan_core.errors import UserError

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are expanded in one go, whatever size they declare
_SILENT = frozenset({"__MACOSX", "Thumbs.db", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Entry:
    """A file that may hold images."""

    name: str  # relative to its source, with "/"
    size: int | None  # bytes, as declared; None where nothing says
    open: Callable[[], BinaryIO]
    folders: tuple[str, ...] | None = None  # what its class is taken from, where it isn't the folders of its name

    @property
    def parents(self) -> tuple[str, ...]:
        return PurePosixPath(self.name).parts[:-1] if self.folders is None else self.folders


def on_disk(name: str, path: Path, size: int) -> Entry:
    """The entry of a file that lies on the disk."""
    return Entry(name, size, partial(_open, path))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def is_silent(name: str) -> bool:
    """Whether a file is of the operating system's making and passed over without a word."""
    return any(part.startswith(".") or part in _SILENT for part in name.split("/"))


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sorting key by which 2 comes before 10."""
    parts = re.split(r"([0-9]+)", name)
    return [(1, 0, p) if i % 2 == 0 else (0, int(p), "") for i, p in enumerate(parts) if p], name


def slug(text: str) -> str:
    """A short name in lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-") or "images"


def list_folder(root: Path) -> tuple[list[Entry], list[Skipped]]:
    """All files below a folder, in natural order. Links to folders, and links that lead outside, are skipped."""
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    root = root.resolve()

    def visit(folder: str, inside: str) -> None:
        try:
            found = list(os.scandir(folder))
        except OSError as e:
            skipped.append(Skipped(inside.rstrip("/") or ".", f"cannot be opened: {e.strerror}"))
            return
        for item in found:
            name = inside + item.name
            if is_silent(item.name):
                continue
            if item.is_dir(follow_symlinks=False):
                visit(item.path, f"{name}/")
            elif item.is_symlink() and (reason := _bad_link(Path(item.path), root)):
                skipped.append(Skipped(name, reason))
            elif not item.is_file():
                skipped.append(Skipped(name, "not a regular file"))
            else:
                entries.append(on_disk(name, Path(item.path), item.stat().st_size))

    visit(str(root), "")
    return sorted(entries, key=lambda e: natural(e.name)), skipped


def _bad_link(path: Path, root: Path) -> str | None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    if not target.is_relative_to(root):
        return "a link that leads outside the folder"
    return "a link to a folder" if target.is_dir() else None


def list_zip(path: Path) -> list[Entry]:
    """All files of a zip, in natural order; nothing is unpacked to disk.

    Raises:
        UserError: if it is no readable zip, is encrypted or packed in an unusual way, holds a link or a name that leads
            outside, or declares more than MAX_ZIP_BYTES, or more than MAX_ZIP_RATIO times its own size, once expanded.
    """
    try:
        archive = zipfile.ZipFile(path)
    except Exception as e:  # of a damaged directory `zipfile` raises anything
        raise UserError(f"{path.name} is not a readable zip file ({e}); make it again.") from e
    members = [m for m in archive.infolist() if not m.is_dir()]
    for member in archive.infolist():
        _refuse(member, path)
    total = sum(m.file_size for m in members)
    if total > limits.MAX_ZIP_BYTES or (
        total > limits.MAX_ZIP_RATIO_BYTES and total > limits.MAX_ZIP_RATIO * path.stat().st_size
    ):
        raise UserError(
            f"{path.name} would expand to {total / 2**30:.1f} GiB; at most {limits.MAX_ZIP_BYTES / 2**30:.1f} GiB, and "
            f"{limits.MAX_ZIP_RATIO} times its own size, are read. Unpack it and name the folder instead."
        )
    entries = [
        Entry(m.filename, m.file_size, partial(_expand, archive, m)) for m in members if not is_silent(m.filename)
    ]
    return sorted(entries, key=lambda e: natural(e.name))


def _refuse(member: zipfile.ZipInfo, path: Path) -> None:
    for name in (member.filename, member.orig_filename):
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or re.match(r"[A-Za-z]:", name):
            raise UserError(
                f"{path.name} is refused: its member {name!r} leads outside. Make the zip again without it."
            )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"{path.name} is refused: its member {member.filename!r} is a link. Zip the files themselves.")
    if member.flag_bits & 1:
        raise UserError(f"{path.name} is encrypted; unpack it and name the folder instead.")
    if member.compress_type not in _METHODS:
        raise UserError(
            f"{path.name} is refused: its member {member.filename!r} is not packed as zips usually are (deflate). Make "
            "it again with other settings, or unpack it and name the folder instead."
        )


def _expand(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    """A member's bytes; only its head where that is no picture's. A declared size that is a lie fills no memory."""
    with archive.open(member) as file:
        content = file.read(HEAD)
        if is_picture(content, member.filename):
            content += file.read(member.file_size - len(content) + 1)
    if len(content) > member.file_size:
        raise limits.Unusable("larger than its zip declares")
    return BytesIO(content)
