"""Files of a source: those of a folder, a zip, a tar, a parquet table, an array file, or one alone."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import posixpath
import re
import stat
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, overload

from gan_core.data import limits
from gan_core.data.dataset import Skipped
from gan_core.data.decode import HEAD, is_picture
from gan_core.data.names import natural
from gan_core.errors import UserError, readable

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are expanded in one go, whatever size they declare
_SILENT = frozenset({"__MACOSX", "Thumbs.db", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Entry:
    """A file that may hold images."""

    name: str  # relative to its source, with "/"
    size: int | None  # bytes, as declared; None where nothing says
    open: Callable[[], BinaryIO]
    folders: tuple[str, ...] | None = None  # what its class is taken from, where it isn't the folders of its name
    whole: Callable[[], BinaryIO] | None = None  # where `open` gives only the head of what is no picture
    label: str | None = None  # of a container with columns: its class, "" for none; None where nothing says
    split: str = ""
    patient: str = ""
    path: Path | None = None  # where it lies, of a file on the disk

    def open_whole(self) -> BinaryIO:
        """The file's bytes where it is no picture."""
        return (self.whole or self.open)()

    @property
    def parents(self) -> tuple[str, ...]:
        return PurePosixPath(self.name).parts[:-1] if self.folders is None else self.folders


@dataclass(frozen=True)
class Columns:
    """Images of a container with columns, and what these say of them."""

    entries: list[Entry]
    class_order: tuple[str, ...] = ()  # of a column that names its classes
    column: str = ""  # that the classes stand in; "" for none


def on_disk(name: str, path: Path, size: int) -> Entry:
    """The entry of a file that lies on the disk."""
    return Entry(name, size, partial(_open, path), path=path)


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def is_silent(name: str) -> bool:
    """Whether a file is of the operating system's making and passed over without a word."""
    return any(part.startswith(".") or part in _SILENT for part in name.split("/"))


def snapshot(path: Path) -> Path:
    """The folder of images in a repository of Hugging Face's cache, which keeps them below snapshots/; else `path`."""
    if not (path / "snapshots").is_dir() or not (path / "blobs").is_dir():
        return path
    found = sorted((p for p in (path / "snapshots").iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    try:
        main = path / "snapshots" / (path / "refs" / "main").read_text("ascii").strip()
    except (OSError, ValueError):
        main = path
    return main if main in found else found[-1] if found else path


def _blobs(root: Path) -> Path | None:
    """Where the links of a snapshot in Hugging Face's cache lead."""
    blobs = root.parent.parent / "blobs"
    return blobs if root.parent.name == "snapshots" and blobs.is_dir() else None


def list_folder(root: Path) -> tuple[list[Entry], list[Skipped]]:
    """All files below a folder, in natural order. Links to folders, and links that lead outside, are skipped."""
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    root = root.resolve()
    inside_of = [root, *filter(None, [_blobs(root)])]

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
                entries.append(on_disk(name, Path(item.path), item.stat().st_size))

    visit(str(root), "")
    return _without_blobs(sorted(entries, key=lambda e: natural(e.name))), skipped


def _without_blobs(entries: list[Entry]) -> list[Entry]:
    """Without what Hugging Face's cache keeps in blobs/: its snapshots/ show the same files by their names."""
    caches = {head for e in entries for head, found, _ in [f"/{e.name}".partition("/snapshots/")] if found}
    return [e for e in entries if f"/{e.name}".partition("/blobs/")[0] not in caches or "/blobs/" not in f"/{e.name}"]


def _bad_link(path: Path, inside_of: Sequence[Path]) -> str | None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    if not any(target.is_relative_to(root) for root in inside_of):
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
        Entry(_named(m), m.file_size, partial(_expand, archive, m), whole=partial(_expand, archive, m, whole=True))
        for m in members
        if not is_silent(_named(m))
    ]
    return sorted(entries, key=lambda e: natural(e.name))


def _named(member: zipfile.ZipInfo) -> str:
    """A member's name with "/", whatever wrote it: old Windows tools write "\\", and macOS UTF-8 without saying so."""
    name = member.filename
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


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


def _expand(archive: zipfile.ZipFile, member: zipfile.ZipInfo, whole: bool = False) -> BinaryIO:
    """A member's bytes; only its head where that is no picture's. A declared size that is a lie fills no memory."""
    with archive.open(member) as file:
        content = file.read(HEAD)
        if whole or is_picture(content, member.filename):
            content += file.read(member.file_size - len(content) + 1)
    if len(content) > member.file_size:
        raise limits.Unusable("larger than its zip declares")
    return BytesIO(content)


class TarEntries(Sequence[Entry]):
    """All files of a tar, gzipped or not, in natural order; a packed one is expanded to a nameless temporary file when
    its files are first asked for. Nothing is unpacked by name.

    Raises `UserError` then, if it is no readable tar, expands too far, or a name in it leads outside.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _entries(self) -> list[Entry]:
        try:
            return self._list(self._expanded())
        except (tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile, ValueError) as e:
            raise UserError(f"{self.path.name} is not a readable tar file ({e}); make it again.") from e
        except OSError as e:
            raise UserError(f"{self.path.name} cannot be expanded ({e.strerror or e}).") from e

    def _expanded(self) -> IO[bytes]:
        with self.path.open("rb") as f:
            head = f.read(6)
        unpack = next((fn for magic, fn in _PACKED.items() if head.startswith(magic)), None)
        if unpack is None:
            return self.path.open("rb")
        out = tempfile.TemporaryFile()  # noqa: SIM115  (the entries read from it as long as they live)
        most = max(limits.MAX_ZIP_RATIO_BYTES, limits.MAX_ZIP_RATIO * self.path.stat().st_size)
        most = min(limits.MAX_ZIP_BYTES, most)
        with unpack(self.path, "rb") as packed:
            while block := packed.read(2**20):
                if out.tell() + len(block) > most:
                    raise UserError(
                        f"{self.path.name} expands past {most / 2**30:.1f} GiB. Unpack it and name the folder instead."
                    )
                out.write(block)
        return out

    def _list(self, file: IO[bytes]) -> list[Entry]:
        lock = threading.Lock()

        def content(start: int, size: int) -> BinaryIO:
            with lock:
                file.seek(start)
                return BytesIO(file.read(size))

        found: dict[str, Entry] = {}
        links: dict[str, str] = {}
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as archive:
            for member in archive:
                name = readable(member.name).removeprefix("./")
                if ".." in name.split("/") or name.startswith("/"):
                    raise UserError(f"{self.path.name} is refused: its member {name!r} leads outside.")
                if is_silent(name):
                    continue
                if member.issym():
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), readable(member.linkname)))
                elif member.islnk():
                    links[name] = readable(member.linkname).removeprefix("./")
                elif member.isreg() and not member.issparse():
                    found[name] = Entry(name, member.size, partial(content, member.offset_data, member.size))
        inside = {name: found[to] for name, to in links.items() if to in found}
        found |= {name: replace(entry, name=name) for name, entry in inside.items()}
        return _without_blobs(sorted(found.values(), key=lambda e: natural(e.name)))

    @overload
    def __getitem__(self, i: int) -> Entry: ...

    @overload
    def __getitem__(self, i: slice) -> list[Entry]: ...

    def __getitem__(self, i: int | slice) -> Entry | list[Entry]:
        return self._entries[i]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)


_PACKED: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def is_tar(path: Path) -> bool:
    """Whether a file is called as a tar is, or begins as one does."""
    if re.search(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz)$", path.name, re.IGNORECASE):
        return True
    with path.open("rb") as f:
        f.seek(257)
        return f.read(5) == b"ustar"
