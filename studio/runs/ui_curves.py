"""Curves of trainings, drawn in the browser, which asks for what is new: zoom and hidden series stay as they grow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import plotly
import streamlit as st

from gan_core.losses import LOSSES
from gan_core.train import stats
from gan_core.train.run import Run
from studio.runs.member import AXES, Axis
from studio.ui_charts import FAKE, PLAIN, REAL

_HERE = Path(__file__).parent
_COLOURS = {"D": REAL, "G": FAKE}  # as in the picture to take away
_CURVES = st.components.v2.component(
    "runs_curves",
    html='<div class="curves"><div class="bar"></div><div class="panels"></div><p></p></div>',
    css=(_HERE / "runs_curves.css").read_text(encoding="utf-8"),
    js=(_HERE / "runs_curves.js").read_text(encoding="utf-8"),
)


def series(
    run: str, column: str, name: str, colour: str, group: str, letter: str = "", dash: Sequence[int] = ()
) -> dict[str, str]:
    """A curve of a panel. A click on its name hides all of its `group`; its `letter` stands at its end."""
    line = {"colour": colour, "dash": ",".join(f"{pixels}px" for pixels in dash) or "solid"}
    return {"run": run, "column": column, "name": name, "group": group, "letter": letter} | line


def panel(
    title: str, about: str, curves: list[dict[str, str]], share: bool, level: float | None, log: bool = False
) -> dict[str, Any]:
    """A chart. `share`: from 0 to 1, in percent. `level`: a dashed line to compare with."""
    return {"title": title, "about": about, "series": curves, "share": share, "level": level, "log": log}


def draw(
    key: str, runs: Iterable[str], panels: list[dict], axis: Axis = "images", half_life: float = 0, empty: str = ""
) -> None:
    """The panels with their curves of these runs. One that has none says `empty`, or with "" is left out.

    Zoom and what is hidden are kept as long as there is a drawing of this `key`.
    """
    columns = list(dict.fromkeys(s["column"] for p in panels for s in p["series"]))
    query = {"along": axis, "half": f"{half_life:.2g}", "column": columns}  # rounded: it seldom changes as a run grows
    addresses = {run: "api/runs/curves?" + urlencode({"run": run} | query, doseq=True) for run in runs}
    data = {"plotly": f"api/plotly.js?v={plotly.__version__}", "runs": addresses, "panels": panels}
    _CURVES(key=key, data=data | {"axis": AXES[axis], "whole": axis == "images", "empty": empty})


def of_run(run: Run) -> None:
    """All curves of one run."""
    critic = LOSSES[run.config().loss].critic
    panels = []
    for title, shown in stats.panels_of(critic).items():
        first = next(iter(shown.values()))
        curves = [
            series(run.name, key, stat.label or stat.title, _COLOURS.get(stat.of, PLAIN), key)
            for key, stat in shown.items()
        ]
        about = f"Against the number of images shown to the {'critic' if critic else 'discriminator'}."
        panels.append(panel(title, about, curves, first.share, first.level))
    draw(f"curves-{run.name}", [run.name], panels)
