"""The verbs that explore: directions, draw, interpolate, project, anatomy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gan_core.errors import UserError, printable
from studio.cli import common as cli
from studio.cli.console import Bar

if TYPE_CHECKING:
    from gan_core.model import Model
    from studio.explore.directions import Direction

ANATOMY_PIXELS = 256  # to a side, to which knees are brought before they are outlined
Grade = Annotated[float | None, typer.Option(help="Index of a class from 0, also between two, such as 2.5.")]
Knee = Annotated[
    Literal["R", "L", "whole", ""],
    typer.Option(help="Which knee of a film that shows two; whole takes the picture as it is, knee or not."),
]
Moves = Annotated[str, typer.Option(help="Steps along the directions, in their order: 0,1.5,-2")]


def _asked(grade: float | None, truncation: float, moves: str, **start: object) -> dict[str, str]:
    """What a link would ask for."""
    said = start | {"grade": grade, "truncation": None if truncation == 1 else truncation, "moves": moves or None}
    return {name: str(value) for name, value in said.items() if value is not None}


def _directions(model: Model) -> list[Direction]:
    from studio.explore.directions import directions

    return directions(model, Bar("measuring what directions change"))


@cli.app.command()
def directions(
    model: cli.ModelName,
    out: Annotated[Path | None, typer.Option(help="Also a picture: a row for each direction, seed 0.")] = None,
    as_json: cli.AsJson = False,
) -> None:
    """List directions in a model's latent space, and what each is measured to change."""
    from gan_core import images
    from studio.explore.latent import Latent
    from studio.explore.sheets import direction_sheet

    loaded = cli.open_model(model)
    found = _directions(loaded)
    if out:
        latent = Latent(model=loaded.digest, seed=0)
        images.save_png(out, direction_sheet(latent, loaded, found))
    if as_json:
        cli.print_json([{k: v for k, v in d.model_dump().items() if k != "vector"} for d in found])
    else:
        rows = [[str(i), d.name, d.low, d.high, d.summary] for i, d in enumerate(found, 1)]
        cli.print_table(["", "changes", "one end", "other end", "standard deviations a step"], rows)


@cli.app.command()
def prepare(
    models: Annotated[list[str], typer.Argument(help="Model folders, shipped models, or runs.")],
) -> None:
    """Compute once what people would wait for, and keep it in the model's folder: directions, knees to choose from."""
    from studio.cli.console import Stages
    from studio.models.ready import prepare as make_ready

    for name in models:
        with Stages() as stages:
            path = make_ready(cli.open_model(name), stages)
        print(path)


@cli.app.command()
def draw(
    out: Annotated[Path, typer.Option(help="The picture, a PNG.")],
    model: cli.ModelName,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    latent: Annotated[Path | None, typer.Option(help="A latent file, instead of all the options below.")] = None,
    query: Annotated[str, typer.Option(help="What follows the question mark in a link to the Explore page.")] = "",
    grade: Grade = None,
    truncation: cli.Truncation = 1.0,
    moves: Moves = "",
    save: Annotated[Path | None, typer.Option(help="Also save the latent as a file.")] = None,
) -> None:
    """Draw one image: from a seed, a latent file or a link, with its grade, variety and directions."""
    from urllib.parse import parse_qsl

    from gan_core import images
    from gan_core.files import write_text
    from studio.explore import latent as latents

    if (seed is not None) + (latent is not None) + bool(query) != 1:
        raise cli.bad_call("give one of --seed, --latent and --query")
    loaded = cli.open_model(model)
    if latent:
        point = latents.load_latent(cli.content(latent, latents.MAX_FILE_BYTES), loaded)
    else:
        asked = dict(parse_qsl(query)) | _asked(grade, truncation, moves, seed=seed)
        point = cli.good_call(lambda: latents.from_query(asked, loaded))
    found = _directions(loaded) if any(point.moves) else []
    images.save_png(out, latents.draw(point, loaded, found)[0, 0])
    if save:
        write_text(save, latents.dump(point))
    print(out)


@cli.app.command()
def interpolate(
    model: cli.ModelName,
    out: Annotated[Path, typer.Option(help="A .gif or .mp4: the loop. A .png: pictures along it.")],
    seeds: Annotated[str, typer.Option(help="2 to 8, such as 1,5,9.")],
    path: Annotated[Literal["spherical", "straight"], typer.Option()] = "spherical",
    seconds: Annotated[float, typer.Option(min=0.1, max=20, help="From each seed to the next.")] = 2.0,
    plane: Annotated[bool, typer.Option("--plane", help="A square between four seeds, as a .png.")] = False,
    grade: Grade = None,
    truncation: cli.Truncation = 1.0,
    moves: Moves = "",
) -> None:
    """Draw a smooth loop from seed to seed, as an animation or a strip; or the plane between four seeds."""
    from gan_core import images
    from gan_core.files import write_bytes
    from studio.explore.film import gif, loop_film, mp4
    from studio.explore.latent import from_query
    from studio.explore.sheets import loop_sheet, plane_sheet

    kind = out.suffix.lower()
    if kind not in (".gif", ".mp4", ".png"):
        raise cli.bad_call("--out is a .gif, .mp4 or .png file")
    if plane and kind != ".png":
        raise cli.bad_call("--plane makes a .png")
    numbers = cli.parse_seeds(seeds)
    loaded = cli.open_model(model)
    place = {"x": 0, "y": 0} if plane else {"at": 0}
    asked = _asked(grade, truncation, moves, seeds=",".join(map(str, numbers[:100])), path=path, **place)
    latent = cli.good_call(lambda: from_query(asked, loaded))
    found = _directions(loaded) if any(latent.moves) else []
    if kind == ".png":
        sheet = plane_sheet(latent, loaded, found) if plane else loop_sheet(latent, loaded, found, 4 * len(numbers) + 1)
        images.save_png(out, sheet)
    else:
        film = loop_film(latent, loaded, found, seconds, Bar("drawing the frames"))
        content = gif(film) if kind == ".gif" else mp4(film)
        write_bytes(out, content)
    print(out)


@cli.app.command()
def project(
    image: Path,
    model: cli.ModelName,
    out: Annotated[Path, typer.Option(help="Folder for latent.json, found.png and, side by side, compare.png.")],
    steps: Annotated[int, typer.Option(min=1, max=5000)] = 240,
    fit: Annotated[Literal["crop", "pad"], typer.Option(help="How an image becomes square.")] = "crop",
    knee: Knee = "",
    compare: Annotated[bool, typer.Option(help="Also how near it comes to the model's own images.")] = True,
    as_json: cli.AsJson = False,
) -> None:
    """Find this knee: the latent whose picture is nearest to an image (PNG, JPEG, TIFF, DICOM), or to the knee on a
    whole film."""
    import numpy as np

    from gan_core import images
    from gan_core.files import write_text
    from studio.explore import project as search
    from studio.explore.latent import dump
    from studio.explore.upload import MAX_FILE_BYTES, read_knee

    loaded = cli.open_model(model)
    target = read_knee(cli.content(image, MAX_FILE_BYTES), image.name, loaded.config.net.resolution, knee, fit).image
    best: search.Found | None = None
    with Bar(unit="step") as bar:

        def show(found: search.Found) -> None:
            nonlocal best
            best = found
            bar.bar.set_postfix_str(f"error {found.error:.1f}")
            bar(found.done, found.total)

        try:
            best = search.project(target, loaded, steps, show)
        except KeyboardInterrupt:  # what there is, is kept
            if best is None:
                raise UserError("Stopped before there was anything to keep.") from None
    write_text(out / "latent.json", dump(best.latent))
    images.save_png(out / "found.png", best.image)
    images.save_png(out / "compare.png", np.hstack([target, best.image]))
    told: dict[str, Any] = {"error": best.error, "chance": best.chance, "steps": best.done, "grades": best.grades}
    if compare:
        own = search.own_error(loaded, steps, Bar("searching for images of its own"))
        told |= {"own_error": own, "likeness": search.likeness(best, own)}
    if as_json:
        cli.print_json(told)
        return
    print(
        f"A pixel differs by {best.error:.1f} of 255 gray levels (root mean square); for a random knee by "
        f"{best.chance:.1f}."
    )
    if compare:
        print(f"For images that the model made itself: {told['own_error']:.1f}. {told['likeness']}")
    if best.grades:
        print(f"The encoder reads grade {best.grades[0]:.1f} in the image, {best.grades[1]:.1f} in what was found.")
    print(out)


@cli.app.command()
def anatomy(
    files: Annotated[list[Path], typer.Argument(help="Images or whole films: PNG, JPEG, TIFF, DICOM.")],
    knee: Knee = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for a drawing of each, an SVG with the picture in it.")
    ] = None,
    as_json: cli.AsJson = False,
) -> None:
    """Outline the joint of each knee: its widths, medial and lateral, their error and place among real knees."""
    from gan_core.files import write_text
    from studio.explore.upload import MAX_FILE_BYTES, read_knee
    from studio.knee.readings import panel as panels

    told = []
    for path in files:
        target = read_knee(cli.content(path, MAX_FILE_BYTES), path.name, ANATOMY_PIXELS, knee)
        found = panels.panel(target.image, target.mm, target.side)
        told.append({"file": str(path)} | {k: v for k, v in found.to_json().items() if k != "drawing"})
        if out:
            write_text(out / f"{path.stem}.svg", panels.svg(target.image, found))
        if not as_json:
            print(f"{printable(path.name)}: {found.told}")
            if found.found:
                cli.print_table(found.columns, found.rows)
                print(found.among)
    if as_json:
        cli.print_json(told)
    else:
        print(panels.NOT_FOR_DIAGNOSIS)
