"""The explorer: a picture and the sliders that change it, drawn in the browser; where they stand goes into the link."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from gan_core.errors import UserError
from gan_core.model import Model
from gan_core.seeds import MAX_SEED
from studio.explore import steering, ui_anatomy
from studio.explore import ui_film as explore_film
from studio.explore.directions import RANGE, Direction
from studio.explore.latent import MOST_SEEDS, QUERY, Latent, from_query, opened
from studio.explore.measures import WORDS
from studio.explore.routes import LOOP_STOPS
from studio.explore.sheets import STOPS
from studio.knee.readings import QUANTITIES
from studio.knee.readings.panel import LEGEND, NOT_FOR_DIAGNOSIS
from studio.models.ui_models import Entry
from studio.text import plain
from studio.ui_html import component
from studio.ui_links import came_back, says_anew
from studio.viewer.ui_viewer import WINDOW, said_window

_EXPLORER = component(Path(__file__).parent, "explore", '<div class="explorer"></div>\n', viewer=True)
Mode = Literal["one", "between", "plane"]
ONE = "One knee"  # the view on which a knee is edited
_STARTS: dict[Mode, dict[str, str]] = {
    "one": {"seed": "0"},
    "between": {"seeds": "0,1,2,3", "at": "0"},
    "plane": {"seeds": "0,1,2,3", "x": "0.5", "y": "0.5"},
}


@dataclass(frozen=True)
class Scale:
    """The grade's slider."""

    label: str
    names: tuple[str, ...]
    step: float  # classes that are numbers in their order have something in between


def scale(model: Model) -> Scale | None:
    """None where the model has no classes."""
    names = model.class_names
    if not names:
        return None
    in_order = all(n.isdecimal() for n in names) and [int(n) for n in names] == sorted(int(n) for n in names)
    return Scale(model.config.label_name, names, 0.05 if in_order else 1.0)


def _key(mode: Mode, entry: Entry) -> str:
    return f"explore-{mode}-{entry.name}-{entry.stamp}"


def put(mode: Mode, entry: Entry, latent: Latent) -> None:
    """Makes `latent` what the explorer shows next."""
    st.session_state[_key(mode, entry)] = latent.to_query()
    st.session_state.explore_serial = st.session_state.get("explore_serial", 0) + 1


def edit(entry: Entry, latent: Latent) -> None:
    """Makes the page show `latent` next, on the view where a knee is edited."""
    put("one", entry, latent)
    st.session_state.explore_view = ONE


def current(mode: Mode, entry: Entry, model: Model, linked: bool) -> Latent:
    """What the explorer shows: what it showed last or, where `linked`, what the link says; else the first seeds.

    A link that is out of range is left, and `watch` tells of it.
    """
    state = st.session_state
    key = _key(mode, entry)
    asked = {name: value for name in QUERY if (value := st.query_params.get(name))}
    follows = linked and bool(asked) and says_anew(key)
    state.setdefault(key, _STARTS[mode])
    if follows:
        try:
            latent = from_query(_STARTS[mode] | asked if mode != "one" else asked, model)
            if (latent.seeds is None) != (mode == "one"):
                raise UserError("The knee in this link does not belong in this view.")
            put(mode, entry, latent)
        except UserError as error:
            state.explore_told = f"The link cannot be followed, so here is another knee. {plain(str(error))}"
    return from_query(state[key], model)


def explorer(
    mode: Mode, entry: Entry, model: Model, directions: list[Direction] | None, latent: Latent
) -> tuple[Latent, str]:
    """Draws it, without directions while those are being measured; the latent as it stands once the hand is off the
    slider, and the viewer's window, as a link has it."""
    state = st.session_state
    found = steering.frame(model) if mode == "one" and directions is not None else None
    result = _EXPLORER(
        key=f"{_key(mode, entry)}-component",
        data={
            "mode": mode,
            "model": entry.name,
            "serial": state.get("explore_serial", 0),
            "query": latent.to_query(),
            "grade": None if (grade := scale(model)) is None else asdict(grade),
            "held": found is not None,  # whether the grade alone changes as its slider moves
            "pending": directions is None,
            "sheet": "directions" if found is None else "sliders",
            "directions": [] if directions is None else _sliders(directions, found),
            "range": RANGE,
            "stops": STOPS,
            "loopStops": LOOP_STOPS,
            "mostSeeds": MOST_SEEDS,
            "maxSeed": MAX_SEED,
            "window": said_window(),
            "anatomy": ui_anatomy.on(),
            "legend": LEGEND,
            "anatomyHelp": ui_anatomy.HELP,
            "caution": NOT_FOR_DIAGNOSIS,
        },
        on_settled_change=lambda: None,
    )
    sent, window = result.settled, said_window()
    if isinstance(sent, dict) and sent.get("serial") == state.get("explore_serial", 0):
        try:
            latent = from_query({k: v for k, v in sent["query"].items() if isinstance(v, str)}, model)
            state[_key(mode, entry)] = latent.to_query()
            ui_anatomy.on(sent.get("anatomy") is True)
            window = said_window(sent["window"])
        except (UserError, KeyError, AttributeError):  # the browser has told the person already
            pass
    return latent, window


def _sliders(directions: list[Direction], found: steering.Frame | None) -> list[dict[str, str]]:
    """The sliders below the grade's: what can be steered alone or, of a model that cannot be, its directions."""
    if found is None:
        measured = "Measured, in standard deviations a step"
        return [
            {"name": d.name, "low": d.low, "high": d.high, "title": f"{measured}: {d.summary}", "note": ""}
            for d in directions
        ]
    return [
        {"key": key, "name": q.name, "low": q.low, "high": q.high, "title": q.what, "note": found.told(key)}
        for key, q in steering.SLIDERS.items()
    ]


def watch(mode: Mode, view: str, entry: Entry, model: Model, directions: list[Direction] | None, linked: bool) -> None:
    """The explorer and what belongs below it; None as directions while they are being measured. A slider let go of
    runs only this."""

    @st.fragment
    def live() -> None:
        try:
            latent = current(mode, entry, model, linked)
            # The page runs once more when they are measured: what is wrong with its link is to be said then, too.
            if told := st.session_state.get("explore_told"):
                st.warning(told)
            latent, window = explorer(mode, entry, model, directions, latent)
            if directions is None:
                return
            st.session_state.pop("explore_told", None)
            write_link(view, entry, latent, window)
            if mode == "one":
                _about(entry, model, directions, steering.frame(model))
            elif mode == "between":
                explore_film.offer(entry, model, directions, latent)
            if latent.seeds is not None and st.button(
                "Edit this knee on its own",
                icon=":material/tune:",
                on_click=edit,
                args=(entry, opened(latent, model)),
                key=f"edit-{mode}",
            ):
                st.rerun()  # of the whole page: the view is chosen outside of this fragment
        except UserError as error:  # a fragment's own runs do not pass through the frame
            st.error(plain(str(error)))

    live()


def _about(entry: Entry, model: Model, directions: list[Direction], found: steering.Frame | None) -> None:
    if found:
        told = (
            "Each slider moves one thing and holds the others, as far as this model can part them: for each knee, the "
            "program measures its own pictures and corrects itself. A strip shows what its slider does to this knee."
        )
    elif directions:
        told = (
            "Directions are the main ways in which this model's images differ, each named after what it was measured "
            "to change most. A strip shows what its slider does to this knee."
        )
    else:
        told = "No direction of this model was measured to change anything."
    st.caption(f"Synthetic images by **{plain(entry.name)}**. {told}")
    if scale(model) is None:
        st.caption("This model was trained without classes: it has no grade to move.")
    if found:
        with st.expander("What each slider was measured to change"):
            rows = [
                {"slider": q.name} | {o.name: found.effects.get(key, {}).get(name) for name, o in QUANTITIES.items()}
                for key, q in steering.SLIDERS.items()
            ]
            st.dataframe(rows, hide_index=True)
            st.caption(
                "For one step, in standard deviations of each quantity among this model's images: what the slider is "
                "about (the median of a few knees), and how far each other quantity goes along (the mean, whichever "
                "way). `python benchmarks/sliders.py` measures it on 200 knees."
            )
    elif directions:
        with st.expander("What each direction was measured to change"):
            rows = [
                {"direction": d.name} | {WORDS[name].name: d.effects.get(name) for name in WORDS if name in d.effects}
                for d in directions
            ]
            st.dataframe(rows, hide_index=True)
            st.caption("In standard deviations of each quantity among this model's images, for one step of the slider.")


def write_link(view: str, entry: Entry, latent: Latent | None, window: str = "") -> None:
    """The whole view into the page's address, where that says another: what is written as one goes on to another page
    would stand in that page's address. So where one came back to, the address is left as it is."""
    said = {"model": entry.name, "view": view} | (latent.to_query() if latent else {})
    if ui_anatomy.on():
        said["anatomy"] = "1"
    said |= {WINDOW: window} if window else {}
    if said != st.query_params.to_dict() and not came_back():
        st.query_params.from_dict(said)
