"""Evaluations on disk: jobs whose folder holds, besides, `evaluation.json` (as `evaluate --json` prints it),
`report.html` and pictures."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from gan_core.config import Settings
from gan_core.files import read_own, write_text
from gan_core.images import grid, save_png
from studio import command
from studio.data.options import split_options
from studio.jobs.work import JobStatus, Progress, Task

if TYPE_CHECKING:
    from studio.evaluate.evaluate import Evaluation

MAX_FIGURES = 20_000_000  # bytes of an evaluation's figures


class EvaluationRequest(Settings):
    """What to evaluate."""

    model: str = Field(min_length=1, max_length=1000)  # a model folder, a shipped model or a run
    data: str = Field(min_length=1, max_length=1000)  # reals to hold the fakes against
    reference: str = Field("", max_length=1000)  # reals of other patients; "" splits the data in two
    extractor: str = Field("knee", min_length=1, max_length=1000)
    n: int = Field(2000, ge=50, le=50_000)  # fakes
    truncation: float = Field(1.0, ge=0, le=1)
    seen: Literal["", "data", "reference"] = ""  # which of the two the model has learnt from; "": as it says itself
    only: tuple[str, ...] = ()  # names of measures; () is all of the quick ones


class EvaluationFolder(Task[EvaluationRequest, JobStatus]):
    kind, called, where = "evaluation", "an evaluation", "evaluations"
    request_schema = EvaluationRequest
    status_schema = JobStatus
    advice = "Start it again."

    def sources(self) -> tuple[str, ...]:
        request = self.request()
        return request.data, request.reference

    def work(self, progress: Progress) -> Evaluation:
        from studio.evaluate.evaluate import evaluate  # slow to load
        from studio.evaluate.report import report_html

        result = evaluate(self.request(), progress)
        self.write_pictures(result)
        write_text(self.report_path, report_html(result, date.today()))
        self.write_figures(result.as_json())  # last: where there are figures, there is all the rest
        return result

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    def figures(self) -> dict[str, Any]:
        """The figures, by measure; {} while there are none."""
        try:
            found = json.loads(read_own(self.path / "evaluation.json", self.path, MAX_FIGURES))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_pictures(self, result: Evaluation) -> None:
        """`fakes.png`, `reals.png` and `worst.png`, where each row of the last is a fake and its nearest training
        image."""
        columns = {"fakes": 8, "reals": 8, "worst": 2}
        for name, images in (("fakes", result.fakes), ("reals", result.reals), ("worst", result.worst)):
            if len(images):
                save_png(self.path / f"{name}.png", grid(images, columns[name]))

    def write_figures(self, figures: dict[str, Any]) -> None:
        write_text(self.path / "evaluation.json", json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False))


def create_evaluation(request: EvaluationRequest) -> EvaluationFolder:
    """A new, numbered folder with the request in it. Raises `UserError` where it cannot be written."""
    return EvaluationFolder.create(
        request, *(Path(split_options(part)[0]).name for part in (request.model, request.data))
    )


def command_line(request: EvaluationRequest, *, places: bool = True) -> str:
    """The command that evaluates the same; without `places`, paths of this machine are cut short."""
    return command.command_line("evaluate", places=places, **request.model_dump(exclude_defaults=True))
