"""Decoded images on disk, found again by content: `<key>.npy` with the images, `<key>.note` with all else.

Files are written to a temporary name and renamed, so that a reader never sees half of one and two processes that
build the same cache at once only do the same work twice. Damage is found by size and checksum, and rebuilt.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
from numpy.typing import NDArray

from gan_core.data.decode import decoders
from gan_core.data.layout import about_patients
from gan_core.data.names import natural
from gan_core.data.options import split_options
from gan_core.data.pixels import Fit
from gan_core.data.source import Source, in_order
from gan_core.files import replacing, write_text

Progress = Callable[[int, int], None]

VERSION = 3  # to be raised when the same file decodes to other pixels, or is understood otherwise, than before
MEMORY_SHARE = 1 / 8  # of the memory available; beyond it the array is a memory map
_CGROUP = Path("/sys/fs/cgroup")
_CONTAINER_LIMITS = (
    (_CGROUP / "memory.max", _CGROUP / "memory.current"),
    (_CGROUP / "memory" / "memory.limit_in_bytes", _CGROUP / "memory" / "memory.usage_in_bytes"),
)  # limit and use, bytes; of Linux's control groups, second and first version
_SETTLED_NS = 2 * 10**9  # a file changed more recently may change again within its time stamp's grain
OWN_CACHE = ".decoded"  # a folder beside a source, for what is decoded of it
_STALE_SECONDS = 24 * 3600.0


def cache_folder() -> Path:
    """Where the cache is: $KNEE_GAN_CACHE, or the platform's place for such things."""
    if named := os.environ.get("KNEE_GAN_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "knee-gan-studio"


def cache_folder_of(source: str) -> Path:
    """Where the images of a source are kept once decoded: beside it where a folder `OWN_CACHE` lies there, so that they
    go with it; else where all are."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # no path at all
        path = Path(split_options(source)[0]).resolve()
        for near in path.parents[:2]:
            if (near / OWN_CACHE).is_dir():
                return near / OWN_CACHE
    return cache_folder()


def available_memory() -> int:
    """Bytes that this process may still use: of the machine's, and of its container's where it is in one."""
    free = psutil.virtual_memory().available
    for limit, used in _CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
            free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)


def content_digest(source: Source, folder: Path) -> str:
    """sha256 of the names and bytes of a source's files; remembered for files whose size and times are unchanged."""
    stamps = [_stamp(path) for _, path in source.files]
    root = str(source.files[0][1].resolve()) if source.files else ""
    names = (f"{name}|{stamp}" for (name, _), stamp in zip(source.files, stamps, strict=True))
    quick = _sha256(source.recipe, root, *names)
    note = folder / "seen" / quick
    with contextlib.suppress(OSError, ValueError):
        if len(digest := note.read_text("ascii")) == 64:
            return digest
    hashes = in_order(_file_digest, [path for _, path in source.files])
    digest = _sha256(source.recipe, *(f"{name}|{h}" for (name, _), h in zip(source.files, hashes, strict=True)))
    newest = max((max(changed) for _, *changed in stamps), default=0)
    if newest < time.time_ns() - _SETTLED_NS:
        with contextlib.suppress(OSError):
            write_text(note, digest)
    return digest


def _stamp(path: Path) -> tuple[int, int, int]:
    """Size in bytes, time of the last change of the content and of the file's state in ns; zeros for one just gone."""
    try:
        s = path.stat()
    except OSError:
        return 0, 0, 0
    return s.st_size, s.st_mtime_ns, s.st_ctime_ns


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError:
        return "unreadable"  # and skipped with a reason when its turn comes


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def fingerprint(digest: str, resolution: int, fit: str) -> str:
    """What a source's content, made squares in one way, is known by: a run goes on with the same one only."""
    return _sha256(f"1|{digest}|{resolution}|{fit}")


def key(fingerprint: str) -> str:
    """Where it lies in the cache: elsewhere once more can be decoded than before."""
    return _sha256(f"{VERSION}|{fingerprint}|{decoders()}")


def write_note(path: Path, note: dict[str, Any]) -> None:
    """Keep something for JSON, under its checksum."""
    body = json.dumps(note)
    write_text(path, f"{zlib.crc32(body.encode())}\n{body}")


def read_note(path: Path) -> dict[str, Any]:
    """What `write_note` kept.

    Raises:
        OSError, ValueError: if it is not there, or not whole.
    """
    checksum, _, body = path.read_text("utf-8").partition("\n")
    if int(checksum) != zlib.crc32(body.encode()):
        raise ValueError(f"{path.name} is damaged")
    return json.loads(body)


def build(source: Source, resolution: int, fit: Fit, out: BinaryIO, progress: Progress | None) -> dict[str, Any]:
    """Write every image's pixels to `out`, one after the other; returns what else there is to know, for JSON."""
    about: dict[str, Any] = {"resolution": resolution}
    columns: dict[str, list[str]] = {"labels": [], "files": [], "patients": []}
    known_from: set[str] = set()
    skipped: list[tuple[str, str]] = []
    checksum = 0
    for done, item in enumerate(source.items(resolution, fit), 1):
        for i, image in enumerate(item.images):
            pixels = image.tobytes()
            out.write(pixels)
            checksum = zlib.crc32(pixels, checksum)
            columns["labels"].append(item.place.label)
            columns["files"].append(f"{item.name}#{i}" if len(item.images) > 1 else item.name)
            columns["patients"].append(item.place.patient)
            known_from.add(item.place.patient_from)
        if item.reason:
            skipped.append((item.name, item.reason))
        if progress:
            progress(done, len(source))
    layout = source.layout
    order = layout.class_order
    seen = set(columns["labels"]) - {""}
    about |= {
        "crc32": checksum,
        **columns,
        "skipped": skipped,
        "class_names": order if seen and seen <= set(order) else sorted(seen, key=natural),
        "label_name": layout.label_name,
        "split": layout.split,
        "splits": layout.splits,
        "said": [*layout.said, about_patients(columns["patients"], known_from)],
    }
    return about


def store(
    folder: Path, key: str, source: Source, resolution: int, fit: Fit, progress: Progress | None
) -> dict[str, Any]:
    """Build a cache entry; returns its description. Nothing is kept where no image came of the source.

    Raises:
        OSError: if the folder cannot be written or is too small.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    if shutil.disk_usage(folder).free < len(source) * resolution**2:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with contextlib.suppress(_Empty), replacing(folder / f"{key}.npy") as temporary, temporary.open("wb") as f:
        f.write(_npy_header(0, resolution))
        about = build(source, resolution, fit, f, progress)
        if not about["files"]:
            raise _Empty
        f.seek(0)
        f.write(_npy_header(len(about["files"]), resolution))
    if about["files"]:
        write_note(folder / f"{key}.note", about)
    return about


class _Empty(Exception):
    pass


def fetch(folder: Path, key: str, memory_share: float) -> tuple[NDArray[np.uint8], dict[str, Any]] | None:
    """Images [N, 1, R, R] and their description from the cache; None where they are not there whole.

    An array past `memory_share` of the available memory comes as a read-only memory map: of that only the size is
    checked, since reading all of it for a checksum is what the map is there to avoid.
    """
    path = folder / f"{key}.npy"
    try:
        about = read_note(folder / f"{key}.note")
        shape = (len(about["files"]), 1, about["resolution"], about["resolution"])
        size = int(np.prod(shape))
        if path.stat().st_size != len(_npy_header(*shape[::3])) + size:
            return None
        if size > memory_share * available_memory():
            images = np.load(path, mmap_mode="r", allow_pickle=False)
            return (images, about) if images.shape == shape else None
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return (images, about) if images.shape == shape and zlib.crc32(images.data) == about["crc32"] else None


def _npy_header(count: int, resolution: int) -> bytes:
    """The head of a .npy file; NumPy leaves room for the first axis to grow, so its length is that of any count."""
    head = io.BytesIO()
    shape = (count, 1, resolution, resolution)
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return head.getvalue()


def _sweep(folder: Path) -> None:
    """Remove what a process that was killed left half written."""
    for path in folder.glob(".*-*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _STALE_SECONDS:
                path.unlink()
