"""The start of a reader study: which images, or the images that somebody else has read."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from gan_core.errors import UserError
from studio.hosting import hosted, kept_for
from studio.models import ui_models as models
from studio.study import store
from studio.study.make import SIZES, make_set
from studio.study.store import MAX_NAME, Kind, StudySet
from studio.text import plain
from studio.ui_sources import PHANTOM, image_source, progress
from studio.ui_visitor import may_change, owner

PHANTOMS = "phantom:400"
KINDS: dict[Kind, str] = {"single": "One at a time", "pair": "In pairs"}
EARLIER = 50  # sets on offer


def go_to(**where: str) -> None:
    """Opens another view of this page."""
    st.query_params.from_dict(where)
    st.rerun()


def link(**where: str) -> str:
    """The address of a view of this page, for others."""
    parts = urlsplit(st.context.url or "")
    return urlunsplit(parts._replace(query="&".join(f"{k}={v}" for k, v in where.items()), fragment=""))


def title_of(about: StudySet) -> str:
    """A set in a few words."""
    shown = f"{about.size} images" if about.kind == "single" else f"{about.questions} pairs"
    return f"{about.model} against {about.data}, {shown}, {about.created[:10]}"


def _reader() -> str:
    return st.text_input(
        "Your name or a pseudonym",
        max_chars=MAX_NAME,
        placeholder="Optional",
        help="Shown beside your results and in the table of answers, to everybody who can see these.",
    )


def new_study() -> None:
    """The form for a new set of images; on start its first reader begins."""
    offered = models.offered()
    with st.container(width=640):
        st.markdown(
            "Can you tell a synthetic radiograph from a real one? Half of the images are real, half were made by a "
            "computer. At the end you see how many you got right, and which ones fooled you."
        )
        source = image_source("Real images", "study", first=PHANTOM, phantoms=PHANTOMS)
        if source == PHANTOMS:
            st.caption("With phantoms the study is a rehearsal. For a real one, choose your own radiographs.")
        with st.container(horizontal=True):
            size = st.segmented_control("Images", SIZES, default=SIZES[0], required=True)
            kind = st.segmented_control(
                "Shown", list(KINDS), default="single", required=True, format_func=KINDS.__getitem__
            )
        with st.container(horizontal=True):
            entry = models.choose(offered)
            reader = _reader()
        start = st.button(
            "Start", type="primary", icon=":material/play_arrow:", width="stretch", disabled=not source, key="start"
        )
        if not source:
            st.caption("Choose the real images to start the study.")
        elif hosted():
            st.caption(f"The study copies its images, and is deleted {kept_for()} after its last answer.")
    if start:
        try:
            study = _make(entry, source, size, kind, reader)
        except UserError as error:
            st.error(plain(str(error)))
            return
        go_to(study=study)


def _make(entry: models.Entry, source: str, size: int, kind: Kind, reader: str) -> str:
    with st.spinner("Choosing the images"), progress("Reading the images") as show:
        whose = owner() if hosted() else ""
        set_id = make_set(models.loaded(entry), entry.name, source, size, kind, show, whose)
    return store.begin(set_id, reader)


def join(set_id: str) -> None:
    """A further reader of a set begins, in an order of their own."""
    about = store.find_set(set_id)
    with st.container(width=640):
        images = f"{about.size} images, one at a time" if about.kind == "single" else f"{about.questions} pairs"
        st.markdown(
            f"You are asked to tell synthetic radiographs from real ones: {images}. Others judge the same images, "
            "each in a different order, and the answers are compared at the end."
        )
        if about.rehearsal:
            st.caption(":material/info: This is a rehearsal: the “real” images are phantoms.")
        reader = _reader()
        if st.button("Start", type="primary", icon=":material/play_arrow:", width="stretch", key="start"):
            go_to(study=store.begin(set_id, reader))


def earlier() -> None:
    """The sets of whoever looks, to see their results or to let another reader begin."""
    sets = [about for about in store.list_sets() if may_change(about.owner)][:EARLIER]
    if not sets:
        return
    with st.expander(
        "Your earlier studies" if hosted() else "Earlier studies on this computer", icon=":material/history:"
    ):
        names = {s.id: title_of(s) for s in sets}
        chosen = st.selectbox("Study", list(names), format_func=names.__getitem__)
        over = sum(s.over and s.round == 1 for s in store.studies_of(chosen))
        st.caption(f"Readers who have finished: {over}. The results show which images are real.")
        with st.container(horizontal=True):
            if st.button("Read the same images", icon=":material/person_add:"):
                go_to(set=chosen)
            if st.button("See the results", icon=":material/query_stats:"):
                go_to(results=chosen)
