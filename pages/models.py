"""Models: those on this computer; get one from the Hub or a zip; share one of your own."""

import streamlit as st

from studio.models import ui_get as models_get
from studio.models import ui_list as models_list
from studio.models import ui_share as models_share
from studio.ui_links import says_anew

HERE, GET, SHARE = "On this computer", "Get a model", "Share a model"
VIEWS = {"here": HERE, "get": GET, "share": SHARE}

st.title("Models")
state = st.session_state
if says_anew("models_view"):
    state.models_view = VIEWS.get(st.query_params.get("view", ""), HERE)
if opened := state.pop("open_view", None):
    state.models_view = VIEWS[opened]
if state.models_view == HERE:
    st.query_params.pop("view", None)
else:
    st.query_params["view"] = next(short for short, long in VIEWS.items() if long == state.models_view)
here, get, share = st.tabs(list(VIEWS.values()), key="models_view", on_change="rerun")
for tab, draw in ((here, models_list.show), (get, models_get.show), (share, models_share.show)):
    if tab.open:
        with tab:
            draw()
