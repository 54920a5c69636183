"""The verb that takes words: describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import (
    AsJson,
    ModelName,
    app,
    bad_call,
    good_call,
    open_model,
    print_json,
    print_table,
    save_grid,
)
from studio.cli.console import Bar


@app.command()
def describe(
    words: str,
    model: ModelName,
    out: Annotated[Path, typer.Option(help="Folder for the knees and described.json.")],
    n: Annotated[int, typer.Option("--n", min=1, max=24, help="How many knees.")] = 8,
    encoder: Annotated[
        str, typer.Option(help="The sentence encoder: minilm, clip or none; by default the first that is installed.")
    ] = "",
    move: Annotated[bool, typer.Option(help="Also along the model's directions, where seeds fall short.")] = True,
    grid: Annotated[bool, typer.Option("--grid", help="Also one picture of all, grid.png.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make synthetic knees that fit a description, such as "severe medial narrowing, osteophytes, left knee"."""
    import numpy as np

    from gan_core.files import write_bytes
    from studio.explore.directions import directions
    from studio.knee.words.choose import choose
    from studio.knee.words.sentences import ENCODERS, available, open_encoder
    from studio.knee.words.telling import as_json as described
    from studio.knee.words.telling import files, rows
    from studio.knee.words.understand import understand

    if encoder not in ("", "none", *ENCODERS):
        raise bad_call(f"--encoder is none, {' or '.join(ENCODERS)}, not {encoder!r}")
    loaded = open_model(model)
    reader = encoder or next(iter(available()), "none")
    request = good_call(lambda: understand(words, None if reader == "none" else open_encoder(reader)))
    found = directions(loaded, Bar("measuring what directions change")) if move and request.targets else []
    chosen = choose(request, loaded, n, found, Bar("looking at knees"))
    told = described(words, chosen, found) | {"encoder": reader}
    for name, content in files(chosen, told).items():
        write_bytes(out / name, content)
    if grid and chosen.knees:
        save_grid(out, np.stack([knee.image for knee in chosen.knees])[:, None])
    if as_json:
        print_json(told)
        return
    print_table(
        ["words", "understood as", "how sure", "asked", "reached"],
        [
            [
                r.phrase,
                "\n".join(filter(None, [r.understood, r.note])),
                r.sure,
                "\n".join(r.asked),
                "\n".join(r.reached),
            ]
            for r in rows(chosen)
        ],
    )
    for note in told["notes"]:
        print(note)
    print(f"Chosen among {chosen.looked_at} knees." if chosen.knees else "Nothing of this can be asked of this model.")
    print(out)
