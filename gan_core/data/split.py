"""Splits that never put one patient on both sides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gan_core.errors import UserError

_KNEE = re.compile(r"(?P<patient>.*\d)[LR]$")


def patient(file: str) -> str:
    """Whose a file is: `<patient><L|R>.png` is the patient's in whatever folder; any other file is its own patient.

    Slices of one file ("scan.dcm#3") belong together.
    """
    file = re.sub(r"#\d+$", "", file)
    knee = _KNEE.match(PurePosixPath(file).stem)
    return f"patient {knee['patient']}" if knee else f"file {file}"


def split_by_patient(
    files: Sequence[str], fraction: float, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of `files` in two parts, (rest, held out), each ascending; the second has `fraction` of the patients.

    It depends on the patients and the seed, not on the order of the files. Each part has at least one patient.

    Raises:
        UserError: if the fraction is not between 0 and 1, or there are fewer than two patients.
    """
    if not 0 < fraction < 1:
        raise UserError(f"A split needs a fraction between 0 and 1, not {fraction}.")
    whose = np.array([patient(file) for file in files])
    patients = np.unique(whose)
    if len(patients) < 2:
        raise UserError(f"{len(files)} images of {len(patients)} patient cannot be split by patient; add more.")
    held = np.clip(round(fraction * len(patients)), 1, len(patients) - 1)
    chosen = np.random.default_rng(seed).permutation(patients)[:held]
    inside = np.isin(whose, chosen)
    return np.flatnonzero(~inside), np.flatnonzero(inside)
