"""How long a first visitor waits, in a real browser: `python benchmarks/first_visit.py --against REV`.

Each round starts the app with an empty cache and no runs, opens it before it answers, and goes on from page to page as
soon as there is something to see. Both revisions take turns, on this machine. It prints the medians in seconds:

cold start      from `streamlit run` until the first knees are on the screen
named sliders   from the opening of Explore until its sliders say what they change
compare         until the first reals stand beside the first synthetic knees
learn           until the first game has moved
describe        from a description, on a model whose sliders have their names, until there are knees for it
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer
from serving import ROOT, browsing, checkout, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WAIT = 300_000  # ms
WORDS = "Severe medial narrowing, osteophytes, left knee"
# Whatever is drawn: a picture in the page, or in a component's own tree.
DRAWN = """
(selector) => {
  const all = (root) => [...root.querySelectorAll("*")].flatMap((n) => n.shadowRoot ? [n, ...all(n.shadowRoot)] : [n])
  return all(document).some((n) => n.matches(selector) && n.complete && n.naturalWidth > 0)
}
"""


def rounds_of(browser: Browser, root: Path, python: Path, model: str, names: set[str]) -> dict[str, float]:
    """The seconds of each wait, on a server of its own."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs, cache = Path(folder) / "runs", Path(folder) / "cache"
        runs.mkdir()
        start = time.monotonic()
        with serving(runs, root=root, python=python, cache=cache) as server:
            tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            tab.set_default_timeout(WAIT)

            def drawn(selector: str) -> None:
                tab.wait_for_function(DRAWN, arg=selector)

            def sliders() -> None:
                tab.locator(".strip button").first.wait_for(state="attached")

            def moved() -> None:
                tab.locator(".toy .moment").filter(has_text="step").filter(has_not_text="step 0 ").first.wait_for()

            waits = {
                "named sliders": ("explore", {"model": model}, sliders),
                "compare": (
                    "compare",
                    {"model": model},
                    lambda: tab.locator(".cmp-real :is(img, canvas[data-film])").first.wait_for(),
                ),
                "learn": ("learn", {}, moved),
                "describe": (
                    "explore",
                    {"model": model, "view": "Describe", "words": WORDS},
                    lambda: drawn(".film img"),
                ),
            }
            tab.goto(f"{server.url}/?{urlencode({'model': model})}")
            drawn(".film img")
            found["cold start"] = time.monotonic() - start
            for name, (page, query, done) in waits.items():
                if names and name not in names:
                    continue
                start = time.monotonic()
                tab.goto(f"{server.url}/{page}?{urlencode(query)}")
                done()
                found[name] = time.monotonic() - start
            tab.context.close()
    return found


def main(
    against: Annotated[str, typer.Option(help="Another revision, which takes turns with this one.")] = "",
    python: Annotated[Path | None, typer.Option(help="A Python for it, in place of an environment of its own.")] = None,
    model: Annotated[str, typer.Option(help="A shipped model.")] = "knee-128",
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    only: Annotated[list[str] | None, typer.Option(help="These waits, beside the cold start.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure what a first visitor waits for."""
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        sides = {"here": (ROOT, Path(sys.executable))}
        if against:
            sides = {against: checkout(against, Path(folder), python)} | sides
        measured: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for i in range(rounds + 1):
            for name, (root, interpreter) in sides.items():
                found = rounds_of(browser, root, interpreter, model, set(only or ()))
                if i:  # the first compiles what is imported, and fills the machine's file cache
                    measured[name].append(found)
                print(name, {k: round(v, 1) for k, v in found.items()}, file=sys.stderr)
    medians = {
        name: {what: statistics.median(r[what] for r in each) for what in each[0]} for name, each in measured.items()
    }
    if as_json:
        print(json.dumps({"model": model, "rounds": rounds, "cores": os.cpu_count(), "seconds": medians}, indent=2))
        return
    print(f"{model}, median of {rounds} first visits on {os.cpu_count()} cores, seconds:\n")
    print(f"| | {' | '.join(medians)} |" + (" share |" if against else ""))
    print("|---|" + "---:|" * (len(medians) + bool(against)))
    for what, here in medians["here"].items():
        row = [f"{m[what]:.1f}" for m in medians.values()] + (
            [f"{here / medians[against][what]:.2f}"] if against else []
        )
        print(f"| {what} | {' | '.join(row)} |")


if __name__ == "__main__":
    typer.run(main)
