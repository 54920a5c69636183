"""The verbs of a reader study: study new, list, results, export, delete. It is read in the app."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from studio.cli import common as cli
from studio.cli.console import Bar

study = typer.Typer(help="Reader studies: can people tell synthetic images from real ones?", no_args_is_help=True)
cli.app.add_typer(study, name="study")
SetId = Annotated[str, typer.Argument(help="A set of images, as `study list` names it.")]


@study.command()
def new(
    model: cli.ModelName,
    data: Annotated[str, typer.Option(help="The real images. By default phantoms: a rehearsal.")] = "phantom:400",
    images: Annotated[int, typer.Option(help="20, 40 or 60 in a round.")] = 20,
    pairs: Annotated[bool, typer.Option("--pairs", help="A real and a synthetic one side by side.")] = False,
    labels: cli.Labels = "",
    read: cli.Read = None,
    crop: cli.Crop = "",
) -> None:
    """Choose the images of a study. Prints the set's id: the app's link /study?set=ID lets a reader begin."""
    from gan_core.data import short_source
    from studio.study.make import SIZES, make_set

    if images not in SIZES:
        raise cli.bad_call(f"--images is {', '.join(map(str, SIZES))}, not {images}")
    loaded = cli.open_model(model)
    data = cli.read_as(data, labels, read, crop)
    print(make_set(loaded, short_source(model), data, images, "pair" if pairs else "single", Bar("reading the images")))


@study.command(name="list")
def list_(as_json: cli.AsJson = False) -> None:
    """List the sets of images, newest first, and how many readers have finished."""
    from studio.study.store import list_sets, studies_of

    rows, found = [], []
    for s in list_sets():
        first = [study for study in studies_of(s.id) if study.round == 1]
        over = sum(study.over for study in first)
        found.append(asdict(s) | {"readers": len(first), "at_the_end": over})
        rows.append([s.id, s.created[:10], s.model, s.data, f"{s.size} {s.kind}", f"{over} of {len(first)}"])
    if as_json:
        cli.print_json(found)
        return
    cli.print_table(["set", "made", "model", "real images", "images", "readers finished"], rows)


@study.command()
def results(set_id: SetId, as_json: cli.AsJson = False) -> None:
    """Show how well the readers of a set did; those who have not finished are left out."""
    from studio.study.results import results as of
    from studio.study.results import verdict

    found = of(set_id)
    if as_json:
        cli.print_json(
            {
                "about": asdict(found.about),
                "readers": [{"reader": r.reader, "round": r.study.round, **asdict(r.score)} for r in found.readings],
                "agreements": [asdict(a) for a in found.agreements],
            }
        )
        return
    print(f"{found.about.model} against {found.about.data}. {found.about.note}")
    rows = []
    for r in found.readings:
        s = r.score
        estimates = (s.accuracy, s.sensitivity, s.specificity, s.auc)
        figures = [f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f})" if e else "" for e in estimates]
        rows.append([r.reader, str(r.study.round), f"{s.right} of {s.n}", *figures, verdict(s)])
    cli.print_table(["reader", "round", "right", "accuracy", "sensitivity", "specificity", "AUC", ""], rows)
    for a in found.agreements:
        kappa = "not defined" if a.kappa is None else f"{a.kappa:.2f}"
        print(f"Cohen's kappa, round {a.round}, {' and '.join(a.readers)}: {kappa} ({a.n} in common)")


@study.command()
def export(
    out: Annotated[Path, typer.Option(help="The CSV file to write.")],
    set_id: Annotated[str, typer.Argument(help="A set; by default all of them.")] = "",
) -> None:
    """Write the answers as CSV, a row for each, including those of studies still in progress."""
    from gan_core.files import write_text
    from studio.study.store import list_sets
    from studio.study.table import to_csv

    write_text(out, to_csv([set_id] if set_id else [s.id for s in list_sets()]))
    print(out)


@study.command()
def delete(set_id: SetId) -> None:
    """Delete a set for good: its images with all their studies and answers."""
    from studio.study.store import delete_set

    delete_set(set_id)
