"""Knees of a model, drawn and measured once: what is ordinary for it, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gan_core.generate import generate
from gan_core.latent import mixtures
from gan_core.model import Model
from studio.explore.measures import measure
from studio.explore.memo import Memo
from studio.knee.joint_space import MIN_RESOLUTION, side

VERSION = 3
BLOCK = 32  # seeds drawn, measured and kept at a time
KEPT, HELD = 400, 100  # blocks in the cache's folder and in memory

_BLACK, _WHITE = 4, 251

Array = NDArray[np.float64]
Measures = dict[str, Array]  # by quantity, [N] each; NaN where it cannot be read
Progress = Callable[[int, int], None]  # images done, of how many
_Values = Annotated[list[float], Field(min_length=BLOCK, max_length=BLOCK)]


def look(images: NDArray[np.uint8]) -> Measures:
    """What can be measured of images uint8 [N, 1, R, R], of knees also medial and lateral.

    Beside the quantities of `explore.measures`: the share of pixels that are "clipped", all but black or white; how
    much brighter the "inside" is than the margins, below 0 in an inverted film; "knee", 1 for a left one, -1 for a
    right one, 0 where that cannot be told; the width of the joint space "medial" and "lateral", and by how much it is
    less there than on the other side, "medial_less" and "lateral_less".
    """
    knees = images.shape[-1] >= MIN_RESOLUTION
    out = measure(images, knees)
    out["clipped"] = np.mean((images <= _BLACK) | (images >= _WHITE), axis=(1, 2, 3))
    columns = images[:, 0].mean(1)
    edge = images.shape[-1] // 16
    margins = (columns[:, :edge].mean(1) + columns[:, -edge:].mean(1)) / 2
    out["inside"] = columns[:, 4 * edge : -4 * edge].mean(1) - margins
    if knees:
        which = side(images)
        out["knee"] = np.select([which == "L", which == "R"], [1.0, -1.0], 0.0)
        # Lateral is to the image's right in a left knee. The tilt is the right half's width less the left half's.
        outwards = out["joint_tilt"] * np.where(out["knee"] == 0, np.nan, out["knee"])
        out["medial_less"], out["lateral_less"] = outwards, -outwards
        out["medial"] = out["joint_space"] + np.maximum(-outwards, 0)
        out["lateral"] = out["joint_space"] + np.maximum(outwards, 0)
    return out


@cache
def _quantities(resolution: int) -> frozenset[str]:
    return frozenset(look(np.zeros((1, 1, resolution, resolution), np.uint8)))


_memo: Memo[dict[str, list[float]]] = Memo(
    "describe",
    dict[str, _Values],
    KEPT,
    HELD,
    lambda model, measures: measures.keys() == _quantities(model.config.net.resolution),
)


def pool(model: Model, grade: float | None, count: int, progress: Progress = lambda done, total: None) -> Measures:
    """Measures of seeds 0 to `count` or a few more, at a grade: a class's index or between two; None: each seed's own.

    Remembered in memory and in the cache's folder. `progress` is called with (images done, of how many).
    """
    starts = range(0, count, BLOCK)
    parts = []
    for start in starts:
        parts.append(_block(model, grade, start))
        progress(start + BLOCK, len(starts) * BLOCK)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _block(model: Model, grade: float | None, start: int) -> dict[str, list[float]]:
    def measured() -> dict[str, list[float]]:
        labels = None if grade is None else mixtures([grade] * BLOCK, len(model.class_names))
        measures = look(generate(model, range(start, start + BLOCK), labels))
        return {name: values.tolist() for name, values in measures.items()}

    return _memo.get(model, f"{VERSION}-{'own' if grade is None else f'{grade:g}'}-{start}", measured)
