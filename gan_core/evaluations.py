"""Evaluations on disk, as runs are: `runs/evaluations/00001-<model>-<data>/`. No network is touched here.

`request.json` (what is asked), `status.json` (how it stands), `evaluation.json` (as `evaluate --json` prints it),
`report.html`, `log.txt`, and for a moment `stop`.
"""

from __future__ import annotations

import json
import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from gan_core.config import Settings
from gan_core.data import short_source
from gan_core.errors import UserError
from gan_core.files import write_text
from gan_core.runs import numbered, runs_root
from gan_core.status import ALIVE, ProcessStatus, read_status

FOLDER = "evaluations"


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


class EvaluationStatus(ProcessStatus):
    """How an evaluation stands: `message` says what is being done, and `done` of `total` of it are."""

    done: int = 0
    total: int = 0
    seconds: float = 0.0

    def progress(self) -> str:
        """What is being done and how far it is, in one line."""
        return f"{self.message}: {self.done:,} of {self.total:,}" if self.total else self.message


@dataclass(frozen=True)
class EvaluationFolder:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    @property
    def stop_path(self) -> Path:
        return self.path / "stop"

    def request(self) -> EvaluationRequest:
        """Raises `UserError` where the file is missing or does not fit."""
        try:
            return EvaluationRequest.model_validate_json((self.path / "request.json").read_bytes())
        except (OSError, ValidationError) as e:
            raise UserError(f"{self.path} is not an evaluation: it holds no valid request.json.") from e

    def status(self) -> EvaluationStatus:
        return read_status(self.path / "status.json", EvaluationStatus, "Start it again.")

    def write_status(self, status: EvaluationStatus) -> None:
        status.write(self.path / "status.json")

    def alive(self) -> bool:
        return self.status().state in ALIVE

    def figures(self) -> dict[str, Any]:
        """The figures, by measure; {} while there are none."""
        try:
            found = json.loads((self.path / "evaluation.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_figures(self, figures: dict[str, Any]) -> None:
        write_text(self.path / "evaluation.json", json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False))

    def request_stop(self) -> None:
        """Asks the evaluation to end."""
        with suppress(OSError):
            self.stop_path.touch()


def evaluations_root() -> Path:
    return runs_root() / FOLDER


def create_evaluation(request: EvaluationRequest) -> EvaluationFolder:
    """A new, numbered folder with the request in it. Raises `UserError` where it cannot be written."""
    names = [Path(part).name for part in (request.model, request.data)]
    try:
        folder = EvaluationFolder(numbered(evaluations_root(), *names))
        write_text(folder.path / "request.json", json.dumps(request.model_dump(), indent=2))
    except OSError as e:
        raise UserError(f"No evaluation can be kept in {evaluations_root()}: {e.strerror or e}.") from e
    return folder


def list_evaluations() -> list[EvaluationFolder]:
    """All of them, the newest first."""
    root = evaluations_root()
    if not root.is_dir():
        return []
    found = [EvaluationFolder(p) for p in root.iterdir() if (p / "request.json").is_file()]
    return sorted(found, key=lambda e: ([int(d) for d in re.findall(r"^\d+", e.name)], e.name), reverse=True)


def command_line(request: EvaluationRequest, *, places: bool = True) -> str:
    """The command that evaluates the same; without `places`, paths of this machine are cut short."""

    def shown(source: str) -> str:
        kind, colon, path = source.partition(":")  # knee:/a/folder
        short = f"{kind}:{short_source(path)}" if colon and Path(path).is_absolute() else short_source(source)
        return source if places else short

    words = ["python -m gan_core evaluate --model", shown(request.model), "--data", shown(request.data)]
    if request.reference:
        words += ["--reference", shown(request.reference)]
    for name in ("extractor", "n", "truncation", "seen"):
        if (value := getattr(request, name)) != EvaluationRequest.model_fields[name].default:
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else shown(str(value))]
    if request.only:
        words += ["--only", ",".join(request.only)]
    return " ".join([words[0], *map(shlex.quote, words[1:])])
