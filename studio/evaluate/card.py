"""An evaluation's figures as a section of a model's card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_core.errors import UserError
from gan_core.files import write_text
from gan_core.model import CARD
from studio.evaluate.metrics import lines

HEADING = "## Report"


def report_markdown(figures: dict[str, Any], command: str) -> str:
    """The section: each figure beside that of real against other real patients, and the command that printed it."""
    about = figures["about"]
    known = [line for line in lines(figures) if not line.why]
    rows = [f"| {line.title} | {line.value} | {line.floor} | {line.n:,} |" for line in known]
    verdict = figures.get("copying", {}).get("verdict", "")
    return "\n".join(
        [
            HEADING,
            "",
            f"{about['fakes']:,} synthetic images (seeds from 0 on) against {about['data']}.",
            f"The floor, which a perfect model would reach, is {about['reference']} against the same.",
            f"The features are those of the extractor {about['extractor']}.",
            "",
            "| | synthetic | floor | images |",
            "|---|---:|---:|---:|",
            *rows,
            *(["", verdict] if verdict else []),
            "",
            "```",
            command,
            "```",
            "",
        ]
    )


def put_report(folder: Path, section: str) -> None:
    """Puts the section into the card of a model folder, in place of an older one, or at the end.

    Raises `UserError` where there is no card to read.
    """
    path = folder / CARD
    try:
        card = path.read_text(encoding="utf-8")
    except OSError as e:
        raise UserError(f"{path} cannot be read: a model's card is needed to put a report into.") from e
    write_text(path, with_section(card, HEADING, section) + "\n")


def with_section(card: str, heading: str, section: str) -> str:
    """The card with this section in place of an older one of that heading, or at its end."""
    before, _, rest = f"\n{card}\n".partition(f"\n{heading}\n")
    after = rest[rest.index("\n## ") + 1 :] if "\n## " in rest else ""
    return "\n\n".join(part.strip() for part in (before, section, after) if part.strip())
