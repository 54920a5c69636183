"""Train: choose images and a recipe, see the data, start; then watch it learn."""

import streamlit as st

from gan_core.train.run import list_runs
from studio.text import plain
from studio.train.ui_form import new_training
from studio.train.ui_watch import watch

st.title("Train")
runs = {run.name: run for run in list_runs()}
NEW = "New training"
wanted = st.query_params.get("run", "")
if wanted and wanted not in runs:
    st.warning(f"There is no training {plain(wanted[:80])} here. It may have been deleted.")
    st.query_params.pop("run")
choices = [NEW, *runs]
chosen = st.selectbox(
    "Training",
    choices,
    index=choices.index(wanted) if wanted in runs else 0,
)
if chosen == NEW:
    st.query_params.pop("run", None)
    new_training()
else:
    st.query_params["run"] = chosen
    watch(runs[chosen])
