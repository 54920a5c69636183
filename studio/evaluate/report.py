"""An evaluation as one HTML file, readable offline, on paper, in the light and the dark. It loads and runs nothing."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
from numpy.typing import NDArray

from gan_core.images import grid, png
from gan_core.model import NOT_FOR_DIAGNOSIS
from gan_core.status import duration
from studio.evaluate import tables
from studio.evaluate.drawings import draw

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
        class_rows=tables.class_rows(figures),
        class_gaps=tables.class_gaps(figures),
        sections=tables.sections(figures),
        draw=draw,
        pair_in_words=tables.pair_in_words,
        pictures=[_picture(image[0]) for image in evaluation.worst],
    )


def _picture(image: NDArray[np.uint8]) -> str:
    """uint8 [H, W] as the address of an `img` that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()
