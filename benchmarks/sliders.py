"""Whether a slider of Explore moves one thing: `python benchmarks/sliders.py knee-128 --knees 200`.

Each slider is moved by one standard deviation, on knees by which nothing was chosen. Of its own quantity the table has
how far it went (median; 1 was asked for) and in how many knees it went the right way; of the others and the grade, how
far they went along (mean of the absolute changes, over the quantities, and the worst of them). Read by the reader that
the sliders go by and, for the joint space, by `joint_space`, which they never asked. Below them stand the directions of
before (principal components turned to few quantities), each by the quantity that it changes most, and the grade's own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from gan_core.generate import render  # noqa: E402
from gan_core.images import to_float  # noqa: E402
from gan_core.latent import latents, mixtures, own_labels, to_w  # noqa: E402
from gan_core.model import find_generator, load_model  # noqa: E402
from studio.explore import steering  # noqa: E402
from studio.explore.directions import directions  # noqa: E402
from studio.knee.joint_space import joint_space  # noqa: E402
from studio.knee.readings import QUANTITIES, read  # noqa: E402

FIRST = 500_000  # seed
NAMES = list(QUANTITIES)


def joints(images: np.ndarray, sign: float) -> np.ndarray:
    """Medial and lateral width [N, 2] in pixels; lateral is to the right where `sign` is above 0."""
    found = joint_space(images)
    both = np.column_stack([found.left, found.right])
    return both if sign > 0 else both[:, ::-1]


def row(name: str, own: np.ndarray, others: np.ndarray, names: list[str], apart: str = "") -> str:
    """`own` [knees], `others` [knees, quantities]."""
    felt = np.abs(others).mean(0)
    worst = int(felt.argmax())
    return (
        f"| {name} | {np.median(own):.2f} | {np.mean(own > 0):.0%} | {felt.mean():.2f} | {felt[worst]:.2f} "
        f"({QUANTITIES[names[worst]].name.lower()}) | {apart} |"
    )


def main(
    models: Annotated[list[str], typer.Argument(help="Shipped models, or model folders.")],
    knees: Annotated[int, typer.Option(min=2)] = 200,
) -> None:
    """Measure the sliders."""
    for name in models:
        measure(name, knees)


def measure(name: str, knees: int) -> None:
    model = load_model(find_generator(name))
    frame = steering.frame(model)
    if frame is None:
        print(f"{name}: its knees cannot be steered")
        return
    sliders, found = list(steering.SLIDERS), directions(model)
    steered, moved, graded, apart = [], [], [], []
    for seed in range(FIRST, FIRST + knees):
        place = own_labels([seed], model.config.class_shares) if model.class_names else None
        c = None if place is None else mixtures(place.tolist(), len(model.class_names))
        with torch.inference_mode():
            z = latents([seed], model.config.net.z_dim)
            w = to_w(model.net, z, c)
        w = w.clone()
        knee = steering.Knee(model, frame, w, c)
        there = knee.moved([{s: 1.0} for s in sliders])
        steered.append(knee.changed(there).numpy())
        images = render(model, torch.cat([w, there[:2], there[-1:]]), c)
        apart.append(joints(images, float(knee.sign)))
        vectors = torch.tensor([d.vector for d in found])
        moved.append(knee.changed(w + vectors).numpy())
        if c is not None:
            grades = mixtures([0.0, len(model.class_names) - 1.0], len(model.class_names))
            with torch.inference_mode():
                ends_w = to_w(model.net, z.expand(2, -1), grades)  # the class acts on the way to w
            x = to_float(render(model, ends_w, grades))
            ends = read(x, knee.reader, knee.sign.expand(2)) / knee.spread
            graded.append((ends[1] - ends[0]).numpy())
    change, before, widths = np.stack(steered), np.stack(moved), np.stack(apart)  # [knees, sliders, quantities]
    pixels = np.nanstd(widths[:, 0], 0)  # of medial and lateral width among these knees
    print(f"\n{name}, {knees} knees\n")
    print("| | its own | right way | others, mean | others, worst | joint space by another measure |")
    print("|---|---:|---:|---:|---:|---|")
    for i, slider in enumerate(sliders):
        if slider == steering.TILT:
            medial, lateral = NAMES.index("medial_space"), NAMES.index("lateral_space")
            spreads = frame.spread["medial_space"], frame.spread["lateral_space"]
            tilt = change[:, i, lateral] * spreads[1] - change[:, i, medial] * spreads[0]
            own, rest = tilt / frame.spread[steering.TILT], [j for j in range(len(NAMES)) if j not in (medial, lateral)]
        else:
            own, rest = change[:, i, NAMES.index(slider)], [j for j, n in enumerate(NAMES) if n != slider]
        other = ""
        if slider in ("medial_space", "lateral_space", steering.TILT):
            at = {"medial_space": 1, "lateral_space": 2}.get(slider, 3)
            d = (widths[:, at] - widths[:, 0]) / pixels
            other = f"medial {np.nanmedian(d[:, 0]):+.2f}, lateral {np.nanmedian(d[:, 1]):+.2f}"
        print(row(steering.SLIDERS[slider].name, own, change[:, i, rest], [NAMES[j] for j in rest], other))
    for i, direction in enumerate(found):
        strongest = int(np.abs(np.median(before[:, i], 0)).argmax())
        own = before[:, i, strongest] * np.sign(np.median(before[:, i, strongest]))
        rest = [j for j in range(len(NAMES)) if j != strongest]
        print(row(f"before: {direction.name}", own, before[:, i, rest], [NAMES[j] for j in rest]))
    if graded:
        g = np.stack(graded)
        rest = [j for j, n in enumerate(NAMES) if n != "grade"]
        print(row("Grade, from end to end", g[:, NAMES.index("grade")], g[:, rest], [NAMES[j] for j in rest]))


if __name__ == "__main__":
    typer.run(main)
