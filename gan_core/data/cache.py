"""From a source to a `Dataset`, decoded once: on disk `<key>.npy` with the images, `<key>.note` with all else.

The key is of the content, so that what was moved or touched is found again, and what was changed is not.

Files are written to a temporary name and renamed, so that a reader never sees half of one and two processes that
build the same cache at once only do the same work twice. Damage is found by size and checksum, and rebuilt.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
from numpy.typing import NDArray

from gan_core.data.dataset import Dataset, Skipped, about_patients
from gan_core.data.decode import Fit, decoders
from gan_core.data.source import Source, in_order, natural, open_source, slug
from gan_core.errors import UserError
from gan_core.files import replacing, write_text

Progress = Callable[[int, int], None]

MAX_RESOLUTION = 4096

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


def load(
    source: str,
    resolution: int,
    *,
    fit: Fit = "crop",
    progress: Progress | None = None,
    cache_dir: Path | None = None,
    memory_share: float = MEMORY_SHARE,
) -> Dataset:
    """All images of a source as squares of `resolution` pixels: decoded in parallel once, then from the cache.

    `progress` is called with (files done, files in all) while decoding. An array past `memory_share` of the
    available memory is a read-only memory map of the cache file. Without a writable cache all is held in memory.

    Raises:
        UserError: if the source is missing or refused, holds no usable image, or is too large for the memory.
    """
    if not 1 <= resolution <= MAX_RESOLUTION:
        raise UserError(f"The resolution is {resolution}; use 1 to {MAX_RESOLUTION} pixels.")
    if fit not in ("crop", "pad"):
        raise UserError(f"fit is {fit!r}; use crop or pad.")
    folder = cache_dir or cache_folder_of(source)
    opened = open_source(source, folder)
    known_by = fingerprint(content_digest(opened, folder), resolution, fit)
    images, about = fetch(folder, key(known_by), memory_share) or _decode(
        opened, resolution, fit, progress, folder, key(known_by), memory_share
    )
    names = tuple(about["class_names"])
    index = {"": 0} | {name: i for i, name in enumerate(names)}
    return Dataset(
        images=images,
        labels=np.array([index[label] for label in about["labels"]], np.int64),
        class_names=names,
        files=tuple(about["files"]),
        skipped=skipped(opened, about),
        name="-".join(filter(None, (opened.name, slug(about["split"]) if about["split"] else ""))),
        fingerprint=known_by,
        patients=tuple(about["patients"]),
        label_name=about["label_name"],
        said=tuple(about["said"]),
        splits=tuple(about["splits"]),
        checksum=about["crc32"],
        sides=tuple(about.get("sides", ())),  # what an older version has kept has neither
        mm=tuple(math.nan if mm is None else mm for mm in about.get("mm", ())),
    )


def _decode(
    opened: Source,
    resolution: int,
    fit: Fit,
    progress: Progress | None,
    folder: Path,
    key: str,
    memory_share: float,
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Images and description, through the cache where it can be written and in memory where it cannot."""
    try:
        about = store(folder, key, opened, resolution, fit, progress)
    except OSError:
        about = None
    if about and not about["files"]:
        raise nothing(opened, about)
    if found := fetch(folder, key, memory_share):
        return found
    if len(opened) * resolution**2 > available_memory():
        raise UserError(
            f"{len(opened)} images of {resolution}x{resolution} do not fit into the memory, and the cache folder "
            f"{folder} cannot be written or is full; set KNEE_GAN_CACHE to a folder with room for them."
        )
    memory = io.BytesIO()
    about = build(opened, resolution, fit, memory, progress)
    if not about["files"]:
        raise nothing(opened, about)
    return np.frombuffer(memory.getbuffer(), np.uint8).reshape(-1, 1, resolution, resolution), about


def skipped(opened: Source, about: dict[str, Any]) -> tuple[Skipped, ...]:
    """What of a source gave no image: passed over unopened, or as its description has it."""
    return (*opened.skipped, *(Skipped(*pair) for pair in about["skipped"]))


def nothing(opened: Source, about: dict[str, Any]) -> UserError:
    """What to say of a source without a usable image."""
    left = skipped(opened, about)
    if not left:
        return UserError(f"{opened.name} holds no files; give a folder or zip of images.")
    first = "; ".join(f"{s.file}: {s.reason}" for s in left[:3])
    count = f"{len(left):,} files were" if len(left) > 1 else "1 file was"
    return UserError(f"{opened.name} holds no usable image; {count} skipped ({first}).")


# -- where it is kept, and by what name -------------------------------------------------------------------------------


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
        path = Path(source.rpartition("?")[0] or source).resolve()  # without what is said of how it is read
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


# -- what is kept -----------------------------------------------------------------------------------------------------


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
    columns: dict[str, list[str]] = {"labels": [], "files": [], "patients": [], "sides": []}
    mm: list[float | None] = []
    known_from: set[str] = set()
    skipped: list[tuple[str, str]] = []
    checksum = 0
    for done, item in enumerate(source.items(resolution, fit), 1):
        for image in item.images:
            pixels = image.tobytes()
            out.write(pixels)
            checksum = zlib.crc32(pixels, checksum)
            columns["patients"].append(item.file.patient)
            known_from.add(item.file.patient_from)
        columns["labels"] += item.classes
        columns["files"] += item.names
        columns["sides"] += item.sides or [""] * len(item.images)
        mm += [None if math.isnan(each) else each for each in item.mm] or [None] * len(item.images)
        if item.file.reason:
            skipped.append((item.file.name, item.file.reason))
        if progress:
            progress(done, len(source))
    layout = source.layout
    return {
        "resolution": resolution,
        "crc32": checksum,
        **columns,
        "mm": mm,
        "skipped": skipped,
        "class_names": in_class_order(columns["labels"], layout.class_order),
        "label_name": layout.label_name,
        "split": layout.split,
        "splits": layout.splits,
        "said": [*layout.said, about_patients(columns["patients"], known_from)],
    }


def in_class_order(labels: Iterable[str], order: Sequence[str]) -> list[str]:
    """The classes of these labels ("" is none): all of `order` where that has them, else in natural order."""
    seen = set(labels) - {""}
    return list(order) if seen and seen <= set(order) else sorted(seen, key=natural)


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
