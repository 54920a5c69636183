"""The moving pictures of the page Learn. Both run in the browser alone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from studio.learn.recipes import recipes
from studio.learn.toy.apart import slide
from studio.learn.toy.record import scene
from studio.ui_charts import FAKE, REAL
from studio.ui_html import component

_HERE = Path(__file__).parent
_MARKS = f'style="--real: {REAL}; --fake: {FAKE}"'


_TOY = component(
    _HERE,
    "learn_toy",
    f'<div class="toy" tabindex="0" role="group" {_MARKS} '
    'aria-label="The games. Space plays and pauses, the arrow keys step."></div>',
)
_APART = component(_HERE, "learn_apart", f'<div class="apart" {_MARKS}></div>')

TARGETS = {"Grid": "grid", "Ring": "ring", "Moons": "moons"}
SHAPES = {"Bells": "bells", "Points": "points"}
CLUMPS = {"grid": "clumps", "ring": "clumps", "moons": "pieces of the moons"}


def toy(games: list[str], target: str, seed: int) -> None:
    """Plays one game or two in step."""
    query = urlencode({"game": games, "target": target, "seed": seed}, doseq=True)
    told = {name: recipes()[name] for name in games}
    shown = [
        {"name": name, "title": recipe.title, "line": recipe.watch or recipe.plain} for name, recipe in told.items()
    ]
    data = {"address": f"api/toy?{query}", "games": shown, "scene": scene(target) | {"clumps": CLUMPS[target]}}
    _TOY(key="toy", data=data | {"real": REAL, "fake": FAKE})


def apart(kind: str) -> None:
    """Slides two "bells" or two "points" apart."""
    _APART(key="apart", data={"kind": kind, "slide": {name: v.tolist() for name, v in slide(kind).items()}})
