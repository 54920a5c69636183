"""What a source becomes."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gan_core.data.names import patients
from gan_core.grades import KL_GRADE, called, grades


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
    patients: tuple[str, ...] = ()  # whose each image is: "patient 9000099", or "file a.png" where that is not known
    label_name: str = "class"  # what a class is, such as "KL grade"; "" where classes 0 to 4 may be grades
    said: tuple[str, ...] = ()  # how the source was understood, in sentences
    splits: tuple[str, ...] = ()  # of the source
    checksum: int = 0  # crc32 of the pixels

    def __post_init__(self) -> None:
        if len(self.patients) != len(self.files):
            object.__setattr__(self, "patients", patients(self.files))

    @property
    def about(self) -> str:
        """What a model that has learnt from it says of it; a model's training data is known again by this."""
        return f"{self.name}, {len(self.images):,} images"

    def named_as(self, class_names: tuple[str, ...]) -> Dataset:
        """The same with its grades called as `class_names` call them, where these are grades of other names: a model
        that learnt from folders such as "2Mild" before they were taken for grades calls its classes so."""
        by_grade = {g: name for name, g in (grades(class_names) or {}).items()}
        if self.label_name not in ("", KL_GRADE) or not set(self.class_names) <= by_grade.keys():
            return self
        return replace(self, class_names=tuple(by_grade[name] for name in self.class_names))

    def called(self, wanted: str) -> str:
        """What a class of these is called where the settings say `wanted`."""
        return called(self.label_name, wanted)


def take(images: NDArray[np.uint8], index: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A copy of the images at `index`, [len(index), 1, R, R]; of a memory map no page stays in this process's memory.

    Pages touched at random would otherwise add up to the whole array, until the system is short of memory.
    """
    batch = np.asarray(images[index])
    if isinstance(images.base, mmap.mmap) and hasattr(images.base, "madvise"):  # not on Windows
        images.base.madvise(mmap.MADV_DONTNEED)
    return batch
