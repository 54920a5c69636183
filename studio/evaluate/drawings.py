"""The drawings of a report, by matplotlib: SVG in the page, whose style gives the colours of its theme."""

from __future__ import annotations

import io
import re

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studio.evaluate import tables
from studio.evaluate.tables import Curves, Intervals

# What matplotlib draws with -> what the page's style calls it.
_COLOURS = {"#0072b2": "real", "#d55e00": "fake", "#000001": "muted", "#000002": "line"}
REAL, FAKE, _MUTED, _LINE = _COLOURS
SIDES = {tables.REAL: (REAL, "o"), tables.FAKE: (FAKE, "D")}  # colour and marker
_SIZE = (5.2, 2.9)  # inches, of 72 units each


def draw(chart: Curves | Intervals) -> Markup:
    """The chart as an element of the page; its title is not in it."""
    figure, axes = _plane(chart.x, chart.y)
    if isinstance(chart, Curves):
        for which, (x, y) in chart.sides.items():
            axes.plot(x, y, color=SIDES[which][0], linewidth=2)
        return _svg(figure, f"{chart.y} against {chart.x}")
    groups = list(dict.fromkeys(row["group"] for row in chart.rows))
    shown = [which for which in SIDES if any(row["which"] == which for row in chart.rows)]
    for row in chart.rows:
        colour, marker = SIDES[row["which"]]
        at = groups.index(row["group"]) + 0.2 * (shown.index(row["which"]) - (len(shown) - 1) / 2)
        axes.plot([at, at], [row["low"], row["high"]], color=colour, linewidth=2)
        axes.plot([at], [row["mean"]], color=colour, marker=marker, markersize=6)
    axes.set_xticks(range(len(groups)), groups, parse_math=False)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    return _svg(figure, f"{chart.y} for each {chart.x}")


def _plane(x_title: str, y_title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_title, loc="right", color=_MUTED, fontsize=9, parse_math=False)
    axes.set_ylabel(y_title, loc="top", color=_MUTED, fontsize=9, parse_math=False)
    axes.tick_params(colors=_MUTED, labelsize=9, length=0)
    axes.grid(axis="y", color=_LINE)
    axes.spines[:].set_visible(False)
    return figure, axes


def _svg(figure: Figure, label: str) -> Markup:
    """The drawing as an element of a page: text stays text, and nothing in it is an address."""
    out = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    drawn = re.sub(r".*?<svg[^>]*>", "", out.getvalue(), count=1, flags=re.S)
    drawn = re.sub(
        r"<style.*?</style>|(?<=<g) id=\"[^\"]*\"", "", drawn
    )  # the page has its own style and other drawings
    for colour, name in _COLOURS.items():
        drawn = drawn.replace(colour, f"var(--{name})")
    width, height = (72 * side for side in _SIZE)
    opening = Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">').format(width, height, label)
    return opening + Markup(drawn)
