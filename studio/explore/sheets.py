"""Many small pictures at once: what a direction, a way or a plane looks like over its range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gan_core.generate import render_batches
from gan_core.images import grid
from gan_core.model import Model
from studio.explore.directions import RANGE, Direction
from studio.explore.latent import Latent, knee, on_loop, on_plane, points
from studio.explore.steering import SLIDERS

THUMB = 64  # the largest side of a small picture
STOPS = 7  # pictures along a direction


def _sheet(model: Model, w: Tensor, c: Tensor | None, columns: int) -> NDArray[np.uint8]:
    return grid(np.concatenate([_shrunk(batch) for batch in render_batches(model, w, c)]), columns)


def _shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if images.shape[-1] <= THUMB:
        return images
    x = F.interpolate(torch.from_numpy(images).float(), (THUMB, THUMB), mode="bilinear", antialias=True)
    return x.round().clamp(0, 255).to(torch.uint8).numpy()


def direction_sheet(latent: Latent, model: Model, directions: Sequence[Direction]) -> NDArray[np.uint8]:
    """One row for each direction: the latent with that direction's move from -RANGE to RANGE in `STOPS` steps."""
    rows = []
    for i in range(len(directions)):
        moves = [*latent.moves, *[0.0] * (len(directions) - len(latent.moves))]
        moves[i] = 0.0
        w, c = points(latent.model_copy(update={"moves": tuple(moves)}), model, directions)
        stops = torch.linspace(-RANGE, RANGE, STOPS)[:, None]
        rows.append(w + stops * torch.tensor(directions[i].vector))
    return _sheet(model, torch.cat(rows), c, STOPS)


def slider_sheet(latent: Latent, model: Model, directions: Sequence[Direction]) -> NDArray[np.uint8]:
    """One row for each of `steering.SLIDERS`, from -RANGE to RANGE in `STOPS` steps, the other sliders as they stand.

    Raises `UserError` where the model's knees cannot be steered.
    """
    stops = torch.linspace(-RANGE, RANGE, STOPS).tolist()
    base = latent.model_copy(update={"steer": {}})
    asked = [latent.steer | {slider: stop} for slider in SLIDERS for stop in stops]
    w = knee(base, model, directions).moved(asked)
    return _sheet(model, w, points(base, model, directions)[1], STOPS)


def loop_sheet(latent: Latent, model: Model, directions: Sequence[Direction], steps: int) -> NDArray[np.uint8]:
    """One row: the loop through the latent's seeds in `steps` even steps, its end the first seed again."""
    z = on_loop(latent, model, torch.linspace(0, len(latent.seeds or ()), steps))
    return _sheet(model, *points(latent, model, directions, z), steps)


def plane_sheet(latent: Latent, model: Model, directions: Sequence[Direction], side: int = 7) -> NDArray[np.uint8]:
    """`side` by `side` pictures of the plane between the latent's four seeds, which are its corners."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    z = on_plane(latent, model, x.flatten(), y.flatten())
    return _sheet(model, *points(latent, model, directions, z), side)
