"""Which images an export is made of: their seeds, their classes, and the names of their files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.grades import KL_GRADE
from gan_core.latent import own_labels
from gan_core.model import ModelConfig
from gan_core.seeds import MAX_SEED
from studio import command

MOST = 100_000
BALANCED, AS_TRAINED = "balanced", "training"
DICOM = "dicom"  # the folder of DICOM's own: whoever sends it to an archive stops at a file that is none
Format = Literal["png", "datasets", "dicom"]


class About(NamedTuple):
    """What a format is called and said to be, on the page and in the data card, and where its files lie."""

    title: str
    said: str
    card: str
    root: str = ""
    suffix: str = "png"


FORMATS: dict[Format, About] = {
    "png": About(
        "Pictures",
        "PNG in a folder for each class. Opens anywhere; torchvision's ImageFolder reads it as it is.",
        "8-bit gray PNG, a folder for each class (torchvision's `ImageFolder` reads it as it is)",
    ),
    "datasets": About(
        "Training set",
        "The layout of Hugging Face datasets: PNG, a table and a data card, to be loaded or uploaded.",
        "8-bit gray PNG, laid out for Hugging Face `datasets`: `load_dataset(FOLDER)`, or by name from the Hub",
        root="data/train/",
    ),
    "dicom": About(
        "DICOM",
        "Secondary Capture for a viewer or an archive: no patient, no date, marked as synthetic in the standard's own "
        "terms. How large a pixel is in millimetres is not known.",
        "DICOM Secondary Capture, 8-bit MONOCHROME2, Explicit VR Little Endian, below `dicom` by class",
        root=f"{DICOM}/",
        suffix="dcm",
    ),
}
# Names that Windows keeps for devices, whatever follows them.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10))}


class ExportRequest(Settings):
    """What to export."""

    model: str = Field(min_length=1, max_length=1000)  # a model folder, a shipped model or a run
    n: int = Field(ge=1, le=MOST)
    format: Format = "png"
    classes: str = Field(BALANCED, min_length=1, max_length=20_000)  # or AS_TRAINED, a class, or "0=100,4=300"
    seed: int = Field(0, ge=0, le=MAX_SEED)  # of the first image; the others follow
    truncation: float = Field(1.0, ge=0, le=1)
    reference: str = Field("", max_length=1000)  # the training images, for the nearest-patient check
    drop_near: bool = False
    zip: bool = False


@dataclass(frozen=True)
class Plan:
    """The images, in the order in which they are made."""

    seeds: range
    classes: NDArray[np.int64]  # [N], an index each; -1 where the model has no classes
    names: tuple[str, ...]  # of the classes that the indices stand for; () where there are none
    folders: tuple[str, ...]  # one a class, or the one of a model without
    stem: str  # of each file's name, before its seed
    short: str  # what a class is called in a file's name: "kl"
    format: Format

    def __len__(self) -> int:
        return len(self.seeds)

    def class_name(self, i: int) -> str:
        """The class asked for in image `i`; "" where the model has none."""
        return self.names[self.classes[i]] if self.names else ""

    def path(self, i: int) -> str:
        """The file of image `i` inside the export, with forward slashes."""
        folder = self.folders[self.classes[i]]
        asked = f"_{self.short}{folder}" if self.names else ""
        about = FORMATS[self.format]
        return f"{about.root}{folder}/{self.stem}_seed{self.seeds[i]:06d}{asked}.{about.suffix}"

    def count(self) -> dict[str, int]:
        """How many images of each class, in the model's order; {} where it has none."""
        found = Counter(self.classes.tolist())
        return {name: found[i] for i, name in enumerate(self.names) if found[i]}


def plan(request: ExportRequest, config: ModelConfig, model_name: str) -> Plan:
    """Each image has a seed of its own. Raises `UserError` where the model cannot make what is asked for."""
    if request.seed + request.n - 1 > MAX_SEED:
        raise UserError(f"The largest seed is {MAX_SEED:,}: start at a smaller one.")
    seeds = range(request.seed, request.seed + request.n)
    names = config.class_names
    return Plan(
        seeds,
        _classes(request, config, seeds),
        names,
        class_folders(names) or ("images",),
        f"synthetic_{safe(model_name) or 'model'}",
        "kl" if config.label_name == KL_GRADE else safe(config.label_name).lower() or "class",
        request.format,
    )


def _classes(request: ExportRequest, config: ModelConfig, seeds: range) -> NDArray[np.int64]:
    names, n = config.class_names, request.n
    if not names:
        if request.classes not in (BALANCED, AS_TRAINED):
            raise UserError("This model was trained without labels: it cannot be asked for classes.")
        return np.full(n, -1)
    if request.classes == BALANCED:
        return np.arange(n) % len(names)
    if request.classes == AS_TRAINED:
        return own_labels(seeds, config.class_shares).numpy()
    counts = asked_counts(request.classes, names) if request.classes not in names else {request.classes: n}
    if (total := sum(counts.values())) != n:
        raise UserError(f"The classes asked for add up to {total:,} images, not to {n:,}.")
    numbers = list(counts.values())
    # Each class is spread over the whole, so that any beginning of it is like all of it.
    places = np.concatenate([(np.arange(m) + 0.5) / m for m in numbers])
    return np.repeat([names.index(name) for name in counts], numbers)[np.argsort(places, kind="stable")]


def asked_counts(text: str, names: Sequence[str]) -> dict[str, int]:
    """ "0=100,4=300" as {"0": 100, "4": 300}. Raises `UserError` where it is no such list of these classes."""
    counts: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = (word.strip() for word in part.rpartition("="))
        if not equals or not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise UserError(
                f"{text[:80]!r} does not ask for classes: write {BALANCED}, {AS_TRAINED}, a class, or 0=100,4=300."
            )
        if name not in names:
            raise UserError(f"This model has no class {name[:80]!r}. It has: {', '.join(names)}.")
        if name in counts:
            raise UserError(f"The class {name} is asked for twice.")
        counts[name] = int(number)
    return counts


def safe(text: str) -> str:
    """`text` as part of a file's name on any system; "" where nothing of it can be kept."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text)[:40].strip("-")


def class_folders(names: Sequence[str]) -> tuple[str, ...]:
    """A folder's name for each class, no two alike even where capitals are not told apart."""
    folders: list[str] = []
    taken = set(_RESERVED)
    for i, name in enumerate(names):
        folder = safe(name) or "class"
        if folder.lower() in taken:
            folder = f"{folder}-{i}"
        while folder.lower() in taken:
            folder += "-"
        taken.add(folder.lower())
        folders.append(folder)
    return tuple(folders)


def name_of(model: str, folder: Path) -> str:
    """What a model is called in files: as it was asked for, or of a path the folder's name, or its run's."""
    if not Path(model).exists():
        return model
    folder = folder.resolve()
    if folder.name == "generator":
        return folder.parent.name
    return f"{folder.parent.name}-best" if folder.name == "generator-best" else folder.name


def command_line(request: ExportRequest, out: str, *, places: bool = True) -> str:
    """The command that exports the same; without `places`, paths of this machine are cut short."""
    asked = request.model_dump(exclude_defaults=True)
    first = {"model": asked["model"], "n": asked["n"], "out": out}
    return command.command_line("export", places=places, **(first | asked))
