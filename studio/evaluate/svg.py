"""Small line drawings for a report, as inline SVG; the colours come from the page's style.

The classes `fake` and `real` colour what belongs to either, `axis` the lines and `small` the words around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 10, 42


class _Plane:
    """From values to places in the drawing, and its axes."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def axes(self, x_title: str, y_title: str, x_ticks: Sequence[tuple[float, str]]) -> Markup:
        out = [
            Markup('<text class="small" x="{}" y="12" transform="rotate(-90)" text-anchor="end">{}</text>').format(
                -TOP, y_title
            )
        ]
        out += [
            Markup('<text class="small" x="{}" y="{}" text-anchor="end">{}</text>').format(
                WIDTH - RIGHT, HEIGHT - 6, x_title
            )
        ]
        for value, text in _ticks(self.y):
            _, y = self.at(self.x[0], value)
            out += [
                Markup('<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                    LEFT, WIDTH - RIGHT, y, y
                ),
                Markup('<text class="small" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                    LEFT - 6, y + 4, text
                ),
            ]
        for value, text in x_ticks:
            x, _ = self.at(value, self.y[0])
            out += [
                Markup('<text class="small" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    x, HEIGHT - BOTTOM + 16, text
                )
            ]
        return Markup("").join(out)


def curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_title: str, y_title: str) -> Markup:
    """A line for each name, which is its style's class, through (x, y)."""
    across = np.concatenate([np.asarray(x) for x, _ in lines.values()])
    plane = _Plane((float(across.min()), float(across.max())), _range(y for _, y in lines.values()))
    drawn = [plane.axes(x_title, y_title, _ticks(plane.x))]
    for name, (xs, ys) in lines.items():
        points = " ".join("{:.1f},{:.1f}".format(*plane.at(x, y)) for x, y in zip(xs, ys, strict=True))
        drawn.append(Markup('<polyline class="{}" fill="none" points="{}"/>').format(name, points))
    return _svg(f"{y_title} against {x_title}", drawn)


def intervals(
    groups: Sequence[str], points: Sequence[tuple[str, str, float, float, float]], x_title: str, y_title: str
) -> Markup:
    """A dot with its interval for each (group, name, value, low, high); names, which are classes, are side by side."""
    names = list(dict.fromkeys(name for _, name, *_ in points))
    plane = _Plane((-0.5, len(groups) - 0.5), _range([low, high] for *_, low, high in points))
    drawn = [plane.axes(x_title, y_title, list(enumerate(groups)))]
    for group, name, value, low, high in points:
        across = groups.index(group) + 0.2 * (names.index(name) - (len(names) - 1) / 2)
        (x, y), (_, bottom), (_, top) = (plane.at(across, v) for v in (value, low, high))
        drawn.append(
            Markup(
                '<line class="{}" x1="{x:.1f}" x2="{x:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
                '<circle class="{}" cx="{x:.1f}" cy="{:.1f}" r="4"/>'
            ).format(name, bottom, top, name, y, x=x)
        )
    return _svg(f"{y_title} for each {x_title}", drawn)


def _range(parts: Iterable[Sequence[float]]) -> tuple[float, float]:
    values = np.concatenate([np.asarray(part, float) for part in parts])
    room = 0.04 * (values.max() - values.min())
    return float(values.min() - room), float(values.max() + room)


def _ticks(ends: tuple[float, float]) -> list[tuple[float, str]]:
    found = np.round(MaxNLocator(nbins=5).tick_values(*ends), 10)
    return [(float(v), f"{v:g}") for v in found if ends[0] <= v <= ends[1]]


def _svg(label: str, drawn: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(drawn)
    )
