"""The verb work, which the application starts: it does what a job's folder asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.common import app, bad_call
from studio.cli.console import Stages


@app.command(hidden=True)
def work(
    folder: Annotated[Path, typer.Argument(help="Of an evaluation, an export or a download.")],
) -> None:
    """Do what a job's folder asks for."""
    from studio.evaluate.folder import EvaluationFolder
    from studio.export.folder import ExportFolder
    from studio.models.downloads import Download

    for kind in (EvaluationFolder, ExportFolder, Download):
        if folder.resolve().parent.name == kind.where:
            with Stages() as stages:
                if kind(folder).run(stages) is None:
                    raise typer.Exit(130)
            return
    raise bad_call(f"{folder} is not the folder of a job")
