"""What an outline's figures are worth: their error, and how they are spread among real knees of each grade.

The numbers were measured once (`studio/knee/readings/reference_table.py`) and lie beside the network's weights.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError, model_validator

from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.model import TENSORS
from studio.knee.readings.edges import FOLDER
from studio.knee.readings.outline import LENGTHS

FILE = "reference.json"
PERCENTS = (0, 1, 2, *range(5, 100, 5), 98, 99, 100)


class Level(Settings):
    """Of pictures of one resolution, in the units of `outline.FIGURES`."""

    errors: dict[str, float]  # one standard error of a figure
    spread: dict[str, tuple[tuple[float, ...], ...]]  # of `LENGTHS`: for each grade the values at `PERCENTS`


class Reference(Settings):
    """What `reference.json` holds."""

    format: int = Field(1, ge=1, le=1)
    edges: str  # `digest` of the network by which it was measured
    data: str  # the real knees
    grades: tuple[str, ...]
    counts: tuple[int, ...]  # knees of each grade
    levels: dict[int, Level]  # by resolution

    @model_validator(mode="after")
    def _whole(self) -> Reference:
        shape = (len(self.grades), len(PERCENTS))
        each = [np.shape(level.spread[name]) for level in self.levels.values() for name in LENGTHS]
        if not each or any(one != shape for one in each) or len(self.counts) != len(self.grades):
            raise ValueError("its tables have other sizes than its grades")
        return self

    def level(self, resolution: int) -> Level:
        """What was measured at this resolution, or at the next lower one."""
        return self.levels[max((r for r in self.levels if r <= resolution), default=min(self.levels))]

    def places(self, name: str, value: float, resolution: int) -> tuple[int, ...]:
        """How many of 100 real knees of each grade have less of one of `LENGTHS` than `value`."""
        grades = self.level(resolution).spread[name]
        return tuple(round(float(np.interp(value, values, PERCENTS))) for values in grades)


def digest(folder: Path = FOLDER) -> str:
    """The weights of an edge network, in 16 hexadecimal digits."""
    return hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()[:16]


@cache
def load_reference(folder: Path = FOLDER) -> Reference:
    """The table beside an edge network. Raises `UserError` where there is none, or one of other weights."""
    path = folder / FILE
    try:
        found = Reference.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, KeyError) as e:
        raise UserError(f"{path.name} of {folder.name} cannot be read. Get the program's files again.") from e
    if found.edges != digest(folder):
        raise UserError(f"{path.name} of {folder.name} was measured with other weights: make it anew.")
    return found
