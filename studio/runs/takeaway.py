"""A line-up as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from gan_core.train.run import number
from studio.runs.differences import settings
from studio.runs.member import Member
from studio.runs.summary import Row, table
from studio.study.table import defused


def table_csv(members: Sequence[Member]) -> str:
    """The table and, after it, all settings, as CSV: a row a run, numbers in full."""
    found, every = table(members), settings(members)
    rows = [
        {"key": m.key}
        | row
        | {f"setting: {s.name}": s.values[i] for s in every}
        | {"warnings": " ".join(m.status.warnings), "remarks": " ".join(m.entry.result.remarks)}
        for i, (m, row) in enumerate(zip(members, found.rows, strict=True))
    ]
    return _csv(rows)


def curves_csv(members: Sequence[Member]) -> str:
    """Every figure of every tick as CSV, a line each."""
    return _csv(list(_curve_rows(members)), ("key", "run", "images", "epoch", "seconds", "figure", "value"))


def _curve_rows(members: Sequence[Member]) -> Iterator[Row]:
    for m in members:
        for tick in m.ticks:
            at = {"key": m.key, "run": m.title, "images": tick["nimg"]}
            at |= {name: number(tick.get(name)) for name in ("epoch", "seconds")}
            for name, value in tick.items():
                if name not in ("nimg", "epoch", "seconds") and (found := number(value)) is not None:
                    yield at | {"figure": name, "value": found}


def _csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: defused(v) for k, v in row.items()} for row in rows)
    return out.getvalue()
