"""How far something is that the page waits for."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def progress(told: str, place: DeltaGenerator | None = None) -> Callable[[int, int], None]:
    """A bar, in `place` or here, for callbacks of (done, total); `told` may name {done} and {total}."""
    bar = st.empty() if place is None else place

    def show(done: int, total: int) -> None:
        bar.progress(done / max(total, 1), told.format(done=done, total=total))

    return show
