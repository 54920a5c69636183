"""Samples of several runs in step with one slider. It runs in the browser, which asks for each picture as it is due."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from gan_core.train.run import number
from studio import runs as lineup
from studio.runs import Axis, Member
from studio.runs.ui_choice import Mark

_HERE = Path(__file__).parent
UNITS: dict[Axis, str] = {"images": "images", "epochs": "epochs", "minutes": "minutes", "share": "% of the run"}
_SAMPLES = st.components.v2.component(
    "runs_samples",
    html='<div class="bar"><button type="button"></button><label>Progress<input type="range" min="0" max="1000" '
    'aria-label="Progress of the runs"></label><output aria-live="polite"></output></div><div '
    'class="figures"></div>',
    css=(_HERE / "runs_samples.css").read_text(encoding="utf-8"),
    js=(_HERE / "runs_samples.js").read_text(encoding="utf-8"),
)


def draw(members: list[Member], marked: Mapping[str, Mark], axis: Axis, rows: int) -> None:
    """Each run's samples nearest to where the slider stands: the first `rows` rows of them, or with 0 all."""
    scale = 100 if axis == "share" else 1
    data = {
        "runs": [_run(m, marked[m.key], axis, rows, scale) for m in members],
        "end": scale if axis == "share" else lineup.reach(members, axis),
        "unit": UNITS[axis],
        "strips": rows > 0,
        "at": _from_link(),
    }
    _SAMPLES(key="runs_samples", data=data, on_at_change=_to_link)
    st.caption(
        "Synthetic, not for diagnosis. The seeds are the same throughout; each run shows its samples nearest to the "
        "chosen moment."
    )


def _run(m: Member, mark: Mark, axis: Axis, rows: int, scale: float) -> dict[str, Any]:
    places = lineup.moments(m, axis)
    return {
        "key": m.key,
        "title": m.title,
        "letter": mark.letter,
        "mark": mark.src(),
        "address": "api/runs/samples?" + urlencode({"run": m.key, "rows": rows}),
        "moments": [
            {"nimg": nimg, "at": None if at is None else at * scale, "stamp": _stamp(m.samples[nimg])}
            for nimg, at in places
        ],
    }


def _stamp(path: Path) -> int:
    """Changes with the file, so that a browser may keep what it has."""
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except OSError:
        return 0


def _from_link() -> float:
    """Where the slider stands, from 0 to 1; the end where the link does not say."""
    value = st.query_params.get("at", "")
    return float(value) if re.fullmatch(r"0(\.\d{1,3})?", value, re.ASCII) else 1.0


def _to_link() -> None:
    at = min(max(number(st.session_state.runs_samples.at) or 0.0, 0.0), 1.0)
    if at == 1:
        st.query_params.pop("at", None)
    else:
        st.query_params["at"] = f"{at:.3f}".rstrip("0").rstrip(".")
