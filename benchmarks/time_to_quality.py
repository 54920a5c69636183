"""How soon knee-64 has what the seeds' WGAN-GP has at its end: both trained for the same time and measured on the way.

`python benchmarks/time_to_quality.py --data knees/train --unseen knees/val --out FOLDER` trains each for `--minutes` of
processor time on one thread and stops it at the same instants to measure the Fréchet distance, in the features of the
shipped knee encoder, of 1,656 samples to knees of patients that neither has seen. It goes on where it was cut off, then
draws both curves and prints when the one passes the other.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from pace import thousand_images  # noqa: E402

from gan_core import environment  # noqa: E402
from gan_core.files import write_text  # noqa: E402

OLD, NEW = "wgan-gp", "knee-64"
FAKES = 1656
INSTANTS = (1 / 40, 1 / 20, 1 / 10, 1 / 5, 2 / 5, 3 / 5, 4 / 5, 1.0)  # shares of the time

Point = dict[str, float]


def run_one(preset: str, data: str, unseen: str, minutes: float, folder: Path) -> None:
    """Trains and measures one recipe in this process; each instant is a line of points.jsonl."""
    import torch

    from gan_core import data as data_module
    from gan_core.presets import change, configure
    from gan_core.runs import Run
    from gan_core.train.distributed import World
    from gan_core.train.trainer import Trainer

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    kimg = folder / "kimg"
    config = configure(preset, data=data, threads=1, judge_kimg=0.0, sample_kimg=1e6)
    if not kimg.exists():
        write_text(kimg, str(thousand_images(config, minutes)))
    config = change(config, kimg=float(kimg.read_text(encoding="utf-8")))
    dataset = data_module.load(data, config.resolution)
    run, points = Run(folder / "run"), read_points(folder)
    run.path.mkdir(exist_ok=True)
    run.write_config(config)
    spent = points[-1]["seconds"] if points else 0.0
    for share in INSTANTS[len(points) :]:
        trainer = Trainer(run, config, dataset, World())
        start, until = time.process_time(), 60 * minutes * share - spent
        # The last instant is the end of the run, so that its schedules come to theirs.
        ends = (lambda s=start, u=until: "instant" if time.process_time() - s > u else "") if share < 1 else lambda: ""
        trainer.train(ends, lambda status: None)
        spent += time.process_time() - start
        points.append({"seconds": spent, "images": trainer.game.nimg, **distance(run, data, unseen)})
        write_text(folder / "points.jsonl", "".join(json.dumps(p) + "\n" for p in points))


def distance(run: Any, data: str, unseen: str) -> Point:
    from gan_core.evaluations import EvaluationRequest
    from gan_core.measure.evaluate import evaluate

    request = EvaluationRequest(model=str(run.generator_path), data=unseen, reference=data, n=FAKES, only=("fd",))
    found = evaluate(request).as_json()["fd"]
    return {"fd": found["value"], "floor": found["floor"]}


def read_points(folder: Path) -> list[Point]:
    path = folder / "points.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def passes(new: list[Point], target: float) -> float:
    """Seconds after which `new` is at `target`, between two instants along the logarithm; infinite if never."""
    before: Point | None = None
    for point in new:
        if point["fd"] <= target:
            if before is None:
                return point["seconds"]
            share = math.log(before["fd"] / target) / math.log(before["fd"] / point["fd"])
            return before["seconds"] + share * (point["seconds"] - before["seconds"])
        before = point
    return math.inf


def verdict(old: list[Point], new: list[Point]) -> str:
    """What both curves say, in a sentence or two."""
    target, floor, end = old[-1]["fd"], new[-1]["floor"], new[-1]["fd"]
    at, total = passes(new, target), old[-1]["seconds"]
    when = (
        f"{NEW} passes it after {at / 60:.1f} minutes, a {total / at:.0f}th of the time"
        if math.isfinite(at)
        else f"{NEW} does not pass it"
    )
    return (
        f"{OLD} ends at a Fréchet distance of {target:.1f} after {total / 60:.1f} minutes (floor {floor:.1f}); {when}, "
        f"and ends at {end:.1f}: {(end - floor) / (target - floor):.0%} of its distance above the floor."
    )


def draw(curves: dict[str, list[Point]], path: Path) -> None:
    from matplotlib.figure import Figure

    from gan_core.media.style import CRITIC, GENERATOR, GRID, MUTED

    figure = Figure(figsize=(7, 3.6), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    for (name, points), colour in zip(curves.items(), (CRITIC, GENERATOR), strict=True):
        minutes = [p["seconds"] / 60 for p in points]
        axes.loglog(minutes, [p["fd"] for p in points], "o-", color=colour, markersize=4)
        axes.annotate(name, (minutes[-1], points[-1]["fd"]), (6, 0), textcoords="offset points", color=colour)
    floor = curves[NEW][-1]["floor"]
    axes.axhline(floor, color=MUTED, linestyle="--", linewidth=1)
    axes.annotate(
        "real against real", (0.01, floor), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points"
    )
    axes.set_xlabel("minutes of processor time")
    axes.set_ylabel("Fréchet distance (knee encoder)")
    axes.grid(color=GRID, which="both", linewidth=0.6)
    axes.margins(x=0.12)
    axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=110)


def main(
    out: Annotated[Path, typer.Option(help="Where runs and results are kept.")],
    data: Annotated[str, typer.Option(help="Knees to learn from.")] = "knees/train",
    unseen: Annotated[str, typer.Option(help="Knees of other patients, to measure against.")] = "knees/val",
    minutes: Annotated[float, typer.Option(min=0.01, help="Processor time of each.")] = 30.0,
    write: Annotated[bool, typer.Option("--write", help="Draw into benchmarks/time_to_quality.png.")] = False,
    here: Annotated[str, typer.Option("--here", hidden=True)] = "",
) -> None:
    """Compare the seeds' recipe with this project's at equal processor time."""
    if here:
        run_one(here, data, unseen, minutes, out / here)
        return
    for preset in (OLD, NEW):
        if len(read_points(out / preset)) < len(INSTANTS):
            options = ["--data", data, "--unseen", unseen, "--minutes", str(minutes), "--here", preset]
            command = [sys.executable, str(Path(__file__).resolve()), "--out", str(out), *options]
            subprocess.run(command, env=environment.for_training(), check=True)
    curves = {preset: read_points(out / preset) for preset in (OLD, NEW)}
    for preset, points in curves.items():
        for p in points:
            print(f"{preset}: {p['seconds'] / 60:.1f} min, {p['images']:,.0f} images, FD {p['fd']:.1f}")
    print(verdict(curves[OLD], curves[NEW]))
    draw(curves, (Path(__file__).parent if write else out) / "time_to_quality.png")


if __name__ == "__main__":
    typer.run(main)
