"""Two distributions slid apart: how far from each other two distances find them, and how hard each pulls.

The picture is Arjovsky and Bottou's (2017): distributions that hardly overlap are all equally far for Jensen-Shannon,
which ends at log 2 and pulls no more, while Wasserstein grows with the distance and pulls evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm, wasserstein_distance

STEP = 0.1  # between one shift and the next, and between the grid's points: a shift then moves a curve by whole cells
FURTHEST = 8.0
KINDS = ("bells", "points")


@dataclass(frozen=True)
class Apart:
    """Against `shift` [M], from 0 on: both distances, in nats and in the axis's units, and their slopes."""

    shift: NDArray[np.floating]
    js: NDArray[np.floating]
    wasserstein: NDArray[np.floating]
    js_slope: NDArray[np.floating]
    wasserstein_slope: NDArray[np.floating]


def slide(kind: str) -> Apart:
    """Two normal "bells" of standard deviation 1, or two "points" (all mass in one place), slid apart."""
    shifts = np.arange(round(FURTHEST / STEP) + 1)  # in cells
    x = np.arange(-60, len(shifts) + 60) * STEP
    reals = norm.pdf(x) if kind == "bells" else (np.arange(len(x)) == 60).astype(float)
    js, w = [], []
    for shift in shifts:
        fakes = np.roll(reals, shift)  # nothing but zeros, or nearly, comes round
        js.append(jensenshannon(reals, fakes) ** 2)
        w.append(wasserstein_distance(x, x, reals, fakes))
    at = shifts * STEP
    # The points' Jensen-Shannon jumps as they part and has no slope from there on. Together, nothing pulls.
    js_slope = np.gradient(js, at) if kind == "bells" else np.zeros(len(at))
    w_slope = np.gradient(w, at)
    js_slope[0] = w_slope[0] = 0
    return Apart(at, np.array(js), np.array(w), js_slope, w_slope)
