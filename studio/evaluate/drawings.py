"""The drawings of a report, by matplotlib: SVG in the page, whose style gives the colours of its theme."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# What matplotlib draws with -> what the page's style calls it.
_COLOURS = {"#0072b2": "real", "#d55e00": "fake", "#000001": "muted", "#000002": "line"}
REAL, FAKE, _MUTED, _LINE = _COLOURS
MARKERS = {REAL: "o", FAKE: "D"}
_SIZE = (5.2, 2.9)  # inches, of 72 units each


def curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_title: str, y_title: str) -> Markup:
    """A line through (x, y) for each colour."""
    figure, axes = _plane(x_title, y_title)
    for colour, (x, y) in lines.items():
        axes.plot(x, y, color=colour, linewidth=2)
    return _svg(figure, f"{y_title} against {x_title}")


def intervals(
    groups: Sequence[str], points: Sequence[tuple[str, str, float, float, float]], x_title: str, y_title: str
) -> Markup:
    """A point with its interval for each (group, colour, value, low, high); those of a group stand side by side."""
    figure, axes = _plane(x_title, y_title)
    colours = [colour for colour in MARKERS if any(colour == point[1] for point in points)]
    for group, colour, value, low, high in points:
        at = groups.index(group) + 0.2 * (colours.index(colour) - (len(colours) - 1) / 2)
        axes.plot([at, at], [low, high], color=colour, linewidth=2)
        axes.plot([at], [value], color=colour, marker=MARKERS[colour], markersize=6)
    axes.set_xticks(range(len(groups)), groups, parse_math=False)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    return _svg(figure, f"{y_title} for each {x_title}")


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
