"""Evaluations on disk: jobs whose folder holds, besides, `evaluation.json` (as `evaluate --json` prints it),
`report.html` and pictures."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from gan_core.config import Settings
from gan_core.data import short_source
from gan_core.files import read_own, write_text
from studio.data.options import split_options
from studio.jobs.folder import JobFolder, JobStatus

MAX_FIGURES = 20_000_000  # bytes of an evaluation's figures


class EvaluationRequest(Settings):
    """What to evaluate."""

    model: str = Field(min_length=1, max_length=1000)  # a model folder, a shipped model or a run
    data: str = Field(min_length=1, max_length=1000)  # reals to hold the fakes against
    reference: str = Field("", max_length=1000)  # reals of other patients; "" splits the data in two
    extractor: str = Field("knee", min_length=1, max_length=1000)
    n: int = Field(2000, ge=50, le=50_000)  # fakes
    truncation: float = Field(1.0, ge=0, le=1)
    only: tuple[str, ...] = ()  # names of measures; () is all of the quick ones
    seen: Literal["", "data", "reference"] = ""  # which of the two the model has learnt from; "": as it says itself


class EvaluationFolder(JobFolder[EvaluationRequest, JobStatus]):
    kind = "evaluation"
    request_schema = EvaluationRequest
    status_schema = JobStatus
    advice = "Start it again."
    kept = ""

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

    def shown(source: str) -> str:
        return source if places else short_source(source)

    words = ["python -m gan_core evaluate --model", shown(request.model), "--data", shown(request.data)]
    if request.reference:
        words += ["--reference", shown(request.reference)]
    for name in ("extractor", "n", "truncation", "seen"):
        if (value := getattr(request, name)) != EvaluationRequest.model_fields[name].default:
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else shown(str(value))]
    if request.only:
        words += ["--only", ",".join(request.only)]
    return " ".join([words[0], *map(shlex.quote, words[1:])])
