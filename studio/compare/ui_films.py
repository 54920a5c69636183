"""The parts of the Compare page: films, the slider and the map run in the browser; one window acts on all of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from gan_core import grades, images
from gan_core.data import Dataset, short_source
from gan_core.metrics.features import Extractor
from gan_core.metrics.sample import Sample
from gan_core.model import Model, ModelConfig
from studio.compare import sides as beside
from studio.compare.sides import Sides, sides
from studio.compare.space import Layout, Nearness, layout, look, nearness
from studio.evaluate.classifier import shrink
from studio.evaluate.extractors import open_extractor
from studio.hosting import folders_offered
from studio.knee import marks
from studio.ui_html import component, src
from studio.ui_sources import progress

HERE = Path(__file__).parent
Film = dict[str, Any]
Query = Callable[[int], dict[str, str]]
MARKS = {"real": "Real", "synthetic": "Synthetic"}
THUMB = 64  # pixels a side, at most, of a picture on the map
COLUMNS = 20  # of the sheet that carries them
IMAGES_A_SECOND = 60  # through the knee encoder, on one core
_LIGHT = component(
    HERE,
    "compare_light",
    '<div class="bar" role="group" aria-label="Window of all images"></div>',
    viewer=True,
)
_SHEET = component(
    HERE,
    "compare_sheet",
    '<div class="sides"></div><dialog class="pair" aria-label="Viewer"></dialog>',
    "compare",
    viewer=True,
)
_SLIDER = component(
    HERE,
    "compare_slider",
    '<div class="wipe"><div class="films"></div><b class="cmp-synthetic"></b><b class="cmp-real"></b>'
    '<div class="handle" role="slider" tabindex="0" aria-label="How much of the synthetic image is shown" '
    'aria-valuemin="0" aria-valuemax="100"></div></div>',
    "compare",
    viewer=True,
)
_MAP = component(
    HERE,
    "compare_map",
    '<div class="atlas"><div><div class="key"></div><svg class="map" role="application" tabindex="0" '
    'aria-label="Map of images. The arrow keys go from point to point, Enter chooses one."></svg></div>'
    '<div><figure hidden><figcaption aria-live="polite"></figcaption></figure>'
    "<p>Point at the map, tap it, or use the arrow keys to see a picture. A click or Enter keeps it.</p></div></div>",
    "compare",
    viewer=True,
)


# -- what is computed, kept for all viewers ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What is compared; everything is kept by it. The digests name the contents of the model and of the data."""

    model: str
    data: str
    class_name: str | None
    n: int
    first_seed: int
    truncation: float


def read(source: str, model: ModelConfig) -> Dataset:
    """The data, made squares as the model's own were, once for each visit. Raises `UserError` as `data.load` does."""
    what = (source, model.net.resolution, model.fit)
    if st.session_state.get("compare_data_of") != what:
        with progress("Reading the real images") as show:
            st.session_state.compare_data = beside.read(source, model, show)
        st.session_state.compare_data_of = what
    return st.session_state.compare_data


# Resources rather than data: these are large and never changed, and a copy for each rerun would take its time.
@st.cache_resource(max_entries=6, show_spinner="Making the synthetic images")
def both(choice: Choice, _model: Model, _dataset: Dataset) -> Sides:
    return sides(_model, _dataset, choice.class_name, choice.n, choice.first_seed, choice.truncation)


@st.cache_resource(max_entries=1, show_spinner="Loading the knee encoder")
def _encoder() -> Extractor:
    return open_extractor("knee")


@st.cache_resource(max_entries=12, show_spinner=False)
def _seen(choice: Choice, _found: Sides) -> Sides:
    return look(_found, _encoder())


def seen(choice: Choice, found: Sides) -> Sides:
    """The sides with what the encoder sees of them; the first time a message says how long it takes."""
    n = len(found.fake) + len(found.real)
    seconds = 1 + n // IMAGES_A_SECOND
    with st.spinner(f"Encoding {n:,} images with the knee encoder (about {seconds} seconds, only once)"):
        return _seen(choice, found)


@st.cache_resource(max_entries=12, show_spinner=False)
def near(choice: Choice, _seen: Sides) -> Nearness:
    """Each fake's nearest reals."""
    return nearness(_seen)


@st.cache_resource(max_entries=12, show_spinner=False)
def places(choice: Choice, method: str, _seen: Sides) -> Layout:
    """The map. Raises `UserError` as `layout` does."""
    return layout(_seen, method)


@st.cache_resource(max_entries=12, show_spinner=False)
def _sprites(choice: Choice, _found: Sides) -> dict[str, str]:
    sheets = {kind: images.grid(shrink(side.images, THUMB), COLUMNS) for kind, side in _by_kind(_found).items()}
    return {kind: src(images.png(sheet)) for kind, sheet in sheets.items()}


# -- what is drawn ----------------------------------------------------------------------------------------------------


def _by_kind(found: Sides) -> dict[str, Sample]:
    return {"real": found.real, "synthetic": found.fake}


def caption(side: Sample, i: int) -> str:
    """What is said of an image besides which side it is of."""
    told = grades.caption(side.label_name, side.class_name(i), side.names[i])
    return f"{told}, {marks.SIDES[side.sides[i]].lower()}" if side.sides and side.sides[i] else told


def film(side: Sample, i: int, query: Query | None = None, note: str = "") -> Film:
    """An image as the components take it, with its side and scale where they are known, and what is said below it.

    `query` makes of a synthetic one's index what brings it back on the Explore page.
    """
    kind = "synthetic" if side.kind == "synthetic" else "real"
    said = caption(side, i)
    found: Film = {"src": src(images.png(side.images[i, 0])), "kind": kind, "mark": MARKS[kind], "caption": said}
    found |= {"alt": f"{MARKS[kind]} image, {said}", "note": note, "file_name": f"{kind}_{i:03d}.png"}
    if side.sides:
        found["side"] = side.sides[i]
    if side.mm and side.mm[i] == side.mm[i]:  # not NaN
        found["mm"] = side.mm[i]
    return found | ({"query": query(i)} if query and kind == "synthetic" else {})


def as_window(light: str) -> str:
    """The window that an older link means by brightness and contrast, in per cent, and inversion: `light`."""
    brightness, contrast, invert = (int(part) for part in light.split("-"))
    bright, steep = (min(max(v, 20), 300) / 100 for v in (brightness, contrast))
    level = min(127.5 / bright + 0.5, 255)
    return f"{min(max(256 / bright / steep, 2), 512):.0f}-{level:.0f}-{invert}"


def light(window: str, on_change: Callable[[], None]) -> None:
    """The window of all films on the page, as a link has it."""
    _LIGHT(key="light", data={"window": window}, on_window_change=on_change)


def sheet(found: Sides, total: int, query: Query, shown: int, on_picked: Callable[[], None]) -> None:
    """Reals and fakes, the first of `total`, in two panels; a pair opens large, that of the index `shown` at once, if
    it is one, and a fake in it can be picked."""
    panels = [
        {
            "look": f"cmp-{kind}",
            "title": f"{MARKS[kind]} ({total:,})",
            "films": [film(side, i, query) for i in range(len(side))],
        }
        for kind, side in _by_kind(found).items()
    ]
    _SHEET(key="films", data={"sides": panels, "shown": shown}, on_picked_change=on_picked)


def slider(found: Sides, fake: int, real: int) -> None:
    """A fake over a real; how much of it is shown follows the hand."""
    _SLIDER(key="slider", data={"synthetic": film(found.fake, fake), "real": film(found.real, real)})


def row(films: list[Film]) -> None:
    """Films in a row; each opens beside the first."""
    _SHEET(key="row", data={"sides": [{"films": films}]})


def atlas(choice: Choice, found: Sides, at: Layout, chosen: str, on_chosen: Callable[[], None]) -> None:
    """The map. A point is called by its side and place, such as "real-3"; `chosen` is shown in full."""
    points = [
        {"id": f"{kind}-{i}", "kind": kind, "index": i, "x": x, "y": y, "caption": caption(side, i)}
        for (kind, side), xy in zip(_by_kind(found).items(), (at.real, at.fake), strict=True)
        for i, (x, y) in enumerate(xy.tolist())
    ]
    kind, _, i = chosen.partition("-")
    _MAP(
        key="atlas",
        data={
            "points": points,
            "sprites": _sprites(choice, found),
            "side": min(THUMB, found.fake.images.shape[-1]),
            "columns": COLUMNS,
            "marks": MARKS,
            "chosen": chosen,
            "full": film(_by_kind(found)[kind], int(i)) if chosen else None,
        },
        on_chosen_change=on_chosen,
    )


def command_line(model: str, source: str, choice: Choice) -> str:
    """The command that compares the same; visitors who may not name folders do not see where uploads lie."""
    words = ["python -m gan_core compare --model", model]
    words += ["--data", source if folders_offered() else short_source(source)]
    if choice.class_name is not None:
        words += ["--class", choice.class_name]
    words += ["--n", str(choice.n), "--first-seed", str(choice.first_seed), "--truncation", f"{choice.truncation:g}"]
    return " ".join([words[0], *map(shlex.quote, words[1:])])
