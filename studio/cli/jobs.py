"""The verb work, which the application starts: it does what a job's folder asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.common import app, bad_call
from studio.cli.console import Stages


@app.command(hidden=True)
def work(folder: Annotated[Path, typer.Argument(help="In runs/evaluations, runs/exports or runs/downloads.")]) -> None:
    """Do what a job's folder asks for."""
    result: Any
    with Stages() as show:
        match folder.resolve().parent.name:
            case "evaluations":
                from studio.evaluate.folder import EvaluationFolder
                from studio.evaluate.job import run_evaluation

                result = run_evaluation(EvaluationFolder(folder), show)
            case "exports":
                from studio.export.folder import ExportFolder
                from studio.export.job import run_export

                result = run_export(ExportFolder(folder), show)
            case "downloads":
                from studio.models.downloads import Download, run_download

                result = run_download(Download(folder), show)
            case _:
                raise bad_call(f"{folder} is no job's folder")
    if result is None:
        raise typer.Exit(130)
