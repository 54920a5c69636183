"""The figures of an evaluation as lines for people: each with its name, its floor and which way is better.

Reads only what `evaluate --json` prints, so that pages, reports and cards need no network to show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One figure. `why` says why there is none."""

    question: str  # what it answers: "Is it good?"
    title: str
    value: str
    floor: str  # the same of real against other real patients
    better: str  # "lower", "higher", or "near" the floor
    n: int | None = None
    why: str = ""


GOOD, DIVERSE, NEW, USEFUL = "Is it good?", "Is it diverse?", "Is it new?", "Is it useful?"
TITLES = {
    "fd": (GOOD, "Fréchet distance"),
    "kd": (GOOD, "Kernel distance"),
    "prdc": (GOOD, "Precision, recall, density, coverage"),
    "variety": (DIVERSE, "Likeness within a class (MS-SSIM)"),
    "spectrum": (GOOD, "Gap between the power spectra"),
    "copying": (NEW, "Copies of training images"),
    "grade": (GOOD, "Agreement of the grade asked for with the grade read (kappa)"),
    "jsw": (GOOD, "Joint space"),
    "makeup": (DIVERSE, "Left knees, inverted films, exposures"),
    "detect": (GOOD, "Told from real by a fresh classifier (AUC)"),
    "useful": (USEFUL, "What synthetic images add to a classifier of grades"),
}


def lines(figures: Figures) -> list[Line]:
    """All that was measured, in the order of `TITLES`."""
    return [line for name in TITLES if name in figures for line in _lines(name, figures[name])]


def _lines(name: str, f: Figures) -> Iterator[Line]:
    question, title = TITLES[name]
    if f.get("why"):
        yield Line(question, title, "–", "–", "", why=f["why"])
        return
    yield from _WRITERS[name](f)


def _named(title: str, f: Figures) -> str:
    return f"{title}, {f['extractor']}" if "extractor" in f else title


def _pm(value: float, se: float) -> str:
    return f"{value:z.3f} ± {se:z.3f}"


def _between(f: Figures, form: str = ".2f") -> str:
    return f"{f['value']:{form}} ({f['low']:{form}} to {f['high']:{form}})"


def _fd(f: Figures) -> Iterator[Line]:
    title = _named(TITLES["fd"][1], f)
    yield Line(GOOD, title, f"{f['value']:.2f}", f"{f['floor']:.2f}", "lower", f["n"])


def _kd(f: Figures) -> Iterator[Line]:
    title = _named(TITLES["kd"][1], f)
    yield Line(GOOD, title, _pm(f["value"], f["se"]), _pm(f["floor"], f["floor_se"]), "lower", f["n"])


def _prdc(f: Figures) -> Iterator[Line]:
    meaning = {
        "precision": (GOOD, "Precision: fakes that lie among reals"),
        "recall": (DIVERSE, "Recall: reals that lie among fakes"),
        "density": (GOOD, "Density: how deep among reals the fakes lie"),
        "coverage": (DIVERSE, "Coverage: reals that have a fake near them"),
    }
    for name, (question, title) in meaning.items():
        one = f[name]
        yield Line(question, _named(title, f), f"{one['value']:z.3f}", f"{one['floor']:z.3f}", "near", f["n"])


def _variety(f: Figures) -> Iterator[Line]:
    yield Line(DIVERSE, TITLES["variety"][1], _pm(f["value"], f["se"]), _pm(f["floor"], f["floor_se"]), "near", f["n"])


def _spectrum(f: Figures) -> Iterator[Line]:
    yield Line(GOOD, TITLES["spectrum"][1], f"{f['value']:.2f} dB", f"{f['floor']:.2f} dB", "lower", f["n"])


def _copying(f: Figures) -> Iterator[Line]:
    for where, part in ((f["extractor"], f["features"]), ("pixels", f["pixels"])):
        n = part["n_fake"]
        for name, title in (
            ("copied", "Nearer to one training image than likeness explains"),
            ("near", "Very near a training image"),
        ):
            share = part[name]
            yield Line(NEW, f"{title}, {where}", _between(share, ".1%"), f"{share['expected']:.1%}", "lower", n)
        ratio, known = _between(part["ratio"]), _between(part["membership"])
        yield Line(NEW, f"Distance to training images over unseen patients', {where}", ratio, "1.00", "near", n)
        yield Line(NEW, f"Training images told from unseen (AUC), {where}", known, "0.50", "near", n)


def _grade(f: Figures) -> Iterator[Line]:
    for key, title, better in (
        ("kappa", TITLES["grade"][1], "near"),
        ("accuracy", "The same, share of equal grades", "near"),
        ("mae", "The same, mean difference in grades", "near"),
    ):
        yield Line(GOOD, title, f"{f['fake'][key]:z.3f}", f"{f['real'][key]:z.3f}", better, f["n"])


def _detect(f: Figures) -> Iterator[Line]:
    value = f"{f['value']:z.3f} ({f['low']:z.3f} to {f['high']:z.3f})"
    yield Line(GOOD, TITLES["detect"][1], value, f"{f['floor']:z.3f}", "lower", f["n"])


def _jsw(f: Figures) -> Iterator[Line]:
    for part in ("narrower", "medial", "lateral"):
        title = f"Joint space, {part}: difference from the reals of the same grade"
        yield Line(GOOD, title, f"{f[part]['value']:.2f} px", f"{f[part]['floor']:.2f} px", "lower", f["n"])
    missed = f["not_found"]
    yield Line(GOOD, "Images without a joint line", f"{missed['fake']:.1%}", f"{missed['other']:.1%}", "near", f["n"])


def _makeup(f: Figures) -> Iterator[Line]:
    for key, title in (("left", "Share of left knees"), ("inverted", "Share of inverted films")):
        yield Line(DIVERSE, title, f"{f[key]['fake']:.1%}", f"{f[key]['other']:.1%}", "near", f["n"])
    title = "Exposures: difference of the brightness of images (Kolmogorov-Smirnov)"
    yield Line(DIVERSE, title, f"{f['value']:.3f}", f"{f['floor']:.3f}", "lower", f["n"])


def _useful(f: Figures) -> Iterator[Line]:
    for part in f["fractions"]:
        title = f"Balanced accuracy gained from synthetic images beside {part['n']:,} real ones"
        yield Line(USEFUL, title, _between(part["difference"]["balanced_accuracy"], "+z.3f"), "0", "higher", f["n"])


_WRITERS = {
    "fd": _fd,
    "kd": _kd,
    "prdc": _prdc,
    "variety": _variety,
    "spectrum": _spectrum,
    "copying": _copying,
    "grade": _grade,
    "detect": _detect,
    "jsw": _jsw,
    "makeup": _makeup,
    "useful": _useful,
}
