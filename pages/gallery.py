"""Gallery: knees that no patient has. The link holds the whole view, so that another machine shows the same."""

import random

import streamlit as st

from gan_core.seeds import MAX_SEED
from studio import models
from studio.lightbox import film, sheet

PAGE = 24
MOST = 480

st.title("Synthetic knees")
offered = {entry.name: entry for entry in models.entries()}
if not offered:
    st.info("There is no model yet. Train one: a first result takes a few minutes.", icon=":material/model_training:")
    st.page_link("../pages/train.py", label="Go to Train", icon=":material/arrow_forward:")
    st.stop()


def show_others() -> None:
    st.session_state.seed = random.randrange(1_000_000)
    st.query_params.pop("n", None)


def show_more() -> None:
    st.query_params["n"] = str(count + PAGE)


def asked(name: str, default: int, most: int) -> int:
    """A number from the link; whatever is no number in range becomes the default."""
    value = st.query_params.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 and int(value) <= most else default


count = max(PAGE, asked("n", PAGE, MOST))

with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.selectbox(
        "Model", list(offered), key="model", bind="query-params", width=260, help="The shipped models, then your runs."
    )
    entry = offered[name]
    model = models.loaded(entry)
    title = model.config.label_name
    chosen = None
    if model.class_names:
        chosen = st.segmented_control(
            title.capitalize() if title.islower() else title,
            list(model.class_names),
            key="grade",
            bind="query-params",
            help="None chosen: as they occur in the training data.",
        )
    with st.popover("More", icon=":material/tune:"):
        seed = st.number_input("First seed", 0, MAX_SEED - MOST, 0, key="seed", bind="query-params")
        truncation = st.slider(
            "Variety",
            0.0,
            1.0,
            1.0,
            0.05,
            key="variety",
            bind="query-params",
            help="Below 1, images come closer to the average one: less varied, more typical (truncation).",
        )
    st.button("Other knees", icon=":material/shuffle:", on_click=show_others, type="primary")

seeds = range(seed, seed + count)
captions = models.captions(entry, seeds, chosen)
films = [
    film(
        png,
        seed=s,
        caption=caption,
        alt=f"Synthetic radiograph, {caption}",
        file_name=f"synthetic_{name}_seed{s:04d}.png",
    )
    for s, png, caption in zip(seeds, models.pngs(entry, seeds, chosen, truncation), captions, strict=True)
]
shown = asked("show", -1, MAX_SEED)
sheet(films, shown=shown if shown >= 0 else None, key="sheet")
with st.container(horizontal=True, horizontal_alignment="center"):
    if count < MOST:
        st.button(f"Show {PAGE} more", icon=":material/expand_more:", on_click=show_more)
st.caption(
    f"{count} synthetic images by **{name}**: {model.config.net.resolution} × {model.config.net.resolution} pixels, "
    f"learnt from {model.config.data or 'unnamed data'} in {model.config.images_seen:,} looks. "
    "The address of this page brings back just these images."
)
