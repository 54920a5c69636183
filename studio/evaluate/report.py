"""An evaluation as one HTML file, readable offline, on paper, in the light and the dark. It loads and runs nothing."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gan_core.images import grid, png
from gan_core.model import NOT_FOR_DIAGNOSIS
from gan_core.status import duration
from studio.evaluate import drawings, tables
from studio.evaluate.drawings import FAKE, REAL

if TYPE_CHECKING:
    from studio.evaluate.evaluate import Evaluation

COLUMNS = 8  # of a sheet of images
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def report_html(evaluation: Evaluation, made: date | None = None) -> str:
    """The whole page, its pictures inside. Sections of what was not measured are absent, or say why."""
    figures = evaluation.as_json()
    return _PAGES.get_template("report.html").render(
        about=evaluation.about,
        made=made,
        took=duration(evaluation.about["seconds"]),
        note=NOT_FOR_DIAGNOSIS,
        stand_ins=tables.stand_ins(figures),
        leads=tables.leads(figures)[:4],
        questions=tables.by_question(figures),
        better=tables.BETTER,
        sheets={
            name: _picture(grid(images, COLUMNS))
            for name, images in ((tables.FAKE, evaluation.fakes), (tables.REAL, evaluation.reals))
            if len(images)
        },
        verdict=figures.get("copying", {}).get("verdict", ""),
        class_rows=tables.class_rows(figures),
        class_gaps=tables.class_gaps(figures),
        confusions={name: _shaded(counts) for name, counts in tables.confusions(figures).items()},
        joint_spaces=_joint_spaces(figures),
        useful=[f["verdict"] for f in figures.get("useful", {}).get("fractions", [])],
        useful_rows=tables.useful_rows(figures),
        useful_chart=_useful(figures),
        pairs=_pairs(figures, evaluation.worst),
        curves=_curves(figures),
    )


def _picture(image: NDArray[np.uint8]) -> str:
    """uint8 [H, W] as the address of an `img` that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def _shaded(counts: list[list[int]]) -> list[list[tuple[int, float]]]:
    """Each count [K][K] with its share of its row."""
    return [[(count, count / max(sum(row), 1)) for count in row] for row in counts]


def _pairs(figures: dict[str, Any], worst: NDArray[np.uint8]) -> list[dict[str, Any]]:
    found = figures.get("copying", {}).get("worst", [])
    pictures = [_picture(image[0]) for image in worst]
    return [
        pair | {"of_fake": of_fake, "of_seen": of_seen}
        for pair, of_fake, of_seen in zip(found, pictures[::2], pictures[1::2], strict=True)
    ]


def _curves(figures: dict[str, Any]) -> dict[str, Markup]:
    found = figures.get("spectrum", {})
    if found.get("value") is None:
        return {}
    sides, grays = (("real", REAL), ("fake", FAKE)), found["histogram"]
    powers = {colour: (found["frequency"], found[side]) for side, colour in sides}
    grays = {colour: (np.linspace(0, 255, len(grays[side])).tolist(), grays[side]) for side, colour in sides}
    return {
        "Detail at each scale (power spectrum)": drawings.curves(powers, "cycles per pixel", "power, log10"),
        "How bright the pixels are": drawings.curves(grays, "gray, 0 is black", "share of pixels"),
    }


def _joint_spaces(figures: dict[str, Any]) -> dict[str, Markup]:
    colours = {tables.FAKE: FAKE, tables.REAL: REAL}
    out = {}
    for part, title in tables.COMPARTMENTS.items():
        if rows := tables.joint_space_rows(figures, part):
            points = [(r["class"], colours[r["which"]], r["mean"], r["low"], r["high"]) for r in rows]
            groups = list(dict.fromkeys(r["class"] for r in rows))
            out[title] = drawings.intervals(groups, points, figures["about"]["label_name"], "joint space, pixels")
    return out


def _useful(figures: dict[str, Any]) -> Markup | None:
    fractions = figures.get("useful", {}).get("fractions")
    if not fractions:
        return None
    found = [(f"{f['fraction']:.0%}", name, f[key]["balanced_accuracy"]) for f in fractions for name, key in _ARMS]
    points = [(group, name, k["value"], k["low"], k["high"]) for group, name, k in found]
    return drawings.intervals(
        [f"{f['fraction']:.0%}" for f in fractions], points, "share of the real images", "balanced accuracy"
    )


_ARMS = ((REAL, "real"), (FAKE, "both"))
