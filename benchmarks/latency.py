"""How long the Explore page takes from a slider's move to the new picture on the screen, in a real browser.

`python benchmarks/latency.py` starts the app, opens Explore in Chromium and moves a slider many times as a hand would,
each time to another place. A move's time is from just before the slider's `input` event to the frame after the one in
which the picture that this move asked for was drawn: question, network, PNG, decoding and painting are all in it. It
prints the median, the 95th percentile and the slowest; `--json` prints the same as JSON. Leave the machine idle
meanwhile. Where there is no model of `--resolution`, one that has learnt nothing is built for the purpose: it is as
fast as one that has.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from serving import browsing, serving  # noqa: E402

MEDIAN_GOAL, P95_GOAL = 150, 300  # ms, at 128 x 128 on two cores
WARM_UP = 5  # moves that are not counted
CLASSES = 5

# One move: set the slider, tell of it as a browser does, wait for the picture of this very state.
MOVE = """
async ([label, value]) => {
  const find = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.matches(`input[type=range][aria-label^="${label}"]`)) return node
      const inner = node.shadowRoot && find(node.shadowRoot)
      if (inner) return inner
    }
  }
  const slider = find(document)
  const canvas = slider.getRootNode().querySelector("canvas")
  const before = canvas.dataset.shown
  slider.value = value
  const start = performance.now()
  slider.dispatchEvent(new Event("input", { bubbles: true }))
  await new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error("no picture came")), 60000)
    const watch = new MutationObserver(() => {
      if (canvas.dataset.shown === before) return
      watch.disconnect()
      clearTimeout(timer)
      requestAnimationFrame(() => setTimeout(done))
    })
    watch.observe(canvas, { attributes: true, attributeFilter: ["data-shown"] })
  })
  return performance.now() - start
}
"""


def untrained(folder: Path, resolution: int) -> None:
    """A model folder of the project's recipe at this resolution, with random weights."""
    from gan_core import networks
    from gan_core.model import ModelConfig, save_model
    from gan_core.presets import PRESETS, configure

    preset = f"knee-{resolution}"
    g, _ = configure(preset if preset in PRESETS else "knee-64", resolution=resolution).nets(CLASSES)
    names = tuple(map(str, range(CLASSES)))
    config = ModelConfig(
        net=g, class_names=names, class_shares=(1 / CLASSES,) * CLASSES, label_name="KL grade", preset=preset
    )
    save_model(folder, networks.build(g), config, "For measuring only: it has learnt nothing.")


def moves(url: str, model: str, slider: str, n: int, pause: float, anatomy: bool) -> list[float]:
    """Milliseconds of each of `n` moves of a slider."""
    with browsing() as browser:
        tab = browser.new_page()
        tab.set_default_timeout(300_000)
        tab.goto(f"{url}/explore?{urlencode({'model': model, 'anatomy': '1' if anatomy else ''})}")
        # Once all has come that comes of itself: the directions, and the strips that show them.
        tab.get_by_text("Synthetic images by").wait_for()
        tab.locator("canvas[data-shown]").wait_for()
        if tab.locator(".strip").count():
            tab.locator('.strip button[style*="blob:"]').first.wait_for()
        handle = tab.locator(f'input[type=range][aria-label^="{slider}"]').first
        low, high, step = (float(handle.get_attribute(name)) for name in ("min", "max", "step"))
        places = round((high - low) / step)
        times = []
        for i in range(WARM_UP + n):
            times.append(tab.evaluate(MOVE, [slider, low + step * ((i * 7 + 3) % places)]))
            time.sleep(pause)
    return times[WARM_UP:]


def main(
    model: Annotated[str, typer.Option(help="A shipped model or a run; by default one of --resolution.")] = "",
    resolution: Annotated[int, typer.Option(min=16, max=1024)] = 128,
    n: Annotated[int, typer.Option("--n", min=5, help="Moves.")] = 100,
    slider: Annotated[str, typer.Option(help="How the slider's name begins.")] = "KL grade",
    pause: Annotated[float, typer.Option(min=0, help="Seconds between moves; 0 is a drag.")] = 0.0,
    anatomy: Annotated[bool, typer.Option("--anatomy", help="With the anatomy panel on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the Explore page's latency in a real browser."""
    from gan_core.model import read_config, shipped_generators
    from gan_core.presets import configure
    from gan_core.train.run import create_run, runs_root

    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        if not model:
            fitting = [p.name for p in shipped_generators() if read_config(p).net.resolution == resolution]
            model = fitting[0] if fitting else ""
        if not model:
            run = create_run(configure("knee-64", resolution=resolution), "untrained", runs)
            untrained(run.generator_path, resolution)
            model = run.name
        else:
            runs = runs_root().resolve()
        with serving(runs) as server:
            times = sorted(moves(server.url, model, slider, n, pause, anatomy))
    result = {
        "model": model,
        "slider": slider,
        "anatomy": anatomy,
        "moves": n,
        "median_ms": statistics.median(times),
        "p95_ms": times[min(n - 1, -(-95 * n // 100) - 1)],
        "slowest_ms": times[-1],
        "cores": os.cpu_count(),
    }
    if as_json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{model}, {slider}: from a slider's move to the picture {result['median_ms']:.0f} ms at the median, "
        f"{result['p95_ms']:.0f} ms at the 95th percentile, {result['slowest_ms']:.0f} ms at most, over {n} moves on "
        f"{os.cpu_count()} cores (goal: {MEDIAN_GOAL} and {P95_GOAL})."
    )


if __name__ == "__main__":
    typer.run(main)
