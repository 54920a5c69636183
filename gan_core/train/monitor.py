"""The cheap measure of a training on its way: a few hundred fakes against the reals it learns from."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from gan_core.data import Dataset, take
from gan_core.metrics.distances import KernelDistance, kernel_distance
from gan_core.metrics.extractors import Extractor, open_extractor
from gan_core.metrics.features import features

FAKES = 256
REALS = 1024
SHARE = 0.05  # of the time of a training that may go into judging it


class Judge:
    """Kernel distance, in the knee encoder's features, of a generator to the reals: 0 is as near as real to real.

    Kernel and not Fréchet distance: it has no bias at few images (Bińkowski et al. 2018).
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.extractor: Extractor | None = None
        self.reals: np.ndarray | None = None
        self.cost = 0.0  # seconds that the last judgement took
        self.last = time.monotonic()

    def affordable(self) -> bool:
        """Whether enough time has gone by since the last judgement for another one."""
        return self.cost <= SHARE * (time.monotonic() - self.last)

    def __call__(self, make: Callable[[range], np.ndarray]) -> KernelDistance:
        """The distance of what `make` gives for these seeds, uint8 [N, 1, R, R].

        The first time it looks at the reals, which takes some seconds where their features are not in the cache. Raises
        `UserError` where there is no encoder, or too little to measure, such as constant images.
        """
        start = time.monotonic()
        try:
            self.extractor = self.extractor or open_extractor("knee")
            if self.reals is None:
                chosen = np.sort(np.random.default_rng(0).permutation(len(self.dataset.images))[:REALS])
                images = take(self.dataset.images, chosen)
                self.reals = features(self.extractor, images, f"{self.dataset.fingerprint}-{REALS}").values
                start = time.monotonic()  # what is done once is not held against the next
            return kernel_distance(features(self.extractor, make(range(FAKES)), None).values, self.reals)
        finally:
            self.last = time.monotonic()
            self.cost = self.last - start
