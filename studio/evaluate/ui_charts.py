"""The charts of an evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from studio.evaluate import tables
from studio.ui_charts import ACCENT, FAKE, REAL, intervals, lines

COLOURS = {tables.REAL: REAL, tables.FAKE: FAKE}
SIDES = {"real": tables.REAL, "fake": tables.FAKE}
DARK = 0.55  # a share from which on a cell is so dark that white is read on it


def confusion(counts: list[list[int]], names: list[str], label: str, given: str) -> go.Figure:
    """Counts [K][K], each shaded by its share of its row."""
    share = np.array([[count / max(sum(row), 1) for count in row] for row in counts])
    scale = [(0, "rgba(20, 163, 148, 0)"), (1, ACCENT)]
    cells = {"z": share, "zmin": 0, "zmax": 1, "colorscale": scale, "showscale": False, "xgap": 1, "ygap": 1}
    said = f"{label} {given} %{{y}}, read as %{{x}}: %{{customdata:,}}, %{{z:.0%}}<extra></extra>"
    figure = go.Figure(go.Heatmap(x=names, y=names, customdata=counts, hovertemplate=said, **cells))
    for dark, colour in ((False, None), (True, "white")):
        at = [(j, i) for i, j in np.ndindex(share.shape) if (share[i, j] > DARK) == dark]
        figure.add_scatter(
            x=[names[j] for j, _ in at],
            y=[names[i] for _, i in at],
            text=[f"{counts[i][j]:,}" for j, i in at],
            mode="text",
            textfont={"size": 14, "color": colour},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_xaxes(title=f"{label} read", side="top", type="category", showgrid=False, fixedrange=True)
    figure.update_yaxes(
        title=f"{label} {given}", autorange="reversed", type="category", showgrid=False, fixedrange=True
    )
    return figure


def curves(found: dict[str, Any]) -> dict[str, go.Figure]:
    """Of the measure of spectra: the spectra, and the histograms of gray."""
    grays = found["histogram"]
    powers = {name: (found["frequency"], found[side], COLOURS[name]) for side, name in SIDES.items()}
    shares = {name: (np.linspace(0, 255, len(grays[s])), grays[s], COLOURS[name]) for s, name in SIDES.items()}
    return {
        "Detail at each scale (power spectrum)": lines(powers, "cycles per pixel", "power, log10"),
        "How bright the pixels are": lines(shares, "gray, 0 is black", "share of pixels"),
    }


def joint_space(rows: list[dict[str, Any]], label: str) -> go.Figure:
    """Mean and 95% interval of each class and side."""
    return intervals(rows, "class", COLOURS, label, "joint space, pixels")


def useful(found: dict[str, Any]) -> go.Figure:
    """Balanced accuracy with and without synthetic images, for each share of the real ones."""
    rows = [
        {"share": f"{f['fraction']:.0%}", "which": name, "mean": k["value"], "low": k["low"], "high": k["high"]}
        for f in found["fractions"]
        for name, key in (("real alone", "real"), ("real and synthetic", "both"))
        for k in [f[key]["balanced_accuracy"]]
    ]
    colours = {"real alone": REAL, "real and synthetic": FAKE}
    return intervals(rows, "share", colours, "share of the real images", "balanced accuracy")
