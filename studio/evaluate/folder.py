"""Evaluations on disk: jobs whose folder holds, besides, `evaluation.json` (as `evaluate --json` prints it),
`report.html` and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from gan_core.config import Settings
from gan_core.data import split_options
from gan_core.files import read_own, write_text
from gan_core.job import Job
from studio import command
from studio.jobs.work import JobStatus

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


class EvaluationFolder(Job[EvaluationRequest, JobStatus]):
    kind, called, where = "evaluation", "an evaluation", "evaluations"
    request_schema = EvaluationRequest
    status_schema = JobStatus
    advice = "Start it again."

    def sources(self) -> tuple[str, ...]:
        request = self.request()
        return request.data, request.reference

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
