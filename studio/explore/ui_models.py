"""The models as the Explore page and its route use them: found quickly, with their directions."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from gan_core.train.run import runs_root
from studio.explore import steering
from studio.explore.directions import Direction, kept
from studio.explore.directions import directions as find_directions
from studio.models import ui_models as models
from studio.models.ui_models import Entry, loaded
from studio.ui_progress import progress

__all__ = ["directions", "loaded", "measure", "measured", "offered"]

SECONDS = 5  # so long a list of models is good: a slider that moves must not read every run's folder


@st.cache_resource(ttl=SECONDS, max_entries=4, show_spinner=False)
def _entries(root: Path) -> dict[str, Entry]:
    return {entry.name: entry for entry in models.entries()}


def offered(name: str) -> Entry | None:
    """The model of this name among those on offer."""
    entry = _entries(runs_root()).get(name)
    if entry is None and name:
        entry = next((e for e in models.entries() if e.name == name), None)
    return entry


def directions(entry: Entry) -> list[Direction]:
    """The model's directions: at once where they were measured before."""
    return find_directions(loaded(entry))


def measured(entry: Entry) -> bool:
    """Whether `directions` answers at once."""
    return kept(loaded(entry)) and steering.kept(loaded(entry))


def measure(entry: Entry) -> None:
    """Finds the directions, with a progress bar, then draws the page again."""
    find_directions(loaded(entry), progress("Measuring what each direction of this model changes (only once)"))
    steering.frame(loaded(entry), progress("Trying what moves one thing alone in this model's knees (only once)"))
    st.rerun()
