"""Explore: what lies between and around the knees that a model makes. The link holds the view and the sliders."""

import streamlit as st

from studio.explore import ui_describe as describe_view
from studio.explore import ui_find as explore_find
from studio.explore import ui_models as explore_models
from studio.explore import ui_view as explore_view
from studio.models import ui_models as models
from studio.ui_links import says_anew

ONE, FIND, DESCRIBE = explore_view.ONE, "Find a knee", "Describe"
MODES: dict[str, explore_view.Mode] = {ONE: "one", "Between knees": "between", "Plane": "plane"}

st.title("Explore")
offered = models.offered()

state = st.session_state
linked_model, linked_view = (st.query_params.get(name, "") for name in ("model", "view"))
if says_anew("explore_model"):
    state.explore_model = linked_model if linked_model in offered else next(iter(offered))
if says_anew("explore_view"):
    state.explore_view = linked_view if linked_view in (*MODES, FIND, DESCRIBE) else ONE
if state.explore_model not in offered:
    state.explore_model = next(iter(offered))

with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.selectbox("Model", list(offered), key="explore_model", width=260, persist_state="page")
    view = st.segmented_control(
        "View",
        [*MODES, FIND, DESCRIBE],
        key="explore_view",
        required=True,
        persist_state="page",
        label_visibility="collapsed",
    )
entry = offered[name]
model = models.loaded(entry)

if view == FIND:
    explore_view.write_link(view, entry, None)
    explore_find.find(entry, model)
elif view == DESCRIBE:
    describe_view.describe(view, entry, model)
else:
    measured = explore_models.measured(entry)
    directions = explore_models.directions(entry) if measured else None
    linked = linked_model in ("", name) and (linked_view or ONE) == view
    explore_view.watch(MODES[view], view, entry, model, directions, linked)
    if not measured:
        explore_models.measure(entry)
