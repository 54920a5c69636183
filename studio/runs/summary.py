"""The table: a row a run, what was measured beside what others reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.data import short_source
from gan_core.errors import UserError
from gan_core.train.run import Run, number
from gan_core.train.stats import STATS, Stat
from studio.runs import media
from studio.runs.member import Member


@dataclass(frozen=True)
class Column:
    """A column of the table. `digits` is None for text; `floor_of` names the column whose floor this one is."""

    title: str
    digits: int | None = None
    share: bool = False
    better: str = ""
    floor_of: str = ""
    help: str = ""

    def text(self, value: Any) -> str:
        if value is None:
            return "–"
        if self.digits is None:
            return str(value)
        return f"{value:z.{self.digits}%}" if self.share else f"{value:z,.{self.digits}f}"


Row = dict[str, Any]  # a column's title -> text, number or None


@dataclass(frozen=True)
class Table:
    """A row a run. Columns that no run fills are left out."""

    columns: list[Column]
    rows: list[Row]


_LAST = "At the last tick."
_OWN = (
    Column("Run"),
    Column("State"),
    Column("Recipe"),
    Column("Images of"),
    Column("Side", 0, help="Pixels."),
    Column("Images", 0, help="Seen by the discriminator."),
    Column("Epochs", 1),
    Column("Minutes", 1, help="Of training."),
    Column("Images/s", 1, help="On average over the run."),
    Column("Parameters", 0, help="Of generator and discriminator."),
    Column("D accuracy", 0, share=True, help=f"Over real and synthetic images. {_LAST}"),
)
_BEST = Column("Best kernel distance", 3, better="lower", help="The lowest during training.")


def table(members: Sequence[Member]) -> Table:
    """What there is to say of each run; what was reported of it elsewhere stands right of our own."""
    columns = {c.title: c for c in (*_OWN, *map(_column, _stats().values()), _BEST)}
    rows = [_own_row(m) for m in members]
    for m, row in zip(members, rows, strict=True):
        for found in m.entry.result.figures.values():
            floor = f"{found.name}, floor"
            columns.setdefault(found.name, Column(found.name, found.digits, better=found.better))
            columns.setdefault(floor, Column(floor, found.digits, floor_of=found.name))
            if columns[found.name].digits is not None:  # a figure that is called as a column of words stays out
                row |= {k: v for k, v in ((found.name, found.value), (floor, found.floor)) if v is not None}
    ordered = list(columns.values())
    for title in dict.fromkeys(t for m in members for t in m.entry.result.reported):
        ours = max((i for i, c in enumerate(ordered) if _same(c.title, title)), default=len(ordered))
        ordered.insert(ours + 1, Column(f"{title}, reported", help="Reported by others for the same system."))
        for m, row in zip(members, rows, strict=True):
            row[f"{title}, reported"] = m.entry.result.reported.get(title)
    shown = [c for c in ordered if any(row.get(c.title) is not None for row in rows)]
    return Table(shown, [{c.title: row.get(c.title) for c in shown} for row in rows])


def _stats() -> dict[str, Stat]:
    """Those in the table: of speed it has the average."""
    return {key: stat for key, stat in STATS.items() if stat.panel}


def _column(stat: Stat) -> Column:
    return Column(stat.title, stat.digits, stat.share, stat.better, help=f"{stat.meaning}. {_LAST}")


def _same(ours: str, reported: str) -> bool:
    """Whether a column of ours is of what was reported: "D loss" and "D loss, last tenth" are of "D loss"."""
    return f"{ours.casefold()},".startswith(f"{reported.casefold()},")


def _own_row(m: Member) -> Row:
    real, fake = _last(m, "d_accuracy_real"), _last(m, "d_accuracy_fake")
    seconds = number(m.status.seconds) or float(m.clock[1][-1])
    distances = [d for t in m.ticks if (d := number(t.get("kd_knee"))) is not None]
    return {
        "Run": m.title,
        "State": m.status.state,
        "Recipe": m.config.preset if m.config else None,
        "Images of": short_source(m.config.data) if m.config else None,
        "Side": m.config.resolution if m.config else None,
        "Images": m.seen,
        "Epochs": number(float(m.along([m.seen], "epochs")[0])),
        "Minutes": seconds / 60 if seconds else None,
        "Images/s": m.seen / seconds if seconds else None,
        "Parameters": _parameters(m.entry.run),
        "D accuracy": (real + fake) / 2 if real is not None and fake is not None else None,
        **{stat.title: _last(m, key) for key, stat in _stats().items()},
        _BEST.title: number(min([*distances, m.entry.run.best_distance()])),
    }


def _last(m: Member, column: str) -> float | None:
    return next((v for t in reversed(m.ticks) if (v := number(t.get(column))) is not None), None)


def _parameters(run: Run) -> int | None:
    """Of both networks together; None until they are written."""
    try:
        return sum(map(_count, media.run_nets(run)))
    except UserError:
        return None


@lru_cache(maxsize=256)
def _count(config: NetConfig) -> int:
    with torch.device("meta"):
        return networks.count_parameters(networks.build(config))
