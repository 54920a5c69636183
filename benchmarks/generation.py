"""How long a shipped generator takes for one image, and for 64: by PyTorch, and by ONNX Runtime as Explore does.

`python benchmarks/generation.py` prints milliseconds from points w to images in [-1, 1], the median of `--times` tries
that take turns, so that a shared machine favours none. Leave the machine idle meanwhile.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gan_core.latent import latents, mixtures, to_w  # noqa: E402
from gan_core.model import load_model, shipped_generators  # noqa: E402
from studio.explore import single  # noqa: E402

COUNTS = (1, single.FEW, 16, 64)


@torch.inference_mode()
def measure(folder: Path, times: int) -> list[str]:
    """A row of the table for each number of images."""
    model = load_model(folder)
    ways = {"PyTorch": model.net.synthesis}
    if (folder / single.FILE).is_file():
        ways["ONNX Runtime"] = single.opened(folder / single.FILE)[0]
    rows = []
    for count in COUNTS:
        z, c = latents(range(count), model.config.net.z_dim), mixtures([0.0] * count, len(model.class_names))
        w = to_w(model.net, z, c)
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for i in range(times + 1):
            for way, draw in ways.items():
                start = time.perf_counter()
                draw(w)
                if i:  # the first warms up
                    taken[way].append(1000 * (time.perf_counter() - start))
        by = [f"{statistics.median(taken[way]):,.1f}" if way in taken else "-" for way in ("PyTorch", "ONNX Runtime")]
        rows.append(f"| {folder.name} | {count} | {' | '.join(by)} |")
    return rows


def main(
    times: Annotated[int, typer.Option(min=1, help="Tries of each.")] = 15,
) -> None:
    """Print the table as Markdown."""
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}; milliseconds.\n")
    print("| model | images | PyTorch | ONNX Runtime |\n|---|---:|---:|---:|", flush=True)
    for folder in shipped_generators():
        print("\n".join(measure(folder, times)), flush=True)


if __name__ == "__main__":
    typer.run(main)
