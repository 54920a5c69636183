"""Find a knee: an image of one's own, and the nearest that the model can draw; then it is edited like any other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from gan_core import images
from gan_core.errors import UserError
from gan_core.model import Model
from studio.data.crops import Film
from studio.explore import ui_anatomy
from studio.explore import ui_models as explore_models
from studio.explore.latent import Latent, draw, load_latent, opened
from studio.explore.project import STEPS, Found, likeness, own_error, project
from studio.explore.ui_view import edit
from studio.explore.upload import Target, read_film, seen
from studio.knee import marks
from studio.knee.localizer.ui_choose import choose
from studio.knee.phantom import phantom
from studio.models.ui_models import Entry
from studio.text import plain
from studio.ui_progress import progress

WIDTH = 300


@dataclass
class _Search:
    """What was looked for, and what was found so far."""

    key: str
    target: Target
    found: Found | None = None
    own: float | None = None


def find(entry: Entry, model: Model) -> None:
    """Draws the whole view."""
    st.markdown(
        "Give a radiograph of a knee, or a whole film: its knees are found, and the model is searched for the "
        "synthetic knee most like the one you choose. You can edit what is found like any other: change its grade, for "
        "instance."
    )
    left, right = st.columns([3, 2], gap="large")
    with right:
        _open_saved(entry, model)
    with left:
        film = _upload()
    target = _target(film, model)
    search = st.session_state.get("explore_search")
    if target is None:
        # An upload is gone once one has been on another view; what was found for it is not.
        if st.session_state.get("explore_upload") or not search:
            return
        if search.target.image.shape[-1] != model.config.net.resolution:
            return
        target = search.target
    key = hashlib.sha256(f"{model.digest}|".encode() + target.image.tobytes()).hexdigest()
    if search is None or search.key != key:
        search = st.session_state.explore_search = _Search(key, target)

    with st.container(horizontal=True):
        begin = st.button("Find this knee", type="primary", icon=":material/search:")
        stop = st.empty()
    bar = st.empty()
    outlined = ui_anatomy.of(target) if ui_anatomy.switch("find_anatomy") else None
    with st.container(horizontal=True, gap="medium"):
        said = f" · {marks.told(target.side, target.mm)}" if target.side or target.mm else ""
        shown = marks.address(target.image, target.side, target.mm, outlined.drawing if outlined else "")
        st.image(shown, caption=f"Your image, as the model sees it{said}", width=WIDTH, alt=f"Your image{said}")
        place = st.empty()
    if begin:
        stop.button("Stop", icon=":material/stop:", help="The best knee so far is kept.")
        search.found = None

        def show(found: Found) -> None:
            search.found = found  # before anything is drawn: Stop ends the script there
            bar.progress(found.done / found.total, f"Step {found.done} of {found.total}: {_error(found)}")
            _picture(place, found)

        try:
            search.found = project(target.image, model, STEPS, show)
        except UserError as error:
            place.error(plain(str(error)))
        bar.empty()
        stop.empty()
    if search.found is None:
        if outlined:
            ui_anatomy.tell({"Your image": outlined})
        return
    # What was found fills the film's frame: the film's scale is its own.
    there = ui_anatomy.of(target._replace(image=search.found.image, side="")) if outlined else None
    _picture(place, search.found, there.drawing if there else "")
    if outlined and there:
        ui_anatomy.tell({"Your image": outlined, "Found, synthetic": there})
    _told(search.found, search.own)
    st.button(
        "Edit this knee", icon=":material/tune:", on_click=edit, args=(entry, search.found.latent), type="primary"
    )
    which = f" --knee {target.side}" if target.side else ""
    command = f'python -m gan_core project "your image" --model "{entry.name}"{which} --out found'
    st.code(command, language=None, wrap_lines=True)
    if search.own is None and search.found.done == search.found.total:
        _compare_with_own(model, search)


def _error(found: Found) -> str:
    return f"a pixel differs by {found.error:.1f} of 255 gray levels"


def _picture(place: DeltaGenerator, found: Found, over: str = "") -> None:
    place.image(
        marks.address(found.image, over=over),
        caption="Found: synthetic",
        width=WIDTH,
        alt="The nearest synthetic image",
    )


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


def _upload() -> Film | None:
    """The film that is given; None while there is none."""
    file = st.file_uploader("A film, or a knee cut out of one: PNG, JPEG, TIFF or DICOM", key="explore_upload")
    st.caption("It stays in the memory of the computer that runs this, and is not kept.")
    if file is None:
        st.session_state.pop("explore_film", None)
        st.button("Or try a phantom, simulated by this program", icon=":material/science:", on_click=_phantom)
        return None
    try:
        return _film(file.file_id, file.name, file.getvalue)
    except UserError as error:
        st.error(plain(str(error)))
        return None


def _target(film: Film | None, model: Model) -> Target | None:
    """The knee to look for; None while there is none."""
    side = model.config.net.resolution
    if film is not None:
        knee = choose(film, "explore")
        if knee is None:
            return None
        return Target(seen(film, knee, side), knee.side, knee.mm * knee.side_px / side if knee.mm else None)
    seed = st.session_state.get("explore_phantom")
    if seed is None or st.session_state.get("explore_upload"):
        return None
    return Target(phantom(1, side, seed)[0][0, 0])


def _film(identity: str, name: str, content: Callable[[], bytes]) -> Film:
    """The upload's film, looked at once. Raises `UserError` as `read_film` does."""
    kept: tuple[str, Film] | None = st.session_state.get("explore_film")
    if kept is None or kept[0] != identity:
        with st.spinner("Looking for the knees"):
            kept = st.session_state.explore_film = identity, read_film(content(), name)
    return kept[1]


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
