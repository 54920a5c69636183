"""What is shown of an evaluation besides `metrics.lines`: what figures mean, which lead, and those of each class.

Reads only what `evaluate --json` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gan_core.metrics.registry import at
from studio.evaluate.metrics import METRICS, Figures, Line, between
from studio.samples import is_phantom

BETTER = {"lower": "lower is better", "higher": "higher is better", "near": "near the floor is best", "": ""}
FAKE, REAL = "synthetic", "real"
CALLED = {REAL: REAL, FAKE: FAKE}  # in a key
STAND_INS = "Phantoms simulated by this program stand in for the real images here; “real” means these."
COMPARTMENTS = {"narrower": "The narrower compartment", "medial": "Medial", "lateral": "Lateral"}


@dataclass(frozen=True)
class Curves:
    """A curve of each side, by `FAKE` and `REAL`: its x [N] and y [N]."""

    title: str
    x: str
    y: str
    sides: dict[str, tuple[Sequence[float], Sequence[float]]]
    called: dict[str, str] = field(default_factory=lambda: CALLED)


@dataclass(frozen=True)
class Intervals:
    """Means with their 95% intervals, those of a group side by side."""

    title: str
    x: str
    y: str
    rows: list[Figures]  # {"group", "which": `FAKE` or `REAL`, "mean", "low", "high"}
    called: dict[str, str] = field(default_factory=lambda: CALLED)  # what the sides are, in the key


@dataclass(frozen=True)
class Section:
    """What there is to see of one subject besides its figures. Page and report draw the parts that there are."""

    title: str
    said: str = ""
    verdicts: tuple[str, ...] = ()
    confusions: dict[str, list[list[int]]] = field(default_factory=dict)  # as `confusions` gives them
    charts: Sequence[Curves | Intervals] = ()
    rows: Sequence[dict[str, str]] = ()  # of a table
    pairs: Sequence[Figures] = ()  # of fakes and training images, in the order of their pictures


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


def leads(figures: Figures) -> list[Lead]:
    """Those that were measured, the most telling first."""
    known = [
        (f.rank, Lead(f.column, value, at(figures, f"{name}.{f.floor}"), f.form, f.better, metric.floor))
        for name, metric in METRICS.items()
        for f in metric.shown
        if f.column and (value := at(figures, f"{name}.{f.value}")) is not None
    ]
    return [lead for _, lead in sorted(known, key=lambda found: found[0])]


def sections(figures: Figures) -> list[Section]:
    """One for each subject that there is anything of."""
    out = []
    if counts := confusions(figures):
        said = (
            f"Rows: the {figures['about']['label_name']} asked of the model or given by readers. Columns: what the "
            "knee encoder reads. On the diagonal they agree."
        )
        out.append(Section("Grades", said, confusions=counts))
    if spaces := joint_spaces(figures):
        out.append(Section("Joint space", _about_spaces(figures), charts=spaces))
    if verdict := figures.get("copying", {}).get("verdict"):
        said = (
            "The synthetic images nearest to a training image, relative to their distance from the others. Each is "
            "shown beside that image."
        )
        pairs = figures["copying"].get("worst", ())
        out.append(Section("Memorisation", said if pairs else "", (verdict,), pairs=pairs))
    if fractions := useful_fractions(figures):
        verdicts = tuple(f["verdict"] for f in fractions)
        out.append(
            Section("Augmentation utility", "", verdicts, charts=[useful_chart(figures)], rows=useful_rows(figures))
        )
    if tones := curves(figures):
        out.append(Section("Detail and brightness", charts=tones))
    return out


def _about_spaces(figures: Figures) -> str:
    said = (
        "Mean width on the images with its 95% interval: a measurement for comparing sets of images, not a diagnosis."
    )
    if mm := figures["jsw"].get("mm"):
        said += f" A pixel is {mm:.3g} mm in the real images, and is taken to be so in the synthetic ones."
    missed = figures["jsw"].get("not_found")
    if not missed:
        return said
    return f"{said} Not found in {missed['fake']:.1%} of the synthetic and {missed['real']:.1%} of the real images."


def pair_in_words(pair: Figures) -> str:
    """How near a fake lies to its nearest training image."""
    return (
        f"Distance {pair['distance']:.3g}, {pair['relative']:.2f} times that to the third nearest training image. "
        f"{pair['percentile']:.1f}% of the unseen images lie nearer to a training image."
    )


def by_question(figures: Figures) -> dict[str, list[tuple[Line, str]]]:
    """Each question's lines, each with what its measure means; "" where the line above has said it."""
    questions = dict.fromkeys(metric.question for metric in METRICS.values())
    return {question: rows for question in questions if (rows := list(_lines_of(question, figures)))}


def _lines_of(question: str, figures: Figures) -> Iterator[tuple[Line, str]]:
    for name, metric in METRICS.items():
        meaning = metric.meaning
        for line in metric.lines(figures[name]) if name in figures else ():
            if line.question == question:
                yield line, meaning
                meaning = ""


def class_rows(figures: Figures) -> list[dict[str, str]]:
    """A row for each class: its name, and each figure with the floor in brackets. [] where nothing is by class."""
    names = figures["about"]["class_names"]
    columns = [(name, f) for name in _by_class(figures) for f in METRICS[name].shown if f.column]
    if not (names and columns):
        return []
    label = figures["about"]["label_name"]
    rows = []
    for of_class in names:
        row = {label: of_class}
        for name, f in columns:
            cell = figures[name]["per_class"].get(of_class, {})
            value, floor = at(cell, f.value), at(cell, f.floor)
            row[f.column] = "–" if value is None else f"{value:{f.form}} ({floor:{f.form}})"
        rows.append(row)
    return rows


def _by_class(figures: Figures) -> dict[str, Figures]:
    """Of each metric that was measured by class, the figures of each class."""
    return {name: parts for name in METRICS if (parts := at(figures, f"{name}.per_class"))}


def class_gaps(figures: Figures) -> list[str]:
    """Why classes have no figures, each reason once."""
    label = figures["about"]["label_name"]
    found = [
        f"{label} {of_class}: {part['why']}"
        for name, parts in _by_class(figures).items()
        for of_class, part in parts.items()
        if part.get("why")
    ]
    return list(dict.fromkeys(found))


def stand_ins(figures: Figures) -> str:
    """A sentence where what is called real is no film of anybody; else ""."""
    about = figures["about"]
    return STAND_INS if is_phantom(about["data"] + about["reference"]) else ""


def confusions(figures: Figures) -> dict[str, list[list[int]]]:
    """Of fakes and of reals, counts [K][K]: a row is a grade given, a column a grade read. {} where not measured."""
    grade = figures.get("grade", {})
    return {which: grade[key]["confusion"] for which, key in ((FAKE, "fake"), (REAL, "real")) if key in grade}


def power(frequency: Sequence[float], fake: Sequence[float], real: Sequence[float]) -> Curves:
    """Power spectra as `radial_power` gives them."""
    sides = {REAL: (frequency, real), FAKE: (frequency, fake)}
    return Curves("Detail at each scale (power spectrum)", "cycles per pixel", "power, log10", sides)


def grays(fake: Sequence[float], real: Sequence[float]) -> Curves:
    """Histograms as `intensity_histogram` gives them."""
    sides = {which: (np.linspace(0, 255, len(of)).tolist(), of) for which, of in ((REAL, real), (FAKE, fake))}
    return Curves("How bright the pixels are", "gray, 0 is black", "share of pixels", sides)


def curves(figures: Figures) -> list[Curves]:
    """The spectra and the histograms of gray; [] where not measured."""
    found = figures.get("spectrum", {})
    if found.get("value") is None:
        return []
    return [power(found["frequency"], found["fake"], found["real"]), grays(**found["histogram"])]


def joint_spaces(figures: Figures) -> list[Intervals]:
    """The joint space of each class and side, for each compartment that was measured."""
    out = []
    mm = at(figures, "jsw.mm")
    unit, scale = ("mm", mm) if mm else ("pixels", 1)
    for part, title in COMPARTMENTS.items():
        rows = [
            {"group": of_class, "which": which, **{k: _times(sides[key][k], scale) for k in ("mean", "low", "high")}}
            for of_class, sides in (at(figures, f"jsw.{part}.per_class") or {}).items()
            for which, key in ((FAKE, "fake"), (REAL, "real"))
            if sides.get(key) and sides[key].get("mean") is not None
        ]
        if rows:
            out.append(Intervals(title, figures["about"]["label_name"], f"joint space, {unit}", rows))
    return out


def _times(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def useful_chart(figures: Figures) -> Intervals:
    """Balanced accuracy with and without synthetic images, for each share of the real ones."""
    rows = [
        {"group": f"{f['fraction']:.0%}", "which": which, "mean": k["value"], "low": k["low"], "high": k["high"]}
        for f in useful_fractions(figures)
        for which, key in ((REAL, "real"), (FAKE, "both"))
        for k in [f[key]["balanced_accuracy"]]
    ]
    title = "Balanced accuracy with and without synthetic images"
    called = {REAL: "real alone", FAKE: "real and synthetic"}
    return Intervals(title, "share of the real images", "balanced accuracy", rows, called)


def useful_fractions(figures: Figures) -> list[Figures]:
    """What came of each share of the real images; [] where not measured."""
    return figures.get("useful", {}).get("fractions") or []


def useful_rows(figures: Figures) -> list[dict[str, str]]:
    """A row for each share of the real images: how well grades are read without and with synthetic ones."""
    return [
        {
            "Share of the real images": f"{f['fraction']:.0%}",
            "Real images": f"{f['n']:,}",
            "Balanced accuracy, real alone": between(f["real"]["balanced_accuracy"], "z.3f"),
            "Real and synthetic": between(f["both"]["balanced_accuracy"], "z.3f"),
            "Difference": between(f["difference"]["balanced_accuracy"], "+z.3f"),
        }
        for f in useful_fractions(figures)
    ]
