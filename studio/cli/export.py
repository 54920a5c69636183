"""The verb export: synthetic images as files for others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from gan_core import environment
from studio.cli.common import AsJson, ModelName, Truncation, app, bad_call, good_call, print_json
from studio.cli.console import Stages


@app.command()
def export(
    model: ModelName,
    out: Annotated[Path, typer.Option(help="The folder to make, or to go on with.")],
    n: Annotated[int | None, typer.Option("--n", min=1, max=100_000, help="How many images. Default: 100.")] = None,
    format: Annotated[
        Literal["png", "datasets", "dicom"],
        typer.Option(help="A folder for each class, Hugging Face's datasets, or Secondary Capture."),
    ] = "png",
    classes: Annotated[
        str, typer.Option(help="balanced, training (as often as there), one class, or numbers such as 0=100,4=300.")
    ] = "balanced",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
    truncation: Truncation = 1.0,
    reference: Annotated[
        str, typer.Option(help="The training images: marks what is nearer to one of them than likeness explains.")
    ] = "",
    drop_near: Annotated[bool, typer.Option("--drop-near", help="Leave these out.")] = False,
    zip: Annotated[bool, typer.Option("--zip", help="Also one zip of it, beside the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make files for others: a folder, a zip, a training set or DICOM. The same command again resumes it."""
    from pydantic import ValidationError

    from studio.export.plan import ExportRequest

    if drop_near and not reference:
        raise bad_call("--drop-near takes the training images: give --reference")

    environment.restart_prepared()
    from studio.export.plan import DICOM
    from studio.export.write import Export

    with Stages() as stages:
        try:
            request = ExportRequest(
                model=model,
                n=n or _sum(classes) or 100,
                format=format,
                classes=classes,
                seed=seed,
                truncation=truncation,
                reference=reference,
                drop_near=drop_near,
                zip=zip,
            )
        except ValidationError as e:
            raise bad_call(f"{e.errors()[0]['loc'][0]}: {e.errors()[0]['msg']}") from e
        made = good_call(lambda: Export(request, out))
        try:
            tally = made.run(stages)
        except KeyboardInterrupt:
            print("stopped: the same command resumes it", file=sys.stderr)
            raise typer.Exit(130) from None
    found = {
        "path": str(made.zip_path if zip else out),
        "images": tally.images,
        "kept": tally.kept,
        "classes": tally.counts,
        "near": tally.near if reference else None,
        "left_out": tally.left_out,
    }
    if as_json:
        print_json(found)
        return
    print(found["path"])
    if format == "dicom":
        print(f"to send them: storescu +sd +r HOST PORT {out / DICOM}", file=sys.stderr)
    if reference:
        print(
            f"{tally.near:,} are marked as near to a training image, {tally.left_out:,} were left out", file=sys.stderr
        )


def _sum(classes: str) -> int:
    """How many images "0=100,4=300" asks for; 0 where it says something else."""
    numbers = [part.rpartition("=")[2].strip() for part in classes.split(",") if "=" in part]
    return sum(int(number) for number in numbers if number.isascii() and number.isdecimal() and len(number) < 10)
