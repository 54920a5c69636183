"""Images that people upload: kept as long as a run, an evaluation or a library of sources uses them, and a day where
none does. A visitor's library forgets them some time after they were last used (`sweep` is told), and what it forgets
goes.

Each upload is a folder of its own in `uploads/` beside the runs, named by its content: the files in `upload/`, and what
is decoded of them, which so goes with them. On a host a zip's name is kept beside it, for its owner's library alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from gan_core.data.cache import OWN_CACHE
from gan_core.errors import UserError, why
from gan_core.files import staging
from gan_core.job import Job, runs_root
from gan_core.train.run import list_runs
from studio.data import library
from studio.data.options import split_options
from studio.evaluate.folder import EvaluationFolder

UPLOADS, FILES = "uploads", "upload"
UNUSED_SECONDS = 24 * 3600.0  # for which an upload is kept that no library holds
NEUTRAL = "images.zip"
_LONGEST = 200  # bytes of a file's name, of the 255 that file systems take


def keep(files: Sequence[tuple[str, bytes]], *, neutral: bool = False) -> str:
    """Puts files (name, content) where they stay: the source to load. A single zip is itself the source.

    Of a name only its last part is used; with `neutral` a zip has a name that says nothing of it, for its path stands
    in whatever is made of it. Raises `UserError` where there is a zip beside others, or no room.
    """
    named = _named(files)
    zips = [name for name in named if name.lower().endswith(".zip")]
    if zips and len(named) > 1:
        raise UserError("Upload one zip, or images without a zip.")
    title = zips[0] if zips and neutral else ""
    if title:
        named = {NEUTRAL: named[title]}
    digest = hashlib.sha256(title.encode())
    for name, content in named.items():
        digest.update(f"{name}\n".encode() + hashlib.sha256(content).digest())
    root = _root()
    folder = root / digest.hexdigest()[:16]
    try:
        if not folder.exists():
            with staging(root) as temporary:
                staged = temporary / "staged"
                (staged / FILES).mkdir(parents=True)
                (staged / OWN_CACHE).mkdir()
                for name, content in named.items():
                    (staged / FILES / name).write_bytes(content)
                if title:
                    (staged / library.TITLE).write_text(title, encoding="utf-8")
                with suppress(OSError):  # somebody else has just kept the same
                    staged.rename(folder)
        os.utime(folder)
    except OSError as e:
        raise UserError(f"The upload cannot be kept in {root}: {why(e)}.") from e
    return str(folder / FILES / next(iter(named))) if zips else str(folder / FILES)


def _named(files: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    """The contents by names that are good in one folder: plain, not hidden, no two alike."""
    out: dict[str, bytes] = {}
    taken: set[str] = set()
    for i, (name, content) in enumerate(files, 1):
        last = PurePath(name.replace("\\", "/")).name
        plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last)
        plain = plain.encode()[-_LONGEST:].decode(errors="ignore").strip(" .")
        if not plain or plain.lower() in taken:
            plain = f"{i}-{plain}"
        taken.add(plain.lower())
        out[plain] = content
    return out


def of(job: Job) -> Sequence[str]:
    """The sources of images that a job reads; none where what it asks for cannot be read."""
    try:
        return job.sources()
    except UserError:
        return ()


def forget(sources: Sequence[str]) -> None:
    """Removes those of `sources` that are uploads which nothing uses."""
    used = _used()
    for folder in {folder_of(source) for source in sources} - used:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def holds(source: str) -> bool:
    """Whether a source is an upload."""
    return folder_of(source) is not None


def sweep(seconds: float) -> None:
    """Visitors' libraries forget what they have not used for so long and nothing is made of; then all uploads go which
    nothing uses and nobody has brought for a day."""
    at_work = _of_jobs() - {None}
    library.expire(seconds, keep=lambda source: folder_of(source) in at_work)
    with suppress(OSError):
        old = [p for p in _root().iterdir() if p.stat().st_mtime < time.time() - min(seconds, UNUSED_SECONDS)]
        forget([str(p / FILES) for p in old])


def _root() -> Path:
    return (runs_root() / UPLOADS).resolve()


def _used() -> set[Path | None]:
    return _of_jobs() | {folder_of(known.source) for _, known in library.everything()}


def _of_jobs() -> set[Path | None]:
    jobs: list[Job] = [*list_runs(), *EvaluationFolder.all()]
    return {folder_of(source) for job in jobs for source in of(job)}


def folder_of(source: str) -> Path | None:
    """The folder in uploads/ that a source lies in, with what belongs to it; None where it lies in none."""
    root = _root()
    try:
        path = Path(split_options(source)[0]).resolve()
    except (OSError, RuntimeError, ValueError):  # no path at all
        return None
    return root / path.relative_to(root).parts[0] if path != root and path.is_relative_to(root) else None
