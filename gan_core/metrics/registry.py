"""What can be measured of synthetic images: each metric with its words, its figures and what it needs.

A metric is an entry of `METRICS`, and that is all it takes: the command line, forms, tables, reports and cards find it
there. What shows figures reads them as they are stored, so that nothing here loads a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gan_core.errors import UserError
from gan_core.registry import resolve

Figures = dict[str, Any]  # of one metric, ready for JSON: numbers, or {"value": None, "why": a sentence}
Better = Literal["", "lower", "higher", "near"]  # "near" the floor
Need = Literal["knees", "classes", "training images"]
REALS = "real against real"


@dataclass(frozen=True)
class Line:
    """One figure for people. `why` says why there is none."""

    question: str  # what it answers: "Is it good?"
    title: str
    value: str
    floor: str  # the same of real against other real patients
    better: Better
    n: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Figure:
    """One number of a metric, and its floor, by their paths in what the metric gives: "coverage.value".

    A standard error or an interval that stands beside the number is told with it.
    """

    title: str
    column: str = ""  # its title beside other evaluations; "": it stands among the lines alone
    value: str = "value"
    floor: str = "floor"
    form: str = "z.3f"
    unit: str = ""
    better: Better = "lower"
    question: str = ""  # where it is not that of the metric
    rank: int = 9  # what to look at first has the smallest

    def text(self, figures: Figures, path: str) -> str:
        """The number at the path, or the floor's, as it is written."""
        where, _, key = path.rpartition(".")
        beside = at(figures, where) if where else figures
        said = f"{beside[key]:{self.form}}"
        if (error := beside.get("se" if key == "value" else f"{key}_se")) is not None:
            said += f" ± {error:{self.form}}"
        elif key == "value" and "low" in beside:
            said += f" ({beside['low']:{self.form}} to {beside['high']:{self.form}})"
        return f"{said} {self.unit}" if self.unit else said


@dataclass(frozen=True)
class Metric:
    """How a metric is computed and told."""

    compute: str | Callable[..., Figures]  # of (comparison, progress); as text, "module:function", loaded when needed
    question: str
    title: str
    short: str
    meaning: str
    figures: tuple[Figure, ...] = ()  # () is one, of the metric's own title
    floor: str = REALS  # what the floor is of
    needs: tuple[Need, ...] = ()
    in_features: bool = False  # of the extractor's features, and says so
    per_class: bool = False  # also of each class that has enough images
    slow: str = ""  # why it is measured only where asked for
    tell: Callable[[Figures], Iterator[Line]] | None = None  # where its lines are more than its figures

    def __call__(self, comparison: Any, progress: Callable[[str, int, int], None]) -> Figures:
        compute = resolve(self.compute) if isinstance(self.compute, str) else self.compute
        return compute(comparison, progress)

    @property
    def shown(self) -> tuple[Figure, ...]:
        return self.figures or (Figure(self.title, self.short),)

    def lines(self, figures: Figures) -> Iterator[Line]:
        """What was measured, or why it could not be."""
        if figures.get("why"):
            yield Line(self.question, self.title, "–", "–", "", why=figures["why"])
        elif self.tell:
            yield from self.tell(figures)
        else:
            named = "extractor" in figures and self.in_features and "knees" not in self.needs  # those have their own
            seen_by = f", {figures['extractor']}" if named else ""
            for f in self.shown:
                value, floor = f.text(figures, f.value), f.text(figures, f.floor)
                yield Line(f.question or self.question, f"{f.title}{seen_by}", value, floor, f.better, figures["n"])


METRICS: dict[str, Metric] = {}


def or_why(measure: Callable[[], Figures]) -> Figures:
    """What is measured, or why it cannot be."""
    try:
        return measure()
    except UserError as e:
        return {"value": None, "why": str(e)}


def at(figures: Figures, path: str) -> Any:
    """What lies at a path such as "coverage.value"; None where there is nothing."""
    found: Any = figures
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found
