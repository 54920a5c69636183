"""The figures of several runs along one axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.runs.member import Axis, Member
from gan_core.train.run import number

POINTS = 400  # of curves as they are drawn


def smoothed(x: NDArray, y: NDArray, half_life: float) -> NDArray:
    """A running mean of `y` [N] in which a point counts half for each `half_life` that it lies back in `x` [N].

    As TensorBoard's, without its pull to zero at the start, but for points at any distance: runs of which one has
    twice the ticks of the other are smoothed alike.
    """
    out = np.empty(len(y))
    total = weight = 0.0
    for i, kept in enumerate(0.5 ** (np.diff(x, prepend=x[:1]) / half_life)):
        total, weight = kept * total + y[i], kept * weight + 1
        out[i] = total / weight
    return out


def curve(member: Member, column: str, axis: Axis, half_life: float = 0.0) -> tuple[NDArray, NDArray]:
    """A figure along an axis: x [N], ascending, and y [N], smoothed where `half_life` is above 0."""
    points = [(t["nimg"], v) for t in member.ticks if (v := number(t.get(column))) is not None]
    nimg, y = np.array(points, float).reshape(-1, 2).T
    x = member.along(nimg, axis)
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    return x, smoothed(x, y, half_life) if half_life > 0 else y


def overlaid(
    members: Sequence[Member], column: str, axis: Axis, half_life: float = 0.0
) -> list[tuple[NDArray, NDArray]]:
    """Each run's `curve` at places that all runs share, so that values can be read side by side.

    These are the ticks of all runs, or where there are more than `POINTS` so many at equal distances; between ticks a
    value is interpolated. Of its ends each run keeps its own.
    """
    curves = [curve(m, column, axis, half_life) for m in members]
    shared = np.unique(np.concatenate([np.empty(0), *(x for x, _ in curves)]))
    if len(shared) > POINTS:
        shared = np.linspace(shared[0], shared[-1], POINTS)
    return [_at(shared, x, y) if len(x) else (x, y) for x, y in curves]


def _at(places: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    own = np.unique([x[0], *places[(places > x[0]) & (places < x[-1])], x[-1]])
    return own, np.interp(own, x, y)


def reach(members: Sequence[Member], axis: Axis) -> float:
    """How far the run that has come furthest on the axis has come; 1 where none has come anywhere."""
    ends = [m.along([m.seen], axis)[0] for m in members]
    return max((float(e) for e in ends if e > 0), default=1.0)
