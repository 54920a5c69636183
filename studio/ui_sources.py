"""Where real images come from: what a person uploads, and how the images were understood before they are used."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from gan_core import data, images
from gan_core.data.decode import Fit
from gan_core.errors import UserError
from studio import uploads
from studio.data import survey
from studio.data.options import Question, with_options
from studio.data.sources import absolute_source, is_named
from studio.hosting import check_labels, folders_offered, visitor_source
from studio.text import plain

FOLDER, UPLOAD, PHANTOM, NONE = "Folder", "Upload", "Phantom knees", "None"
PHANTOMS = "phantom:2000"
PREVIEW = 12  # images shown before a start
LISTED = 200  # files left out
FOLDERS = {"": "As found", "classes": "Classes", "patients": "Patients", "none": "Neither"}


@dataclass(frozen=True)
class Summary:
    """What a person sees of the data before a training."""

    count: int
    classes: dict[str, int]
    skipped: tuple[data.Skipped, ...]
    pngs: list[bytes]
    captions: list[str]
    said: tuple[str, ...]
    splits: tuple[str, ...]
    label_name: str


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for as long as it takes, moved by calling what it gives with (so many, of so many)."""
    place = st.empty()

    def show(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            place.progress(done / max(total, 1), f"{what}: {done:,} of {total:,}")

    try:
        yield show
    finally:
        place.empty()


def uploaded(key: str) -> str:
    """Asks for files: the source that they are kept as; "" while there are none."""
    files = st.file_uploader(
        "A zip, or images",
        accept_multiple_files=True,
        key=f"{key}-files",
        help="PNG, JPEG, TIFF and DICOM; in a zip, one folder for each class. A labels.csv beside them is read too.",
    )
    st.caption(
        "What you upload stays on the computer that runs this: as long as a training or an evaluation uses it, and a "
        "day where none does."
    )
    return _kept([(file.file_id, file.name, file.getvalue) for file in files]) if files else ""


def image_source(label: str, kinds: list[str], key: str, before: str = "", phantoms: str = "") -> str:
    """A source as the person names it; "" while nothing is. `before` is the folder named the last time."""
    kinds = [kind for kind in kinds if kind != FOLDER or folders_offered()]
    kind = st.segmented_control(label, kinds, default=kinds[0], required=True, key=f"{key}-kind", persist_state="page")
    if kind == PHANTOM:
        st.caption("Drawn from physics by this program, with no patient: they stand in for films.")
        return phantoms or PHANTOMS
    if kind == FOLDER:
        path = st.text_input(
            "Folder, zip or DICOM file on the computer that runs this",
            before,
            placeholder="/data/knees/val",
            key=f"{key}-path",
            help="Or the name of a set that needs no folder, such as digits or phantom:500.",
            persist_state="page",
        )
        return understood(visitor_source(path), key)
    if kind == UPLOAD:
        return understood(uploaded(key), key)
    return ""


# -- how images are read ----------------------------------------------------------------------------------------------


def answered(source: str, key: str) -> str:
    """`source` read as the person has said below it. Raises `UserError` where that is not understood or allowed."""
    said = _answers(source, key)
    if not said:
        return source
    read = absolute_source(with_options(source, **said))
    check_labels(read)
    return read


def _answers(source: str, key: str) -> dict[str, str]:
    """What has been said of how `source` is read; another source is read as it is found."""
    kept = st.session_state.setdefault("read_as", {})
    if kept.get(key, {}).get("source") != source:
        kept[key] = {"source": source, "said": {}}
    return kept[key]["said"]


def _say(source: str, key: str, option: str, widget: str) -> None:
    said = _answers(source, key)
    value = st.session_state[widget] or ""
    said.pop(option, None)
    if value:
        said[option] = value.strip()


def question(error: Question, source: str, key: str) -> None:
    """Asks what only a person can say, and reads the images anew as answered."""
    st.info(plain(error.ask))
    with st.container(horizontal=True):
        for title, options in error.choices.items():
            if st.button(plain(title), key=f"{key}-{title}"):
                _answers(source, key).update(options)
                st.rerun()


def set_right(source: str, key: str, splits: Sequence[str] = ()) -> None:
    """What can be said of how images are read, where it was found otherwise."""
    said = _answers(source, key)

    def widget(option: str) -> dict[str, Any]:
        name = f"{key}-read-{option}-{zlib.crc32(source.encode('utf-8', 'surrogateescape'))}"
        st.session_state.setdefault(name, said.get(option, ""))
        return {"key": name, "on_change": _say, "args": (source, key, option, name)}

    with st.expander("Not right? Change how they are read", icon=":material/rule:", expanded=bool(said)):
        if splits:
            names = {"": "The training images", "all": "All of them", **{name: name for name in splits}}
            st.selectbox("Images of", list(names), format_func=names.__getitem__, **widget("split"))
        st.selectbox("The folders are", list(FOLDERS), format_func=FOLDERS.__getitem__, **widget("folders"))
        if folders_offered():
            st.text_input(
                "Table of labels",
                placeholder="/data/grades.csv",
                help="CSV, JSON lines or parquet, on the computer that runs this; none takes no table.",
                **widget("labels"),
            )
        left, right = st.columns(2)
        with left:
            st.text_input("Column of classes", placeholder="KL", **widget("label"))
        with right:
            st.text_input("Column of file names", placeholder="image", **widget("file"))
        st.text_input(
            "Patients in the files' names",
            placeholder="{patient}_*",
            help="Write {patient} where a file's name says whose it is, and * for the rest. none: nobody is known.",
            **widget("patients"),
        )


def forget_answers(source: str, key: str) -> None:
    """Takes back what was said, where it led nowhere."""
    if _answers(source, key) and st.button("Read them as found", key=f"{key}-as-found"):
        _answers(source, key).clear()
        for name in [n for n in st.session_state if str(n).startswith(f"{key}-read-")]:
            del st.session_state[name]
        st.rerun()


def told(said: Sequence[str]) -> None:
    """How the images were understood."""
    if said:
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in said))


def understood(source: str, key: str) -> str:
    """Looks at all images and shows what they were taken for: the source, read as the person says; "" while it cannot
    be used or something is to be answered. What is made by the program needs no such look."""
    if not source or (is_named(source) and not source.startswith("hf:")):
        return source
    try:
        asked = answered(source, key)
        found = _inspected(asked)
    except Question as error:
        question(error, source, key)
        return ""
    except UserError as error:
        uploads.forget([source])
        st.error(plain(str(error)))
        forget_answers(source, key)
        return ""
    with st.container(border=True):
        st.markdown(f"**{found['count']:,} images**")
        told(found["said"])
        left_out([data.Skipped(**s) for s in found["skipped"]])
        odd(asked, found)
        set_right(source, key, list(found["splits"]))
    return asked


def _inspected(source: str) -> dict[str, Any]:
    """`survey.inspect`, with a progress bar the first time."""
    kept: dict[str, dict[str, Any]] = st.session_state.setdefault("inspected", {})
    if source not in kept:
        with progress("Looking at the images") as show:
            kept[source] = survey.inspect(source, progress=show)
    return kept[source]


def odd(source: str, found: dict[str, Any] | None = None) -> None:
    """What is odd about the images, each kind with a picture of it."""
    try:
        found = found or _inspected(source)
    except UserError:  # it has been told where the images were read
        return
    for finding in found["findings"]:
        with st.expander(f"{finding['words']}", icon=":material/visibility:"):
            st.image(_sheet(source, finding), output_format="PNG", alt=f"Of these: {finding['words']}")
            st.caption(plain("; ".join(" and ".join(group) for group in finding["files"][:PREVIEW])))


def _sheet(source: str, finding: dict[str, Any]) -> bytes:
    kept: dict[tuple[str, str], bytes] = st.session_state.setdefault("odd_sheets", {})
    what = (source, finding["what"])
    if what not in kept:
        kept[what] = images.png(survey.sheet(source, finding))
    return kept[what]


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
        said=loaded.said,
        splits=loaded.splits,
        label_name=loaded.label_name,
    )


def summary(source: str, resolution: int, fit: Fit) -> Summary:
    """Reads the data as a training would, with a progress bar. Raises `UserError` where nothing can be trained on."""
    what = (source, resolution, fit)
    if st.session_state.get("summary_of") != what:
        with progress("Reading the images") as show:
            st.session_state.summary = _summary(source, resolution, fit, show)
        st.session_state.summary_of = what
    return st.session_state.summary
