"""How far the outline and its figures can be believed: `python benchmarks/outline.py --data knees/val --others data`.

On phantoms that it has not learnt from, whose truth is known: the mean absolute error and the correlation. On real
knees of patients that it has not learnt from, in standard deviations among them (half of the distance from the 16th
percentile to the 84th): how much a figure changes with the exposure, how far it is off when the picture is shifted,
turned and scaled by known amounts, and its mean by KL grade. Then: how often a knee is declined, how often something
else is not, and the time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import studio  # noqa: E402, F401
from gan_core import data  # noqa: E402
from gan_core.augment import augment  # noqa: E402
from gan_core.images import to_float, to_uint8  # noqa: E402
from studio.knee.joint_space import joint_space  # noqa: E402
from studio.knee.phantom import PhantomParams, render, sample_params  # noqa: E402
from studio.knee.readings.edges_train import moved  # noqa: E402
from studio.knee.readings.outline import FIGURES, Outline, outline, read  # noqa: E402

FIRST = 9_000_000  # seed of the phantoms
SHIFT, TURN, SCALE = (1 / 32, 1 / 64), 5.0, 1.08  # shares of the side (x, y), whole pixels; degrees
Array = NDArray[np.float64]


def truth(knees: list[PhantomParams]) -> dict[str, Array]:
    """What phantoms have of `FIGURES`, lengths in mm, positions in percent of the side."""

    def of(name: str) -> Array:
        return np.array([getattr(p, name) for p in knees])

    out = {
        "medial_space": of("jsw_medial_mm"),
        "lateral_space": of("jsw_lateral_mm"),
        "tilt": of("jsw_lateral_mm") - of("jsw_medial_mm"),
        "rotation": of("rotation_deg"),
        "size": 80 * of("size"),
        "position_lateral": of("offset_lateral_mm") / of("field_mm") * 100,
        "position_distal": 50 + of("offset_distal_mm") / of("field_mm") * 100,
    }
    for part in ("medial", "lateral"):
        spurs = [of(f"osteophyte_{bone}_{part}_mm") for bone in ("femur", "tibia")]
        out |= {f"osteophytes_{part}": np.mean(spurs, 0), f"sclerosis_{part}": of(f"sclerosis_{part}")}
    return out


def difference(a: Outline, b: Outline, due: dict[str, Array | float], times: float = 1.0) -> dict[str, Array]:
    """How far each figure of `b` is from that of `a`, `times` it, and what is due."""
    return {n: b.figures[n] - a.figures[n] * (times if n == "size" else 1) - due.get(n, 0.0) for n in FIGURES}


def main(
    source: Annotated[str, typer.Option("--data", help="Knees with a folder for each KL grade, sides in their names.")],
    others: Annotated[Path, typer.Option(help="A folder with folders of pictures without knees.")],
    resolution: Annotated[int, typer.Option(min=64, max=256)] = 128,
    count: Annotated[int, typer.Option(min=10, help="Phantoms.")] = 500,
) -> None:
    """Measure the outline."""
    torch.set_num_threads(1)
    knees = [sample_params(FIRST + i, i % 5) for i in range(count)]
    made = outline(render(knees, resolution), np.array([p.mm_per_pixel(resolution) for p in knees]))
    true = truth(knees)

    films = data.load(source, resolution)
    named = np.array([Path(f).stem[-1] for f in films.files])
    plain = outline(films.images)
    x, n = to_float(films.images), len(films.images)
    sign = np.where(plain.side == "L", 1.0, -1.0)
    torch.manual_seed(0)
    exposed = outline(to_uint8(augment(x, ("exposure",)).clamp(-1, 1)))

    def again(turn: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Outline:
        each = (torch.full((n,), turn), torch.full((n,), scale), torch.tensor(shift).expand(n, 2))
        return outline(to_uint8(moved(x, torch.zeros(n, 6, 2, 3), *each)[0]))

    wide, distal = plain.figures["position_lateral"], plain.figures["position_distal"] - 50
    radians = np.deg2rad(TURN)
    changes = {
        "exposed": difference(plain, exposed, {}),
        "shifted": difference(
            plain, again(shift=SHIFT), {"position_lateral": 100 * SHIFT[0] * sign, "position_distal": 100 * SHIFT[1]}
        ),
        "turned": difference(
            plain,
            again(turn=TURN),
            {
                "rotation": TURN * sign,
                "position_lateral": (np.cos(radians) - 1) * wide - np.sin(radians) * distal * sign,
                "position_distal": (np.cos(radians) - 1) * distal + np.sin(radians) * wide * sign,
            },
        ),
        "scaled": difference(
            plain,
            again(scale=SCALE),
            {"position_lateral": (SCALE - 1) * wide, "position_distal": (SCALE - 1) * distal},
            SCALE,
        ),
    }
    grades = range(len(films.class_names))
    print(f"{n} films of {resolution} pixels, {count} phantoms\n")
    print("| | unit | phantom: error | r | among films | exposed | shifted | turned | scaled | ", end="")
    print(" | ".join(f"KL {g}" for g in grades) + " | with the grade |")
    print("|---|---|" + "---:|" * (8 + len(grades)))
    for name, figure in FIGURES.items():
        values = plain.figures[name]
        low, high = np.nanpercentile(values, (16, 84))
        spread, there = (high - low) / 2, np.isfinite(values)
        cells = ["", ""]
        if name in true:
            a, b = made.figures[name], true[name]
            known = np.isfinite(a)
            error = np.abs(a - b)[known].mean()
            cells = ["" if name.startswith("scl") else f"{error:.2f}", f"{np.corrcoef(a[known], b[known])[0, 1]:.2f}"]
        cells.append(f"{np.nanmean(values):.2f} ± {spread:.2f}")
        cells += [f"{np.nanmean(np.abs(change[name])) / spread:.2f}" for change in changes.values()]
        middle = np.nanmean(values)
        cells += [f"{(np.nanmean(values[films.labels == g]) - middle) / spread:+.2f}" for g in grades]
        cells.append(f"{spearmanr(values[there], films.labels[there]).statistic:+.2f}")
        print(f"| {figure.name} | {figure.unit} | " + " | ".join(cells) + " |")

    found = joint_space(films.images)
    medial, lateral = found.medial_lateral(plain.side)
    width = plain.figures["size"] / 100 * resolution
    print("\n`joint_space` and this, in percent of the plateau's width:")
    for name, other in (("medial_space", medial), ("lateral_space", lateral)):
        a, b = plain.figures[name], 100 * other / width
        both = np.isfinite(a) & np.isfinite(b)
        print(f"  {name}: r {np.corrcoef(a[both], b[both])[0, 1]:.2f}, apart {np.abs(a - b)[both].mean():.2f}")

    seen = plain.found
    print(f"\nThe side is right in {np.mean(plain.side[seen] == named[seen]):.1%} of the films with an outline.")
    print(f"Declined: {np.mean(~seen):.1%} of the films, {np.mean(~made.found):.1%} of the phantoms.")
    print("  by grade: " + ", ".join(f"{np.mean(~seen[films.labels == g]):.1%}" for g in grades))
    for folder in sorted(others.iterdir()):
        images = data.load(str(folder), resolution).images[1::2]
        print(f"Taken for a knee: {int(outline(images).found.sum())} of {len(images)} of {folder.name}")
    for cells_across in (3, 6, 12, 24, 48, resolution):
        noise = torch.randn(200, 1, cells_across, cells_across, generator=torch.Generator().manual_seed(cells_across))
        images = to_uint8(F.interpolate(noise, (resolution, resolution), mode="bicubic") * 0.4)
        print(f"Taken for a knee: {int(outline(images).found.sum())} of 200 of noise, {cells_across} cells across")
    start = time.perf_counter()
    read(films.images[:256])
    print(f"\n{(time.perf_counter() - start) / min(n, 256) * 1000:.1f} ms a picture, one thread")


if __name__ == "__main__":
    typer.run(main)
