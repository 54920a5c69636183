"""Where a training's images come from, as the Train page offers it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

import numpy as np
import streamlit as st

from gan_core import data, images
from gan_core.data.pixels import Fit
from gan_core.errors import UserError

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

    def getvalue(self) -> bytes: ...


def keep_upload(files: Sequence[Uploaded], root: Path) -> str:
    """Uploaded files in a folder named by their content, so that a run can be resumed; the source to train on.

    A single zip is itself the source. Of a file's name only its last part is used, behind a number.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.getvalue()).digest())
    folder = root / "uploads" / digest.hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            staged = Path(temporary) / "files"
            staged.mkdir()
            for i, file in enumerate(files):
                (staged / f"{i:05d}-{PurePath(file.name.replace(chr(92), '/')).name}").write_bytes(file.getvalue())
            staged.rename(folder)
    kept = sorted(folder.iterdir())
    if len(kept) == 1 and kept[0].suffix.lower() == ".zip":
        return str(kept[0])
    if any(p.suffix.lower() == ".zip" for p in kept):
        raise UserError("Upload one zip, or images without a zip.")
    return str(folder)


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
