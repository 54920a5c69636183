"""Splits that never put one patient on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gan_core.errors import UserError


def split_by_patient(
    patients: Sequence[str], fraction: float, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of images in two parts, (rest, held out), each ascending; the second has `fraction` of the patients.

    `patients` says whose each image is. The parts depend on them and the seed, not on the order of the images. Each
    part has at least one patient.

    Raises:
        UserError: if the fraction is not between 0 and 1, or there are fewer than two patients.
    """
    if not 0 < fraction < 1:
        raise UserError(f"A split needs a fraction between 0 and 1, not {fraction}.")
    whose = np.array(patients)
    different = np.unique(whose)
    if len(different) < 2:
        raise UserError(f"{len(patients)} images of {len(different)} patient cannot be split by patient; add more.")
    held = np.clip(round(fraction * len(different)), 1, len(different) - 1)
    chosen = np.random.default_rng(seed).permutation(different)[:held]
    inside = np.isin(whose, chosen)
    return np.flatnonzero(~inside), np.flatnonzero(inside)
