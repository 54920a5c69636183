"""Compare: reals and fakes side by side, their tones, the nearest reals of a fake, and a map of both.

The link holds the view, but not a folder of real images: a link from elsewhere must not make this computer read one.
"""

import re
from dataclasses import replace

import streamlit as st

from gan_core.errors import UserError
from gan_core.seeds import MAX_SEED
from studio import ui_sources as sources
from studio.compare import ui_films as compare
from studio.compare import ui_views as compare_view
from studio.compare.sides import MOST, shared_classes
from studio.evaluate.tables import STAND_INS
from studio.models import ui_models as models
from studio.text import plain
from studio.ui_links import follow, keep
from studio.viewer.ui_viewer import WINDOW, said_window

SIDE, NEAREST, TONES, MAP = VIEWS = "Side by side", "Nearest real", "Brightness and detail", "Map"
SHOWN = 12  # of each side, at first
state, link = st.session_state, st.query_params

st.title("Compare real and synthetic")
offered = models.offered()


def from_link(name: str, pattern: str) -> str:
    """What the link says of `name`; "" where that is nothing this page would write."""
    value = link.get(name, "")
    return value if re.fullmatch(pattern, value, re.ASCII) else ""


# -- what is compared -------------------------------------------------------------------------------------------------

left, right = st.columns(2, gap="medium")
with right, st.container(border=True):
    st.markdown("**Real**")
    source = sources.image_source("From", "real", first=sources.PHANTOM)
with left, st.container(border=True):
    st.markdown("**Synthetic**")
    entry = models.choose(offered, key="model", bind="query-params")
    model = models.loaded(entry)
    choosing = st.container()
if not source:
    st.info("Choose real images, or the phantom, to see them beside the synthetic ones.")
    st.stop()
dataset, resolution = compare.read(source, model.config), model.config.net.resolution
shared = shared_classes(model, dataset)
with choosing, st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = None
    if shared:
        said = "Applies to both sides. With none chosen, each synthetic image follows the real image beside it."
        chosen = models.one_class(model.config.label_name, shared, said)
    with st.popover("More", icon=":material/tune:"):
        n = st.slider("Images per side", 20, MOST, 100, 20, key="n", bind="query-params")
        seed = st.number_input("First seed", 0, MAX_SEED - MOST, 0, key="seed", bind="query-params")
        truncation = models.variety()
if model.class_names and not shared:
    st.caption("The real images do not have the model's classes, so no class can be chosen.")

follow("compare_view", "view", SIDE)
if state.compare_view not in VIEWS:
    state.compare_view = SIDE
keep("view", state.compare_view, SIDE)
pages = int(from_link("pages", r"\d{1,2}") or 1)
# Side by side, no more is made than is shown: who opens the page need not wait for the rest.
made = min(n, max(pages, 1) * SHOWN) if state.compare_view == SIDE else n
choice = compare.Choice(model.digest, dataset.fingerprint, chosen, made, seed, truncation)
found = compare.both(choice, model, dataset)
total = min(n, found.matching)
if found.real.kind == "phantom":
    st.caption(f":material/info: Rehearsal. {STAND_INS}")
if total < n:
    st.caption(f"Matching real images: {total:,}. As many synthetic ones are shown.")

# -- one window for all -----------------------------------------------------------------------------------------------


def keep_window() -> None:
    keep(WINDOW, said_window(state.light.window))
    keep("light", "")


older = from_link("light", r"\d{1,4}-\d{1,4}-[01]")
compare.light(said_window() or (compare.as_window(older) if older else ""), keep_window)

# -- the views --------------------------------------------------------------------------------------------------------


def show_nearest(fake: int) -> None:
    state.compare_view, state.fake = NEAREST, found.first_seed + fake


def query(fake: int) -> dict[str, str]:
    return models.query(entry, found.first_seed + fake, found.fake.class_name(fake), truncation)


def show_more() -> None:
    link["pages"] = str(len(found.real) // SHOWN + 1)


tabs = dict(zip(VIEWS, st.tabs(VIEWS, key="compare_view", on_change="rerun"), strict=True))

if tabs[SIDE].open:
    with tabs[SIDE]:
        pair = int(from_link("pair", r"\d{1,3}") or -1)
        compare.sheet(found, total, query, pair, lambda: show_nearest(int(state.films.picked)))
        if len(found.real) < total:
            with st.container(horizontal=True, horizontal_alignment="center"):
                st.button(f"Show {SHOWN} more", icon=":material/expand_more:", on_click=show_more)

if tabs[NEAREST].open:
    with tabs[NEAREST]:
        near = compare.near(choice, compare.seen(choice, found))
        seeds = compare_view.fakes_by_nearness(found, near)
        state.setdefault("fake", int(from_link("fake", r"\d{1,10}") or seeds[0]))
        if state.fake not in seeds:
            state.fake = seeds[0]
        fake = st.selectbox(
            "Synthetic image",
            seeds,
            key="fake",
            persist_state="page",
            format_func=lambda s: compare.caption(found.fake, s - found.first_seed),
            help="The list begins with the one nearest to a real image.",
            width=300,
        )
        keep("fake", str(fake))
        compare_view.one_fake(found, near, fake - found.first_seed, query)

if tabs[TONES].open:
    with tabs[TONES]:
        compare_view.tones(found)

if tabs[MAP].open:
    with tabs[MAP]:
        point = from_link("point", r"(real|synthetic)-\d{1,3}")
        kind, _, i = point.partition("-")
        if point and int(i) >= len(found.real):
            point = ""
        try:
            compare_view.atlas(choice, found, point, lambda: keep("point", state.atlas.chosen))
        except UserError as error:
            st.info(plain(str(error)))
        if point.startswith("synthetic"):
            st.button("Find the nearest real image", icon=":material/search:", on_click=show_nearest, args=[int(i)])

st.caption(
    f"{total:,} synthetic images by **{plain(entry.name)}** beside {total:,} real ones from "
    f"**{plain(dataset.about)}**, {resolution} × {resolution} pixels, all shown with the same window; no image is "
    "stretched on its own."
)
with st.expander("The same from the command line", icon=":material/terminal:"):
    st.code(compare.command_line(entry.name, source, replace(choice, n=n)), language="bash", wrap_lines=True)
