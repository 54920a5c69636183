"""A sheet of films: a grid of images; a click puts one into the viewer, with its window, zoom and inversion.

It runs in the browser alone, so that the picture follows the hand without asking the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from studio.ui_html import component, src

_SHEET = component(
    Path(__file__).parent,
    "viewer_sheet",
    '<div class="sheet"></div><dialog class="box" aria-label="Viewer"></dialog>',
    viewer=True,
)
_TRAY = component(
    Path(__file__).parent,
    "viewer_tray",
    '<section class="tray" aria-label="Favourites"><h2>Favourites</h2><div class="kept"></div>'
    '<p class="said" aria-live="polite"></p><div class="tools"></div>'
    '<dialog class="box" aria-label="Viewer"></dialog></section>',
    viewer=True,
)
Film = dict[str, Any]
WINDOW = "window"  # the parameter of a link that says how pictures are looked at, by numbers which viewer.js reads


def said_window(text: str | None = None) -> str:
    """What the link, or `text`, says of that; "" where it is nothing that viewer.js would write."""
    said = st.query_params.get(WINDOW, "") if text is None else text
    return said if re.fullmatch(r"\d{1,3}(-\d{1,4}(\.\d{1,3})?){0,5}", said, re.ASCII) else ""


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
    data = {"films": films, "shown": shown, "window": said_window()}
    _SHEET(key=key, data=data)


def tray() -> None:
    """Draws the favourites, which this browser keeps."""
    _TRAY(key="favourites")
