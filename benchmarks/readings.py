"""How far the reader's readings can be believed: `python benchmarks/readings.py --data knees/val`.

On real knees of patients that it has not learnt from: how much a reading changes when the same film is exposed
otherwise, and how far it is off when the film is shifted by known amounts, both in standard deviations among these
films; how it goes with `joint_space`, its teacher for widths (correlation); and its mean by KL grade.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import studio  # noqa: E402, F401
from gan_core import data  # noqa: E402
from gan_core.augment import augment  # noqa: E402
from gan_core.images import to_float, to_uint8  # noqa: E402
from studio.explore.steering import reader  # noqa: E402
from studio.knee.joint_space import joint_space  # noqa: E402
from studio.knee.readings import QUANTITIES, outwards, read  # noqa: E402

SHIFT = 4  # pixels of 128


def main(
    source: Annotated[str, typer.Option("--data", help="Knees with a folder for each KL grade, sides in their names.")],
    resolution: Annotated[int, typer.Option(min=64, max=256)] = 128,
) -> None:
    """Measure the readings."""
    films = data.load(source, resolution)
    net = reader()
    assert net is not None
    x = to_float(films.images)
    named = np.array([{"L": 1.0, "R": -1.0}.get(Path(f).stem[-1], 0.0) for f in films.files])

    def readings(x: torch.Tensor, sign: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            parts = zip(x.split(64), sign.split(64), strict=True)
            return torch.cat([read(a, net, b) for a, b in parts]).numpy()

    with torch.inference_mode():
        told = torch.cat([outwards(part, net) for part in x.split(64)])
    print(f"{len(x)} films of {resolution} pixels; the side is right in {np.mean(told.numpy() == named):.1%}.\n")
    plain = readings(x, told)
    spread = plain.std(0)
    torch.manual_seed(0)
    exposed = readings(to_float(to_uint8(augment(x, ("exposure",)).clamp(-1, 1))), told)
    step = max(1, SHIFT * resolution // 128)
    moved = readings(F.pad(x, (step, 0, step, 0), mode="replicate")[:, :, :resolution, :resolution], told)
    due = np.zeros((len(x), len(QUANTITIES)))
    names = list(QUANTITIES)
    due[:, names.index("position_distal")] = step / resolution
    due[:, names.index("position_lateral")] = told.numpy() * step / resolution
    found = joint_space(films.images)
    left, right = found.left / resolution, found.right / resolution
    lateral_right = told.numpy() > 0
    teacher = {
        "medial_space": np.where(lateral_right, left, right),
        "lateral_space": np.where(lateral_right, right, left),
        "position_distal": (found.femur + found.tibia).mean((1, 2)) / 2 / resolution,
    }
    grades = range(len(films.class_names))
    print("| | another exposure | shifted | with `joint_space` | " + " | ".join(f"KL {g}" for g in grades) + " |")
    print("|---|---:|---:|---:|" + "---:|" * len(grades))
    for i, (name, quantity) in enumerate(QUANTITIES.items()):
        again = np.abs(exposed[:, i] - plain[:, i]).mean() / spread[i]
        off = np.abs(moved[:, i] - plain[:, i] - due[:, i]).mean() / spread[i]
        same = ""
        if name in teacher:
            known = np.isfinite(teacher[name])
            same = f"{np.corrcoef(teacher[name][known], plain[known, i])[0, 1]:.2f}"
        means = [(plain[films.labels == g, i].mean() - plain[:, i].mean()) / spread[i] for g in grades]
        print(
            f"| {quantity.name} | {again:.2f} | {off:.2f} | {same} | " + " | ".join(f"{m:+.2f}" for m in means) + " |"
        )


if __name__ == "__main__":
    typer.run(main)
