"""Features, by which sets of images are compared: the network that sees them, and the cache that keeps what it saw."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_core.data.cache import cache_folder
from gan_core.errors import UserError
from gan_core.files import replacing
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


def features(
    extractor: Extractor, images: NDArray[np.uint8], fingerprint: str | None, progress: Progress | None = None
) -> Features:
    """What the extractor sees in uint8 images [N, 1, H, W].

    `fingerprint` names the content of `images` (`Dataset.fingerprint`): with it, features come from the cache the next
    time; without, as for fakes, nothing is kept. Raises `UserError` where there are no images, or features that are not
    numbers.
    """
    path = cache_folder() / f"features-{sha256(fingerprint, images.shape, extractor.digest)}.npz"
    if fingerprint and (kept := _read(path, len(images))):
        if progress:
            progress(len(images), len(images))
        return kept
    found = extractor.see(images, progress)
    if bad := int((~np.isfinite(found.values)).any(1).sum()):
        raise UserError(
            f"The extractor {extractor.name} gives features that are not numbers for {bad:,} of {len(images):,} "
            "images: its weights are damaged, or it takes other images. Use another one, such as knee."
        )
    if fingerprint:
        with contextlib.suppress(OSError):  # no room or no right to write: it is only slower the next time
            _write(path, found)
    return found


def _write(path: Path, found: Features) -> None:
    none = np.empty((len(found.values), 0), np.float32)
    probabilities = none if found.probabilities is None else found.probabilities
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, values=found.values, probabilities=probabilities)


def _read(path: Path, count: int) -> Features | None:
    """What `_write` kept; None where it is not there whole, which the checksums in the file tell."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            values, probabilities = kept["values"], kept["probabilities"]
    except (OSError, ValueError, LookupError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None
    return Features(values, probabilities if probabilities.size else None) if len(values) == count else None
