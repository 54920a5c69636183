"""How `reference.json` is made: python -m studio.knee.readings.reference_table --data knees/train

How the figures are spread among real knees of each grade, and their errors. An error has two parts: how far a figure is
off on phantoms, whose truth is known, and how far it changes on real films that are exposed otherwise, shifted, turned
and scaled by known amounts. Both are root mean squares, and so is what stands in the table, over both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from gan_core import data
from gan_core.augment import augment
from gan_core.files import write_text
from gan_core.images import to_float, to_uint8
from studio.knee.phantom import PhantomParams, render
from studio.knee.readings.edges import FOLDER
from studio.knee.readings.edges_train import independent, moved
from studio.knee.readings.outline import FIGURES, LENGTHS, outline
from studio.knee.readings.reference import FILE, PERCENTS, Level, Reference, digest

RESOLUTIONS = (64, 128, 256)
FIRST, PHANTOMS = 9_000_000, 500  # seed of the phantoms, none of which the network has seen; and their number
AGAIN = 6  # each so many-th film is also changed
SHIFT, TURN, SCALE = (1 / 32, 1 / 64), 5.0, 1.08  # shares of the side (x, y), whole pixels; degrees
_SURFACE_MM, _WIDTH_MM = 80, 81  # across the plateau's surface, and at its margins just below, where it is measured

Figures = dict[str, NDArray[np.float64]]


def truth(phantoms: list[PhantomParams]) -> Figures:
    """`FIGURES` of phantoms as they were drawn, each [N]."""

    def of(name: str) -> NDArray[np.float64]:
        return np.array([getattr(p, name) for p in phantoms])

    width = _WIDTH_MM * of("size")
    mm = {"medial_space": of("jsw_medial_mm"), "lateral_space": of("jsw_lateral_mm")}
    mm["tilt"] = mm["lateral_space"] - mm["medial_space"]
    out = {name: 100 * value / width for name, value in mm.items()}
    for part in ("medial", "lateral"):
        spurs = [of(f"osteophyte_{bone}_{part}_mm") for bone in ("femur", "tibia")]
        out[f"osteophytes_{part}"] = 100 * np.mean(spurs, 0) / _SURFACE_MM
    return out | {"rotation": of("rotation_deg"), "size": 100 * width / of("field_mm")}


def again(images: NDArray[np.uint8]) -> dict[str, Figures]:
    """How far the figures of real films [N, 1, R, R] are off once these are changed in a known way."""
    n, x, plain = len(images), to_float(images), outline(images)
    lines = torch.zeros(n, 6, 2, 3)

    def posed(turn: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.uint8]:
        return to_uint8(
            moved(x, lines, torch.full((n,), turn), torch.full((n,), scale), torch.tensor(shift).expand(n, 2))[0]
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exposed = to_uint8(augment(x, ("exposure",)).clamp(-1, 1))
    due = {name: {**plain.figures} for name in ("exposed", "shifted", "turned", "scaled")}
    due["turned"]["rotation"] = plain.figures["rotation"] + TURN * np.where(plain.side == "L", 1, -1)
    due["scaled"]["size"] = plain.figures["size"] * SCALE
    changed = (exposed, posed(shift=SHIFT), posed(turn=TURN), posed(scale=SCALE))
    out: dict[str, Figures] = {}
    for (name, told), pictures in zip(due.items(), changed, strict=True):
        figures = outline(pictures).figures
        out[name] = {figure: figures[figure] - told[figure] for figure in FIGURES}
    return out


def level(films: NDArray[np.uint8], labels: NDArray[np.integer], classes: int) -> Level:
    """What is measured at the resolution of films [N, 1, R, R]."""
    phantoms = [independent(FIRST + i) for i in range(PHANTOMS)]
    read, true = outline(render(phantoms, films.shape[-1])).figures, truth(phantoms)
    changes = again(films[::AGAIN])
    squares = {
        name: np.nanmean((read[name] - true[name]) ** 2)
        + np.nanmean([change[name] ** 2 for change in changes.values()])
        for name in FIGURES
    }
    figures = outline(films).figures
    return Level(
        errors={name: round(float(square) ** 0.5, 3) for name, square in squares.items()},
        spread={
            name: tuple(
                tuple(np.nanpercentile(figures[name][labels == grade], PERCENTS).round(2).tolist())
                for grade in range(classes)
            )
            for name in LENGTHS
        },
    )


def main(
    source: Annotated[str, typer.Option("--data", help="Real knees, a folder for each grade.")],
    out: Annotated[Path, typer.Option(help="The edge network's folder.")] = FOLDER,
) -> None:
    """Measure real knees and phantoms, and write the table."""
    levels = {}
    for resolution in RESOLUTIONS:
        films = data.load(source, resolution)
        levels[resolution] = level(films.images, films.labels, len(films.class_names))
    found = Reference(
        edges=digest(out),
        data=films.name,
        grades=films.class_names,
        counts=tuple(np.bincount(films.labels, minlength=len(films.class_names)).tolist()),
        levels=levels,
    )
    write_text(out / FILE, json.dumps(found.model_dump(mode="json"), separators=(",", ":")) + "\n")
    for resolution, one in levels.items():
        print(f"{resolution} pixels: " + ", ".join(f"{name} ± {error:.2f}" for name, error in one.errors.items()))


if __name__ == "__main__":
    typer.run(main)
