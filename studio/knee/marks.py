"""A crop on the screen with its side's letter and a bar of millimetres, laid over the picture and never into it."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from gan_core import images

BARS_MM = (50, 20, 10, 5)  # lengths of the bar, of which the longest is taken that stays within ...
_LONGEST = 45  # per cent of the picture's width
SIDES = {"R": "Right", "L": "Left", "": "Side not known"}


def address(pixels: NDArray[np.uint8], side: str = "", mm: float | None = None, over: str = "") -> str:
    """A picture as the address of an `img`; a square one [R, R] is marked where something is known.

    Args:
        side: "R" or "L"; anything else is not known.
        mm: a pixel's side in mm; None or NaN where it is not known.
        over: what is drawn over it instead, as `framed` takes it.
    """
    if not (drawing := over or drawn(side, mm and mm * pixels.shape[1])):
        return _png(pixels)
    return "data:image/svg+xml;base64," + base64.b64encode(framed(pixels, drawing).encode()).decode()


def framed(pixels: NDArray[np.uint8], drawing: str) -> str:
    """A picture [R, R] as an SVG with elements drawn over it, in the units of a viewBox of 0 0 100 100."""
    width = pixels.shape[1]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{width}" viewBox="0 0 100 100">'
        f'<image href="{_png(pixels)}" width="100" height="100"/>{drawing}</svg>'
    )


def drawn(side: str, across: float | None, letter: float = 12) -> str:
    """The side's letter, so large, and, of a picture `across` mm wide, the bar, as elements of such an SVG; "" where
    neither is known."""
    elements = (
        f'<text x="4" y="{letter + 2:g}" font-size="{letter:g}" {text(0.13 * letter)}>{side}</text>'
        if side in ("R", "L")
        else ""
    )
    if across and (bar := _bar(across)):
        length, share = bar
        elements += (
            f'<path d="M4 96h{share:.2f}" stroke="#000" stroke-width="3"/>'
            f'<path d="M4.5 96h{share - 1:.2f}" stroke="#fff" stroke-width="1.4"/>'
            f'<text x="4" y="92" font-size="7" {text(1.6)}>{length} mm</text>'
        )
    return elements


def text(edge: float) -> str:
    """How letters look that are laid over a picture, `edge` being the width of the dark line about them."""
    return (
        f'fill="#fff" stroke="#000" stroke-width="{edge:.2g}" paint-order="stroke" font-family="sans-serif" '
        'font-weight="700"'
    )


def _png(pixels: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(images.png(pixels)).decode()


def told(side: str, mm: float | None) -> str:
    """The same in words, for who does not see the picture and for the line below it."""
    return f"{SIDES.get(side, SIDES[''])}, {f'{mm:.3g} mm per pixel' if mm and mm == mm else 'scale not known'}"


def _bar(across: float) -> tuple[int, float] | None:
    """A bar's length in mm and in per cent of a picture that is `across` mm wide."""
    return next(((n, 100 * n / across) for n in BARS_MM if 100 * n <= _LONGEST * across), None)
