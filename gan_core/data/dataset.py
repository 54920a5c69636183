"""What a source becomes, whose its images are, and parts of it that share no patient."""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gan_core.errors import UserError
from gan_core.grades import KL_GRADE, called, grades

_SIDE = re.compile(r"(?P<patient>.*\d)[ _-]?(?:L|R|LEFT|RIGHT)(?:[ _-].*)?", re.IGNORECASE)
_COHORT = re.compile(r"(?P<patient>9\d{6}|M[BI]\d{5})(?!\d).*", re.IGNORECASE)  # of the OAI and of MOST


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
    sides: tuple[str, ...] = ()  # of the body that each image is of: "R", "L", or "" where that is not known
    mm: tuple[float, ...] = ()  # a pixel's side in each image, in mm; NaN where it is not known

    def __post_init__(self) -> None:
        if len(self.patients) != len(self.files):
            object.__setattr__(self, "patients", patients(self.files))
        if len(self.sides) != len(self.files):
            object.__setattr__(self, "sides", ("",) * len(self.files))
        if len(self.mm) != len(self.files):
            object.__setattr__(self, "mm", (math.nan,) * len(self.files))

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


# -- patients ---------------------------------------------------------------------------------------------------------


def patient(file: str) -> str:
    """Whose a file is, as far as its name says: "patient 9000099" of 9000099L.png, 9000099_R.png, MB00002_LEFT.dcm or
    9000099/V00/001; else the file stands alone. Slices of one file ("scan.dcm#3") belong together."""
    file = re.sub(r"#\d+$", "", file)
    path = PurePosixPath(file)
    if found := _COHORT.fullmatch(path.stem) or _SIDE.fullmatch(path.stem):
        return f"patient {found['patient']}"
    folder = next((part for part in reversed(path.parts[:-1]) if _COHORT.fullmatch(part)), None)
    return f"patient {folder}" if folder else f"file {file}"


def patients(files: Iterable[str]) -> tuple[str, ...]:
    """`patient` of each."""
    return tuple(map(patient, files))


def about_patients(owners: Sequence[str], known_from: Collection[str]) -> str:
    """What is known of whose the images are, in a sentence. `known_from` is where from, of all of them."""
    known = [owner for owner in owners if owner.startswith("patient ")]
    if not known:
        return "No patients are known: each file counts as a patient of its own."
    alone = len(owners) - len(known)
    rest = f"; {alone:,} images name none and count as patients of their own" if alone else ""
    return f"Patients: {len(set(known)):,}, from {' and '.join(sorted(filter(None, known_from)))}{rest}."


def split_by_patient(
    patients: Sequence[str], fraction: float, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of images in two parts, (rest, held out), each ascending; the second has `fraction` of the patients.

    `patients` says whose each image is. The parts depend on them and the seed, not on the order of the images. Each
    part has at least one patient.

    Raises:
        UserError: if the fraction is not between 0 and 1, or there are fewer than two patients.
    """
    if not 0 < fraction < 1:
        raise UserError(f"A split needs a fraction between 0 and 1, not {fraction}.")
    whose = np.array(patients)
    different = np.unique(whose)
    if len(different) < 2:
        raise UserError(f"{len(patients)} images of {len(different)} patient cannot be split by patient; add more.")
    held = np.clip(round(fraction * len(different)), 1, len(different) - 1)
    chosen = np.random.default_rng(seed).permutation(different)[:held]
    inside = np.isin(whose, chosen)
    return np.flatnonzero(~inside), np.flatnonzero(inside)
