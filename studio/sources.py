"""Where real images come from: what a person uploads, and what is seen of the images before they are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from gan_core import data, images, uploads
from gan_core.data.pixels import Fit
from gan_core.errors import UserError
from studio.text import plain

PREVIEW = 12  # images shown before a start
LISTED = 200  # files left out


@dataclass(frozen=True)
class Summary:
    """What a person sees of the data before a training."""

    count: int
    classes: dict[str, int]
    skipped: tuple[data.Skipped, ...]
    pngs: list[bytes]
    captions: list[str]


def uploaded(key: str, *, check: bool = True) -> str:
    """Asks for files: the source that they are kept as; "" while there are none, or none that is an image.

    Without `check` they are kept unseen, for a page that goes on to load them all.
    """
    files = st.file_uploader(
        "A zip, or images",
        accept_multiple_files=True,
        key=f"{key}-files",
        help="PNG, JPEG, TIFF and DICOM; in a zip, one folder for each class.",
    )
    st.caption(
        "What you upload stays on the computer that runs this: as long as a training or an evaluation uses it, and a "
        "day where none does."
    )
    if not files:
        return ""
    source = _kept([(file.file_id, file.name, file.getvalue) for file in files])
    if check:
        try:
            found = data.inspect(source)
        except UserError as error:
            uploads.forget([source])
            st.error(plain(str(error)))
            return ""
        st.caption(f"Images: {found['count']:,}.")
        left_out([data.Skipped(**s) for s in found["skipped"]])
    return source


def left_out(skipped: Sequence[data.Skipped]) -> None:
    """Names what could not be read, where there is any."""
    if skipped:
        with st.expander(f"Left out: {len(skipped):,} of the files"):
            st.dataframe([{"file": s.file, "why": s.reason} for s in skipped[:LISTED]])


def _kept(files: Sequence[tuple[str, str, Callable[[], bytes]]]) -> str:
    """`uploads.keep` of files (id, name, content), done once for the same files and as long as they stay."""
    ids = tuple(i for i, _, _ in files)
    kept: dict[tuple[str, ...], str] = st.session_state.setdefault("kept_uploads", {})
    if ids not in kept or not Path(kept[ids]).exists():
        kept[ids] = uploads.keep([(name, content()) for _, name, content in files])
    return kept[ids]


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
