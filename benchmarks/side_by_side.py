"""Every page as it was and as it is, side by side: `python benchmarks/side_by_side.py --rev COMMIT --out FOLDER`.

The other revision gets an environment of its own where its requirements differ. Both servers show the same runs.
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image
from serving import ROOT, browsing, checkout, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGES = ("gallery", "explore", "compare", "study", "train", "runs", "evaluate", "models", "export", "learn")
WIDTHS = {1280: 900, 390: 844}
GAP = 24


def photograph(browser: Browser, address: str, wait: float) -> dict[tuple[str, int], Image.Image]:
    """Each page at each width, from its top to its end."""
    found = {}
    for width, height in WIDTHS.items():
        for page in PAGES:
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.goto(f"{address}/{page}")
            tab.wait_for_selector("[data-testid=stMain] h1, [data-testid=stMain] h2", timeout=90_000)
            tab.wait_for_timeout(wait * 1000)
            content = tab.locator("[data-testid=stMain] [data-testid=stMainBlockContainer]").bounding_box()
            tab.set_viewport_size({"width": width, "height": min(6000, max(height, int(content["height"]) + 80))})
            tab.wait_for_timeout(1500)
            found[page, width] = Image.open(BytesIO(tab.screenshot())).convert("RGB")
            tab.close()
    return found


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures on one ground, their tops at one height."""
    both = Image.new("RGB", (left.width + GAP + right.width, max(left.height, right.height)), "#888")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + GAP, 0))
    return both


def main(
    rev: Annotated[str, typer.Option(help="The revision on the left.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    runs: Annotated[Path, typer.Option(help="Runs that both show.")] = ROOT / "runs",
    wait: Annotated[float, typer.Option(help="Seconds that a page is given to fill.")] = 12,
) -> None:
    """Photograph every page of `rev` and of this checkout at two widths, and join them."""
    out.mkdir(parents=True, exist_ok=True)
    sides = []
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        for root, python in (checkout(rev, Path(folder)), (ROOT, Path(sys.executable))):
            with serving(runs, root=root, python=python, cache=Path(folder) / "cache") as server:
                sides.append(photograph(browser, server.url, wait))
    for (page, width), left in sides[0].items():
        beside(left, sides[1][page, width]).save(out / f"{page}-{width}.png")
        typer.echo(out / f"{page}-{width}.png")


if __name__ == "__main__":
    typer.run(main)
