"""The anatomy panel: what the outline of one picture draws and tells, for a page, a route and a command alike.

Medial and lateral are told by the fibula. It describes pictures, real or synthetic; it is no diagnosis.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from studio.knee import marks
from studio.knee.readings.outline import FIGURES, LENGTHS, Array, in_mm, outline
from studio.knee.readings.reference import load_reference

NOT_FOUND = "No knee's joint is made out in this picture, so nothing is drawn or measured."
NOT_FOR_DIAGNOSIS = "Read by a small network, not by a reader: not for diagnosis."
# Of osteophytes only the place among real knees is told: the network learnt their size on phantoms, and in real knees
# without any it still sees some.
_TOLD = ("medial_space", "lateral_space", "tilt")
_COLOURS = {"femur": "#67e8f9", "tibia": "#fde047", "margins": "#86efac", "calipers": "#fb7185", "joint line": "#fff"}
_LETTER = 7  # its size, less than on a small crop
LEGEND = {
    "condyles": _COLOURS["femur"],
    "plateau": _COLOURS["tibia"],
    "margins": _COLOURS["margins"],
    "joint space": _COLOURS["calipers"],
    "joint line": _COLOURS["joint line"],
}


@dataclass(frozen=True)
class Figure:
    """A line of the panel."""

    name: str
    value: str  # with its error, such as "4.2 ± 0.4 mm"; "" where only its place is told
    places: tuple[int, ...]  # of 100 real knees of each of `Panel.grades`, how many have less


@dataclass(frozen=True)
class Panel:
    """What the panel says of one picture. Without a joint there are a sentence, `told`, and the marks."""

    found: bool
    side: str  # "L", "R" or ""
    drawing: str  # what is inside an SVG of the picture's place whose viewBox is 0 0 100 100
    told: str  # sentences
    figures: tuple[Figure, ...] = ()
    grades: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()  # real knees of each grade

    @property
    def columns(self) -> list[str]:
        """Heads of a table of the figures."""
        return ["", "this knee", *(f"KL {grade}" for grade in self.grades)]

    @property
    def rows(self) -> list[list[str]]:
        """Cells of a table of the figures."""
        return [[f.name, f.value, *(f"{place}%" for place in f.places)] for f in self.figures]

    @property
    def among(self) -> str:
        """What the places are."""
        of = ", ".join(f"KL {grade}: {count:,}" for grade, count in zip(self.grades, self.counts, strict=True))
        return f"Under a KL grade: how many real knees of that grade have less ({of})." if of else ""

    def to_json(self) -> dict[str, object]:
        """All of it, with the table, for a page's script."""
        return asdict(self) | {"columns": self.columns, "rows": self.rows, "among": self.among}


def panel(image: NDArray[np.uint8], mm: float | None = None, side: str = "") -> Panel:
    """The panel of a picture [R, R], its outline and figures.

    Args:
        image: R from 64 up.
        mm: a pixel's side, in the plane of the knee; None where it is not known.
        side: "R" or "L" where a film says so; else the fibula says it.

    Raises:
        UserError: if it is not square or smaller than 64 pixels, or the program's weights are not there.
    """
    size = image.shape[-1]
    seen, reference = outline(np.array(image)[None, None]), load_reference()  # PyTorch takes no read-only array
    across = mm * size if mm and np.isfinite(mm) and mm > 0 else None
    known = side if side in ("R", "L") else str(seen.side[0])
    framed = marks.drawn(known, across, _LETTER)
    if not seen.found[0]:
        return Panel(False, known, framed, NOT_FOUND)
    figures, errors = seen.figures, reference.level(size).errors
    scaled = figures if across is None else in_mm(figures, across)
    unit = "%" if across is None else " mm"
    plateau = float(scaled["size"][0])
    errors = errors | {name: errors[name] * (plateau / 100 if across else 1) for name in _TOLD}

    def value(name: str) -> str:
        read = float(scaled[name][0])
        shown = f"{read:+.1f}" if name == "tilt" else f"{max(read, 0.0):.1f}"  # edges that cross are a closed space
        return f"{shown} ± {errors[name]:.1f}{unit}"

    lines = tuple(
        Figure(
            FIGURES[name].name,
            value(name) if name in _TOLD else "",
            reference.places(name, float(figures[name][0]), size),
        )
        for name in LENGTHS
    )
    turn = float(figures["rotation"][0])
    rotation = FIGURES["rotation"]
    sentences = [
        f"Lengths are in mm; the plateau is {plateau:.0f} mm wide."
        if across
        else f"Lengths are in percent of the plateau's width, as the scale is not known; the plateau takes "
        f"{plateau:.0f}% of the picture's width.",
        f"The joint line is turned by {abs(turn):.1f}° ± {errors['rotation']:.1f}°, "
        f"{rotation.high if turn > 0 else rotation.low}.",
    ]
    if known != seen.side[0]:
        sentences.append(
            f"By the fibula this is a {marks.SIDES[str(seen.side[0])].lower()} knee, though the film says otherwise: "
            "medial and lateral may be the other way round."
        )
    labels = (f"{name} {value(f'{name}_space').split(' ±')[0]}{unit}" for name in ("medial", "lateral"))
    return Panel(
        True,
        known,
        _lines(seen.joint_line[0], "joint line", 'stroke-dasharray="1.5 1"')
        + "".join(
            _lines(edge, kind)
            for kind, edges in (("femur", seen.femur[0]), ("tibia", seen.tibia[0]), ("margins", seen.margins[0]))
            for edge in edges.reshape(-1, *edges.shape[-2:])
        )
        + "".join(_caliper(ends, label) for ends, label in zip(seen.calipers[0], labels, strict=True))
        + framed,
        " ".join(sentences),
        lines,
        reference.grades,
        reference.counts,
    )


def svg(image: NDArray[np.uint8], told: Panel) -> str:
    """A picture [R, R] with what the panel draws on it, as the text of an SVG file."""
    return marks.framed(image, told.drawing)


def _lines(points: Array, kind: str, more: str = "") -> str:
    """Points [P, 2] in shares as one path, on a dark ground so that it is seen on bright bone; NaN parts it."""
    path, pen = "", "M"
    for x, y in 100 * points:
        if np.isnan(x):
            pen = "M"
        else:
            path += f"{pen}{x:.2f} {y:.2f}"
            pen = "L"
    strokes = ('stroke="#000" stroke-width="1" stroke-opacity=".5"', f'stroke="{_COLOURS[kind]}" stroke-width=".45"')
    return "".join(f'<path d="{path}" fill="none" stroke-linejoin="round" {more} {stroke}/>' for stroke in strokes)


def _caliper(ends: Array, label: str) -> str:
    """A caliper between two points [2, 2], with a bar across each end and its words below it."""
    way = ends[1] - ends[0]
    length = float(np.hypot(*way))
    across = 0.018 * np.array([-way[1], way[0]]) / max(length, 1e-6)
    drawn = [ends, *(np.stack([end - across, end + across]) for end in ends)]
    x, y = 100 * ends[1]
    return "".join(_lines(part, "calipers") for part in drawn) + (
        f'<text x="{x:.2f}" y="{y + 6.5:.2f}" font-size="3.8" text-anchor="middle" {marks.text(0.7)}>{label}</text>'
    )
