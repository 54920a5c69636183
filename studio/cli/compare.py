"""The verb that puts reals and fakes beside each other: compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli import common as cli
from studio.cli.console import Bar

LINES = 10  # synthetic images named in the table, those nearest to a real one


@cli.app.command()
def compare(
    model: cli.ModelName,
    data: Annotated[str, typer.Option(help="The real images to compare with the synthetic ones.")] = "phantom:2000",
    class_name: Annotated[str | None, typer.Option("--class", help="A class that both have, such as a grade.")] = None,
    labels: cli.Labels = "",
    read: cli.Read = None,
    crop: cli.Crop = "",
    n: Annotated[int, typer.Option("--n", min=1, max=400, help="Images per side.")] = 100,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first synthetic image.")] = 0,
    truncation: cli.Truncation = 1.0,
    extractor: cli.ExtractorName = "knee",
    method: Annotated[str, typer.Option("--map", help="PCA, or UMAP where it is installed.")] = "PCA",
    out: Annotated[Path | None, typer.Option(help="Folder for comparison.json and synthetic.png, a sheet.")] = None,
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="Also pairs.png: each synthetic image with its nearest real one. It shows real patients: keep it "
            "private.",
        ),
    ] = False,
    as_json: cli.AsJson = False,
) -> None:
    """Compare real and synthetic images: brightness, detail, and the real image nearest to each synthetic one."""
    from gan_core import data as data_module
    from gan_core.files import write_text
    from studio.compare import sides as beside
    from studio.compare.figures import figures, save_sheets
    from studio.compare.space import look
    from studio.evaluate.extractors import open_extractor

    if pairs and not out:
        raise cli.bad_call("--pairs needs a folder to write to: give --out")
    loaded = cli.open_model(model)
    dataset = beside.read(cli.read_as(data, labels, read, crop), loaded.config, Bar("reading the real images"))
    sides = cli.good_call(lambda: beside.sides(loaded, dataset, class_name, n, first_seed, truncation))
    eye = open_extractor(extractor)
    found = figures(look(sides, eye, Bar("looking at the images")), method)
    found["about"] = {
        "model": data_module.short_source(model),
        "digest": loaded.digest,
        "data": dataset.about,
        "class": class_name,
        "n": len(sides.fake),
        "first_seed": first_seed,
        "truncation": truncation,
        "extractor": eye.name,
        "copies": sides.about_copies,
    }
    if out:
        save_sheets(out, sides, found, pairs=pairs)
        write_text(out / "comparison.json", json.dumps(found, indent=2, ensure_ascii=False))
    if as_json:
        cli.print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    print(f"{found['about']['n']} synthetic images beside as many of {found['about']['data']}")
    gaps = {"brightness": "brightness (histogram)", "spectrum": "detail (power spectrum)"}
    cli.print_table(["gap", "synthetic to real", "real to real"], [[gaps[k], *_gap(found[k])] for k in gaps])
    if words := found["spectrum"].get("words"):
        print(words)
    cli.print_table(
        ["seed", "nearest real", "distance", "real images with none of another patient as near"],
        [
            [str(near["seed"]), real["file"], f"{real['distance']:.3g}", _share(near["nearer_than_closest"])]
            for near in found["nearest"][:LINES]
            for real in near["reals"][:1]
        ],
    )
    print(found["about"]["copies"])


def _gap(f: dict[str, Any]) -> list[str]:
    if f["value"] is None:
        return [f["why"], "–"]
    return [f"{v:.2f} {f['unit']}" if v is not None else f["why"] for v in (f["value"], f["floor"])]


def _share(share: float | None) -> str:
    from studio.compare.space import of_100

    return "–" if share is None else of_100(share)
