"""What all verbs share: the app they hang on, options, output, and how a wrong call is told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gan_core.errors import UserError, printable

if TYPE_CHECKING:
    import numpy as np

    from gan_core.model import Model

app = typer.Typer(
    help="Train GANs on knee radiographs and generate synthetic ones. Not for diagnosis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
ModelName = Annotated[str, typer.Option("--model", help="A model folder, a shipped model, or a run.")]
Truncation = Annotated[float, typer.Option(min=0, max=1, help="Below 1: less varied, more typical.")]
ExtractorName = Annotated[str, typer.Option(help="knee, inception, torchvision:NAME, or a file of your own.")]
Labels = Annotated[
    str, typer.Option("--labels", help="A table of labels: CSV, JSON lines or parquet. none: take no table.")
]
Read = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        help="How the images are read, as key=value: split=val (or all), label=COLUMN, file=COLUMN and image=COLUMN of "
        "tables, folders=classes, patients or none, patients={patient}_* (where a name says whose it is) or none.",
    ),
]
Crop = Annotated[
    str,
    typer.Option(
        "--crop",
        help="knees: whole films become an image of each knee. Or a table of crops whose boxes were put right.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def open_model(name: str) -> Model:
    """The generator that --model names. Raises `UserError` where there is none."""
    from gan_core.model import find_generator, load_model  # slow to load: after the call is known to be good

    return load_model(find_generator(name))


def content(path: Path, most: int) -> bytes:
    """What a file holds, and of one that is too large a byte more than `most`."""
    with path.open("rb") as file:
        return file.read(most + 1)


def save_grid(out: Path, images: np.ndarray) -> None:
    """All of uint8 [N, 1, H, W] as one picture, grid.png in the folder `out`."""
    from gan_core.images import grid, save_png

    save_png(out / "grid.png", grid(images, math.isqrt(len(images) - 1) + 1))


def print_json(value: object) -> None:
    """Prints JSON, in ASCII: any terminal shows it, and names that are no UTF-8 come through."""
    print(json.dumps(value, indent=2))


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Prints a table. What looks like markup in a name is part of the name; what commands a terminal is left out."""
    drawn = Table(*(escape(printable(column)) for column in columns))
    for row in rows:
        drawn.add_row(*(escape(printable(cell)) for cell in row))
    Console().print(drawn)


def bad_call(message: str) -> typer.BadParameter:
    return typer.BadParameter(message)


def good_call(make: Callable[[], Any]) -> Any:
    """What `make` gives; what it finds wrong is a wrong call."""
    try:
        return make()
    except UserError as e:
        raise bad_call(str(e)) from e


def read_as(source: str, labels: str, read: list[str] | None, crop: str = "") -> str:
    """A source read as --labels, --read and --crop say, its paths made absolute. Raises `typer.BadParameter` for wrong
    ones."""
    from studio.data.options import Options, with_options
    from studio.data.sources import absolute_source

    said = {key: value for key, value in (("labels", labels), ("crop", crop)) if value}
    for part in read or []:
        key, equals, value = part.partition("=")
        if not equals or key not in Options.model_fields:
            raise bad_call(f"--read {part!r} is not understood: write key=value with {', '.join(Options.model_fields)}")
        said[key] = value
    return good_call(lambda: absolute_source(with_options(source, **said)))


def parse_seeds(text: str) -> list[int]:
    """ "0-3,7" as [0, 1, 2, 3, 7]. Raises `typer.BadParameter` where it is no such list."""
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            if int(last or first) - int(first) > 10_000_000:
                raise bad_call("at most ten million seeds at once")
            seeds += range(int(first), int(last or first) + 1)
    except ValueError as e:
        raise bad_call(f"{text!r} is not a list of seeds; write 0-63 or 1,5,9") from e
    if not seeds:
        raise bad_call(f"{text!r} holds no seed: a range goes from the smaller to the larger")
    return seeds
