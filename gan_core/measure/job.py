"""An evaluation as a job: reads its request, writes how it stands, its figures and its report."""

from __future__ import annotations

import time
from datetime import date

from gan_core.errors import UserError
from gan_core.evaluations import EvaluationFolder, EvaluationStatus
from gan_core.files import write_text
from gan_core.images import grid, save_png
from gan_core.measure.comparison import Progress
from gan_core.measure.evaluate import Evaluation, evaluate
from gan_core.measure.report import report_html
from gan_core.status import State

STATUS_SECONDS = 0.5


class _StopRequest(Exception):
    """Somebody asked for an end."""


def run_evaluation(folder: EvaluationFolder, show: Progress) -> Evaluation | None:
    """Evaluates what `folder` asks for; None where somebody asked it to stop. `show` gets the progress too.

    Raises `UserError`, after writing it into the folder's status, where something is wrong.
    """
    start = time.monotonic()
    last, before = 0.0, ""

    def say(state: State, message: str, done: int = 0, total: int = 0) -> None:
        status = EvaluationStatus(
            state=state, message=message, done=done, total=total, seconds=time.monotonic() - start
        )
        folder.write_status(status.with_process())

    def progress(what: str, done: int, of: int) -> None:
        nonlocal last, before
        show(what, done, of)
        if what != before or time.monotonic() - last > STATUS_SECONDS:
            last, before = time.monotonic(), what
            if folder.stop_path.exists():
                raise _StopRequest
            say("running", what, done, of)

    try:
        say("running", "Starting")
        result = evaluate(folder.request(), progress)
        write_pictures(folder, result)
        write_text(folder.report_path, report_html(result, date.today()))
        folder.write_figures(result.as_json())  # last: where there are figures, there is all the rest
        say("finished", "")
        return result
    except (_StopRequest, KeyboardInterrupt):
        folder.stop_path.unlink(missing_ok=True)
        say("stopped", "Stopped on request.")
        return None
    except UserError as e:
        say("failed", str(e))
        raise
    except Exception as e:
        say("failed", f"An unexpected error ended the evaluation ({type(e).__name__}: {e}). The log has more.")
        raise


def write_pictures(folder: EvaluationFolder, result: Evaluation) -> None:
    """`fakes.png`, `reals.png` and `worst.png`, where each row of the last is a fake and its nearest training image."""
    for name, images, columns in (("fakes", result.fakes, 8), ("reals", result.reals, 8), ("worst", result.worst, 2)):
        if len(images):
            save_png(folder.path / f"{name}.png", grid(images, columns))
