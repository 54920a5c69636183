"""What every extractor is: a name, a digest, and a network that turns images into features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_core.errors import UserError
from gan_core.images import resize, to_float

Progress = Callable[[int, int], None]  # images done, of how many
Forward = Callable[[NDArray[np.uint8]], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Features:
    """What an extractor sees in N images."""

    values: NDArray[np.float32]  # [N, d]
    probabilities: NDArray[np.float32] | None  # [N, K] of the extractor's classes, where it grades


@dataclass(frozen=True)
class Extractor:
    """Features of uint8 images [N, 1, H, W] of any side: `extractor(images)` is float32 [N, d]."""

    name: str  # goes with every figure it makes; figures of two extractors are never compared
    digest: str  # sha256, in hex, of what determines its features: the weights and how images are brought to them
    forward: Forward  # features [n, d] and probabilities [n, K] of a batch
    batch: int
    class_names: tuple[str, ...] = ()  # of the probabilities; empty where it does not grade

    def __call__(self, images: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.float32]:
        return self.see(images, progress).values

    @torch.inference_mode()
    def see(self, images: NDArray[np.uint8], progress: Progress | None = None) -> Features:
        """Features, and the grades' probabilities where there are such, in one pass.

        Raises `UserError` where there are no images.
        """
        if not len(images):
            raise UserError("There are no images to take features of.")
        values, grades = [], []
        for i in range(0, len(images), self.batch):
            # A copy, since PyTorch takes no read-only array, and a memory map is one.
            features, probabilities = self.forward(np.array(images[i : i + self.batch]))
            values.append(features.float().cpu().numpy())
            if probabilities is not None:
                grades.append(probabilities.float().cpu().numpy())
            if progress:
                progress(min(i + self.batch, len(images)), len(images))
        return Features(np.concatenate(values), np.concatenate(grades) if grades else None)


def at_side(images: NDArray[np.uint8], side: int, device: str) -> Tensor:
    """uint8 images [n, 1, H, W] as float in [-1, 1] of another side, averaged where that is smaller."""
    return resize(to_float(images).to(device), side)


def sha256(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
