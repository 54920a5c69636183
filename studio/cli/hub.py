"""The verbs that fetch and send models: pull, push, models."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from gan_core.errors import printable
from studio.cli.common import AsJson, app, print_json, print_table

if TYPE_CHECKING:
    from studio.models.pull import Found

models = typer.Typer(help="The models on this computer: shipped, pulled, uploaded, trained.")
app.add_typer(models, name="models")
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be transferred.")]


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="OWNER/NAME or OWNER/NAME@REVISION on the Hugging Face Hub.")],
    dry_run: DryRun = False,
) -> None:
    """Fetch a model from the Hub, pinned to the commit that is seen. Prints its name here, for --model."""
    from gan_core.hub import hub_name
    from studio.models.pull import look, pull_or_cached

    if dry_run:
        _show(look(hub_name(name)), sys.stdout)
        return
    bars: list[tqdm] = []

    def seen(found: Found) -> Callable[[int], None]:
        _show(found, sys.stderr)
        bars.append(tqdm(total=found.size, unit="B", unit_scale=True, file=sys.stderr, leave=False, disable=None))
        return lambda n: bars[0].update(n) and None

    try:
        here, note = pull_or_cached(name, seen)
    finally:
        for bar in bars:
            bar.close()
    if note:
        print(note, file=sys.stderr)
    print(here.name)


def _show(found: Found, file) -> None:  # type: ignore[no-untyped-def]
    from gan_core.files import size_text

    config = found.config
    rows = {
        "model": f"{found.name.repo} at {found.commit}",
        "licence": found.licence or "none stated: ask its owner before you use it",
        "makes": f"{config.net.resolution} x {config.net.resolution} pixels",
        config.label_name: ", ".join(config.class_names) or "no classes",
        "trained on": config.data or "(not said)",
        "size": f"{size_text(found.size)}: {', '.join(f'{f.name} ({size_text(f.size)})' for f in found.files)}",
    }
    for key, value in rows.items():
        print(f"{key:>12}  {printable(value)}", file=file)
    if found.card and file is sys.stdout:
        print(f"\n{printable(found.card)}", file=file)


@app.command()
def push(
    model: Annotated[str, typer.Argument(help="A model folder, a run, or an uploaded model.")],
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hub; created if it does not exist.")],
    licence: Annotated[str, typer.Option("--license", "--licence", help="The licence you give, such as mit.")],
    public: Annotated[
        bool, typer.Option("--public", help="Visible to everybody; otherwise only to your account.")
    ] = False,
    dataset: Annotated[
        list[str] | None, typer.Option(help="A data set on the Hub it was trained on. Repeatable.")
    ] = None,
    critic: Annotated[
        bool, typer.Option("--critic", help="Include the discriminator, so that others can continue the training.")
    ] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Confirm that an uploaded model is yours to publish.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Send a generator to the Hub, with a model card. Prints its address."""
    from gan_core.files import size_text
    from studio.models import push as pushing

    plan = pushing.plan_push(
        model, repo, licence, public=public, datasets=tuple(dataset or ()), critic=critic, mine=mine
    )
    for caution in plan.cautions:
        print(f"note: {caution}", file=sys.stderr)
    if not dry_run:
        print(pushing.push(plan))
        return
    sizes = {name: len(content) for name, content in plan.files.items()}
    if as_json:
        print_json({"repo": plan.name.repo, "public": plan.public, "files": sizes, "card": plan.card})
        return
    print(f"to {plan.name.repo}, {'public' if plan.public else 'private'}:")
    for name, size in sizes.items():
        print(f"{size_text(size):>10}  {name}")
    print(f"\n{plan.card}")


@models.callback(invoke_without_command=True)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models. models add takes a zip, models remove deletes what came from elsewhere."""
    if context.invoked_subcommand:
        return
    from studio.models.inventory import inventory

    found = inventory()
    if as_json:
        print_json([item.as_json() for item in found])
        return
    print_table(
        ["model", "from", "pixels", "classes", "licence"],
        [
            [
                item.name,
                item.kind,
                f"{item.config.net.resolution}",
                f"{len(item.config.class_names)}",
                item.licence or "–",
            ]
            for item in found
        ],
    )


@models.command()
def add(file: Annotated[Path, typer.Argument(help="A zip of a model folder.")]) -> None:
    """Take a model from a zip. Prints its name here, for --model."""
    from studio.models.upload import keep_zip

    print(keep_zip(file).name)


@models.command()
def remove(name: Annotated[str, typer.Argument(help="A pulled or uploaded model, as models lists it.")]) -> None:
    """Delete a model that came from elsewhere. Runs are deleted on the Train page."""
    from studio.models.store import remove as remove_stored

    print(remove_stored(name).name)
