"""The answers as a table, for a statistician."""

from __future__ import annotations

import csv
import io
from typing import Any

from studio.study.results import readings
from studio.study.store import find_set

COLUMNS = (
    "set",
    "kind",
    "model",
    "model_digest",
    "real_images",
    "reader",
    "reader_number",
    "round",
    "position",
    "question",
    "image",
    "second_image",
    "grade",
    "seed",
    "truth",
    "answer",
    "right",
    "confidence",
    "seconds",
    "answered_at",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def defused(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def rows(set_id: str, *, ended: bool = False) -> list[dict[str, Any]]:
    """A row for each answer of a set, also of studies that are still going on, unless `ended` alone are asked for; no
    file names of the real images.

    `truth` and `answer` are real or synthetic; in pairs the side of the real one, `image` being the left one. `seed`
    and grade make the synthetic image again.
    """
    about = find_set(set_id)
    out = []
    for reading in readings(set_id):
        if ended and not reading.study.over:
            continue
        for a in reading.answers:
            values = (
                *(set_id, about.kind, about.model, about.digest, about.data, reading.study.reader, reading.number),
                *(a.round, a.position + 1, a.question, a.image, a.second or "", a.grade),
                *("" if a.seed is None else a.seed, a.truth, a.choice, int(a.right), a.confidence),
                *(round(a.seconds, 2), a.given),
            )
            out.append(dict(zip(COLUMNS, values, strict=True)))
    return out


def to_csv(set_ids: list[str], *, ended: bool = False) -> str:
    """The rows of the sets as CSV; with `ended` those of studies that have come to their end."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for set_id in set_ids:
        writer.writerows({k: defused(v) for k, v in row.items()} for row in rows(set_id, ended=ended))
    return text.getvalue()
