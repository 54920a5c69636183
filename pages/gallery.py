"""Gallery: knees that no patient has. The link holds the whole view, so that another machine shows the same."""

import random

import streamlit as st

from gan_core.grades import KL_GRADE, caption
from gan_core.seeds import MAX_SEED
from studio.gallery.ui_thumbs import PAGE, thumbs
from studio.models import ui_models as models
from studio.text import plain
from studio.viewer.ui_viewer import film, sheet

MOST = 20  # pages

heading = st.empty()
heading.title("Synthetic knees")
offered = models.offered()


def show_others() -> None:
    st.session_state.seed = random.randrange(1_000_000)
    for name in ("pages", "show"):
        st.query_params.pop(name, None)


def show_more() -> None:
    st.query_params["pages"] = str(pages + 1)
    st.query_params.pop("show", None)


def asked(name: str, least: int, most: int) -> int | None:
    """A number from the link, brought into range; None where it is no number."""
    value = st.query_params.get(name, "")
    return min(max(int(value), least), most) if value.isdecimal() and len(value) < 12 else None


pages = asked("pages", 1, MOST) or 1
shown = asked("show", 0, MAX_SEED) if st.query_params.get("model") in (None, "", *offered) else None

with st.container(horizontal=True, vertical_alignment="bottom"):
    entry = models.choose(offered, key="model", bind="query-params", width=260)
    config = models.configured(entry)
    label = config.label_name
    knees = label == KL_GRADE
    heading.title("Synthetic knees" if knees else "Synthetic images")
    chosen = None
    if config.class_names:
        chosen = models.one_class(label, config.class_names, "With none chosen, as frequent as in the training data.")
    with st.popover("More", icon=":material/tune:"):
        seed = st.number_input("First seed", 0, MAX_SEED - MOST * PAGE, key="seed", bind="query-params")
        truncation = models.variety()
    st.button("Other knees" if knees else "Others", icon=":material/shuffle:", on_click=show_others, type="primary")

seeds = range(seed, seed + pages * PAGE)
films = [
    film(
        thumb=thumb,
        seed=s,
        caption=caption(label, asked, f"seed {s}"),
        file_name=f"synthetic_{entry.name}_seed{s:04d}.png",
        query=models.query(entry, s, asked, truncation),
    )
    for s, asked, thumb in zip(
        seeds, models.classes(entry, seeds, chosen), thumbs(entry, seed, pages, chosen, truncation), strict=True
    )
]
sheet(films, shown=shown, key="sheet")
with st.container(horizontal=True, horizontal_alignment="center"):
    if pages < MOST:
        st.button(f"Show {PAGE} more", icon=":material/expand_more:", on_click=show_more)
side = config.net.resolution
lasting = (
    "always shows the same images" if entry.lasting else "shows the same images until the run continues or is deleted"
)
st.caption(
    f"{len(films)} synthetic images by **{plain(entry.name)}**: {side} × {side} pixels, trained on "
    f"{plain(config.data or 'unnamed data')}, {config.images_seen:,} images seen. The address of this "
    f"page {lasting}."
)
