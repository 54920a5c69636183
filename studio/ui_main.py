"""The frame around every page: its name, the pages in their groups, and what these images are."""

from pathlib import Path

import streamlit as st

from gan_core.errors import UserError
from studio.text import plain
from studio.ui_links import without_endless

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
                url_path="",
                default=True,
                help="Knee radiographs that no patient has.",
            ),
            # Streamlit serves the first page at the root alone: this is /gallery. To lead there from here would bring
            # whoever goes back in the browser here again.
            st.Page(PAGES / "gallery.py", title="Gallery", url_path="gallery", visibility="hidden"),
            st.Page(
                PAGES / "explore.py",
                title="Explore",
                icon=":material/explore:",
                help="What lies between and around the knees that a model makes.",
            ),
            st.Page(
                PAGES / "compare.py",
                title="Compare",
                icon=":material/compare:",
                help="Real and synthetic side by side, and the real ones nearest to each synthetic one.",
            ),
            st.Page(
                PAGES / "study.py",
                title="Reader study",
                icon=":material/visibility:",
                help="Can you tell synthetic images from real ones?",
            ),
        ],
        "Make": [
            st.Page(
                PAGES / "train.py",
                title="Train",
                icon=":material/model_training:",
                help="Train a network on your own images and watch it learn.",
            ),
            st.Page(
                PAGES / "runs.py",
                title="Runs",
                icon=":material/stacked_line_chart:",
                help="Trainings side by side: curves, samples in step, figures, settings that differ.",
            ),
            st.Page(
                PAGES / "evaluate.py",
                title="Evaluate",
                icon=":material/straighten:",
                help="Measure a model: is it good, diverse, new and useful?",
            ),
        ],
        "Share": [
            st.Page(
                PAGES / "models.py",
                title="Models",
                icon=":material/deployed_code:",
                help="The models on this computer; get more from the Hugging Face Hub; share your own.",
            ),
            st.Page(
                PAGES / "export.py",
                title="Export",
                icon=":material/ios_share:",
                help="Synthetic images as files: pictures, a training set, DICOM.",
            ),
        ],
        "Learn": [
            st.Page(
                PAGES / "learn.py",
                title="Learn",
                icon=":material/school:",
                help="Watch two networks play against each other, and see why some games go wrong.",
            ),
        ],
    }
)
st.logo(HERE / "logo.svg", size="large")
st.caption(
    ":material/science: Images called synthetic were made by a computer. They show no patient and are "
    "**not for diagnosis**."
)
try:
    without_endless("seed", "n")
    page.run()
except UserError as error:
    st.error(plain(str(error)))
