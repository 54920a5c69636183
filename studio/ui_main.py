"""The frame around every page: its name, the pages in their groups, and what these images are."""

from contextlib import nullcontext
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from gan_core.errors import UserError
from studio.loading import alone
from studio.text import plain
from studio.ui_links import without_endless
from studio.viewer.ui_viewer import tray

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent / "pages"

st.set_page_config(page_title="Knee GAN studio", page_icon=HERE / "icon.svg", layout="wide")

# By group: each page's file, its title, icon and help.
GROUPS = {
    "Look": [
        ("gallery", "Gallery", "grid_view", "Synthetic knee radiographs: none of them shows a patient."),
        ("explore", "Explore", "explore", "Change a knee, move between knees, find one or describe one."),
        (
            "compare",
            "Compare",
            "compare",
            "Real and synthetic side by side, and the real ones nearest to each synthetic one.",
        ),
        ("study", "Reader study", "visibility", "Can you tell synthetic images from real ones?"),
    ],
    "Make": [
        ("train", "Train", "model_training", "Train a network on your own images and watch it learn."),
        (
            "runs",
            "Runs",
            "stacked_line_chart",
            "Compare trainings: curves, samples, results, and the settings that differ.",
        ),
        ("evaluate", "Evaluate", "straighten", "Measure a model: is it good, diverse, new and useful?"),
    ],
    "Share": [
        (
            "models",
            "Models",
            "deployed_code",
            "See the models on this computer, get more from the Hugging Face Hub, and share your own.",
        ),
        ("export", "Export", "ios_share", "Save synthetic images as pictures, a training set or DICOM."),
    ],
    "Learn": [
        (
            "learn",
            "Learn",
            "school",
            "Watch two networks play against each other, and see why some games go wrong.",
        ),
    ],
}


def _page(name: str, title: str, icon: str, told: str) -> StreamlitPage:
    first = name == "gallery"
    file, icon = PAGES / f"{name}.py", f":material/{icon}:"
    return st.Page(file, title=title, icon=icon, help=told, url_path="" if first else name, default=first)


pages = {group: [_page(*about) for about in of] for group, of in GROUPS.items()}
# Streamlit serves the first page at the root alone: this is /gallery. To lead there from here would bring whoever goes
# back in the browser here again.
pages["Look"].append(st.Page(PAGES / "gallery.py", title="Gallery", url_path="gallery", visibility="hidden"))
page = st.navigation(pages)
st.logo(HERE / "logo.svg", size="large")
st.caption(
    ":material/science: Images called synthetic were made by a computer. They show no patient and are "
    "**not for diagnosis**."
)
try:
    with st.sidebar:
        tray()
    without_endless("seed", "n")
    # The first page needs nothing that is slow to load, and does not wait for it.
    with nullcontext() if page.url_path in ("", "gallery") else alone():
        page.run()
except UserError as error:
    st.error(plain(str(error)))
