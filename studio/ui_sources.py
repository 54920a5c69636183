"""Where real images come from: made by the program, remembered, in a folder, uploaded or from the Hub; and how they
were understood before they are used."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from gan_core import data, images
from gan_core.data.decode import Fit
from gan_core.errors import UserError
from studio import ui_hub, uploads
from studio.data import library, survey
from studio.data.library import Remembered
from studio.data.options import Question, split_options, with_options
from studio.data.sources import absolute_source, is_named
from studio.hosting import check_labels, folders_offered, hosted, kept_for, visitor_source
from studio.knee.localizer.ui_sheet import find_knees
from studio.text import plain
from studio.ui_visitor import owner

FOLDER, UPLOAD, HUB, REMEMBERED = "Folder", "Upload", "From the Hub", "Remembered"
PHANTOM, NONE = "Phantom knees", "None"
PHANTOMS = "phantom:2000"
PREVIEW = 12  # images shown before a start
LISTED = 200  # files left out
KINDS: dict[library.Kind, str] = {"folder": "Folder", "upload": "Upload", "hub": "From the Hub"}
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


# Steps between the choice of a source and the first look at it: functions of (source, source read as the person has
# said, key) that draw what they ask, and give the source to go on with, "" while that is open.
STEPS: list[Callable[[str, str, str], str]] = [find_knees]


def choose(
    label: str, key: str, made: Mapping[str, tuple[str, str]], *, first: str = "", before: str = "", again: bool = True
) -> str:
    """Asks where images come from: the source, "" while nothing is said.

    Args:
        made: what needs nobody's images: the source, and a sentence on it, by name.
        first: what is chosen at first; else `FOLDER`, or `UPLOAD` where a host shows none.
        before: the folder named the last time; on a host that may have been another visitor's.
        again: whether at first to choose what was brought in this session, on whichever page.

    Raises:
        UserError: if this server does not allow what is named.
    """
    shown = folders_offered()
    kinds = [*made, REMEMBERED, *([FOLDER, HUB] if shown else []), UPLOAD]
    if again and st.session_state.get("brought"):
        first = REMEMBERED
    kind = st.segmented_control(
        label,
        kinds,
        default=first or (FOLDER if shown else UPLOAD),
        required=True,
        key=f"{key}-kind",
        persist_state="page",
        wrap=True,
    )
    if kind in made:
        source, note = made[kind]
        if note:
            st.caption(note)
        return source
    asks = {
        REMEMBERED: lambda: _remembered(key),
        FOLDER: lambda: _folder(key, before),
        HUB: lambda: visitor_source(ui_hub.data_set(key)),
        UPLOAD: lambda: uploaded(key),
    }
    source = asks[kind or REMEMBERED]()
    for step in STEPS:
        try:
            read = answered(source, key) if source else ""
        except UserError:  # told where the images are read
            return source
        source = step(source, read, key) if source else ""
    return source


def _folder(key: str, before: str) -> str:
    path = st.text_input(
        "Folder, zip or DICOM file on the computer that runs this",
        "" if hosted() else before,
        placeholder="/data/knees/val",
        key=f"{key}-path",
        help="A folder of images, or one folder for each class. PNG, JPEG, TIFF and DICOM, also in a zip. Or the name "
        "of a set that needs no folder, such as digits or phantom:500.",
        persist_state="page",
    )
    return visitor_source(path)


def uploaded(key: str) -> str:
    """Asks for files: the source that they are kept as; "" while there are none."""
    files = st.file_uploader(
        "A zip, or images",
        accept_multiple_files=True,
        key=f"{key}-files",
        help="PNG, JPEG, TIFF and DICOM; in a zip, one folder for each class. A labels.csv beside them is read too.",
    )
    st.caption(
        f"What you upload, and what you make of it here, is kept on this server for {kept_for()} after its last use, "
        "then deleted. Others see it only with your link. Remove it earlier under Remembered, or where you made it."
        if hosted()
        else "What you upload is kept in the runs folder until you remove it under Remembered, so you need not upload "
        "it again."
    )
    return _kept([(file.file_id, file.name, file.getvalue) for file in files]) if files else ""


def image_source(label: str, key: str, *, first: str = "", before: str = "", phantoms: str = "") -> str:
    """Real images, or phantoms for a rehearsal, looked at: as `choose`, which says what the rest means."""
    note = "Simulated by this program, with no patient: they stand in for radiographs in a rehearsal."
    made = {PHANTOM: (phantoms or PHANTOMS, note)}
    return understood(choose(label, key, made, first=first, before=before), key)


# -- what was brought before ------------------------------------------------------------------------------------------


def remember(source: str, read: str, key: str, count: int) -> None:
    """Keeps for the next time that `source` is used here, read as `read`, if it is a person's."""
    if is_named(source) and not source.startswith("hf:"):
        return
    state = st.session_state
    used: dict[str, str] = state.setdefault(
        "used", {}
    )  # what each place uses: to be remembered once, not at each rerun
    if used.get(key) == read:
        return
    kind: library.Kind = "hub" if source.startswith("hf:") else "upload" if uploads.holds(source) else "folder"
    try:
        library.remember(owner(), read, kind, count)
    except UserError as error:  # the images can be used all the same
        st.warning(plain(str(error)))
        return
    used[key] = read
    state.brought = True


def _remembered(key: str) -> str:
    """Lets a person choose among what they have brought, and remove it."""
    known = {r.source: r for r in library.remembered(owner())}
    if not known:
        st.caption(
            "Nothing yet. Images that you use once, from a folder, an upload or the Hub, are listed here the next time."
        )
        return ""
    place = st.container(horizontal=True, vertical_alignment="bottom")
    with place:
        chosen = st.selectbox(
            "Used before",
            list(known),
            key=f"{key}-remembered",
            format_func=lambda source: _titled(known[source]),
            persist_state="page",
        )
    one = known[chosen]
    with place, st.popover("Remove", icon=":material/delete:"):
        st.write(f"Forget {plain(one.name)}? {_what_stays(one)}")
        st.button("Remove", type="primary", key=f"{key}-remove", on_click=_remove, args=(one,))
    where = {"folder": one.source if folders_offered() else "", "upload": "", "hub": one.source.removeprefix("hf:")}
    told = [
        f"{KINDS[one.kind]}, added {_day(one)}",
        plain(where[one.kind]),
        f"licence {plain(one.licence)}" if one.licence else "",
    ]
    st.caption(" · ".join(filter(None, told)))
    return visitor_source(chosen) if one.kind != "upload" else chosen


def _titled(one: Remembered) -> str:
    count = f"{one.count:,} images" if one.count != 1 else "1 image"
    return f"{one.name} · {count}" if one.count else one.name


def _day(one: Remembered) -> str:
    when = datetime.fromisoformat(one.brought)
    return f"{when.day} {when:%B %Y}"


def _what_stays(one: Remembered) -> str:
    if one.kind == "folder":
        return "The folder itself stays as it is."
    if one.kind == "hub":
        return "What was fetched stays in the Hub's cache on this computer."
    return "The uploaded files are deleted, unless a training or an evaluation still uses them."


def _remove(one: Remembered) -> None:
    try:
        library.forget(owner(), one.source)
    except UserError as error:  # a button's own work does not pass through the frame
        st.toast(plain(str(error)), icon=":material/error:")
        return
    uploads.forget([one.source])
    if one.kind == "upload":  # whoever uploads it again means it; a folder's name may still stand on another page
        used: dict[str, str] = st.session_state.get("used", {})
        st.session_state.used = {key: read for key, read in used.items() if split_options(read)[0] != one.source}


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
    """What has been said of how `source` is read, now or the last time; another source is read as it is found."""
    kept = st.session_state.setdefault("read_as", {})
    base, options = split_options(source)
    named = options.model_dump(exclude={"crop"}, exclude_defaults=True)
    if kept.get(key, {}).get("source") != (base, named):
        said = library.read_as(owner(), base)
        said = {k: v for k, v in said.items() if k not in named and k != "crop"}  # crops have a step of their own
        kept[key] = {"source": (base, named), "said": said}
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
            first = "Those that were fetched" if source.startswith("hf:") else "The training images"
            names = {"": first, "all": "All of them", **{name: name for name in splits}}
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
            help="Write {patient} where a file's name says whose it is, and * for the rest; none if the names do not "
            "say.",
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
    """Looks at all images, shows what they were taken for and remembers them: the source, read as the person says; ""
    while it cannot be used or something is to be answered. What is made by the program needs no such look."""
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
    remember(source, asked, key, found["count"])
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
        kept[ids] = uploads.keep([(name, content()) for _, name, content in files], neutral=hosted())
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
