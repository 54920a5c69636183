"""The step "Find the knees": whole films become one image a knee, looked through by a person before they are used."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from gan_core.errors import UserError, why
from gan_core.files import staging
from gan_core.job import runs_root
from studio import hosting, uploads
from studio.data import library
from studio.data.crops import NO_KNEE, Film, look, write_table
from studio.data.options import KNEES, split_options, with_options
from studio.data.sources import is_named
from studio.knee import marks
from studio.knee.localizer import DOUBTFUL, FRAME_MM, Knee, is_crop
from studio.knee.localizer.ui_boxes import boxes
from studio.knee.localizer.ui_choose import picture
from studio.text import plain
from studio.ui_html import component
from studio.ui_visitor import owner

CROPS, WHOLE = "Use the knees", "Use the whole pictures"
SAMPLE = 8  # films that tell whether all are to be looked at
WHOLE_AT_MOST = 0.3  # of a picture is covered by the box of its knee where it is a whole film
PAGE = 24  # crops
SHOWN = 128  # pixels of one
HELD = 10 * PAGE  # pictures of crops that a session holds, about
KEPT = 4  # sources that a session remembers
_SHEET = component(Path(__file__).parent, "sheet", '<div class="knees"></div>')


@dataclass
class _Knees:
    """The knees of one source, as they are used and as they are being changed."""

    films: dict[str, Film]
    crop: str  # the option that reads them so
    order: list[str] = field(default_factory=list)  # the films' names, what is doubtful first
    changed: dict[str, Film] = field(default_factory=dict)
    page: int = 0
    editing: str = ""  # the name of a film
    pictures: dict[Any, str] = field(default_factory=dict)  # of a film and a knee; addresses

    def __post_init__(self) -> None:
        self.order = sorted(self.films, key=lambda name: _sureness(self.films[name]))

    @property
    def now(self) -> dict[str, Film]:
        return self.films | self.changed

    def change(self, film: Film) -> None:
        """Takes a film as it is now; one that is as it was counts as unchanged."""
        self.changed.pop(film.name, None)
        before = self.films[film.name]
        if (film.knees, film.unused) != (before.knees, before.unused):
            self.changed[film.name] = film


def find_knees(source: str, read: str, key: str) -> str:
    """Asks whether to use the knees of whole films, and lets a person look through them.

    Args:
        source: as it was named.
        read: the same, read as the person has said.

    Returns:
        The source to go on with; "" while something is to be answered.
    """
    base, options = split_options(source)
    if options.crop or (is_named(base) and not base.startswith("hf:")):
        return source
    try:
        whole, seen = _sample(read)
    except UserError:  # told where the images are read
        return source
    if not whole:
        return source
    before = library.read_as(owner(), base).get("crop", "")
    if not options.width:  # what is brought here is put beside images of models that learnt from this width
        source, read = (with_options(text, width=f"{FRAME_MM:.0f}") for text in (source, read))
    with st.container(border=True):
        st.markdown(
            f"**Whole films.** Of {_n(seen, 'picture')} looked at, {whole:,} {'shows' if whole == 1 else 'show'} more "
            "than one knee's crop."
        )
        how = st.segmented_control(
            "Knees",
            [CROPS, WHOLE],
            default=CROPS if before or 2 * whole > seen else WHOLE,
            required=True,
            key=f"{key}-whole-{_short(base)}",
            label_visibility="collapsed",
            persist_state="page",
        )
        if how == WHOLE:
            return with_options(source, width="")
        try:
            crop = _looked_through(read, before, key)
        except UserError as error:
            st.error(plain(str(error)))
            return ""
    return with_options(source, crop=crop) if crop else ""


def _sample(read: str) -> tuple[int, int]:
    """How many pictures are whole films, and of how many looked at. Raises `UserError` as `look` does."""
    kept: dict[str, tuple[int, int]] = st.session_state.setdefault("whole_films", {})
    if read not in kept:
        with st.spinner("Looking for knees"):
            films = [f for f in islice(look(read), SAMPLE) if f.size != (0, 0)]
        whole = sum(bool(f.knees) and not is_crop(f.size[::-1], f.knees, WHOLE_AT_MOST) for f in films)
        kept[read] = whole, len(films)
    return kept[read]


# -- all films --------------------------------------------------------------------------------------------------------


def _looked_through(read: str, before: str, key: str) -> str:
    """The option `crop` to read the films with; "" while something is open. Raises `UserError`."""
    knees = _found(read, before, key)
    if knees is None:
        return ""
    now = [film for film in knees.now.values() if film.knees or film.reason in ("", NO_KNEE)]
    used, none = sum(len(f.used) for f in now), sum(not f.knees for f in now)
    doubtful = sum(k.confidence < DOUBTFUL for f in now for k in f.used)
    told = [f"**{_n(len(now), 'film')}: {_n(used, 'knee')} {'is' if used == 1 else 'are'} used**"]
    told += [f"{_n(none, 'film')} {'has' if none == 1 else 'have'} none and {'is' if none == 1 else 'are'} left out"]
    told += [f"{doubtful:,} {'is' if doubtful == 1 else 'are'} doubtful: please look"] if doubtful else []
    st.markdown(", ".join(told if none else [told[0], *told[2:]]) + ".")
    look_through = st.toggle("Look through the knees", value=bool(doubtful or none), key=f"{key}-sheet-{_short(read)}")
    if knees.editing:
        _edit(knees, key)
    elif look_through:
        _sheet(knees, key)
    if not knees.changed:
        return "" if knees.editing else knees.crop
    st.info(f"{_n(len(knees.changed), 'film')} changed. The change is not used yet.")
    with st.container(horizontal=True):
        if st.button("Use these boxes", type="primary", icon=":material/check:", key=f"{key}-use-boxes"):
            knees.crop = _kept(read, knees)
            knees.films, knees.changed = knees.now, {}
            st.rerun()
        if st.button("Take the change back", key=f"{key}-back"):
            knees.changed = {}
            st.rerun()
    return ""


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _found(read: str, before: str, key: str) -> _Knees | None:
    """Every film looked at, once a session; None where that was stopped. What was found is in the cache."""
    kept: dict[str, _Knees] = st.session_state.setdefault("films_knees", {})
    if read in kept:
        return kept[read]
    stopped = f"{key}-knees-stopped"
    if st.session_state.get(stopped) == read:
        st.info("Stopped. What was found so far is kept.")
        if st.button("Go on", key=f"{key}-knees-on"):
            st.session_state[stopped] = ""
            st.rerun()
        return None
    crop = before if before and Path(before).is_file() else KNEES
    bar, place = st.empty(), st.empty()
    place.button("Stop", key=f"{key}-knees-stop", on_click=st.session_state.update, args=({stopped: read},))
    films = {f.name: f for f in look(read if crop == KNEES else with_options(read, crop=crop), _progress(bar))}
    bar.empty()
    place.empty()
    for old in list(kept)[: 1 - KEPT]:
        del kept[old]
    kept[read] = _Knees(films, crop)
    return kept[read]


def _progress(bar: Any) -> Callable[[int, int], None]:
    begun = time.monotonic()

    def show(done: int, total: int) -> None:
        seconds = (time.monotonic() - begun) / max(done, 1) * (total - done)
        left = f", {timedelta(seconds=round(seconds))} left" if seconds > 5 else ""
        bar.progress(min(done / max(total, 1), 1.0), f"Finding the knees: {done:,} of {total:,} films{left}")

    return show


def _kept(read: str, knees: _Knees) -> str:
    """Writes the table of the boxes as they are now: its path. A table is never changed, since trainings name it."""
    folder = uploads.folder_of(read) or runs_root() / hosting.TABLES
    try:
        with staging(folder) as temporary:
            staged = temporary / "crops.csv"
            write_table(staged, knees.now.values())
            digest = hashlib.sha256(staged.read_bytes()).hexdigest()[:8]
            path = folder.resolve() / f"crops-{_short(read)}-{digest}.csv"
            staged.replace(path)
    except OSError as e:
        raise UserError(f"The boxes cannot be kept in {folder}: {why(e)}.") from e
    return str(path)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


# -- the sheet --------------------------------------------------------------------------------------------------------


def _sureness(film: Film) -> tuple[float, str]:
    return min((knee.confidence for knee in film.knees), default=0.0), film.name


def _cards(knees: _Knees) -> Iterator[tuple[Film, int]]:
    """Each knee as its film and its number, -1 for that of a film without one; what is doubtful first."""
    now = knees.now
    for film in map(now.__getitem__, knees.order):
        if film.knees:
            yield from ((film, i) for i in range(len(film.knees)))
        elif film.reason in ("", NO_KNEE):
            yield film, -1


def _sheet(knees: _Knees, key: str) -> None:
    """A page of crops."""
    cards = list(_cards(knees))
    pages = -(-len(cards) // PAGE)
    knees.page = min(knees.page, pages - 1)
    shown = cards[knees.page * PAGE :][:PAGE]
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda card: _picture(knees, *card), shown))

    def act() -> None:
        asked = st.session_state[f"{key}-knees"].act
        film = knees.now.get(asked["film"])
        if film and asked["what"] == "edit":
            knees.editing = film.name
        elif film and 0 <= asked["knee"] < len(film.knees):
            knees.change(film.put_right(film.knees, film.unused ^ {asked["knee"]}))

    given = [_card(*card, address) for card, address in zip(shown, pictures, strict=True)]
    _SHEET(key=f"{key}-knees", data={"cards": given}, on_act_change=act)
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            back = st.button("Previous", icon=":material/chevron_left:", disabled=not knees.page, key=f"{key}-previous")
            on = st.button("Next", icon=":material/chevron_right:", disabled=knees.page == pages - 1, key=f"{key}-next")
            st.caption(f"Page {knees.page + 1:,} of {pages:,}, what is doubtful first")
        if back or on:
            knees.page += 1 if on else -1
            if len(knees.pictures) > HELD:
                knees.pictures.clear()
            st.rerun()


def _card(film: Film, i: int, address: str) -> dict[str, Any]:
    about = {"film": film.name, "knee": i, "src": address, "doubtful": True, "used": True}
    if i < 0:
        return about | {"title": "No knee found", "said": f"{film.name}, no knee found"}
    knee = film.knees[i]
    said = f"{marks.told(knee.side, knee.mm)}, {film.name}"
    title = f"{marks.SIDES[knee.side]} · {knee.confidence:.0%} sure"
    return about | {"title": title, "said": said, "doubtful": knee.confidence < DOUBTFUL, "used": i not in film.unused}


def _picture(knees: _Knees, film: Film, i: int) -> str:
    """A knee's crop or, of a film without, the film, as an address; made once."""
    what: tuple[str, Knee | None] = film.name, film.knees[i] if i >= 0 else None
    if what not in knees.pictures:
        try:
            knees.pictures[what] = picture(film.pixels, what[1], SHOWN) if what[1] else _small(film)
        except UserError:
            knees.pictures[what] = ""
    return knees.pictures[what]


def _small(film: Film) -> str:
    image = Image.fromarray(film.pixels)
    image.thumbnail((2 * SHOWN, 2 * SHOWN))
    return marks.address(np.asarray(image))


def _edit(knees: _Knees, key: str) -> None:
    """A film with its boxes."""
    film = knees.now[knees.editing]
    st.markdown(f"**{plain(film.name)}**")
    if film.remark:
        st.warning(plain(film.remark))
    new = tuple(boxes(film.pixels, film.knees, film.name, f"{key}-film-{_short(film.name)}"))
    with st.container(horizontal=True):
        done = st.button("Done", type="primary", icon=":material/check:", key=f"{key}-done")
        leave = st.button("Leave it as it was", key=f"{key}-leave")
    if done and new != film.knees:
        left_out = {film.knees[i] for i in film.unused}
        unused = frozenset(i for i, knee in enumerate(new) if knee in left_out)
        knees.change(film.put_right(new, unused))
    if done or leave:
        knees.editing = ""
        st.rerun()
