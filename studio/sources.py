"""Where a training's images come from, as the Train page offers it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

import numpy as np
import streamlit as st

from gan_core import data, images
from gan_core.data.pixels import Fit
from gan_core.errors import UserError
from gan_core.files import staging
from gan_core.runs import UPLOADS, runs_root

PREVIEW = 12  # images shown before a start


@dataclass(frozen=True)
class Summary:
    """What a person sees of the data before a training."""

    count: int
    classes: dict[str, int]
    skipped: tuple[data.Skipped, ...]
    pngs: list[bytes]
    captions: list[str]


class Uploaded(Protocol):
    name: str
    file_id: str

    def getvalue(self) -> bytes: ...


def kept_upload(files: Sequence[Uploaded]) -> str:
    """The source to train on: `keep_upload`, done once for the same files."""
    ids = tuple(file.file_id for file in files)
    if st.session_state.get("upload_of") != ids:
        st.session_state.upload = keep_upload(files, runs_root() / UPLOADS)
        st.session_state.upload_of = ids
    return st.session_state.upload


def keep_upload(files: Sequence[Uploaded], root: Path) -> str:
    """Puts uploaded files in a folder named by their names and content, so that a run can be resumed: the source.

    A single zip is itself the source. Of a file's name only its last part is used, behind a number. Raises `UserError`
    where they cannot be kept.
    """
    names = [f"{i:05d}-{PurePath(file.name.replace(chr(92), '/')).name}" for i, file in enumerate(files)]
    digest = hashlib.sha256()
    for name, file in zip(names, files, strict=True):
        digest.update(name.encode() + hashlib.sha256(file.getvalue()).digest())
    folder = (root / digest.hexdigest()[:16]).resolve()
    if not folder.exists():
        try:
            with staging(root) as temporary:
                staged = temporary / "files"
                staged.mkdir()
                for name, file in zip(names, files, strict=True):
                    (staged / name).write_bytes(file.getvalue())
                with suppress(OSError):  # somebody else has just kept the same
                    staged.rename(folder)
        except OSError as e:
            raise UserError(f"The upload cannot be kept in {root}: {e.strerror or e}.") from e
    zips = [name for name in names if name.lower().endswith(".zip")]
    if zips and len(names) > 1:
        shutil.rmtree(folder, ignore_errors=True)
        raise UserError("Upload one zip, or images without a zip.")
    return str(folder / zips[0]) if zips else str(folder)


def forget_upload(source: str) -> None:
    """Removes an upload that cannot be trained on; does nothing to any other source."""
    root = (runs_root() / UPLOADS).resolve()
    path = Path(source)
    if path.is_absolute() and path.is_relative_to(root) and path != root:
        shutil.rmtree(root / path.relative_to(root).parts[0], ignore_errors=True)
        st.session_state.pop("upload_of", None)


def _summary(source: str, resolution: int, fit: Fit, progress: Callable[[int, int], None]) -> Summary:
    loaded = data.load(source, resolution, fit=fit, progress=progress)
    names = loaded.class_names
    counts = {name: int((loaded.labels == i).sum()) for i, name in enumerate(names)}
    chosen = np.random.default_rng(0).permutation(len(loaded.images))[:PREVIEW]
    return Summary(
        count=len(loaded.images),
        classes=counts,
        skipped=loaded.skipped,
        pngs=[images.png(loaded.images[i, 0]) for i in chosen],
        captions=[names[loaded.labels[i]] if names else "" for i in chosen],
    )


def summary(source: str, resolution: int, fit: Fit) -> Summary:
    """Reads the data as a training would, with a progress bar. Raises `UserError` where nothing can be trained on."""
    what = (source, resolution, fit)
    if st.session_state.get("summary_of") != what:
        place = st.empty()

        def show(done: int, total: int) -> None:
            if done % 50 == 0 or done == total:
                place.progress(done / max(total, 1), f"Reading the images: {done:,} of {total:,}")

        try:
            st.session_state.summary = _summary(source, resolution, fit, show)
        finally:
            place.empty()
        st.session_state.summary_of = what
    return st.session_state.summary
