"""A whole film with its knees, and the table of crops that keeps what was found and what a person has put right."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gan_core.data.decode import Unusable
from gan_core.data.source import File
from gan_core.errors import UserError, why
from gan_core.files import replacing
from studio.data.tables import MAX_TABLE_BYTES, as_it_is, read_rows
from studio.knee.localizer import Knee

TABLE = "crops.csv"
COLUMNS = (
    *("file", "knee", "x", "y", "side_px", "angle", "side", "side_from", "mm", "mm_from", "confidence", "use", "why"),
    *("remark", "width", "height", "crop", "class", "patient", "split"),
)
_MOST_KNEES = 16  # of a film
_MOST_PIXELS = 100_000.0  # of a length
_YES, _NO = "yes", "no"


@dataclass(frozen=True)
class Film:
    """A film and its knees. All but `pixels` is known without its being decoded again."""

    name: str  # of its file; "#3" behind it of the fourth of several images in one file
    knees: tuple[Knee, ...] = ()  # from left to right as found; in a person's order as put right
    size: tuple[int, int] = (0, 0)  # width and height in pixels
    spacing: float | None = None  # a pixel's side in mm, or None where it is not known
    spacing_from: str = ""  # where that is from: "Pixel Spacing", ...
    said: str = ""  # the side that the file says, "R" or "L"
    remark: str = ""  # what a person should know of all that, in sentences
    reason: str = ""  # why none of its knees becomes an image
    unused: frozenset[int] = frozenset()  # the numbers of knees that a person has left out
    by_hand: bool = False  # whether its knees are as a person has put them right
    file: File = field(default_factory=lambda: File(""), compare=False)  # with class, split and patient
    decode: Callable[[], NDArray[np.uint8]] | None = field(default=None, compare=False, repr=False)

    @property
    def used(self) -> list[Knee]:
        """The knees that become images."""
        return [knee for i, knee in enumerate(self.knees) if i not in self.unused]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """[H, W], bone bright; decoded each time it is asked for. Raises `UserError` where that is not possible."""
        if self.decode is None:
            raise UserError(f"{self.name} is known from a table alone, without its image.")
        try:
            return self.decode()
        except (Unusable, OSError) as e:
            raise UserError(f"{self.name} cannot be shown: {e}.") from e

    def side_from(self, knee: Knee) -> str:
        """Where a knee's side is from, in two words; "" where it has none."""
        if not knee.side or self.by_hand:
            return "a person" if self.by_hand else ""
        return "the file" if self.said and len(self.knees) == 1 else "the picture"

    def class_of(self, knee: Knee) -> str | None:
        """A knee's class, "" for none; None where the film's other knee alone has one."""
        parts = self.file.parts
        if not parts:
            return self.file.label or ""
        if len(parts) == len(self.knees) == 1:  # no other can be meant
            return next(iter(parts.values()))
        return parts.get(knee.side)

    def put_right(self, knees: Iterable[Knee], unused: Iterable[int] = ()) -> Film:
        """The film with its knees as a person has them."""
        return replace(self, knees=tuple(knees), unused=frozenset(unused), remark="", reason="", by_hand=True)


def write_table(path: Path, films: Iterable[Film], crops: Mapping[tuple[str, int], str] | None = None) -> None:
    """Writes a table of crops: a row for each knee, and one for each film without any.

    Args:
        crops: the names of the images that were cut out, by film and number of the knee.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, COLUMNS, restval="")
        writer.writeheader()
        for film in films:
            about = {
                "file": film.name,
                "why": film.reason,
                "remark": film.remark,
                "width": film.size[0] or "",
                "height": film.size[1] or "",
                "patient": film.file.patient.removeprefix("patient ").removeprefix("file "),
                "split": film.file.split,
            }
            if not film.knees:
                writer.writerow(about)
            for i, knee in enumerate(film.knees):
                box = {k: f"{getattr(knee, k):.2f}" for k in ("x", "y", "side_px", "angle")}
                about |= {
                    **box,
                    "knee": i,
                    "side": knee.side,
                    "side_from": film.side_from(knee),
                    "mm": f"{knee.mm:.6g}" if knee.mm else "",
                    "mm_from": film.spacing_from if knee.mm else "",
                    "confidence": f"{knee.confidence:.3f}",
                    "use": _NO if i in film.unused else _YES,
                    "crop": (crops or {}).get((film.name, i), ""),
                    "class": film.class_of(knee) or "",
                }
                writer.writerow(about)


def read_table(path: Path) -> dict[str, Film]:
    """The films of a table of crops by name, without their pixels.

    A column `use` says "no" of a knee that is not to be used. Of a film without a knee there is a row without a box.

    Raises:
        UserError: if it is no such table, or one of its boxes is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TABLE_BYTES + 1)
    except OSError as e:
        raise UserError(f"The table of crops {path.name} cannot be read: {why(e)}.") from e
    if len(content) > MAX_TABLE_BYTES:
        raise UserError(f"{path.name} is larger than {MAX_TABLE_BYTES // 2**20} MiB: it is no table of crops.")
    rows = read_rows(content, path.name, as_it_is)
    if rows and not {"file", "x", "y", "side_px"} <= rows[0].keys():
        raise UserError(f"{path.name} is no table of crops: it needs the columns file, x, y and side_px.")
    films: dict[str, Film] = {}
    for row in rows:
        film = films.setdefault(row.get("file") or "", Film(row.get("file") or "", remark=row.get("remark") or ""))
        if not row.get("x") and not row.get("y"):
            continue
        if len(film.knees) == _MOST_KNEES:
            raise UserError(f"{path.name} has more than {_MOST_KNEES} knees on {film.name[:100]}.")
        left_out = {len(film.knees)} if row.get("use", "").casefold() in (_NO, "0", "false", "n") else set()
        films[film.name] = replace(film, knees=(*film.knees, _knee(row, path.name)), unused=film.unused | left_out)
    return films


def _knee(row: Mapping[str, str], where: str) -> Knee:
    def number(column: str, low: float, high: float, usual: float | None = None) -> float:
        text = row.get(column) or ""
        try:
            value = (
                float(text.replace(",", ".")) if text or usual is None else usual
            )  # a spreadsheet's, in some countries
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise UserError(
                f"{where} has {text[:40]!r} in the column {column} of {row['file'][:100]}; "
                f"write a number from {low:g} to {high:g}."
            )
        return value

    side = (row.get("side") or "").upper()[:1]
    return Knee(
        x=number("x", -_MOST_PIXELS, _MOST_PIXELS),
        y=number("y", -_MOST_PIXELS, _MOST_PIXELS),
        side_px=number("side_px", 1, _MOST_PIXELS),
        angle=number("angle", -180, 180, 0.0),
        side=side if side in ("R", "L") else "",
        confidence=number("confidence", 0, 1, 1.0),
        mm=number("mm", 1e-4, 100) if row.get("mm") else None,
    )
