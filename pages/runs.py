"""Runs: several trainings beside each other. The link holds which, and how they are looked at."""

import streamlit as st

from studio.runs import entries
from studio.runs import ui_choice as runs_choice
from studio.runs import ui_view as runs_view

st.title("Runs")
offered = runs_choice.listed_of(entries())
if not offered:
    st.info(
        "There is nothing to compare yet. Train two recipes on the same images to compare them here.",
        icon=":material/model_training:",
    )
    st.page_link("../pages/train.py", label="Go to Train", icon=":material/arrow_forward:")
    st.stop()
chosen = runs_choice.choose(offered)
if not chosen:
    st.info("Choose two or more runs to compare them here.", icon=":material/checklist:")
    st.stop()
runs_view.show([offered[key] for key in chosen])
