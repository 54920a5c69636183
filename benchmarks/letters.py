"""Side markers on films: a letter is small, far brighter than what lies around it, and is on the patient's right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

THICKNESS = 1 / 100  # of the side: what is thinner than this counts, bones are thicker
BRIGHT = 150  # gray levels above its surroundings


def marked(images: NDArray[np.uint8], right: bool = False) -> NDArray[np.bool_]:
    """Whether each of uint8 images [N, 1, R, R] has such a mark in its left quarter, in its right one with `right`.

    White top-hat (Serra 1982): what an opening takes away. The upper three quarters only, as bowel gas lies below.
    """
    side = images.shape[-1]
    part = images[:, 0, : 3 * side // 4]
    part = part[..., -(side // 4) :] if right else part[..., : side // 4]
    size = max(3, round(side * THICKNESS) * 2 + 1)
    return np.array([ndimage.white_tophat(x, size=size).max() >= BRIGHT for x in part])
