"""Explore: what lies between and around the knees that a model makes. The link holds the view and the sliders."""

import streamlit as st

from studio import describe_view, explore_find, explore_models, explore_view, models
from studio.text import plain

ONE, FIND, DESCRIBE = explore_view.ONE, "Find a knee", "Describe"
MODES: dict[str, explore_view.Mode] = {ONE: "one", "Between knees": "between", "Plane": "plane"}

st.title("Explore")
offered = {entry.name: entry for entry in models.entries()}
if not offered:
    st.info("There is no model yet. Train one: a first result takes a few minutes.", icon=":material/model_training:")
    st.page_link("../pages/train.py", label="Go to Train", icon=":material/arrow_forward:")
    st.stop()

state = st.session_state
linked_model, linked_view = (st.query_params.get(name, "") for name in ("model", "view"))
if linked_model and linked_model not in offered and "explore_model" not in state:
    st.warning(f"There is no model {plain(linked_model[:80])} here. It may have been deleted.")
state.setdefault("explore_model", linked_model if linked_model in offered else next(iter(offered)))
state.setdefault("explore_view", linked_view if linked_view in (*MODES, FIND, DESCRIBE) else ONE)
if state.explore_model not in offered:
    state.explore_model = next(iter(offered))

# Not bound to the link: a binding does not follow what a button elsewhere on the page has chosen.
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
