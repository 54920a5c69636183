"""`streamlit run app.py` opens the studio. The frame is in studio/ui_main.py, the pages are in pages/."""

import streamlit as st
from starlette.middleware import Middleware

from studio.routes import under
from studio.ui_start import lifespan, show_error
from studio.ui_visitor import KnowsVisitors

# An App rather than a script: with a script, Streamlit would take pages/ for its own old kind of pages and a deep link
# would open outside the frame.
app = st.App(
    "studio/ui_main.py",
    routes=under(st.get_option("server.baseUrlPath")),
    lifespan=lifespan,
    middleware=[Middleware(KnowsVisitors)],
    on_script_error=show_error,
)
