"""What came of the kills, and what both who are killed need."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

PATIENCE = 300.0  # seconds for anything to happen on a busy machine


@dataclass
class Row:
    """The kills of one kind in the midst of one thing."""

    who: str
    midst: str
    kills: int = 0
    lost: int = 0  # images shown that must be shown again, at most
    begun: int = 0  # of the server's: what was asked for had begun
    note: str = ""
    problems: list[str] = field(default_factory=list)


class Table:
    def __init__(self) -> None:
        self.rows: list[Row] = []

    def row(self, who: str, midst: str) -> Row:
        for row in self.rows:
            if (row.who, row.midst) == (who, midst):
                return row
        self.rows.append(Row(who, midst))
        return self.rows[-1]

    @property
    def kills(self) -> int:
        return sum(row.kills for row in self.rows)

    @property
    def problems(self) -> list[str]:
        return [f"{row.who}, {row.midst}: {problem}" for row in self.rows for problem in row.problems]

    def markdown(self) -> str:
        lines = ["| Killed | in the midst of | times | most images lost | wrong | |", "|---|---|---|---|---|---|"]
        for row in sorted(self.rows, key=lambda r: (r.who, -r.kills)):
            lost = f"{row.lost:,}" if row.who == "training" else ""
            lines.append(f"| {row.who} | {row.midst} | {row.kills} | {lost} | {len(row.problems)} | {row.note} |")
        return "\n".join(lines)


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` gives once it gives something. Raises RuntimeError where it does not."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.02)
    return found


def kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
        process.wait(PATIENCE)


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
