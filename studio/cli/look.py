"""The verbs that look: generate, onnx, average, data, phantom."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from studio.cli import common as cli
from studio.cli.console import Bar


@cli.app.command()
def generate(
    model: cli.ModelName,
    out: Annotated[Path, typer.Option(help="Folder for the images.")],
    seeds: Annotated[str, typer.Option(help="Such as 0-63 or 1,5,9.")] = "0-63",
    class_name: Annotated[str | None, typer.Option("--class", help="A class of the model, such as a grade.")] = None,
    truncation: cli.Truncation = 1.0,
    grid: Annotated[bool, typer.Option("--grid", help="Also one picture of all, grid.png.")] = False,
) -> None:
    """Make synthetic images, one file per seed (seed0000.png)."""
    import numpy as np

    from gan_core import images
    from gan_core.generate import class_index, generate_batches

    numbers = cli.parse_seeds(seeds)
    loaded = cli.open_model(model)
    labels = None
    if class_name is not None:
        labels = [cli.good_call(lambda: class_index(loaded, class_name))] * len(numbers)
    sheet = []
    done = 0
    with Bar() as bar:
        for batch in generate_batches(loaded, numbers, labels, truncation):
            for image in batch:
                images.save_png(out / f"seed{numbers[done]:04d}.png", image[0])
                done += 1
            bar(done, len(numbers))
            if grid:
                sheet.append(batch)
    if grid:
        cli.save_grid(out, np.concatenate(sheet))
    print(out)


@cli.app.command()
def onnx(
    model: cli.ModelName,
    out: Annotated[Path, typer.Option(help="The file to write, such as knee.onnx.")],
    from_w: Annotated[
        bool, typer.Option("--from-w", help="Without the mapping network, as the app's own files.")
    ] = False,
) -> None:
    """Write a generator as an ONNX file, and check it against PyTorch."""
    from studio.export.onnx import export_onnx

    difference = export_onnx(cli.open_model(model), out, from_w)
    print(f"largest difference from PyTorch: {difference:.1e}", file=sys.stderr)
    print(out)


@cli.app.command()
def average(
    models: Annotated[list[str], typer.Argument(help="Model folders or runs that went on from the same model.")],
    out: Annotated[Path, typer.Option(help="The model folder to write.")],
    shares: Annotated[str, typer.Option(help="How much each counts, such as 0.7,0.3; equal by default.")] = "",
) -> None:
    """Write the mean of several generators' weights as a model."""
    from studio.models import average as averages

    loaded = [cli.open_model(m) for m in models]
    try:
        counts = [float(s) for s in shares.split(",")] if shares else [1.0] * len(loaded)
    except ValueError as e:
        raise cli.bad_call(f"Shares are numbers with commas between, such as 0.7,0.3, and not {shares!r}.") from e
    averages.average(loaded, counts, out)
    print(out)


@cli.app.command()
def data(
    source: str,
    labels: cli.Labels = "",
    read: cli.Read = None,
    crop: cli.Crop = "",
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder for a picture of each group of odd images. They show patients: keep them private."),
    ] = None,
    as_json: cli.AsJson = False,
) -> None:
    """Say how a data source is understood: images, classes, splits, patients, what cannot be read and what is odd."""
    from gan_core import images
    from studio.data import survey

    source = cli.read_as(source, labels, read, crop)
    found = survey.inspect(source, progress=Bar("looking at the files"))
    if pictures:
        for finding in found["findings"]:
            sheet = survey.sheet(source, finding)
            images.save_png(pictures / f"{finding['what']}.png", sheet)
    if as_json:
        cli.print_json(found)
        return
    print(f"{found['count']:,} images in {source}")
    for sentence in found["said"]:
        print(f"- {sentence}")
    cli.print_table(["class", "images"], [[k, f"{v:,}"] for k, v in found["classes"].items()] or [["(unlabelled)", ""]])
    cli.print_table(["size", "images"], [[k, f"{v:,}"] for k, v in found["sizes"].items()])
    cli.print_table(["bits a value", "images"], [[k, f"{v:,}"] for k, v in found["depths"].items()])
    if found["findings"]:
        cli.print_table(["odd", "such as"], [[f["words"], " and ".join(f["files"][0][:2])] for f in found["findings"]])
    if pictures:
        print(f"pictures of each in {pictures}", file=sys.stderr)
    if found["left_out"]:
        rows = [[f"{g['count']:,}", g["reason"], ", ".join(g["files"][:3])] for g in found["left_out"]]
        cli.print_table(["left out", "why", "such as"], rows)


@cli.app.command()
def phantom(
    out: Annotated[Path, typer.Option(help="Folder for the images and labels.csv.")],
    n: Annotated[int, typer.Option("--n", min=1, max=1_000_000)] = 16,
    grade: Annotated[int | None, typer.Option(min=0, max=4, help="A KL grade; by default all of them.")] = None,
    resolution: Annotated[int, typer.Option(min=16, max=1024)] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
) -> None:
    """Make simulated knee radiographs and, in labels.csv, the parameters that are their ground truth."""
    from gan_core import images
    from studio.knee.phantom import render, sample_params

    rows = []
    out.mkdir(parents=True, exist_ok=True)
    bar = Bar()
    for start in range(0, n, 64):
        params = [sample_params(seed + i, grade) for i in range(start, min(n, start + 64))]
        for i, (image, p) in enumerate(zip(render(params, resolution), params, strict=True), start):
            name = f"phantom{seed + i:06d}.png"
            images.save_png(out / name, image[0])
            rows.append({"file": name, **p.as_row()})
        bar(len(rows), n)
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(out)
