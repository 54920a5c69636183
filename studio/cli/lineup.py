"""The verb that puts trainings beside each other: compare-runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import AsJson, app, bad_call, print_json, print_table


@app.command()
def compare_runs(
    runs: Annotated[
        list[str],
        typer.Argument(help="A run's name or directory, or baselines/NAME of one that comes with the program."),
    ],
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table there, and every curve into NAME-curves.csv beside it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare trainings: how they ended, their results, and the settings in which they differ."""
    from gan_core.files import write_text
    from studio import runs as lineup

    if csv and csv.is_dir():
        raise bad_call(f"{csv} is a folder: give the file's name too")
    found = {entry.run.path.resolve(): entry for entry in map(lineup.find_entry, runs)}
    members = [lineup.read(entry) for entry in found.values()]
    table = lineup.table(members)
    differing = [s for s in lineup.settings(members) if s.differs]
    if csv:
        write_text(csv, lineup.table_csv(members))
        write_text(csv.with_name(f"{csv.stem}-curves.csv"), lineup.curves_csv(members))
    if as_json:
        keyed = [
            {"key": m.key, **row, "warnings": m.status.warnings, "remarks": list(m.entry.result.remarks)}
            for m, row in zip(members, table.rows, strict=True)
        ]
        settings = {s.name: dict(zip((m.key for m in members), s.values, strict=True)) for s in differing}
        print_json({"runs": keyed, "settings": settings, "comparable": not lineup.mixed(members)})
        return
    names = [m.title for m in members]
    rows = [[c.title, *(c.text(row[c.title]) for row in table.rows)] for c in table.columns if c.title != "Run"]
    print_table(["", *names], rows)
    if differing:
        print_table(["differs", *names], [[s.name, *(v or "–" for v in s.values)] for s in differing])
    if lineup.mixed(members):
        print("These runs learn from different images: their figures do not compare.")
    for m in members:
        for text in (*m.status.warnings, *m.entry.result.remarks):
            print(f"{m.title}: {text}")
