"""The live curves of a training. Altair keeps its node at each update, so that zoom and hover stay."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from gan_core.train import stats
from gan_core.train.stats import Stat

POINTS = 400
FEW = 12  # up to so many points each is marked: a single one would not show as a line
COLOURS = [
    "#2b8fc4",
    "#d9772b",
    "#7a9a01",
]  # critic or reals, generator or fakes, class: as in the picture to take away
SHARE = alt.Scale(domain=[0, 1])


def _thinned(table: pd.DataFrame) -> pd.DataFrame:
    """At most about `POINTS` of its rows, the last among them."""
    each = -(-len(table) // POINTS)
    return table.iloc[::-1].iloc[:: max(1, each)].iloc[::-1]


def _chart(table: pd.DataFrame, shown: dict[str, Stat]) -> alt.Chart:
    names = {key: stat.label or stat.title for key, stat in shown.items()}
    present = _thinned(table.dropna(subset=list(names), how="all"))
    long = present.melt("nimg", list(names), "figure", "value").dropna()
    long["figure"] = long["figure"].map(names)
    return (
        alt.Chart(long)
        .mark_line(point=len(present) <= FEW)
        .encode(
            x=alt.X("nimg:Q", title=None, axis=alt.Axis(format="~s", tickCount=5)),
            y=alt.Y("value:Q", title=None, scale=SHARE if next(iter(shown.values())).share else alt.Scale(zero=False)),
            color=alt.Color(
                "figure:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=COLOURS[: len(names)]),
                legend=alt.Legend(orient="top", padding=0, offset=4) if len(names) > 1 else None,
            ),
            tooltip=["figure", alt.Tooltip("nimg", title="images", format=","), alt.Tooltip("value", format=".3f")],
        )
        .properties(height=250, padding=0)
    )


def draw(ticks: list[dict], key: str) -> None:
    """One small chart for each panel that has figures, two in a row."""
    table = pd.DataFrame(ticks)
    columns = st.columns(2)
    for i, (title, shown) in enumerate(stats.panels(ticks).items()):
        with columns[i % 2]:
            st.markdown(f"**{title}**", help="Against the number of images shown to the discriminator.")
            st.altair_chart(_chart(table, shown), key=f"{key}-{title}", alt=title)
