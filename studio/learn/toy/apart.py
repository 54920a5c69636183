"""Two distributions slid apart: how far from each other two distances find them, and how hard each pulls.

The picture is Arjovsky and Bottou's (2017): distributions that hardly overlap are all equally far for Jensen-Shannon,
which ends at log 2 and pulls no more, while Wasserstein grows with the distance and pulls evenly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm, wasserstein_distance

STEP = 0.1  # between one shift and the next, and between the grid's points: a shift then moves a curve by whole cells
FURTHEST = 8.0
KINDS = ("bells", "points")


def slide(kind: str) -> dict[str, NDArray[np.floating]]:
    """Two normal "bells" of standard deviation 1, or two "points" (all mass in one place), slid apart.

    Against the "shift" [M], from 0 on: "js" and "wasserstein", in nats and in the axis's units, "js_slope" and
    "wasserstein_slope".
    """
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
    found = {"shift": at, "js": np.array(js), "wasserstein": np.array(w)}
    return found | {"js_slope": js_slope, "wasserstein_slope": w_slope}
