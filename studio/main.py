"""The frame around every page: its name, the pages in their groups, and what these images are."""

from pathlib import Path

import streamlit as st

from gan_core.errors import UserError

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent / "pages"

st.set_page_config(page_title="Knee GAN studio", page_icon=HERE / "icon.svg", layout="wide")

page = st.navigation(
    {
        "Look": [
            st.Page(
                PAGES / "gallery.py",
                title="Gallery",
                icon=":material/grid_view:",
                default=True,
                help="Knee radiographs that no patient has.",
            ),
        ],
        "Make": [
            st.Page(
                PAGES / "train.py",
                title="Train",
                icon=":material/model_training:",
                help="Train a network on your own images and watch it learn.",
            ),
        ],
    }
)
st.logo(HERE / "logo.svg", size="large")
try:
    page.run()
except UserError as error:
    st.error(str(error))
st.caption(
    ":material/science: Every image called synthetic here was made by a computer. It shows no patient and is "
    "**not for diagnosis**."
)
