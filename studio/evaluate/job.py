"""An evaluation as a job: reads its request, writes how it stands, its figures and its report."""

from __future__ import annotations

from datetime import date

from gan_core.files import write_text
from gan_core.images import grid, save_png
from studio.evaluate.evaluate import Evaluation, evaluate
from studio.evaluate.folder import EvaluationFolder
from studio.evaluate.report import report_html
from studio.jobs.work import Progress, run_job


def run_evaluation(folder: EvaluationFolder, show: Progress) -> Evaluation | None:
    """Evaluates what `folder` asks for; None where somebody asked it to stop. `show` gets the progress too.

    Raises `UserError`, after writing it into the folder's status, where something is wrong.
    """

    def work(progress: Progress) -> Evaluation:
        result = evaluate(folder.request(), progress)
        write_pictures(folder, result)
        write_text(folder.report_path, report_html(result, date.today()))
        folder.write_figures(result.as_json())  # last: where there are figures, there is all the rest
        return result

    return run_job(folder, work, show)


def write_pictures(folder: EvaluationFolder, result: Evaluation) -> None:
    """`fakes.png`, `reals.png` and `worst.png`, where each row of the last is a fake and its nearest training image."""
    for name, images, columns in (("fakes", result.fakes, 8), ("reals", result.reals, 8), ("worst", result.worst, 2)):
        if len(images):
            save_png(folder.path / f"{name}.png", grid(images, columns))
