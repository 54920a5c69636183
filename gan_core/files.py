"""Writing so that a reader, a crash or a power cut never sees half a file; and taking away."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gan_core.errors import UserError, readable

_HALF = ".half-"  # begins the name of a file that is being written
_PATIENCE = 50  # times twenty milliseconds
_STALE_SECONDS = 24 * 3600.0
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quotas


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; on leaving, it is flushed to disk and takes `path`'s name.

    An exception leaves the old file as it was. The temporary name keeps the suffix, which some writers go by.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{_HALF}{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as f:
            os.fsync(f.fileno())
        temporary.chmod(0o644)
        _rename(temporary, path)
    except OSError as e:
        if e.filename in (None, name):  # a full disk names nothing
            e.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _rename(source: Path, target: Path) -> None:
    """Windows refuses while somebody is reading `target`, which is over in a moment."""
    for _ in range(_PATIENCE):
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(0.02)
    source.replace(target)


def sweep(folder: Path) -> None:
    """Removes the half-written files that a killed process left in and below `folder`."""
    for path in folder.rglob(f"{_HALF}*"):
        path.unlink(missing_ok=True)


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A folder in `root` to make something in; what is left there is gone afterwards.

    So is what others left that were killed a day ago or before. Raises `OSError` where `root` cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    for old in root.glob(f"{_HALF}*"):
        with suppress(OSError):
            if old.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_HALF, dir=root, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def check_own(path: Path, folder: Path) -> None:
    """Raises `OSError` where `path` is no regular file, or leads out of `folder`: of a folder that comes from elsewhere
    a link could show, or have overwritten, what is no part of it."""
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            raise PermissionError(errno.EPERM, "a link that leads out of its folder", str(path))
    except RuntimeError as e:  # Python 3.11 and 3.12 of a link to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from e
    if not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def check_parts(folder: Path) -> None:
    """Raises `UserError` where something in `folder` is a link or a device: what is written there goes elsewhere."""
    for path in folder.iterdir():
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UserError(
                f"{path} is a link or a device, and would be written to: put the file or folder itself there."
            )


def read_own(path: Path, folder: Path, most: int = 2**20) -> bytes:
    """What a file of `folder` holds. Raises `OSError` as `check_own` does, and where it has more than `most` bytes."""
    check_own(path, folder)
    with path.open("rb") as f:
        content = f.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"too large: more than {most:,} bytes", str(path))
    return content


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(readable(text), encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def overwrite(path: Path, text: str) -> None:
    """Writes over a file that is there: a short one needs no room on the disk that it does not have already."""
    with path.open("r+", encoding="utf-8") as f:
        f.write(readable(text))
        f.truncate()


def no_room(error: BaseException | None) -> OSError | None:
    """The full disk, used-up quota or largest file behind `error`, if one is: some writers hide it in their own."""
    while error is not None and not (isinstance(error, OSError) and error.errno in _NO_ROOM):
        error = error.__cause__ or error.__context__
    return error


def remove(folder: Path, last: str) -> None:
    """Removes a folder, of its files `last` last: while that is there, what was cut off can be done again."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != last:
            path.unlink()
    shutil.rmtree(folder)


def size_text(size: float) -> str:
    """3800000 as "3.8 MB"."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.1f} {unit}" if unit != "B" and size < 100 else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
