"""The README's pictures of the app and of its flagship, made anew.

`python benchmarks/pictures.py` opens the gallery in a browser as a visitor finds it and puts it into docs/gallery.png,
and six seeds of the flagship, each at every grade, into docs/grades.png.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from serving import browsing, serving  # noqa: E402

WINDOW = {"width": 1280, "height": 860}
SEEDS = (0, 1, 4, 5, 7, 10)  # exposed so that their bone can be seen in print
ACROSS = 2  # seeds in a row of grades.png


def gallery(path: Path) -> None:
    """A screenshot of the first page."""
    with tempfile.TemporaryDirectory() as runs, serving(Path(runs)) as server, browsing() as browser:
        tab = browser.new_page(viewport=WINDOW)
        tab.goto(server.url)
        tab.get_by_text("synthetic images by").wait_for()
        tab.wait_for_load_state("networkidle")
        tab.screenshot(path=path)


def grades(path: Path) -> None:
    """Each of `SEEDS` from the first grade to the last."""
    from gan_core.generate import generate
    from gan_core.images import grid, save_png
    from gan_core.model import FLAGSHIP, SHIPPED, load_model

    model = load_model(SHIPPED / FLAGSHIP)
    each = [generate(model, SEEDS, [i] * len(SEEDS)) for i in range(len(model.class_names))]
    save_png(path, grid(np.stack(each, axis=1).reshape(-1, *each[0].shape[1:]), ACROSS * len(each)))


def main() -> None:
    """Make docs/gallery.png and docs/grades.png."""
    gallery(ROOT / "docs" / "gallery.png")
    grades(ROOT / "docs" / "grades.png")


if __name__ == "__main__":
    typer.run(main)
