"""Train: choose images and a recipe, see the data, start; then watch it learn."""

import streamlit as st

from gan_core.train.run import Run
from studio.jobs.ui_view import offered
from studio.train.ui_form import new_training
from studio.train.ui_watch import watch

NEW = "New training"

st.title("Train")
runs = offered(Run, NEW, "run")
chosen = st.selectbox("Training", [NEW, *runs], key="run", persist_state="page")
if chosen == NEW:
    new_training()
else:
    watch(runs[chosen])
