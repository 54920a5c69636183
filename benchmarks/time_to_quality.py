"""How soon knee-64 has what the seeds' WGAN-GP has at its end: both trained on the same films for the same time.

`python benchmarks/baselines.py` trains them, among the other systems, on one thread each and judges them on the way by
the kernel distance to the training films in the features of the shipped knee encoder. This program reads what that
found (`--out` for results not yet shipped), draws the curves, and prints when knee-64, bare and with a feature
discriminator, passes WGAN-GP and what is left at the end.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from baselines_systems import RESULT  # noqa: E402

from gan_core.train.run import Run  # noqa: E402

OLD, NEW = "wgan-gp", ("knee-64", "knee-64+features")
SHIPPED = HERE / "seeds"


@dataclass(frozen=True)
class Curve:
    preset: str
    minutes: list[float]  # of processor time
    distances: list[float]  # kernel distances at these
    fd: float  # Fréchet distance to films of unseen patients at the end
    floor: float  # the same of films


def read(preset: str, out: Path) -> Curve:
    """The curve of a system of baselines.py, from `out`: shipped, or as that program works on it."""
    folder = out / f"knees-{preset}"
    figures = json.loads((folder / RESULT).read_text(encoding="utf-8"))["figures"]
    ticks = Run(folder if (folder / "stats.jsonl").exists() else folder / "run").stats()
    each = figures["minutes"]["value"] / ticks[-1]["nimg"]  # an image costs what any other does
    judged = [t for t in ticks if "kd_knee" in t]
    fd = figures["fd"]
    return Curve(preset, [t["nimg"] * each for t in judged], [t["kd_knee"] for t in judged], fd["value"], fd["floor"])


def passes(new: Curve, target: float) -> float:
    """Minutes after which `new` is at `target`, between two judgements along the logarithm; infinite if never."""
    before: tuple[float, float] | None = None
    for minutes, distance in zip(new.minutes, new.distances, strict=True):
        if distance <= target:
            if before is None:
                return minutes
            share = math.log(before[1] / target) / math.log(before[1] / distance)
            return before[0] + share * (minutes - before[0])
        before = minutes, distance
    return math.inf


def verdict(old: Curve, new: Curve) -> str:
    """What both curves say, in a sentence or two."""
    target, total = old.distances[-1], old.minutes[-1]
    at = passes(new, target)
    when = (
        f"{new.preset} is nearer {'when first judged, ' if at == new.minutes[0] else ''}after {at:.1f} minutes "
        f"({at / total:.0%} of that time)"
        if math.isfinite(at)
        else f"{new.preset} comes never so near"
    )
    return (
        f"{old.preset} ends at a kernel distance of {target:.2f} after {total:.1f} minutes; {when}. At the end the "
        f"Fréchet distance is {old.fd:.1f} for {old.preset} and {new.fd:.1f} for {new.preset}: "
        f"{(new.fd - new.floor) / (old.fd - old.floor):.0%} of the distance above the floor of {new.floor:.1f}."
    )


def draw(curves: Sequence[Curve], path: Path) -> None:
    from matplotlib.figure import Figure

    from studio.runs.media.style import CRITIC, GENERATOR, GRID, PLAIN

    figure = Figure(figsize=(7, 3.6), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    for curve, colour in zip(curves, (CRITIC, GENERATOR, PLAIN), strict=False):
        axes.loglog(curve.minutes, curve.distances, "o-", color=colour, markersize=3, label=curve.preset)
    axes.set_xlabel("minutes of processor time")
    axes.set_ylabel("kernel distance (knee encoder)")
    axes.grid(color=GRID, which="both", linewidth=0.6)
    axes.legend(frameon=False)
    axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=110)


def main(
    out: Annotated[Path, typer.Option(help="Where baselines.py keeps its results.")] = SHIPPED,
    picture: Annotated[Path, typer.Option(help="Where the curves are drawn.")] = HERE / "time_to_quality.png",
) -> None:
    """Compare the seeds' recipe with this project's at equal processor time."""
    old, *new = (read(preset, out) for preset in (OLD, *NEW))
    for curve in (old, *new):
        for minutes, distance in zip(curve.minutes, curve.distances, strict=True):
            print(f"{curve.preset}: {minutes:.1f} min, kernel distance {distance:.2f}")
    for curve in new:
        print(verdict(old, curve))
    draw((old, *new), picture)


if __name__ == "__main__":
    typer.run(main)
