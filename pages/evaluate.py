"""Evaluate: choose a model and real images, measure; see the figures beside their floors; compare evaluations."""

import streamlit as st

from studio.evaluate import ui_form as evaluate_form
from studio.evaluate import ui_table as evaluate_table
from studio.evaluate import ui_view as evaluate_view
from studio.evaluate.folder import EvaluationFolder
from studio.jobs.ui_view import offered
from studio.ui_links import follow, keep

NEW, ONE, SEVERAL = "New evaluation", "Evaluate", "Compare"

st.title("Evaluate")
state = st.session_state
follow("evaluate_view", "view", ONE)
if "open_evaluation" in state or state.evaluate_view not in (ONE, SEVERAL):
    state.evaluate_view = ONE
evaluations = offered(EvaluationFolder, NEW, "evaluation")
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
