"""What a source becomes."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Skipped:
    """A file that gave no image, and why, in words."""

    file: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Images, decoded once, and where they came from."""

    images: NDArray[np.uint8]  # [N, 1, R, R]; a read-only np.memmap where the array is a large share of the memory
    labels: NDArray[np.int64]  # [N]; zeros where there are no classes
    class_names: tuple[str, ...]  # empty for an unlabelled source
    files: tuple[str, ...]  # the relative name each image came from; "#3" is its fourth slice
    skipped: tuple[Skipped, ...]
    name: str  # a short slug for a run directory's name
    fingerprint: str  # sha256 of the content and of how it was decoded

    @property
    def about(self) -> str:
        """What a model that has learnt from it says of it; a model's training data is known again by this."""
        return f"{self.name}, {len(self.images):,} images"


def take(images: NDArray[np.uint8], index: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A copy of the images at `index`, [len(index), 1, R, R]; of a memory map no page stays in this process's memory.

    Pages touched at random would otherwise add up to the whole array, until the system is short of memory.
    """
    batch = np.asarray(images[index])
    if isinstance(images.base, mmap.mmap) and hasattr(images.base, "madvise"):  # not on Windows
        images.base.madvise(mmap.MADV_DONTNEED)
    return batch
