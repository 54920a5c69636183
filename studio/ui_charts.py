"""How charts look: one style for all. Those that grow while one looks are drawn by studio/runs/ui_curves.py."""

from __future__ import annotations

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
