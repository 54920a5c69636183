"""A run of the line-up, read once, and where its points lie on each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gan_core.config import TrainConfig
from gan_core.errors import UserError
from gan_core.train.run import Run, Status, number
from studio.runs.offer import Entry

Axis = Literal["images", "epochs", "minutes", "share"]
AXES: dict[Axis, str] = {
    "images": "images",
    "epochs": "epochs",
    "minutes": "minutes",
    "share": "share of the run",
}


@dataclass(frozen=True)
class Member:
    """A run of the line-up as it stands. `config` is None where its file cannot be read."""

    entry: Entry
    config: TrainConfig | None
    status: Status
    ticks: list[dict[str, Any]] = field(repr=False)  # in order of images seen
    samples: dict[int, Path] = field(repr=False)  # images seen -> picture, in order

    @property
    def key(self) -> str:
        return self.entry.key

    @property
    def title(self) -> str:
        return self.entry.result.title

    @property
    def seen(self) -> int:
        """Images shown so far, by whatever file tells of the most."""
        return max([self.status.images_seen, *list(self.samples)[-1:], *(t["nimg"] for t in self.ticks[-1:])])

    @cached_property
    def clock(self) -> tuple[NDArray, NDArray]:
        """Images seen, and the seconds of training by then; both begin at 0."""
        known = [(t["nimg"], s) for t in self.ticks if (s := number(t.get("seconds"))) is not None]
        if (end := number(self.status.seconds)) and self.status.images_seen > (known[-1][0] if known else 0):
            known.append((self.status.images_seen, end))
        x, y = np.array([(0, 0.0), *known], float).T
        return x, np.maximum.accumulate(y)

    @property
    def images_an_epoch(self) -> float:
        """NaN where neither the status nor a tick tells."""
        if self.status.dataset_size > 0:
            return self.status.dataset_size
        epochs = [(t["nimg"], e) for t in self.ticks if (e := number(t.get("epoch")))]
        return epochs[-1][0] / epochs[-1][1] if epochs else math.nan

    def along(self, nimg: Sequence[int] | NDArray, axis: Axis) -> NDArray[np.float64]:
        """Where points of the run lie on an axis [N]; NaN where that is not known."""
        x = np.asarray(nimg, float)
        if axis == "images":
            return x
        if axis == "epochs":
            return x / self.images_an_epoch
        if axis == "share":
            return x / max(self.status.images_total, self.seen, 1)
        seen, seconds = self.clock
        return np.interp(x, seen, seconds) / 60 if len(seen) > 1 else np.full(x.shape, math.nan)


def read(entry: Entry) -> Member:
    """The run as it stands now."""
    try:
        config = entry.run.config()
    except UserError:
        config = None
    return Member(entry, config, entry.run.status(), ticks_of(entry.run), entry.run.samples())


def ticks_of(run: Run) -> list[dict[str, Any]]:
    """The run's ticks in order, read again only when there are more; shared by all viewers and never changed."""
    try:
        stat = run.stats_path.stat()
    except OSError:
        return []
    return _ticks(run, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=64)
def _ticks(run: Run, stamp: tuple[int, int]) -> list[dict[str, Any]]:
    return sorted(run.stats(), key=lambda t: t["nimg"])


def mixed(members: Sequence[Member]) -> bool:
    """Whether the runs learn from different images, so that their figures do not compare."""
    return len({(m.config.data, m.config.resolution) for m in members if m.config}) > 1
