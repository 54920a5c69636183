"""The verb for the images that were brought: sources, and what the Hub has of them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from tqdm import tqdm

from gan_core.errors import UserError, printable
from studio.cli.common import AsJson, Crop, Labels, Read, app, print_json, print_table, read_as

sources = typer.Typer(help="The remembered images, and data sets on the Hub.")
app.add_typer(sources, name="sources")
DataSet = Annotated[str, typer.Argument(help="OWNER/NAME, OWNER/NAME:PART or OWNER/NAME@REVISION on the Hub.")]


@sources.callback(invoke_without_command=True)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the remembered images, yours and visitors'; any command takes a source as --data."""
    if context.invoked_subcommand:
        return
    from dataclasses import asdict

    from studio.data import library

    found = list(library.everything())
    if as_json:
        print_json([{"id": one.id, "whose": whose, "name": one.name, **asdict(one)} for whose, one in found])
        return
    print_table(
        ["id", "whose", "name", "images", "from", "brought", "source"],
        [
            [
                one.id,
                whose[:8],
                one.name,
                f"{one.count:,}" if one.count else "–",
                one.kind,
                one.brought[:10],
                one.source,
            ]
            for whose, one in found
        ],
    )


@sources.command()
def add(
    source: Annotated[str, typer.Argument(help="A folder, an archive, or a data set of the Hub as hf:OWNER/NAME.")],
    labels: Labels = "",
    read: Read = None,
    crop: Crop = "",
) -> None:
    """Look at images and remember them; a data set of the Hub is downloaded first. Prints the source, for --data."""
    from studio.cli.console import Bar
    from studio.data import hub, library, survey
    from studio.data.sources import is_named

    licence = ""
    if source.startswith("hf:"):
        offer = hub.look(source)
        _show(offer, sys.stderr)
        licence = offer.licence
        size = sum(file.size for file in offer.needed(offer.asked))
        with tqdm(total=size, unit="B", unit_scale=True, file=sys.stderr, leave=False, disable=None) as bar:
            source = hub.fetch(offer, offer.asked, lambda n: bar.update(n) and None)
    elif is_named(source):
        raise UserError(f"{source} needs no remembering: its images are made by the program.")
    asked = read_as(source, labels, read, crop)
    count = survey.inspect(asked, progress=Bar("looking at the images"))["count"]
    library.remember(library.HERE, asked, "hub" if source.startswith("hf:") else "folder", count, licence)
    print(asked)


@sources.command()
def remove(
    one: Annotated[str, typer.Argument(metavar="ID", help="As sources lists it, or the source itself.")],
) -> None:
    """Forget a source. An upload's files go too where no training and no evaluation uses them; other images stay."""
    from studio import uploads
    from studio.data import library

    found = [(whose, known) for whose, known in library.everything() if one in (known.id, known.source)]
    if not found:
        raise UserError(f"No remembered source is called {one[:100]!r}: sources lists them.")
    for whose, known in found:
        library.forget(whose, known.source)
    uploads.forget([known.source for _, known in found])
    print(found[0][1].name)


@sources.command()
def search(
    words: Annotated[list[str], typer.Argument(help="Words, such as knee radiograph.")], as_json: AsJson = False
) -> None:
    """Search the Hub for data sets, most downloaded first."""
    from dataclasses import asdict

    from studio.data import hub

    hits = hub.search(" ".join(words))
    if as_json:
        print_json([asdict(hit) for hit in hits])
        return
    print_table(
        ["data set", "licence", "images", "downloads"],
        [[hit.repo, hit.licence or "not stated", hit.size or "–", f"{hit.downloads:,}"] for hit in hits],
    )


@sources.command()
def look(data_set: DataSet, as_json: AsJson = False) -> None:
    """Say what a data set on the Hub is, with its size and licence, before anything of it is fetched."""
    from studio.data import hub

    offer = hub.look(data_set)
    if as_json:
        about = {"repo": offer.repo, "commit": offer.commit, "licence": offer.licence, "gated": offer.gated}
        print_json({**about, "bytes": offer.sizes, "card": offer.card})
        return
    _show(offer, sys.stdout)
    if offer.card:
        print(f"\n{printable(offer.card)}")


def _show(offer, file) -> None:  # type: ignore[no-untyped-def]
    from gan_core.files import size_text

    sizes = ", ".join(f"{part or 'as it is'} ({size_text(size)})" for part, size in offer.sizes.items())
    rows = {
        "data set": f"{offer.repo} at {offer.commit}",
        "licence": offer.licence or "none stated: ask its owner before you use it",
        "access": "gated: its owner must let you in" if offer.gated else "",
        "to fetch": sizes,
    }
    for key, value in rows.items():
        if value:
            print(f"{key:>12}  {printable(value)}", file=file)
