"""A sheet of films: a grid of images; a click puts one into the viewer, with its window, zoom and inversion.

It runs in the browser alone, so that the picture follows the hand without asking the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from gan_core.errors import UserError
from studio.text import plain
from studio.ui_html import component, src

_SHEET = component(
    Path(__file__).parent,
    "viewer_sheet",
    '<div class="sheet" role="list"></div><dialog class="box" aria-label="Viewer"></dialog>',
    viewer=True,
)
Film = dict[str, Any]
WINDOW = "window"  # the parameter of a link that says how pictures are looked at; viewer.js reads it


def film(
    png: bytes = b"",
    *,
    seed: int,
    caption: str,
    file_name: str,
    alt: str = "",
    thumb: bytes = b"",
    query: Mapping[str, str] | None = None,
) -> Film:
    """An image with its caption, the name it is downloaded under, and what it shows where the caption is too short.

    Args:
        thumb: a WebP, shown in the sheet in place of `png`.
        query: the model and the latent of a synthetic one, as the Explore page's link has them: it can be opened there
            and be a favourite, and without a `png` it is made anew when it is looked at.
    """
    said = {"seed": seed, "caption": caption, "alt": alt or f"Synthetic image, {caption}", "file_name": file_name}
    if png:
        said["src"] = src(png)
    if thumb:
        said["thumb"] = src(thumb, "webp")
    return said | ({"query": dict(query)} if query else {})


def sheet(films: list[Film], *, shown: int | None = None, key: str) -> None:
    """Draws the films; `shown` is the seed of the one to open at once."""
    data = {"films": films, "shown": shown, "window": st.query_params.get(WINDOW, "")}
    follow(_SHEET(key=key, data=data, on_explore_change=lambda: into_explore(key)))


def into_explore(key: str) -> None:
    """Makes the picture that the component `key` was asked to open what Explore shows next."""
    from studio.explore import ui_models as explore_models  # it needs PyTorch, which pages open without
    from studio.explore.latent import from_query
    from studio.explore.ui_view import edit

    asked = {name: value for name, value in dict(st.session_state[key].explore or {}).items() if isinstance(value, str)}
    entry = explore_models.offered(asked.get("model", ""))
    try:
        if entry is None:
            raise UserError("There is no such model here; it may have been deleted.")
        edit(entry, from_query(asked, explore_models.loaded(entry)))
    except UserError as error:
        st.session_state.viewer_told = str(error)


def follow(component: Any) -> None:
    """On to Explore, where `into_explore` has been called; says what was wrong with that."""
    if told := st.session_state.pop("viewer_told", ""):
        st.warning(plain(told))
    elif component.explore:
        st.switch_page("../pages/explore.py")
