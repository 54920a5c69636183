"""The files in a zip or a tar, read where they are: nothing is unpacked by name."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import posixpath
import re
import stat
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

from gan_core.data.source import File, is_silent, natural
from gan_core.errors import UserError, readable

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are expanded in one go, whatever size they declare
MAX_ZIP_BYTES = 4 * 2**30  # of all members, expanded
MAX_ZIP_RATIO = 100  # expanded to packed, of a zip that expands past ...
MAX_ZIP_RATIO_BYTES = 256 * 2**20  # ... this


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


def blobs(root: Path) -> list[Path]:
    """Where the links of a snapshot in Hugging Face's cache lead, where `root` is one."""
    return [root.parent.parent / "blobs"] if root.parent.name == "snapshots" else []


def without_blobs(files: Sequence[File]) -> list[File]:
    """In natural order, without what Hugging Face's cache keeps in blobs/: its snapshots/ show the same by name."""
    caches = {head for f in files for head, found, _ in [f"/{f.name}".partition("/snapshots/")] if found}
    kept = [f for f in files if f"/{f.name}".partition("/blobs/")[0] not in caches or "/blobs/" not in f"/{f.name}"]
    return sorted(kept, key=lambda f: natural(f.name))


def list_zip(path: Path) -> list[File]:
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
    if expands_too_far(total, path):
        raise UserError(
            f"{path.name} would expand to {total / 2**30:.1f} GiB; at most {MAX_ZIP_BYTES / 2**30:.1f} GiB, and "
            f"{MAX_ZIP_RATIO} times its own size, are read. Unpack it and name the folder instead."
        )
    files = [File(_named(m), partial(archive.open, m), m.file_size) for m in members if not is_silent(_named(m))]
    return sorted(files, key=lambda f: natural(f.name))


def expands_too_far(total: int, path: Path) -> bool:
    """Whether an archive that declares `total` bytes is too large, or far larger than what it takes."""
    return total > MAX_ZIP_BYTES or (total > MAX_ZIP_RATIO_BYTES and total > MAX_ZIP_RATIO * path.stat().st_size)


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


def list_tar(path: Path) -> list[File]:
    """All files of a tar, gzipped or not, in natural order; a packed one is expanded to a nameless temporary file.
    Nothing is unpacked by name.

    Raises:
        UserError: if it is no readable tar, expands too far, or a name in it leads outside.
    """
    try:
        return _members(path, _expanded(path))
    except (tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile, ValueError) as e:
        raise UserError(f"{path.name} is not a readable tar file ({e}); make it again.") from e
    except OSError as e:
        raise UserError(f"{path.name} cannot be expanded ({e.strerror or e}).") from e


def _expanded(path: Path) -> IO[bytes]:
    with path.open("rb") as f:
        head = f.read(6)
    unpack = next((fn for magic, fn in _PACKED.items() if head.startswith(magic)), None)
    if unpack is None:
        return path.open("rb")
    out = tempfile.TemporaryFile()  # noqa: SIM115  (the files read from it as long as they live)
    most = max(MAX_ZIP_RATIO_BYTES, MAX_ZIP_RATIO * path.stat().st_size)
    most = min(MAX_ZIP_BYTES, most)
    with unpack(path, "rb") as packed:
        while block := packed.read(2**20):
            if out.tell() + len(block) > most:
                raise UserError(
                    f"{path.name} expands past {most / 2**30:.1f} GiB. Unpack it and name the folder instead."
                )
            out.write(block)
    return out


def _members(path: Path, file: IO[bytes]) -> list[File]:
    lock = threading.Lock()

    def content(start: int, size: int) -> BinaryIO:
        with lock:
            file.seek(start)
            return BytesIO(file.read(size))

    found: dict[str, File] = {}
    links: dict[str, str] = {}
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as archive:
        for member in archive:
            name = readable(member.name).removeprefix("./")
            if ".." in name.split("/") or name.startswith("/"):
                raise UserError(f"{path.name} is refused: its member {name!r} leads outside.")
            if is_silent(name):
                continue
            if member.issym():
                links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), readable(member.linkname)))
            elif member.islnk():
                links[name] = readable(member.linkname).removeprefix("./")
            elif member.isreg() and not member.issparse():
                found[name] = File(name, partial(content, member.offset_data, member.size), member.size)
    inside = {name: found[to] for name, to in links.items() if to in found}
    return without_blobs([*(found | {name: replace(file, name=name) for name, file in inside.items()}).values()])


_PACKED: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def is_tar(path: Path) -> bool:
    """Whether a file is called as a tar is, or begins as one does."""
    if re.search(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz)$", path.name, re.IGNORECASE):
        return True
    with path.open("rb") as f:
        f.seek(257)
        return f.read(5) == b"ustar"
