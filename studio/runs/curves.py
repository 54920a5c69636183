"""The figures of several runs along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_core.train.run import number
from studio.runs.member import Axis, Member

POINTS = 400  # of a curve as it is drawn


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


def curve(member: Member, column: str, axis: Axis, half_life: float = 0.0) -> tuple[NDArray, NDArray, NDArray]:
    """A figure along an axis: images seen [N] and x [N], ascending, and y [N], smoothed where `half_life` is not 0."""
    points = [(t["nimg"], v) for t in member.ticks if (v := number(t.get(column))) is not None]
    nimg, y = np.array(points, float).reshape(-1, 2).T
    x = member.along(nimg, axis)
    nimg, x, y = (values[np.isfinite(x)] for values in (nimg, x, y))
    return nimg, x, smoothed(x, y, half_life) if half_life > 0 else y


def news(
    member: Member, columns: Sequence[str], axis: Axis, half_life: float = 0.0, since: int = 0, width: int = 0
) -> dict[str, Any]:
    """What a drawing lacks that has the curves up to `since` images seen, thinned to one point in `width` images.

    Of each stretch of `width` images, which is a power of two, the last point stands: at most `POINTS` of a curve, the
    last among them, and those that are drawn stay as the run goes on. In the answer "curves" has the points (images
    seen, x, y) of each column; they take the place of all that the drawing has at "from" images and after. That is
    everything where the curves are thinned otherwise by now, or the run was taken back to an earlier state.
    """
    last = member.ticks[-1]["nimg"] if member.ticks else 0
    now = 1 << (last // POINTS).bit_length()
    begin = since // now * now if width == now and since <= last else 0
    curves = {}
    for column in columns:
        nimg, x, y = curve(member, column, axis, half_life)
        kept = (nimg >= begin) & (np.diff(nimg // now, append=np.inf) > 0) & np.isfinite(y)  # sums may overflow
        curves[column] = [
            (int(n), round(float(a), 4), float(f"{b:.6g}"))
            for n, a, b in zip(nimg[kept], x[kept], y[kept], strict=True)
        ]
    return {"from": begin, "last": last, "width": now, "curves": curves}


def reach(members: Sequence[Member], axis: Axis) -> float:
    """How far the run that has come furthest on the axis has come; 1 where none has come anywhere."""
    ends = [m.along([m.seen], axis)[0] for m in members]
    return max((float(e) for e in ends if e > 0), default=1.0)
