"""The charts of an evaluation."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from studio.evaluate import tables
from studio.evaluate.tables import Curves, Intervals
from studio.ui_charts import ACCENT, FAKE, REAL, SYMBOLS, show

COLOURS = {tables.REAL: REAL, tables.FAKE: FAKE}
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


def draw(chart: Curves | Intervals) -> None:
    """Shows the chart; its title is not in it."""
    if isinstance(chart, Curves):
        show(_lines(chart), chart.title)
    else:
        show(_intervals(chart), f"{chart.title}: {chart.y} for each {chart.x}")


def _lines(chart: Curves) -> go.Figure:
    """Under the pointer both sides are read at one place."""
    figure = go.Figure(layout={"hovermode": "x unified", "xaxis": {"title": chart.x}, "yaxis": {"title": chart.y}})
    for which, (x, y) in chart.sides.items():
        line = {"color": COLOURS[which]}
        figure.add_scatter(x=x, y=y, name=which, mode="lines", line=line, hovertemplate="%{y:.4f}")
    return figure


def _intervals(chart: Intervals) -> go.Figure:
    low, high = min(row["low"] for row in chart.rows), max(row["high"] for row in chart.rows)
    room = 0.06 * (high - low) or 1.0
    figure = go.Figure(layout={"scattermode": "group"})
    figure.update_xaxes(title=chart.x, type="category")
    figure.update_yaxes(title=chart.y, range=[low - room, high + room])
    for which, colour in COLOURS.items():
        of = [row for row in chart.rows if row["which"] == which]
        figure.add_scatter(
            x=[row["group"] for row in of],
            y=[row["mean"] for row in of],
            error_y={
                "array": [row["high"] - row["mean"] for row in of],
                "arrayminus": [row["mean"] - row["low"] for row in of],
                "width": 0,
                "thickness": 2,
            },
            customdata=[(row["low"], row["high"]) for row in of],
            hovertemplate="%{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})",
            name=chart.called[which],
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": SYMBOLS[colour]},
        )
    return figure
