"""How far the outline and its figures can be believed: `python benchmarks/outline.py --data knees/val --others data`.

On phantoms that it has not learnt from, whose truth is known: the mean absolute error and the correlation. On real
knees of patients that it has not learnt from, in standard deviations among them (half of the distance from the 16th
percentile to the 84th): how much a figure changes with the exposure, how far it is off when the picture is shifted,
turned and scaled by known amounts, and its mean by KL grade. Sclerosis stands last: it is read by the network and not
told, as it does not rise with the grade. Then: how often a knee is declined, how often something else is not, and the
time.
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
from gan_core.augment import augment  # noqa: E402
from gan_core.images import to_float, to_uint8  # noqa: E402
from studio.knee.joint_space import joint_space  # noqa: E402
from studio.knee.phantom import PhantomParams, render  # noqa: E402
from studio.knee.readings.edges import WHOLE, load_edges, seen  # noqa: E402
from studio.knee.readings.edges_train import independent, moved  # noqa: E402
from studio.knee.readings.outline import FIGURES, Figure, outline, read  # noqa: E402

FIRST = 9_000_000  # seed of the phantoms
SHIFT, TURN, SCALE = (1 / 32, 1 / 64), 5.0, 1.08  # shares of the side (x, y), whole pixels; degrees
SCLEROSIS = {
    f"sclerosis_{part}": Figure(
        f"{part.capitalize()} sclerosis, not told", "less", "more", "As phantoms have it, 0 to 1."
    )
    for part in ("medial", "lateral")
}
ALL = FIGURES | SCLEROSIS
NARROW = (0.2, 0.5, 1.0, 2.0, 3.0)  # mm
Array = NDArray[np.float64]
Figures = dict[str, Array]


def measured(images: NDArray[np.uint8], mm_per_pixel: Array | None = None) -> Figures:
    """`ALL` of images."""
    told = outline(images, mm_per_pixel)
    left = np.where((told.side == "R")[:, None, None, None], images[..., ::-1], images)
    net = load_edges()
    with torch.inference_mode():
        whole = torch.cat([seen(net, to_float(part)).whole for part in np.array_split(left, len(left) // 32 + 1)])
    sclerosis = {n: np.where(told.found, whole[:, WHOLE.index(n)].double().numpy(), np.nan) for n in SCLEROSIS}
    return told.figures | sclerosis


def truth(knees: list[PhantomParams]) -> dict[str, Array]:
    """What phantoms have of `FIGURES`, lengths in mm, positions in percent of the side."""

    def of(name: str) -> Array:
        return np.array([getattr(p, name) for p in knees])

    out = {
        "medial_space": of("jsw_medial_mm"),
        "lateral_space": of("jsw_lateral_mm"),
        "tilt": of("jsw_lateral_mm") - of("jsw_medial_mm"),
        "rotation": of("rotation_deg"),
        "size": 81 * of("size"),
        "position_lateral": of("offset_lateral_mm") / of("field_mm") * 100,
        "position_distal": 50 + of("offset_distal_mm") / of("field_mm") * 100,
    }
    for part in ("medial", "lateral"):
        spurs = [of(f"osteophyte_{bone}_{part}_mm") for bone in ("femur", "tibia")]
        out |= {f"osteophytes_{part}": np.mean(spurs, 0), f"sclerosis_{part}": of(f"sclerosis_{part}")}
    return out


def difference(a: Figures, b: Figures, due: dict[str, Array | float], times: float = 1.0) -> Figures:
    """How far each figure of `b` is from that of `a`, its size `times` as much, and from what is due."""
    return {n: b[n] - a[n] * (times if n == "size" else 1) - due.get(n, 0.0) for n in ALL}


def patches(images: NDArray[np.uint8], across: int = 4) -> NDArray[np.uint8]:
    """The images' squares, `across` to a side, in another order."""
    n, _, size, _ = images.shape
    parts = images.reshape(n, across, size // across, across, size // across).swapaxes(2, 3).reshape(n, across**2, -1)
    parts = parts[:, np.random.default_rng(0).permutation(across**2)].reshape(n, across, across, size // across, -1)
    return parts.swapaxes(2, 3).reshape(images.shape)


def main(
    source: Annotated[str, typer.Option("--data", help="Knees with a folder for each KL grade, sides in their names.")],
    others: Annotated[Path, typer.Option(help="A folder with folders of pictures without knees.")],
    resolution: Annotated[int, typer.Option(min=64, max=256)] = 128,
    count: Annotated[int, typer.Option(min=10, help="Phantoms.")] = 500,
) -> None:
    """Measure the outline."""
    torch.set_num_threads(1)
    knees = [independent(FIRST + i) for i in range(count)]
    made = measured(render(knees, resolution), np.array([p.mm_per_pixel(resolution) for p in knees]))
    true = truth(knees)

    films = data.load(source, resolution)
    named = np.array([Path(f).stem[-1] for f in films.files])
    lines, plain = outline(films.images), measured(films.images)
    x, n = to_float(films.images), len(films.images)
    sign = np.where(lines.side == "L", 1.0, -1.0)
    torch.manual_seed(0)
    exposed = measured(to_uint8(augment(x, ("exposure",)).clamp(-1, 1)))

    def again(turn: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Figures:
        each = (torch.full((n,), turn), torch.full((n,), scale), torch.tensor(shift).expand(n, 2))
        return measured(to_uint8(moved(x, torch.zeros(n, 6, 2, 3), *each)[0]))

    wide, distal = plain["position_lateral"], plain["position_distal"] - 50
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
    for name, figure in ALL.items():
        values = plain[name]
        low, high = np.nanpercentile(values, (16, 84))
        spread, there = (high - low) / 2, np.isfinite(values)
        cells = ["", ""]
        if name in true:
            a, b = made[name], true[name]
            known = np.isfinite(a)
            error = np.abs(a - b)[known].mean()
            cells = ["" if name.startswith("scl") else f"{error:.2f}", f"{np.corrcoef(a[known], b[known])[0, 1]:.2f}"]
        cells.append(f"{np.nanmean(values):.2f} ± {spread:.2f}")
        cells += [f"{np.nanmean(np.abs(change[name])) / spread:.2f}" for change in changes.values()]
        middle = np.nanmean(values)
        cells += [f"{(np.nanmean(values[films.labels == g]) - middle) / spread:+.2f}" for g in grades]
        cells.append(f"{spearmanr(values[there], films.labels[there]).statistic:+.2f}")
        print(f"| {figure.name} | {figure.unit} | " + " | ".join(cells) + " |")

    each = [replace(p, jsw_medial_mm=width, jsw_lateral_mm=5.0) for width in NARROW for p in knees[:40]]
    narrow = read(render(each, resolution), np.array([p.mm_per_pixel(resolution) for p in each]))["medial_space"]
    told = ", ".join(f"{w} as {v:.1f}" for w, v in zip(NARROW, narrow.reshape(len(NARROW), -1).mean(1), strict=True))
    print(f"\nNarrow medial spaces of phantoms, in mm: {told}")
    for name in ("osteophytes_medial", "osteophytes_lateral"):
        told = ", ".join(f"{np.nanmean(plain[name][films.labels == g]):.1f}" for g in grades)
        print(f"{FIGURES[name].name} of the films by grade, in percent of the plateau's width: {told}")
    found = joint_space(films.images)
    medial, lateral = found.medial_lateral(lines.side)
    width = plain["size"] / 100 * resolution
    print("\n`joint_space` and this, in percent of the plateau's width:")
    for name, other in (("medial_space", medial), ("lateral_space", lateral)):
        a, b = plain[name], 100 * other / width
        both = np.isfinite(a) & np.isfinite(b)
        print(f"  {name}: r {np.corrcoef(a[both], b[both])[0, 1]:.2f}, apart {np.abs(a - b)[both].mean():.2f}")

    taken = lines.found
    print(f"\nThe side is right in {np.mean(lines.side[taken] == named[taken]):.1%} of the films with an outline.")
    print(f"Declined: {np.mean(~taken):.1%} of the films, {np.mean(~np.isfinite(made['size'])):.1%} of the phantoms.")
    print("  by grade: " + ", ".join(f"{np.mean(~taken[films.labels == g]):.1%}" for g in grades))
    for folder in sorted(others.iterdir()):
        images = data.load(str(folder), resolution).images[1::2]
        print(f"Taken for a knee: {int(outline(images).found.sum())} of {len(images)} of {folder.name}")
    for cells_across in (3, 6, 12, 24, 48, resolution):
        noise = torch.randn(200, 1, cells_across, cells_across, generator=torch.Generator().manual_seed(cells_across))
        images = to_uint8(F.interpolate(noise, (resolution, resolution), mode="bicubic") * 0.4)
        print(f"Taken for a knee: {int(outline(images).found.sum())} of 200 of noise, {cells_across} cells across")
    for name, images in {
        "knees on their head": films.images[:, :, ::-1],
        "knees lying": films.images.swapaxes(2, 3),
        "knees in small patches, mixed": patches(films.images),
    }.items():
        print(f"Taken for a knee: {int(outline(np.ascontiguousarray(images)).found.sum())} of {n} {name}")
    start = time.perf_counter()
    read(films.images[:256])
    print(f"\n{(time.perf_counter() - start) / min(n, 256) * 1000:.1f} ms a picture, one thread")


if __name__ == "__main__":
    typer.run(main)
