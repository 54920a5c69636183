"""How charts look: one style for all. Those that grow while one looks are drawn by studio/runs/ui_curves.py."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

# Told apart by colour-blind eyes and seen on both themes' grounds. Reals (and the discriminator, which stands for them)
# and synthetic ones (and the generator) are marked alike everywhere: by their colour, and as points by their shape too.
REAL, FAKE = "#2b8fc4", "#d9772b"
PLAIN = "#889988"  # what belongs to neither
ACCENT = "#14a394"
SYMBOLS = {REAL: "circle", FAKE: "diamond"}
_CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d"]}


def show(figure: go.Figure, alt: str, height: int = 300) -> None:
    """Draws a chart that stands still; `alt` says what it shows to whoever does not see it."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": None},
        modebar={"bgcolor": "rgba(0,0,0,0)"},
    )
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
    st.plotly_chart(figure, config=_CONFIG, alt=alt)


def lines(curves: dict[str, tuple[Any, Any, str]], x: str, y: str) -> go.Figure:
    """A line through (x [N], y [N]) in its colour for each name; under the pointer all are read at one place."""
    figure = go.Figure(layout={"hovermode": "x unified", "xaxis": {"title": x}, "yaxis": {"title": y}})
    for name, (xs, ys, colour) in curves.items():
        figure.add_scatter(x=xs, y=ys, name=name, mode="lines", line={"color": colour}, hovertemplate="%{y:.4f}")
    return figure


def intervals(rows: list[dict[str, Any]], group: str, colours: dict[str, str], x: str, y: str) -> go.Figure:
    """A point with its interval for each row: `which` names its colour, `mean`, `low` and `high` its value.

    Those of one `group` stand side by side.
    """
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    room = 0.06 * (high - low) or 1.0
    layout = {"xaxis": {"title": x, "type": "category"}, "yaxis": {"title": y, "range": [low - room, high + room]}}
    figure = go.Figure(layout={"scattermode": "group"} | layout)
    for which, colour in colours.items():
        of = [row for row in rows if row["which"] == which]
        figure.add_scatter(
            x=[row[group] for row in of],
            y=[row["mean"] for row in of],
            error_y={
                "array": [row["high"] - row["mean"] for row in of],
                "arrayminus": [row["mean"] - row["low"] for row in of],
                "width": 0,
                "thickness": 2,
            },
            customdata=[(row["low"], row["high"]) for row in of],
            hovertemplate="%{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})",
            name=which,
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": SYMBOLS[colour]},
        )
    return figure
