"""Nearest-patient check: is a synthetic image nearer to one training image than likeness explains?

Each image's distance to the nearest training image is taken over that to the third nearest, as in
`gan_core.metrics.memorisation`: likeness to everybody cancels out. What likeness explains is read off the training
images themselves, each held against those of other patients: their 1st percentile is the limit. So about one in a
hundred images that copy nothing lie below it in each of the two ways of looking, and are flagged by chance; copies are
flagged surely.

Two ways, since the knee encoder may itself have learnt from these images: its features, and the pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gan_core import data
from gan_core.data.decode import Fit
from gan_core.errors import UserError
from gan_core.metrics.features import features
from gan_core.metrics.memorisation import FEWEST_UNSEEN, OTHERS, PERCENTILE, nearest, pixel_features, relative
from studio.evaluate.extractors import open_extractor
from studio.jobs.work import Progress

LOOKED_AT = 2000  # training images held against those of other patients, at most
See = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Finding:
    """Of one image, by each way of looking: its relative distance; and where it is nearer than the limit."""

    ratios: dict[str, float]
    near: tuple[str, ...]

    @property
    def word(self) -> str:
        """ "no", or by which way of looking it is too near: "features", "pixels" or "features and pixels"."""
        return " and ".join(self.near) or "no"


@dataclass(frozen=True)
class _Way:
    see: See
    seen: NDArray[np.float32]  # [M, d] of the training images
    limit: float


class Check:
    """Holds synthetic images against those that their model was trained on.

    Raises `UserError` where these cannot be read, or show too few patients.
    """

    def __init__(self, reference: str, side: int, fit: Fit, progress: Progress) -> None:
        found = data.load(
            reference,
            side,
            fit=fit,
            progress=lambda a, b: progress("Reading the training images", a, b),
        )
        if len(found.images) < FEWEST_UNSEEN:
            raise UserError(
                f"The nearest-patient check needs at least {FEWEST_UNSEEN} training images; there are "
                f"{len(found.images)}."
            )
        self.about, self.fingerprint = found.about, found.fingerprint
        extractor = open_extractor("knee")
        seen = features(
            extractor,
            found.images,
            found.fingerprint,
            lambda a, b: progress("Looking at the training images", a, b),
        )
        whose = np.unique(found.patients, return_inverse=True)[1]
        self._ways = {
            "features": _way(extractor, seen.values, whose),
            "pixels": _way(pixel_features, pixel_features(found.images), whose),
        }

    def __call__(self, images: NDArray[np.uint8]) -> list[Finding]:
        """A finding for each of uint8 images [N, 1, R, R]."""
        ratios = {name: relative(nearest(way.see(images), way.seen, OTHERS)[1]) for name, way in self._ways.items()}
        return [
            Finding(
                {name: float(values[i]) for name, values in ratios.items()},
                tuple(name for name, values in ratios.items() if values[i] < self._ways[name].limit),
            )
            for i in range(len(images))
        ]


def _way(see: See, seen: NDArray[np.float32], whose: NDArray[np.int64]) -> _Way:
    fair = np.sort(_between_patients(seen, whose))
    return _Way(see, seen, float(fair[max(1, round(PERCENTILE * len(fair))) - 1]))


def _between_patients(seen: NDArray[np.float32], whose: NDArray[np.int64]) -> NDArray[np.float64]:
    """Relative distances of training images to those of other patients: what an unseen patient's would be."""
    most = max(Counter(whose.tolist()).values())  # so many of one's own come first at the worst
    if most + OTHERS > len(seen):
        raise UserError(
            "The nearest-patient check needs training images of more patients: these are nearly all of one."
        )
    rows = np.sort(np.random.default_rng(0).permutation(len(seen))[:LOOKED_AT])
    index, distances = nearest(seen[rows], seen, most + OTHERS)
    distances[whose[index] == whose[rows][:, None]] = np.inf
    return relative(np.sort(distances, 1)[:, :OTHERS])
