"""What every measure works on: images, and what an extractor sees in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gan_core.data.dataset import patients


@dataclass(frozen=True)
class Sample:
    """Images of one origin: fakes, or the reals of some patients. `take` gives a part of it."""

    images: NDArray[np.uint8]  # [N, 1, R, R]
    labels: NDArray[np.int64]  # [N]; zeros where there are no classes
    features: NDArray[np.float32]  # [N, d]
    names: tuple[str, ...]  # of the file, or "seed 7"
    probabilities: NDArray[np.float32] | None = None  # [N, K] of the grades, where the extractor reads them
    patients: tuple[str, ...] = ()  # whose each image is; by default as far as the names say

    def __post_init__(self) -> None:
        if len(self.patients) != len(self.names):
            object.__setattr__(self, "patients", patients(self.names))

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: NDArray[np.integer]) -> Sample:
        """The images at `index`, in that order."""
        return Sample(
            self.images[index],
            self.labels[index],
            self.features[index],
            tuple(self.names[i] for i in index),
            None if self.probabilities is None else self.probabilities[index],
            tuple(self.patients[i] for i in index),
        )
