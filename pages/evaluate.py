"""Evaluate: choose a model and real images, measure; see the figures beside their floors; compare evaluations."""

import streamlit as st

from studio.evaluate import ui_form as evaluate_form
from studio.evaluate import ui_table as evaluate_table
from studio.evaluate import ui_view as evaluate_view
from studio.evaluate.folder import EvaluationFolder
from studio.text import plain
from studio.ui_links import follow, keep

NEW, ONE, SEVERAL = "New evaluation", "Evaluate", "Compare"

st.title("Evaluate")
evaluations = {e.name: e for e in EvaluationFolder.all()}
state = st.session_state
follow("evaluation", "evaluation", NEW)
follow("evaluate_view", "view", ONE)
if opened := state.pop("open_evaluation", None):
    state.evaluation, state.evaluate_view = opened, ONE
just_deleted = state.pop("deleted_evaluation", None)
if state.evaluation not in (NEW, *evaluations):
    if state.evaluation != just_deleted:
        st.warning(f"There is no evaluation {plain(state.evaluation[:80])} here. It may have been deleted.")
    state.evaluation = NEW
if state.evaluate_view not in (ONE, SEVERAL):
    state.evaluate_view = ONE
keep("evaluation", state.evaluation, NEW)
keep("view", state.evaluate_view, ONE)
one, several = st.tabs([ONE, SEVERAL], key="evaluate_view", on_change="rerun")
if one.open:
    with one:
        chosen = st.selectbox("Evaluation", [NEW, *evaluations], key="evaluation", persist_state="page")
        if chosen == NEW:
            evaluate_form.new_evaluation()
        else:
            evaluate_view.watch(evaluations[chosen])
if several.open:
    with several:
        evaluate_table.compare(list(evaluations.values()))
