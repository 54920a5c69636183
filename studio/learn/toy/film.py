"""Toy games side by side as a GIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure

from gan_core.files import replacing
from studio.learn.toy.record import EXTENT, Frame, scene, unpacked
from studio.runs.media.style import CRITIC, GENERATOR

RATE = 12  # frames a second


def save_gif(path: Path, target_name: str, games: dict[str, list[Frame]]) -> None:
    """Writes the games' frames, as many of each, in step: the field pale, real points blue, fakes orange."""
    drawn = scene(target_name)
    real = unpacked(drawn["real"], EXTENT).reshape(-1, 2)
    figure = Figure(figsize=(4 * len(games), 4.3), dpi=80, layout="constrained")
    box = (-EXTENT, EXTENT, -EXTENT, EXTENT)
    parts = []
    for axes, name in zip(np.ravel(figure.subplots(1, len(games))), games, strict=True):
        axes.set(xlim=box[:2], ylim=box[2:], xticks=[], yticks=[])
        field = axes.imshow(
            games[name][0].field, "RdBu", extent=box, origin="lower", interpolation="bilinear", alpha=0.5
        )
        axes.scatter(*real.T, s=4, c=CRITIC, alpha=0.5, linewidths=0)
        parts.append((name, axes, field, axes.scatter([], [], s=8, c=GENERATOR, linewidths=0)))

    def draw(i: int) -> None:
        for name, axes, field, fakes in parts:
            frame = games[name][i]
            height = np.abs(frame.field - frame.middle).max() or 1
            field.set_data((frame.field - frame.middle) / height)
            field.set_clim(-1, 1)
            fakes.set_offsets(frame.fake)
            axes.set_title(f"{name}: step {frame.step}, {frame.covered} of {drawn['modes']} covered", fontsize=10)

    count = min(map(len, games.values()))
    with replacing(path) as temporary:
        FuncAnimation(figure, draw, frames=count, init_func=list).save(temporary, PillowWriter(fps=RATE))
