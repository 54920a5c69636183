"""(model, seeds, class, truncation) -> images. A seed gives the same image on every machine, but for rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from gan_core.errors import UserError
from gan_core.images import to_uint8
from gan_core.model import Model
from gan_core.seeds import MAX_SEED, latents, own_labels


def class_index(model: Model, name: str | None) -> int | None:
    """The index of a class by its name; None stays None. Raises `UserError` where the model has no such class."""
    if name is None:
        return None
    if not model.class_names:
        raise UserError("This model was trained without labels: it cannot be asked for a class.")
    if name not in model.class_names:
        raise UserError(f"This model has no class {name!r}. It has: {', '.join(model.class_names)}.")
    return model.class_names.index(name)


def labels(model: Model, seeds: Sequence[int], class_name: str | None = None) -> list[str]:
    """The class name of each seed's image: the one asked for, or the seed's own; "" where the model has none."""
    index = class_index(model, class_name)
    if not model.class_names:
        return [""] * len(seeds)
    own = own_labels(seeds, model.config.class_shares).tolist()
    return [model.class_names[c if index is None else index] for c in own]


@torch.inference_mode()
def generate_batches(
    model: Model, seeds: Sequence[int], class_name: str | None = None, truncation: float = 1.0, batch: int = 16
) -> Iterator[np.ndarray]:
    """Images uint8 [<= batch, 1, R, R] of the seeds, a batch at a time.

    `truncation` in [0, 1] trades variety for typicality. Raises `UserError` where a value is out of range.
    """
    if not 0 <= truncation <= 1:
        raise UserError(f"Truncation is a number from 0 to 1, not {truncation}.")
    if any(not 0 <= s <= MAX_SEED for s in seeds):
        raise UserError(f"A seed is a whole number from 0 to {MAX_SEED}.")
    index = class_index(model, class_name)
    for i in range(0, len(seeds), batch):
        part = seeds[i : i + batch]
        c = None
        if model.class_names:
            c = own_labels(part, model.config.class_shares) if index is None else torch.full((len(part),), index)
        yield to_uint8(model.net(latents(part, model.config.net.z_dim), c, truncation))


def generate(model: Model, seeds: Sequence[int], class_name: str | None = None, truncation: float = 1.0) -> np.ndarray:
    """All of `generate_batches` at once: uint8 [len(seeds), 1, R, R]."""
    side = model.config.net.resolution
    return np.concatenate(
        [np.empty((0, 1, side, side), np.uint8), *generate_batches(model, seeds, class_name, truncation)]
    )
