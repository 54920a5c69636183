"""A sheet of films: a grid of images; a click puts one on the light box, with window, inversion and download.

It runs in the browser alone, so that brightness follows the hand without asking the server.
"""

from __future__ import annotations

from pathlib import Path

from studio.ui_html import component, src

_SHEET = component(
    Path(__file__).parent,
    "lightbox",
    '<div class="sheet" role="list"></div><dialog class="box" aria-label="Light box"></dialog>',
)
Film = dict[str, str | int]


def film(png: bytes, *, seed: int, caption: str, file_name: str, alt: str = "") -> Film:
    """An image with its caption, the name it is downloaded under, and what it shows where the caption is too short."""
    alt = alt or f"Synthetic image, {caption}"
    return {"seed": seed, "caption": caption, "alt": alt, "file_name": file_name, "src": src(png)}


def sheet(films: list[Film], *, shown: int | None = None, key: str) -> None:
    """Draws the films; `shown` is the seed of the one to put on the light box at once."""
    _SHEET(key=key, data={"films": films, "shown": shown})
