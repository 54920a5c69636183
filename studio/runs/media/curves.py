"""A run's figures as a picture and as a table. Matplotlib's objects only: pyplot's global state is not for servers."""

from __future__ import annotations

import csv
import io
import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_core.errors import UserError
from gan_core.train import stats
from gan_core.train.run import Run
from gan_core.train.stats import Stat
from studio.runs.media.style import CRITIC, GENERATOR, GRID, INK, MUTED, PLAIN

COLUMNS = 2
FEW = 40  # up to so many ticks each is marked: a single one would not show as a line


COLOURS = {"D": CRITIC, "G": GENERATOR, "": PLAIN}


def _ticks(run: Run) -> list[dict]:
    ticks = run.stats()
    if not stats.panels(ticks):
        raise UserError(f"{run.name} has no curves yet: the first points appear after a few thousand images.")
    return ticks


def curves_png(run: Run) -> bytes:
    """The run's figures against thousands of images seen, a panel each, as a PNG.

    Raises `UserError` where there are none yet.
    """
    ticks = _ticks(run)
    panels = stats.panels(ticks)
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(11, 0.7 + 2.5 * rows), layout="constrained", facecolor="white")
    figure.suptitle(run.name, color=INK, fontsize=13, x=0.01, ha="left")
    grid = figure.add_gridspec(rows, COLUMNS)
    for i, (title, shown) in enumerate(panels.items()):
        axes = figure.add_subplot(grid[divmod(i, COLUMNS)])
        axes.set_title(title, loc="left", fontsize=10.5, color=INK)
        _draw(axes, shown, ticks)
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


def _draw(axes: Axes, shown: dict[str, Stat], ticks: list[dict]) -> None:
    """The curves of one panel."""
    for key, stat in shown.items():
        x, y = _points(ticks, key)
        marker = "o" if len(x) <= FEW else ""
        axes.plot(x, y, color=COLOURS[stat.of], linewidth=1.6, marker=marker, markersize=3, label=stat.label)
    first = next(iter(shown.values()))
    if first.level is not None:
        axes.axhline(first.level, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    if first.share:
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if len(shown) > 1:
        axes.legend(
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            ncols=len(shown),
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
