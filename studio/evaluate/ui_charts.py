"""The charts of an evaluation. Reals and fakes have the same colours in each."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from studio.evaluate.tables import FAKE, REAL
from studio.runs.ui_curves import COLOURS

COLOUR = alt.Scale(domain=[REAL, FAKE], range=COLOURS[:2])
LEGEND = alt.Legend(orient="top", padding=0, offset=4)
SIDES = {"real": REAL, "fake": FAKE}


def confusion(counts: list[list[int]], names: list[str], label: str, given: str) -> alt.LayerChart:
    """Counts [K][K], each shaded by its share of its row."""
    table = pd.DataFrame(
        [
            {"given": names[i], "read": names[j], "count": count, "share": count / max(sum(row), 1)}
            for i, row in enumerate(counts)
            for j, count in enumerate(row)
        ]
    )
    base = alt.Chart(table).encode(
        x=alt.X("read:N", title=f"{label} read", sort=names, axis=alt.Axis(orient="top", labelAngle=0, domain=False)),
        y=alt.Y("given:N", title=f"{label} {given}", sort=names, axis=alt.Axis(domain=False)),
        tooltip=["given", "read", "count", alt.Tooltip("share", format=".0%")],
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=alt.Scale(scheme="teals", domain=[0, 1]), legend=None)
    )
    text = base.mark_text(fontSize=14).encode(
        text=alt.Text("count:Q", format=","),
        color=alt.condition("datum.share > 0.55", alt.value("white"), alt.value("#172023")),
    )
    return (cells + text).properties(height=330)


def curves(found: dict[str, Any]) -> dict[str, alt.Chart]:
    """Of the measure of spectra: the spectra, and the histograms of gray."""
    powers = {side: (found["frequency"], found[side]) for side in SIDES}
    grays = {side: (np.linspace(0, 255, len(found["histogram"][side])), found["histogram"][side]) for side in SIDES}
    return {
        "Detail at each scale (power spectrum)": _lines(powers, "cycles per pixel", "power, log10"),
        "How bright the pixels are": _lines(grays, "gray, 0 is black", "share of pixels"),
    }


def _lines(lines: dict[str, tuple[Any, Any]], x: str, y: str) -> alt.Chart:
    table = pd.concat([pd.DataFrame({"x": xs, "y": ys, "which": SIDES[side]}) for side, (xs, ys) in lines.items()])
    return (
        alt.Chart(table)
        .mark_line()
        .encode(
            x=alt.X("x:Q", title=x),
            y=alt.Y("y:Q", title=y, scale=alt.Scale(zero=False)),
            color=alt.Color("which:N", title=None, scale=COLOUR, legend=LEGEND),
            tooltip=["which", alt.Tooltip("x", title=x, format=".3f"), alt.Tooltip("y", title=y, format=".4f")],
        )
        .properties(height=280)
    )


def joint_space(rows: list[dict[str, Any]], label: str) -> alt.LayerChart:
    """Mean and 95% interval of each class and side."""
    return _intervals(pd.DataFrame(rows), "class", label, "joint space, pixels", COLOUR)


def useful(found: dict[str, Any]) -> alt.LayerChart:
    """Balanced accuracy with and without synthetic images, for each share of the real ones."""
    arms = {"real alone": "real", "real and synthetic": "both"}
    rows = [
        {"share": f"{f['fraction']:.0%}", "which": name, "mean": k["value"], "low": k["low"], "high": k["high"]}
        for f in found["fractions"]
        for name, key in arms.items()
        for k in [f[key]["balanced_accuracy"]]
    ]
    scale = alt.Scale(domain=list(arms), range=COLOURS[:2])
    return _intervals(pd.DataFrame(rows), "share", "share of the real images", "balanced accuracy", scale)


def _intervals(table: pd.DataFrame, group: str, x: str, y: str, scale: alt.Scale) -> alt.LayerChart:
    base = alt.Chart(table).encode(
        x=alt.X(f"{group}:N", title=x, sort=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("which:N", sort=scale.domain),
        color=alt.Color("which:N", title=None, scale=scale, legend=LEGEND),
        tooltip=[group, "which", *(alt.Tooltip(k, format=".3f") for k in ("mean", "low", "high"))],
    )
    bars = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=y, scale=alt.Scale(zero=False)), y2="high:Q")
    return (bars + base.mark_point(filled=True, size=70, opacity=1).encode(y=alt.Y("mean:Q", title=y))).properties(
        height=300
    )
