"""The verbs of the page Learn: toy, distances, augmentations."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from studio.cli.common import AsJson, app, bad_call, good_call, print_json, print_table
from studio.cli.console import Bar


@app.command()
def toy(
    out: Annotated[Path, typer.Option(help="A .gif, a .json of all frames, or - for a line of JSON per frame.")],
    game: Annotated[list[str] | None, typer.Option(help="dcgan, wgan, wgan-gp or knee-64; may be repeated.")] = None,
    target: Annotated[str, typer.Option(help="ring, grid or moons.")] = "ring",
    seed: Annotated[int, typer.Option(help="0 to 5.")] = 0,
) -> None:
    """Play small GANs on points in the plane, side by side, and record what a class would watch."""
    import torch

    from gan_core.files import write_text
    from studio.learn.toy.record import FRAMES, check, encode, record, scene

    games = list(dict.fromkeys(game or ["dcgan", "knee-64"]))
    for name in games:
        good_call(partial(check, name, target, seed))
    if str(out) != "-" and out.suffix not in (".gif", ".json"):
        raise bad_call(f"{out} is neither a .gif, nor a .json, nor -")
    torch.set_num_threads(1)  # so small a net is slower on more
    plays = zip(*(record(name, target, seed) for name in games), strict=True)
    if str(out) == "-":
        for frames in plays:
            for name, frame in zip(games, frames, strict=True):
                print(json.dumps({"game": name} | encode(frame), allow_nan=False), flush=True)
        return
    played, bar = [], Bar(unit="frame")
    for frames in plays:
        played.append(frames)
        bar(len(played), FRAMES + 1)
    films = {name: [frames[i] for frames in played] for i, name in enumerate(games)}
    if out.suffix == ".gif":
        from studio.learn.toy.film import save_gif

        save_gif(out, target, films)
    else:
        encoded = {name: [encode(frame) for frame in frames] for name, frames in films.items()}
        write_text(out, json.dumps(scene(target) | {"seed": seed, "games": encoded}, allow_nan=False))
    print(out)


@app.command()
def distances(kind: Literal["bells", "points"] = "bells", as_json: AsJson = False) -> None:
    """Slide two distributions apart: Jensen-Shannon ends at log 2, Wasserstein grows with the distance."""
    from studio.learn.toy.apart import slide

    titles = {
        "shift": "shift",
        "js": "Jensen-Shannon",
        "js_slope": "its slope",
        "wasserstein": "Wasserstein",
        "wasserstein_slope": "slope of it",
    }
    found = slide(kind)
    columns = {title: found[name] for name, title in titles.items()}
    if as_json:
        print_json({name: values.tolist() for name, values in columns.items()})
    else:
        print_table(list(columns), [[f"{v:.3f}" for v in row] for row in zip(*columns.values(), strict=True)][::5])


@app.command()
def augmentations(
    out: Annotated[Path, typer.Option(help="A .png: a row for each operation.")],
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the phantom knee.")] = 0,
) -> None:
    """Draw what the discriminator sees of a phantom knee under each augmentation."""
    import numpy as np

    from gan_core import images
    from studio.learn.toy.seen import seen

    rows = [np.resize(row, (3, 1, *row.shape[1:])) for row in seen(seed).values()]
    images.save_png(out, images.grid(np.concatenate(rows), 3))
    print(out)
