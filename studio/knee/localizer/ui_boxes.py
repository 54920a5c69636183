"""The film with its boxes: "is this the right knee, is the box right?", drawn in the browser and answered there."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from studio.knee.localizer import DOUBTFUL, Knee

SHOWN = 1000  # pixels of the picture's longer side on its way to the browser
_HERE = Path(__file__).parent
_BUTTONS = {
    "side": ("Side", "data-needs", "The knee's side: right, left, unknown"),
    "add": ("Add a box", "", "For a knee that was not found"),
    "remove": ("Remove the box", "data-needs", "This is not a knee, or not to be used"),
    "undo": ("Undo", "", "Takes the last change back"),
    "reset": ("As found", "", "All boxes as they were found"),
}
_BAR = "".join(
    f'<button type="button" data-act="{act}" title="{title}" {needs}>{text}</button>'
    for act, (text, needs, title) in _BUTTONS.items()
)
_BOXES = st.components.v2.component(
    "knee_boxes",
    html=f'<div class="boxes"><div class="stage"><img><svg></svg></div><div class="bar">{_BAR}</div>'
    '<p aria-live="polite"></p></div>',
    css=(_HERE / "boxes.css").read_text(encoding="utf-8"),
    js=(_HERE / "boxes.js").read_text(encoding="utf-8"),
)


def boxes(film: NDArray[np.uint8], knees: Sequence[Knee], name: str, key: str) -> list[Knee]:
    """Shows a film [H, W] with the knees found on it: the knees as the person has them, in her order.

    A box that is moved, sized or turned keeps its confidence; one that is drawn has that of a person, 1.
    """
    found = [{k: v for k, v in asdict(knee).items() if k != "mm"} for knee in knees]
    height, width = film.shape
    mm = next((knee.mm for knee in knees if knee.mm), None)
    serial = zlib.crc32(repr((film.shape, found)).encode() + film[:: max(1, height // 64)].tobytes())
    data = {"image": _picture(film), "width": width, "height": height, "boxes": found, "name": name}
    result = _BOXES(
        key=f"{key}-boxes",
        data=data | {"serial": serial, "mm": mm, "doubtful": DOUBTFUL},
        on_boxes_change=lambda: None,
    )
    sent = result.boxes
    if not isinstance(sent, dict) or sent.get("serial") != serial or not isinstance(sent.get("boxes"), list):
        return list(knees)
    return [knee for box in sent["boxes"][:16] if (knee := _knee(box, mm, width, height))]


def _picture(film: NDArray[np.uint8]) -> str:
    """The film as an address that holds it: it is a person's own, and no route may give it to others."""
    image = Image.fromarray(film)
    image.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    out = BytesIO()
    image.save(out, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _knee(box: Any, mm: float | None, width: int, height: int) -> Knee | None:
    """A box as the browser sent it; None of one that is none."""
    try:
        x, y, side_px, angle = (float(box[k]) for k in ("x", "y", "side_px", "angle"))
        confidence = 1.0 if box.get("confidence") is None else float(box["confidence"])
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    inside = 0 <= x <= width and 0 <= y <= height and 1 <= side_px <= 2 * max(width, height) and abs(angle) <= 90
    if not inside or not math.isfinite(confidence):
        return None
    side = box.get("side")
    return replace(
        Knee(x=x, y=y, side_px=side_px, angle=angle, side="", confidence=min(max(confidence, 0.0), 1.0), mm=mm),
        side=side if side in ("R", "L") else "",
    )
