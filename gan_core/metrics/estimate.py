"""How sure a figure is: shares and areas under a curve, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


def auc(
    positive: ArrayLike,
    negative: ArrayLike,
    positive_groups: Sequence[str] | None = None,
    negative_groups: Sequence[str] | None = None,
) -> Estimate:
    """The chance that a positive's score [M] lies above a negative's [N]; ties count half.

    Its variance is DeLong's (1988), over patients where `groups` names them (Obuchowski 1997; nobody on both sides),
    since two knees of one patient are less than two witnesses. The interval is Wilson's for as many independent trials
    as have that variance: it stays within 0 and 1, and does not shrink to a point at a perfect score.
    """
    positive, negative = np.asarray(positive), np.asarray(negative)
    m = len(positive)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / len(negative)  # of each positive, the negatives below it
    below = 1 - (ranks[m:] - rankdata(negative)) / m  # of each negative, the positives above it
    value = float(above.mean())
    variances, counts = zip(
        _variance_of_mean(above, positive_groups), _variance_of_mean(below, negative_groups), strict=True
    )
    trials = value * (1 - value) / sum(variances) if 0 < value < 1 and sum(variances) > 0 else min(counts)
    return wilson(value, trials)


def wilson(share: float, trials: float) -> Estimate:
    """A share and its interval after so many independent trials (Wilson 1927)."""
    z = norm.ppf(0.975)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return Estimate(float(share), float(max(middle - reach, 0)), float(min(middle + reach, 1)))


def _variance_of_mean(x: NDArray[np.float64], groups: Sequence[str] | None) -> tuple[float, int]:
    """The variance of the mean of x [N] whose members of a group are not independent, and the number of groups."""
    _, index = np.unique(np.arange(len(x)) if groups is None else np.array(groups), return_inverse=True)
    sums = np.bincount(index, x - x.mean())
    return len(sums) / max(len(sums) - 1, 1) * float(np.square(sums).sum()) / len(x) ** 2, len(sums)
