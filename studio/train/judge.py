"""The cheap measure of a training on its way: a few hundred fakes against the reals it learns from."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from gan_core.data.dataset import Dataset, take
from gan_core.errors import UserError
from gan_core.metrics.distances import kernel_distance
from gan_core.metrics.features import Extractor, features
from studio.evaluate.extractors import open_extractor

FAKES = 256
REALS = 1024
SHARE = 0.05  # of the time of a training that may go into judging it


class KneeJudge:
    """Kernel distance, in the knee encoder's features, of a generator to the reals: 0 is as near as real to real.

    Kernel and not Fréchet distance: it has no bias at few images (Bińkowski et al. 2018).
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.extractor: Extractor | None = None
        self.reals: np.ndarray | None = None
        self.cost = 0.0  # seconds that the last judgement took
        self.last = time.monotonic()

    def __call__(self, make: Callable[[range], np.ndarray]) -> dict[str, float] | None:
        """The statistics of what `make` gives for these seeds, uint8 [N, 1, R, R]; None until enough time has gone by
        since the last judgement, {} where there is no encoder, or too little to measure, such as constant images.

        The first time it looks at the reals, which takes some seconds where their features are not in the cache.
        """
        start = time.monotonic()
        if self.cost > SHARE * (start - self.last):
            return None
        try:
            self.extractor = self.extractor or open_extractor("knee")
            if self.reals is None:
                chosen = np.sort(np.random.default_rng(0).permutation(len(self.dataset.images))[:REALS])
                images = take(self.dataset.images, chosen)
                self.reals = features(self.extractor, images, f"{self.dataset.fingerprint}-{REALS}").values
                start = time.monotonic()  # what is done once is not held against the next
            distance = kernel_distance(features(self.extractor, make(range(FAKES)), None).values, self.reals)
        except UserError:  # no reason to end a training
            return {}
        finally:
            self.last = time.monotonic()
            self.cost = self.last - start
        return {"kd_knee": distance.value, "kd_knee_se": distance.se}
