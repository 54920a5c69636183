"""Every page as it was and as it is, side by side: `python benchmarks/side_by_side.py --rev COMMIT --out FOLDER`.

The other revision gets an environment of its own, from its own requirements. Both servers show the same runs.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("gallery", "explore", "compare", "study", "train", "runs", "evaluate", "models", "export", "learn")
WIDTHS = {1280: 900, 390: 844}
GAP = 24


@contextmanager
def serving(root: Path, python: Path, runs: Path, work: Path) -> Iterator[str]:
    """The address of a server of the app in `root`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"KNEE_GAN_RUNS": str(runs), "KNEE_GAN_CACHE": str(work / "cache")}
    command = [str(python), "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


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
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        old = Path(folder) / "old"
        old.mkdir()
        archive = subprocess.run(["git", "archive", rev], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "x", "-C", str(old)], input=archive, check=True)
        subprocess.run(["make", ".venv/installed"], cwd=old, check=True)
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        sides = []
        for root in (old, ROOT):
            with serving(root, root / ".venv/bin/python", runs, Path(folder)) as address:
                sides.append(photograph(browser, address, wait))
        browser.close()
    for (page, width), left in sides[0].items():
        beside(left, sides[1][page, width]).save(out / f"{page}-{width}.png")
        typer.echo(out / f"{page}-{width}.png")


if __name__ == "__main__":
    typer.run(main)
