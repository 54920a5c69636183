"""Find a knee: an image of one's own, and the nearest that the model can draw; then it is edited like any other."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from gan_core import images
from gan_core.data.decode import Fit
from gan_core.errors import UserError
from gan_core.model import Model
from studio.explore import ui_models as explore_models
from studio.explore.latent import Latent, draw, load_latent, opened
from studio.explore.project import STEPS, Found, likeness, own_error, project
from studio.explore.ui_view import edit
from studio.explore.upload import read_image
from studio.knee.phantom import phantom
from studio.models.ui_models import Entry
from studio.text import plain
from studio.ui_progress import progress

WIDTH = 300
FITS: dict[str, Fit] = {"Cut the edges": "crop", "Add black": "pad"}


@dataclass
class _Search:
    """What was looked for, and what was found so far."""

    key: str
    target: NDArray[np.uint8]  # [R, R]
    found: Found | None = None
    own: float | None = None


def find(entry: Entry, model: Model) -> None:
    """Draws the whole view."""
    st.markdown(
        "Give an image of a knee to search the model for the synthetic knee most like it. You can edit what is found "
        "like any other: change its grade, for instance."
    )
    left, right = st.columns([3, 2], gap="large")
    with right:
        _open_saved(entry, model)
    with left:
        target = _target(model)
    search = st.session_state.get("explore_search")
    if target is None:  # an upload is gone once one has been on another view; what was found for it is not
        target = search.target if search and search.target.shape[-1] == model.config.net.resolution else None
    if target is None:
        return
    key = hashlib.sha256(f"{model.digest}|".encode() + target.tobytes()).hexdigest()
    if search is None or search.key != key:
        search = st.session_state.explore_search = _Search(key, target)

    with st.container(horizontal=True):
        begin = st.button("Find this knee", type="primary", icon=":material/search:")
        stop = st.empty()
    bar = st.empty()
    with st.container(horizontal=True, gap="medium"):
        st.image(images.png(target), caption="Your image, as the model sees it", width=WIDTH, alt="Your image")
        place = st.empty()
    if begin:
        stop.button("Stop", icon=":material/stop:", help="The best knee so far is kept.")
        search.found = None

        def show(found: Found) -> None:
            search.found = found  # before anything is drawn: Stop ends the script there
            bar.progress(found.done / found.total, f"Step {found.done} of {found.total}: {_error(found)}")
            _picture(place, found)

        try:
            search.found = project(target, model, STEPS, show)
        except UserError as error:
            place.error(plain(str(error)))
        bar.empty()
        stop.empty()
    if search.found is None:
        return
    _picture(place, search.found)
    _told(search.found, search.own)
    st.button(
        "Edit this knee", icon=":material/tune:", on_click=edit, args=(entry, search.found.latent), type="primary"
    )
    st.code(
        f'python -m gan_core project "your image" --model "{entry.name}" --out found', language=None, wrap_lines=True
    )
    if search.own is None and search.found.done == search.found.total:
        _compare_with_own(model, search)


def _error(found: Found) -> str:
    return f"a pixel differs by {found.error:.1f} of 255 gray levels"


def _picture(place: DeltaGenerator, found: Found) -> None:
    place.image(images.png(found.image), caption="Found: synthetic", width=WIDTH, alt="The nearest synthetic image")


def _told(found: Found, own: float | None) -> None:
    with st.container(border=True):
        st.markdown(f"**Overall, {_error(found)}** (root mean square).")
        if own is not None:
            st.markdown(
                f"For a random knee: {found.chance:.1f}. For images that the model made itself: {own:.1f}. "
                f"{likeness(found, own)}"
            )
        if found.grades:
            given, there = found.grades
            st.markdown(
                f"The knee encoder reads grade {given:.1f} in your image and {there:.1f} in the one found. It is a "
                "small network, not a reader: not for diagnosis."
            )
        if found.done < found.total:
            st.caption(f"Stopped after {found.done} of {found.total} steps.")


def _compare_with_own(model: Model, search: _Search) -> None:
    """How near the search comes to images that the model can draw for certain; once for each model."""
    told = "For comparison (once per model): searching for images that it made itself"
    search.own = own_error(model, STEPS, progress(told))
    st.rerun()


def _phantom() -> None:
    st.session_state.explore_phantom = random.randrange(1_000_000)


def _target(model: Model) -> NDArray[np.uint8] | None:
    """The image to look for, [R, R]; None while there is none."""
    side = model.config.net.resolution
    file = st.file_uploader("An image: PNG, JPEG, TIFF or DICOM", key="explore_upload")
    st.caption("It stays in the memory of the computer that runs this, and is not kept.")
    if file is None:
        st.button("Or try a phantom, simulated by this program", icon=":material/science:", on_click=_phantom)
        seed = st.session_state.get("explore_phantom")
        return None if seed is None else phantom(1, side, seed)[0][0, 0]
    fit = st.segmented_control("An image that is not square", list(FITS), default="Cut the edges", required=True)
    try:
        return read_image(file.getvalue(), file.name, side, FITS[fit])
    except UserError as error:
        st.error(plain(str(error)))
        return None


def _open_saved(entry: Entry, model: Model) -> None:
    with st.expander("Open a saved knee", icon=":material/folder_open:"):
        file = st.file_uploader("A latent's file (JSON), as this page saves it", key="explore_latent")
        if file is None:
            return
        try:
            latent = load_latent(file.getvalue(), model)
        except UserError as error:
            st.error(plain(str(error)))
            return
        single = latent if latent.seeds is None else opened(latent, model)
        st.image(images.png(_drawn(single, entry)), width=120, alt="The synthetic image in the file")
        st.button("Open it", on_click=edit, args=(entry, single))


def _drawn(latent: Latent, entry: Entry) -> NDArray[np.uint8]:
    found = explore_models.directions(entry) if latent.moves else []
    return draw(latent, explore_models.loaded(entry), found)[0, 0]
