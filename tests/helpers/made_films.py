"""Whole films of phantom knees."""

from dataclasses import replace

import numpy as np

from studio.knee.localizer import FRAME_MM, Knee
from studio.knee.phantom import render, sample_params

BOX = 270  # pixels of a knee's box on such a film
SPACING = FRAME_MM / BOX  # mm per pixel


def whole_film(sides="RL", seed=10):
    """A film [600, ...] with a knee of each of `sides` from left to right, and its knees; "" is air with a mark."""
    film = np.zeros((600, max(540 * len(sides), 500) + 20), np.uint8)
    film[:9, :9] = 255  # for the whole range of greys
    knees = []
    for i, side in enumerate(sides):
        at = next(s for s in range(seed, seed + 60) if sample_params(s).side == side)
        film[30:570, 10 + 540 * i : 550 + 540 * i] = render([replace(sample_params(at), field_mm=2 * FRAME_MM)], 540)[0]
        knees.append(Knee(280.0 + 540 * i, 300.0, float(BOX), side=side))
    return film, knees
