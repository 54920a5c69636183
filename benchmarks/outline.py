"""How far the outline and its figures can be believed: `python benchmarks/outline.py --data knees/val --others chest`.

On phantoms that it has not learnt from, whose truth is known: the mean absolute error and the correlation. On real
knees of patients that it has not learnt from, in standard deviations among them (half of the distance from the 16th
percentile to the 84th): how much a figure changes with the exposure, how far it is off when the picture is shifted,
turned and scaled by known amounts, and its mean by KL grade. Then: narrow spaces, `joint_space` beside it, sclerosis,
which the network reads and the panel does not tell, how often a knee is declined, how often something else is not, and
the time.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
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
from gan_core.images import to_float, to_uint8  # noqa: E402
from studio.knee.joint_space import joint_space  # noqa: E402
from studio.knee.phantom import render  # noqa: E402
from studio.knee.readings.edges import WHOLE, load_edges, seen  # noqa: E402
from studio.knee.readings.edges_train import independent  # noqa: E402
from studio.knee.readings.outline import FIGURES, LENGTHS, in_mm, outline  # noqa: E402
from studio.knee.readings.reference_table import FIRST, again, truth  # noqa: E402

NARROW = (0.2, 0.5, 1.0, 2.0, 3.0)  # mm
UNITS = dict.fromkeys(LENGTHS, "% of the plateau") | {"rotation": "degrees", "size": "% of the side"}


def patches(images: NDArray[np.uint8], across: int = 4) -> NDArray[np.uint8]:
    """The images' squares, `across` to a side, in another order."""
    n, _, size, _ = images.shape
    parts = images.reshape(n, across, size // across, across, size // across).swapaxes(2, 3).reshape(n, across**2, -1)
    parts = parts[:, np.random.default_rng(0).permutation(across**2)].reshape(n, across, across, size // across, -1)
    return parts.swapaxes(2, 3).reshape(images.shape)


def main(
    source: Annotated[str, typer.Option("--data", help="Knees with a folder for each KL grade, sides in their names.")],
    others: Annotated[
        list[str], typer.Option(help="Pictures without knees, as those of `edges_train`; several times.")
    ],
    resolution: Annotated[int, typer.Option(min=64, max=256)] = 128,
    count: Annotated[int, typer.Option(min=10, help="Phantoms.")] = 500,
) -> None:
    """Measure the outline."""
    torch.set_num_threads(1)
    knees = [independent(FIRST + i) for i in range(count)]
    made, true = outline(render(knees, resolution)), truth(knees)
    films = data.load(source, resolution)
    lines, n = outline(films.images), len(films.images)
    plain, changes = lines.figures, again(films.images)

    grades = range(len(films.class_names))
    print(f"{n} films of {resolution} pixels, {count} phantoms\n")
    print("| | unit | phantom: error | r | among films | exposed | shifted | turned | scaled | ", end="")
    print(" | ".join(f"KL {g}" for g in grades) + " | with the grade |")
    print("|---|---|" + "---:|" * (8 + len(grades)))
    for name, figure in FIGURES.items():
        values = plain[name]
        low, high = np.nanpercentile(values, (16, 84))
        spread, there = (high - low) / 2, np.isfinite(values)
        a, b = made.figures[name], true[name]
        known = np.isfinite(a)
        cells = [f"{np.abs(a - b)[known].mean():.2f}", f"{np.corrcoef(a[known], b[known])[0, 1]:.2f}"]
        cells.append(f"{np.nanmean(values):.2f} ± {spread:.2f}")
        cells += [f"{np.nanmean(np.abs(change[name])) / spread:.2f}" for change in changes.values()]
        cells += [f"{(np.nanmean(values[films.labels == g]) - np.nanmean(values)) / spread:+.2f}" for g in grades]
        cells.append(f"{spearmanr(values[there], films.labels[there]).statistic:+.2f}")
        print(f"| {figure.name} | {UNITS[name]} | " + " | ".join(cells) + " |")

    field = np.array([p.field_mm for p in knees])
    told, right = in_mm(made.figures, field), in_mm(true, field)
    apart = ", ".join(f"{np.nanmean(np.abs(told[n] - right[n])):.2f}" for n in ("medial_space", "lateral_space"))
    print(f"\nMedial and lateral space of the phantoms, in mm, off by {apart}")
    each = [replace(p, jsw_medial_mm=width, jsw_lateral_mm=5.0) for width in NARROW for p in knees[:40]]
    narrow = in_mm(outline(render(each, resolution)).figures, np.array([p.field_mm for p in each]))["medial_space"]
    read = ", ".join(f"{w} as {v:.1f}" for w, v in zip(NARROW, narrow.reshape(len(NARROW), -1).mean(1), strict=True))
    print(f"Narrow medial spaces of phantoms, in mm: {read}")
    low = ", ".join(f"{np.nanpercentile(plain['medial_space'][films.labels == g], 5):.1f}" for g in grades)
    print(f"The narrowest twentieth of the films' medial spaces by grade, in percent of the plateau's width: {low}")
    for name in ("osteophytes_medial", "osteophytes_lateral"):
        means = ", ".join(f"{np.nanmean(plain[name][films.labels == g]):.1f}" for g in grades)
        print(f"{FIGURES[name].name} of the films by grade, in percent of the plateau's width: {means}")
    left = np.where((lines.side == "R")[:, None, None, None], films.images[..., ::-1], films.images)
    with torch.inference_mode():
        whole = torch.cat([seen(load_edges(), to_float(part)).whole for part in np.array_split(left, n // 32 + 1)])
    for name in ("sclerosis_medial", "sclerosis_lateral"):
        rank = spearmanr(whole[lines.found, WHOLE.index(name)], films.labels[lines.found]).statistic
        print(f"{name} as the network reads it, with the grade: {rank:+.2f}")
    medial, lateral = joint_space(films.images).medial_lateral(lines.side)
    print("`joint_space` and this, in percent of the plateau's width:")
    for name, other in (("medial_space", medial), ("lateral_space", lateral)):
        a, b = plain[name], 1e4 * other / (plain["size"] * resolution)
        both = np.isfinite(a) & np.isfinite(b)
        print(f"  {name}: r {np.corrcoef(a[both], b[both])[0, 1]:.2f}, apart {np.abs(a - b)[both].mean():.2f}")

    taken, named = lines.found, np.array([Path(f).stem[-1] for f in films.files])
    print(f"\nThe side is right in {np.mean(lines.side[taken] == named[taken]):.1%} of the films with an outline.")
    print(f"Declined: {np.mean(~taken):.1%} of the films, {np.mean(~made.found):.1%} of the phantoms.")
    print("  by grade: " + ", ".join(f"{np.mean(~taken[films.labels == g]):.1%}" for g in grades))
    for other_source in others:
        images = data.load(other_source, resolution).images[1::2]
        print(f"Taken for a knee: {int(outline(images).found.sum())} of {len(images)} of {Path(other_source).name}")
    for cells_across in (3, 6, 12, 24, 48, resolution):
        noise = torch.randn(200, 1, cells_across, cells_across, generator=torch.Generator().manual_seed(cells_across))
        images = to_uint8(F.interpolate(noise, (resolution, resolution), mode="bicubic") * 0.4)
        print(f"Taken for a knee: {int(outline(images).found.sum())} of 200 of noise, {cells_across} cells across")
    for what, images in {
        "knees on their head": films.images[:, :, ::-1],
        "knees lying": films.images.swapaxes(2, 3),
        "knees in small patches, mixed": patches(films.images),
    }.items():
        print(f"Taken for a knee: {int(outline(np.ascontiguousarray(images)).found.sum())} of {n} {what}")
    start = time.perf_counter()
    for image in films.images[:64]:
        outline(image[None])
    print(f"\n{(time.perf_counter() - start) / min(n, 64) * 1000:.1f} ms a picture, one by one, one thread")


if __name__ == "__main__":
    typer.run(main)
