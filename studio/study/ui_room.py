"""The reading room: one image, or a pair, on near-black, two answers and a confidence; by keyboard, mouse or finger.

It asks the server itself (see `study_api`), so that an answer takes no rerun; it is told the study's id and no truth.
"""

from __future__ import annotations

from pathlib import Path

from studio.study.store import Study
from studio.ui_html import component

_ROOM = component(
    Path(__file__).parent,
    "study_room",
    '<section class="card"></section><dialog class="room" aria-label="Reading room" tabindex="-1"></dialog>',
)


def room(study: Study) -> None:
    """Draws the room with its door. Once the reader has asked for the result the study is ended, and the page runs."""
    data = {"study": study.id, "kind": study.kind, "total": study.total, "done": study.done}
    _ROOM(key=f"room-{study.id}", data=data, on_ended_change=lambda: None)
