"""What is shown of an evaluation besides `summary.lines`: what figures mean, which lead, and those of each class.

Reads only what `evaluate --json` prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from studio.evaluate.summary import TITLES, Line, lines

Figures = dict[str, Any]
BETTER = {"lower": "lower is better", "higher": "higher is better", "near": "near the floor is best", "": ""}
FAKE, REAL = "synthetic", "real"
COMPARTMENTS = {"narrower": "The narrower compartment", "medial": "Medial", "lateral": "Lateral"}
MEANING = {
    "fd": "How far the synthetic images lie from the real ones, as the extractor sees them, in their centre and their "
    "spread. It grows as images get fewer: only figures of as many images compare.",
    "kd": "The same question, without that bias: 0 is as near as real to real. The figure to trust with few images.",
    "prdc": "Each image reaches as far as its fifth nearest neighbour of its own kind.",
    "variety": "How alike two images of one class are; 1 is the same image twice. Above the floor they vary less.",
    "spectrum": "How much the detail at each scale, from coarse to fine, differs from that of real images.",
    "copying": "A copy lies much nearer to one training image than to any other. The second "
    "column is what synthetic images that copy nothing would give.",
    "grade": "The grade asked for, against the grade that the knee encoder reads. The second column is its reading of "
    "real images against the readers' grades.",
    "jsw": "The width of the joint space, measured on the images in pixels. It narrows as the grade rises.",
    "makeup": "How many are left knees and inverted films, and whether bright and dark images come as often as among "
    "reals.",
    "detect": "A small network learns to tell synthetic from real; on images it has not seen, 0.5 is guessing and 1 is "
    "never wrong.",
    "useful": "A classifier learns grades from real images, from synthetic ones and from both, and is tried on real "
    "images of other patients.",
}


@dataclass(frozen=True)
class Lead:
    """One of the figures to look at first, as a number, so that several evaluations can be sorted by it."""

    title: str
    value: float
    floor: float | None
    form: str
    better: str
    floor_is: str  # what the floor is of

    def text(self, number: float | None) -> str:
        return "–" if number is None else f"{number:{self.form}}"


# Title, where the figure is and where its floor is, how it is written, which way is better, what the floor is of. The
# first ones come first.
REALS = "real against real"
_LEADS = (
    ("Kernel distance", "kd.value", "kd.floor", "z.3f", "lower", REALS),
    ("Coverage", "prdc.coverage.value", "prdc.coverage.floor", "z.3f", "near", REALS),
    ("Copies", "copying.value", "copying.floor", ".1%", "lower", "expected"),
    ("Grade agreement (kappa)", "grade.value", "grade.floor", "z.3f", "near", REALS),
    ("Told from real (AUC)", "detect.value", "detect.floor", "z.3f", "lower", REALS),
    ("Gain by synthetic images (accuracy)", "useful.value", "useful.floor", "+z.3f", "higher", "expected"),
    ("Recall", "prdc.recall.value", "prdc.recall.floor", "z.3f", "near", REALS),
    ("Precision", "prdc.precision.value", "prdc.precision.floor", "z.3f", "near", REALS),
    ("Fréchet distance", "fd.value", "fd.floor", ".2f", "lower", REALS),
    ("Likeness (MS-SSIM)", "variety.value", "variety.floor", "z.3f", "near", REALS),
    ("Gap of spectra, dB", "spectrum.value", "spectrum.floor", ".2f", "lower", REALS),
    ("Exposures (Kolmogorov-Smirnov)", "makeup.value", "makeup.floor", "z.3f", "lower", REALS),
    ("Joint space, px", "jsw.value", "jsw.floor", ".2f", "lower", REALS),
)
_OF_CLASS = (
    ("Kernel distance", "kd", "", "z.3f"),
    ("Fréchet distance", "fd", "", ".2f"),
    ("Precision", "prdc", "precision", "z.3f"),
    ("Recall", "prdc", "recall", "z.3f"),
    ("Coverage", "prdc", "coverage", "z.3f"),
    ("Likeness (MS-SSIM)", "variety", "", "z.3f"),
)


def _at(figures: Figures, path: str) -> float | None:
    found: Any = figures
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def leads(figures: Figures) -> list[Lead]:
    """Those that were measured, the most telling first."""
    return [
        Lead(title, value, _at(figures, floor), form, better, floor_is)
        for title, path, floor, form, better, floor_is in _LEADS
        if (value := _at(figures, path)) is not None
    ]


def by_question(figures: Figures) -> dict[str, list[tuple[Line, str]]]:
    """Each question's lines, each with what its measure means; "" where the line above has said it."""
    questions = dict.fromkeys(question for question, _ in TITLES.values())
    return {question: rows for question in questions if (rows := list(_lines_of(question, figures)))}


def _lines_of(question: str, figures: Figures) -> Iterator[tuple[Line, str]]:
    for name in TITLES:
        meaning = MEANING[name]
        for line in lines({name: figures[name]}) if name in figures else ():
            if line.question == question:
                yield line, meaning
                meaning = ""


def class_rows(figures: Figures) -> list[dict[str, str]]:
    """A row for each class: its name, and each figure with the floor in brackets. [] where nothing is by class."""
    names = figures["about"]["class_names"]
    columns = [(title, name, part, form) for title, name, part, form in _OF_CLASS if _at(figures, f"{name}.per_class")]
    if not (names and columns):
        return []
    label = figures["about"]["label_name"]
    rows = []
    for of_class in names:
        row = {label: of_class}
        for title, name, part, form in columns:
            found = figures[name]["per_class"].get(of_class, {})
            cell = found.get(part, {}) if part else found
            known = cell.get("value") is not None
            row[title] = f"{cell['value']:{form}} ({cell['floor']:{form}})" if known else "–"
        rows.append(row)
    return rows


def class_gaps(figures: Figures) -> list[str]:
    """Why classes have no figures, each reason once."""
    label = figures["about"]["label_name"]
    found = [
        f"{label} {of_class}: {part['why']}"
        for _, name, _, _ in _OF_CLASS
        for of_class, part in (_at(figures, f"{name}.per_class") or {}).items()  # type: ignore[union-attr]
        if part.get("why")
    ]
    return list(dict.fromkeys(found))


def stand_ins(figures: Figures) -> str:
    """A sentence where what is called real is no film of anybody; else ""."""
    about = figures["about"]
    if "phantom" not in (about["data"] + about["reference"]).lower():
        return ""
    return "Phantoms, drawn by this program, stand here for real images: where it says real, it means these."


def confusions(figures: Figures) -> dict[str, list[list[int]]]:
    """Of fakes and of reals, counts [K][K]: a row is a grade given, a column a grade read. {} where not measured."""
    grade = figures.get("grade", {})
    return {which: grade[key]["confusion"] for which, key in ((FAKE, "fake"), (REAL, "real")) if key in grade}


def joint_space_rows(figures: Figures, part: str = "narrower") -> list[Figures]:
    """A row for each class and side that was measured: {"class", "which", "mean", "low", "high", "n"}, in pixels.

    `part` is the compartment: "narrower", "medial" or "lateral".
    """
    return [
        {"class": of_class, "which": which, **{k: sides[key][k] for k in ("mean", "low", "high", "n")}}
        for of_class, sides in (_at(figures, f"jsw.{part}.per_class") or {}).items()  # type: ignore[union-attr]
        for which, key in ((FAKE, "fake"), (REAL, "real"))
        if sides.get(key) and sides[key].get("mean") is not None
    ]


def useful_rows(figures: Figures) -> list[dict[str, str]]:
    """A row for each share of the real images: how well grades are read without and with synthetic ones."""

    def between(estimate: Figures, form: str = "z.3f") -> str:
        return f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"

    return [
        {
            "Share of the real images": f"{f['fraction']:.0%}",
            "Real images": f"{f['n']:,}",
            "Balanced accuracy, real alone": between(f["real"]["balanced_accuracy"]),
            "Real and synthetic": between(f["both"]["balanced_accuracy"]),
            "Difference": between(f["difference"]["balanced_accuracy"], "+z.3f"),
        }
        for f in figures.get("useful", {}).get("fractions") or ()
    ]
