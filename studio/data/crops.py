"""The knees of whole films: found once, put right by people, cut out as images.

`look` says which knees are on each film of a source. A source read with `crop=knees` gives an image a knee instead of
one a film; with `crop=PATH` the boxes are those of a table of crops that a person has put right, and of films that it
does not name those that are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gan_core.data.cache import Progress
from studio.knee.localizer import Knee

NO_KNEE = "no knee was found"


@dataclass(frozen=True)
class Film:
    """A film and its knees. All but `pixels` is known without its being decoded again."""

    name: str  # of its file; "#3" behind it of the fourth of several images in one file
    knees: tuple[Knee, ...] = ()  # from left to right as found; those drawn by a person behind them
    size: tuple[int, int] = (0, 0)  # width and height in pixels
    spacing: float | None = None  # a pixel's side in mm, or None where it is not known
    spacing_from: str = ""  # where that is from: "Pixel Spacing", ...
    said: str = ""  # the side that the file says, "R" or "L"
    remark: str = ""  # what contradicts itself, in a sentence
    reason: str = ""  # why there is no knee
    unused: frozenset[int] = frozenset()  # the numbers of knees that a person has left out
    decode: Callable[[], NDArray[np.uint8]] | None = None  # None of a film that is known from a table alone

    @property
    def used(self) -> list[Knee]:
        """The knees that become images."""
        return [knee for i, knee in enumerate(self.knees) if i not in self.unused]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """[H, W], bone bright; decoded each time it is asked for. Raises `UserError` where that is not possible."""
        raise NotImplementedError


def look(source: str, progress: Progress | None = None, cache_dir: Path | None = None) -> Iterator[Film]:
    """Each film of a source in its order, with its knees: as the table of `?crop=PATH` has them, else as found.

    Films that were looked at before come at once. Files that cannot be read come with their reason and no knee.

    Raises:
        UserError: if the source is missing or refused.
    """
    raise NotImplementedError


def write_table(path: Path, films: Iterable[Film]) -> None:
    """Writes crops.csv: a row a knee, and one of each film without a knee."""
    raise NotImplementedError


def read_table(path: Path) -> dict[str, Film]:
    """The films of a crops.csv by name, without pixels.

    Raises:
        UserError: if it is no such table.
    """
    raise NotImplementedError
