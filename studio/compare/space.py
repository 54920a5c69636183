"""What an encoder sees of the two sides: a map of their features, and the reals nearest to each fake."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import percentileofscore
from sklearn.decomposition import PCA

from gan_core.errors import UserError
from gan_core.metrics.features import Extractor, features
from gan_core.metrics.memorisation import nearest
from studio.compare.sides import Sides

NEAREST = 4  # reals shown of each fake
FEWEST = 3  # images of both sides together, for a map


@dataclass(frozen=True)
class Layout:
    """Places [N, 2] on a map of both sides."""

    fake: NDArray[np.float64]
    real: NDArray[np.float64]
    method: str
    shown: float | None  # the share of the differences that two directions hold, where the method knows it


@dataclass(frozen=True)
class Nearness:
    """The reals nearest to each fake, and how near the reals of different patients come to each other."""

    index: NDArray[np.int64]  # [N, k] of the reals, the nearest first
    distance: NDArray[np.float64]  # [N, k], Euclidean
    pairs: NDArray[np.float64]  # [P] distances of reals of different patients, ascending; empty for one patient
    closest: NDArray[np.float64]  # [M] from each real to the nearest of another patient, ascending

    def nearer_than_pairs(self, distance: float) -> float | None:
        """The share of the pairs of different patients that lie farther apart than this; None without such pairs."""
        return _above(self.pairs, distance)

    def nearer_than_closest(self, distance: float) -> float | None:
        """The share of the reals whose nearest real of another patient lies farther off than this; None as above. A
        fake's nearest of many is put against what is a nearest of many, too."""
        return _above(self.closest, distance)


def look(sides: Sides, extractor: Extractor, progress: Callable[[int, int], None] | None = None) -> Sides:
    """The sides with what the extractor sees of both; `progress` is called with (images seen, of how many).

    Raises:
        UserError: if it gives features that are not numbers.
    """
    # At once, and uncached on disk: the reals are a part of their data set, the fakes one of countless choices.
    both = features(extractor, np.concatenate([sides.fake.images, sides.real.images]), None, progress).values
    of_fake, of_real = np.split(both, [len(sides.fake)])
    return replace(sides, fake=replace(sides.fake, features=of_fake), real=replace(sides.real, features=of_real))


def methods() -> tuple[str, ...]:
    """The ways to lay out a map that are installed here."""
    return ("PCA", "UMAP") if importlib.util.find_spec("umap") else ("PCA",)


def layout(sides: Sides, method: str = "PCA") -> Layout:
    """Features in two dimensions, fitted on both sides together: their principal components, or UMAP (McInnes et al.
    2018), which keeps neighbours together at the cost of distances.

    Raises:
        UserError: if the method is not installed, or there are too few images or no difference between them.
    """
    if method not in methods():
        raise UserError(f"There is no map by {method!r} here. Available: {', '.join(methods())}.")
    both = np.concatenate([sides.fake.features, sides.real.features]).astype(np.float64)
    if len(both) < FEWEST:
        raise UserError(f"A map needs at least {FEWEST} images; there are {len(both)}.")
    if not np.ptp(both, axis=0).any():
        raise UserError("The encoder sees no difference between these images, so there is no map of them.")
    shown = None
    if method == "UMAP":
        from umap import UMAP

        places = np.asarray(UMAP(random_state=0).fit_transform(both), np.float64)
    else:
        pca = PCA(2, svd_solver="full")
        places, shown = pca.fit_transform(both), float(pca.explained_variance_ratio_.sum())
    of_fake, of_real = np.split(places, [len(sides.fake)])
    return Layout(of_fake, of_real, method, shown)


def nearness(sides: Sides) -> Nearness:
    """The up to four nearest reals of each fake. Knees of one patient do not count as a pair: they are alike anyway."""
    index, distance = nearest(sides.fake.features, sides.real.features, min(NEAREST, len(sides.real)))
    whose = np.array(sides.real.patients)
    apart = cdist(sides.real.features, sides.real.features)
    others = whose[:, None] != whose
    apart[~others] = np.inf
    closest = apart.min(1)
    return Nearness(index, distance, np.sort(apart[np.triu(others)]), np.sort(closest[np.isfinite(closest)]))


def _above(values: NDArray[np.float64], value: float) -> float | None:
    return 1 - percentileofscore(values, value, "weak") / 100 if len(values) else None


def of_100(share: float) -> str:
    """A share for people: "37 of 100", and never all or none of them unless it is."""
    if share in (0, 1):
        return "none" if share == 0 else "all"
    return f"{min(99, max(1, round(100 * share)))} of 100"
