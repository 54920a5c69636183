"""A run's figures as a picture and as a table. Matplotlib's objects only: pyplot's global state is not for servers."""

from __future__ import annotations

import csv
import io
import math
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_core.errors import UserError
from gan_core.train.run import Run
from studio.runs.media.style import CRITIC, GENERATOR, GRID, INK, MUTED, PLAIN

COLUMNS = 2
FEW = 40  # up to so many ticks each is marked: a single one would not show as a line


class _Curve(NamedTuple):
    column: str
    label: str
    colour: str


class _Panel(NamedTuple):
    title: str
    curves: tuple[_Curve, ...]
    share: bool = False  # from 0 to 1, shown in percent
    level: float | None = None  # a dashed line to compare with


PANELS = (
    _Panel("Losses", (_Curve("d_loss", "critic D", CRITIC), _Curve("g_loss", "generator G", GENERATOR))),
    _Panel(
        "How often D is right",
        (_Curve("d_accuracy_real", "on reals", CRITIC), _Curve("d_accuracy_fake", "on fakes", GENERATOR)),
        share=True,
        level=0.5,
    ),
    _Panel(
        "How often the critic of features is right",
        (_Curve("f_accuracy_real", "on reals", CRITIC), _Curve("f_accuracy_fake", "on fakes", GENERATOR)),
        share=True,
        level=0.5,
    ),
    _Panel("Wasserstein estimate: D on reals minus D on fakes", (_Curve("wasserstein", "", PLAIN),)),
    _Panel("Gradient penalty", (_Curve("penalty", "", PLAIN),)),
    _Panel("How often D names a real's class", (_Curve("class_accuracy", "", PLAIN),), share=True),
    _Panel("Kernel distance from the reals (knee features)", (_Curve("kd_knee", "", GENERATOR),), level=0.0),
    _Panel("Diversity of the samples (the reals' is 1)", (_Curve("diversity", "", GENERATOR),), level=1.0),
)


def _ticks(run: Run) -> list[dict]:
    ticks = run.stats()
    if not ticks:
        raise UserError(f"{run.name} has no figures yet: the first come after a few thousand images.")
    return ticks


def curves_png(run: Run) -> bytes:
    """The run's figures against thousands of images seen, a panel each, as a PNG.

    Raises `UserError` where there are none yet.
    """
    ticks = _ticks(run)
    names = {name for tick in ticks for name in tick}
    panels = [p for p in PANELS if any(c.column in names for c in p.curves)]
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(11, 0.7 + 2.5 * rows), layout="constrained", facecolor="white")
    figure.suptitle(run.name, color=INK, fontsize=13, x=0.01, ha="left")
    grid = figure.add_gridspec(rows, COLUMNS)
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(grid[divmod(i, COLUMNS)])
        _draw(axes, panel, ticks)
        if i >= len(panels) - COLUMNS:
            axes.set_xlabel("thousands of images seen", color=MUTED, fontsize=9)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120)
    return out.getvalue()


def _points(ticks: list[dict], column: str) -> tuple[list[float], list[float]]:
    """Thousands of images, and the column's values there; what is missing or no number is left out."""
    found = [(t["nimg"] / 1000, t[column]) for t in ticks if isinstance(t.get(column), (int, float))]
    found = [(x, y) for x, y in found if math.isfinite(y)]
    return [x for x, _ in found], [y for _, y in found]


def _draw(axes: Axes, panel: _Panel, ticks: list[dict]) -> None:
    axes.set_title(panel.title, loc="left", fontsize=10.5, color=INK)
    for curve in panel.curves:
        x, y = _points(ticks, curve.column)
        marker = "o" if len(x) <= FEW else ""
        axes.plot(x, y, color=curve.colour, linewidth=1.6, marker=marker, markersize=3, label=curve.label)
    if panel.level is not None:
        axes.axhline(panel.level, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    if panel.share:
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if len(panel.curves) > 1:
        axes.legend(
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            ncols=2,
            loc="lower right",
            bbox_to_anchor=(1.0, 0.98),
            borderpad=0,
        )
    axes.set_xlim(0, ticks[-1]["nimg"] / 1000 * 1.02)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)


def curves_csv(run: Run) -> str:
    """All ticks of the run as CSV, a column for each figure that any tick has; empty where a tick has it not.

    Raises `UserError` where there are none yet.
    """
    ticks = _ticks(run)
    columns = list(dict.fromkeys(name for tick in ticks for name in tick))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(ticks)
    return out.getvalue()
