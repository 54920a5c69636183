"""The verbs that look: generate, onnx, average, data, phantom."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from studio.cli.common import (
    AsJson,
    Labels,
    Read,
    app,
    bad_call,
    good_call,
    parse_seeds,
    print_json,
    print_table,
    read_as,
)
from studio.cli.console import Bar


@app.command()
def generate(
    model: Annotated[str, typer.Option(help="A model folder, or a run: its directory or its name.")],
    out: Annotated[Path, typer.Option(help="Folder for the images.")],
    seeds: Annotated[str, typer.Option(help="Such as 0-63 or 1,5,9.")] = "0-63",
    class_name: Annotated[str | None, typer.Option("--class", help="A class of the model, such as a grade.")] = None,
    truncation: Annotated[float, typer.Option(min=0, max=1, help="Below 1 less varied, more typical.")] = 1.0,
    grid: Annotated[bool, typer.Option("--grid", help="Also one picture of all, grid.png.")] = False,
) -> None:
    """Make synthetic images: one seed0000.png a seed."""
    import math

    import numpy as np

    from gan_core import images
    from gan_core import model as models
    from gan_core.generate import class_index, generate_batches

    numbers = parse_seeds(seeds)
    loaded = models.load_model(models.find_generator(model))
    labels = None
    if class_name is not None:
        labels = [good_call(lambda: class_index(loaded, class_name))] * len(numbers)
    sheet = []
    bar = tqdm(total=len(numbers), unit="img", file=sys.stderr, leave=False, disable=None)
    done = 0
    for batch in generate_batches(loaded, numbers, labels, truncation):
        for image in batch:
            images.save_png(out / f"seed{numbers[done]:04d}.png", image[0])
            done += 1
        bar.update(len(batch))
        if grid:
            sheet.append(batch)
    if grid:
        everything = np.concatenate(sheet)
        images.save_png(out / "grid.png", images.grid(everything, math.isqrt(len(everything) - 1) + 1))
    bar.close()
    print(out)


@app.command()
def onnx(
    model: Annotated[str, typer.Option(help="A model folder, or a run: its directory or its name.")],
    out: Annotated[Path, typer.Option(help="The file to write, such as knee.onnx.")],
    from_w: Annotated[
        bool, typer.Option("--from-w", help="Without the mapping network, as the app's own files.")
    ] = False,
) -> None:
    """Write a generator as an ONNX file, and hold it against PyTorch."""
    from gan_core import model as models
    from studio.export.onnx import export_onnx

    difference = export_onnx(models.load_model(models.find_generator(model)), out, from_w)
    print(f"largest difference from PyTorch: {difference:.1e}", file=sys.stderr)
    print(out)


@app.command()
def average(
    models: Annotated[list[str], typer.Argument(help="Model folders or runs that went on from the same model.")],
    out: Annotated[Path, typer.Option(help="The model folder to write.")],
    shares: Annotated[str, typer.Option(help="How much each counts, such as 0.7,0.3; by default all alike.")] = "",
) -> None:
    """Write the mean of several generators' weights as a model."""
    from gan_core import model as loading
    from studio.models import average as averages

    loaded = [loading.load_model(loading.find_generator(m)) for m in models]
    try:
        counts = [float(s) for s in shares.split(",")] if shares else [1.0] * len(loaded)
    except ValueError as e:
        raise bad_call(f"Shares are numbers with commas between, such as 0.7,0.3, and not {shares!r}.") from e
    averages.average(loaded, counts, out)
    print(out)


@app.command()
def data(
    source: str,
    labels: Labels = "",
    read: Read = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for a picture of each group of odd images. They show patients: for you.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how a data source is understood: images, classes, splits, patients, what cannot be read and what is odd."""
    from gan_core import images
    from studio.data import survey

    source = read_as(source, labels, read)
    found = survey.inspect(source, progress=Bar("looking at the files"))
    if pictures:
        for finding in found["findings"]:
            sheet = survey.sheet(source, finding)
            images.save_png(pictures / f"{finding['what']}.png", sheet)
    if as_json:
        print_json(found)
        return
    print(f"{found['count']:,} images in {source}")
    for sentence in found["said"]:
        print(f"- {sentence}")
    print_table(["class", "images"], [[k, f"{v:,}"] for k, v in found["classes"].items()] or [["(unlabelled)", ""]])
    print_table(["size", "images"], [[k, f"{v:,}"] for k, v in found["sizes"].items()])
    print_table(["bits a value", "images"], [[k, f"{v:,}"] for k, v in found["depths"].items()])
    if found["findings"]:
        first = [f"{group[0]} and {group[1]}" if len(group) > 1 else group[0] for group in _firsts(found)]
        print_table(
            ["odd", "such as"], list(map(list, zip((f["words"] for f in found["findings"]), first, strict=True)))
        )
    if pictures:
        print(f"pictures of each in {pictures}", file=sys.stderr)
    if found["left_out"]:
        rows = [[f"{g['count']:,}", g["reason"], ", ".join(g["files"][:3])] for g in found["left_out"]]
        print_table(["left out", "why", "such as"], rows)


def _firsts(found: dict[str, Any]) -> list[list[str]]:
    return [finding["files"][0] for finding in found["findings"]]


@app.command()
def phantom(
    out: Annotated[Path, typer.Option(help="Folder for the images and labels.csv.")],
    n: Annotated[int, typer.Option("--n", min=1, max=1_000_000)] = 16,
    grade: Annotated[int | None, typer.Option(min=0, max=4, help="A KL grade; by default all of them.")] = None,
    resolution: Annotated[int, typer.Option(min=16, max=1024)] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
) -> None:
    """Make procedural knee radiographs and, in labels.csv, the parameters that are their ground truth."""
    from gan_core import images
    from studio.knee.phantom import render, sample_params

    rows = []
    out.mkdir(parents=True, exist_ok=True)
    for start in tqdm(range(0, n, 64), unit="batch", file=sys.stderr, leave=False, disable=None):
        params = [sample_params(seed + i, grade) for i in range(start, min(n, start + 64))]
        for i, (image, p) in enumerate(zip(render(params, resolution), params, strict=True), start):
            name = f"phantom{seed + i:06d}.png"
            images.save_png(out / name, image[0])
            rows.append({"file": name, **p.as_row()})
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(out)
