"""The verb crop: whole films to a folder of knees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gan_core.errors import printable
from studio.cli.common import AsJson, Crop, Labels, Read, app, print_json, print_table, read_as
from studio.cli.console import Bar

_LISTED = 20


@app.command()
def crop(
    source: Annotated[str, typer.Argument(help="Whole films: a folder, a zip, a DICOM file or hf:OWNER/NAME.")],
    out: Annotated[Path, typer.Option(help="The folder to make, or to go on with.")],
    resolution: Annotated[int, typer.Option(min=16, max=4096, help="Of the images, in pixels.")] = 256,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Threads. Default: as many as cores.")] = 0,
    labels: Labels = "",
    read: Read = None,
    boxes: Crop = "",
    dicom: Annotated[
        Path | None, typer.Option(help="Another folder, for the knees as DICOM with side and scale.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cut the knees out of whole films: a PNG for each, and crops.csv with box, side, mm per pixel and confidence. The
    same command again does only what is new, and takes the boxes as crops.csv then has them."""
    from dataclasses import asdict

    from studio.data.cutting import write_crops

    asked = read_as(source, labels, read, boxes)
    try:
        with Bar("finding knees", "film") as bar:
            tally = write_crops(asked, out, resolution, workers, bar)
    except KeyboardInterrupt:
        print("stopped: the same command goes on where it was", file=sys.stderr)
        raise typer.Exit(130) from None
    if dicom:
        from studio.export.crops import write_dicom

        write_dicom(out, dicom)
    if as_json:
        print_json({"path": str(out), **asdict(tally)})
        return
    rows = [(s.file, s.reason) for s in (*tally.remarks, *tally.unread)]
    rows += [(name, "no knee was found") for name in tally.without]
    rows += [(name, "doubtful: look at it") for name in tally.doubtful]
    if rows:
        print_table(["film", ""], [[name, why] for name, why in rows[:_LISTED]])
        if len(rows) > _LISTED:
            print(f"and {len(rows) - _LISTED:,} more, in crops.csv", file=sys.stderr)
    print(
        f"{tally.knees:,} knees on {tally.films:,} films, {tally.new:,} of them cut now; {len(tally.without):,} films "
        f"without a knee, {len(tally.unread):,} files that cannot be read",
        file=sys.stderr,
    )
    print(printable(str(out)))
    if dicom:
        print(printable(str(dicom)))
