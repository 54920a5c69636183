"""Whether fakes lie where reals lie, and everywhere they do: precision, recall, density and coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from gan_core.errors import UserError
from gan_core.metrics.distances import BLOCK, Features, checked


@dataclass(frozen=True)
class Prdc:
    """All but density are shares, 0 to 1."""

    precision: float  # of fakes within reach of a real
    recall: float  # of reals within reach of a fake
    density: float  # how many reals a fake is within reach of, against what is expected: 1 where the sets are alike
    coverage: float  # of reals that have a fake within reach


def prdc(real: NDArray[np.floating], fake: NDArray[np.floating], k: int = 5) -> Prdc:
    """Of features [N, d] and [M, d]. An image reaches as far as its kth nearest neighbour in its own set, and up to
    there included. Precision and recall: Kynkäänniemi et al. 2019; density and coverage: Naeem et al. 2020.

    Of a set against itself density is (k + 1) / k, as each image then reaches itself too. Coverage depends on M.

    Raises:
        UserError: as `checked` does; it needs k + 1 images on each side, and reals that differ.
    """
    if k < 1:
        raise UserError(f"Precision and recall need 1 neighbour or more, not {k}.")
    reals, fakes = checked(real, fake, f"Precision and recall with {k} neighbours", k + 1)
    if (reals == reals[0]).all():
        raise UserError(
            "All real images have the same features, so nothing lies within their reach; use images that differ."
        )
    centre = reals.mean(axis=0)
    reals, fakes = reals - centre, fakes - centre
    # Squared distances by way of a product are off by this little, which must not decide who is a neighbour in a tie.
    slack = 1e-12 * max(np.square(x).sum(axis=1).max() for x in (reals, fakes))
    real_reach, fake_reach = _reach(reals, k) + slack, _reach(fakes, k) + slack

    precise = dense = 0
    recalled, covered = np.zeros(len(reals), bool), np.zeros(len(reals), bool)
    for part in gen_batches(len(fakes), BLOCK):
        squared = euclidean_distances(fakes[part], reals, squared=True)
        in_real = squared <= real_reach
        precise += in_real.any(axis=1).sum()
        dense += in_real.sum()
        covered |= in_real.any(axis=0)
        recalled |= (squared <= fake_reach[part, None]).any(axis=0)
    return Prdc(
        precision=float(precise / len(fakes)),
        recall=float(recalled.mean()),
        density=float(dense / (k * len(fakes))),
        coverage=float(covered.mean()),
    )


def _reach(x: Features, k: int) -> Features:
    """The squared distance [N] from each of x to its kth nearest neighbour."""
    reach = np.empty(len(x))
    for part in gen_batches(len(x), BLOCK):
        reach[part] = np.partition(euclidean_distances(x[part], x, squared=True), k, axis=1)[:, k]  # 0 is itself
    return reach
