"""Writing so that a reader, a crash or a power cut never sees half a file."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HALF = ".half-"  # begins the name of a file that is being written
_PATIENCE = 50  # times twenty milliseconds


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


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
