"""A sheet of films: a grid of images; a click puts one on the light box, with window, inversion and download.

It runs in the browser alone, so that brightness follows the hand without asking the server.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_SHEET = st.components.v2.component(
    "lightbox",
    html='<div class="sheet" role="list"></div><dialog class="box" aria-label="Light box"></dialog>',
    css=(_HERE / "lightbox.css").read_text(encoding="utf-8"),
    js=(_HERE / "lightbox.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Film:
    seed: int
    caption: str  # under the picture
    alt: str
    file_name: str  # of the download
    src: str  # a data URL


def film(png: bytes, *, seed: int, caption: str, alt: str, file_name: str) -> Film:
    return Film(seed, caption, alt, file_name, "data:image/png;base64," + base64.b64encode(png).decode())


def sheet(films: list[Film], *, shown: int | None = None, key: str) -> None:
    """Draws the films; `shown` is the seed of the one to put on the light box at once."""
    _SHEET(key=key, data={"films": [asdict(f) for f in films], "shown": shown})
