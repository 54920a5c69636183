"""How well grades agree: an encoder's reading against the grade asked for, or written down by readers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from gan_core.errors import UserError


@dataclass(frozen=True)
class Agreement:
    """Of a grade given and a grade read."""

    confusion: NDArray[np.int64]  # [K, K]; a row is the grade given, a column the grade read
    accuracy: float
    kappa: float  # Cohen's, weighted by the square of the difference; 1 is perfect, 0 is chance
    mae: float  # mean absolute difference, in grades


def agreement(given: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Agreement:
    """`given` [N] against the likeliest of `probabilities` [N, K].

    Raises:
        UserError: where fewer than two grades are given: agreement beyond chance has no meaning then.
    """
    if len(np.unique(given)) < 2:
        raise UserError("Agreement needs images of at least two grades.")
    read = probabilities.argmax(1)
    classes = list(range(probabilities.shape[1]))
    kappa = cohen_kappa_score(given, read, labels=classes, weights="quadratic")
    return Agreement(
        confusion=confusion_matrix(given, read, labels=classes),
        accuracy=float((given == read).mean()),
        kappa=float(np.nan_to_num(kappa)),  # 0 where one grade is read for all: no better than chance
        mae=float(np.abs(given - read).mean()),
    )
