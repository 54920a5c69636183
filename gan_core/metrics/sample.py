"""A set of images: what every comparison, study and measure works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gan_core.data.dataset import patients, take

Kind = Literal["real", "synthetic", "phantom"]


@dataclass(frozen=True)
class Sample:
    """Images of one origin: synthetic ones, or the real ones of some patients. `take` gives a part of it."""

    images: NDArray[np.uint8]  # [N, 1, R, R]
    labels: NDArray[np.int64]  # [N]; zeros where there are no classes
    features: NDArray[np.float32]  # [N, d]; d is 0 until an extractor has seen the images
    names: tuple[str, ...]  # of the file, or "seed 7"
    probabilities: NDArray[np.float32] | None = None  # [N, K] of the grades, where the extractor reads them
    patients: tuple[str, ...] = ()  # whose each image is; by default as far as the names say
    kind: Kind = "real"
    name: str = ""  # of the data, for people
    class_names: tuple[str, ...] = ()  # that the labels stand for; () where there are no classes
    label_name: str = ""  # what a class is: "KL grade"
    sides: tuple[str, ...] = ()  # "R", "L", or "" where it is not known, of each image; () where none is
    mm: tuple[float, ...] = ()  # a pixel's side in mm, NaN where it is not known, of each image; () where none is

    def __post_init__(self) -> None:
        if len(self.patients) != len(self.names):
            object.__setattr__(self, "patients", patients(self.names))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each image's class; "" where there are no classes."""
        return tuple(map(self.class_name, range(len(self))))

    def class_name(self, i: int) -> str:
        """The class of image `i`; "" where there are no classes."""
        return self.class_names[self.labels[i]] if self.class_names else ""

    def take(self, index: NDArray[np.integer]) -> Sample:
        """A copy of the images at `index`, in that order."""
        return replace(
            self,
            images=take(self.images, index),
            labels=self.labels[index],
            features=self.features[index],
            names=tuple(self.names[i] for i in index),
            probabilities=None if self.probabilities is None else self.probabilities[index],
            patients=tuple(self.patients[i] for i in index),
            sides=tuple(self.sides[i] for i in index) if self.sides else (),
            mm=tuple(self.mm[i] for i in index) if self.mm else (),
        )

    def unlabelled(self) -> Sample:
        """The same with its classes left out of account."""
        return replace(self, labels=np.zeros_like(self.labels), class_names=())
