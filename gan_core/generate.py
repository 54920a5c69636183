"""From seeds to images: `generate`, the one road; `render` is its second half, for who has points w already.

A seed gives the same image on every machine, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_core.errors import UserError
from gan_core.images import to_uint8
from gan_core.latent import latents, own_labels
from gan_core.model import Model
from gan_core.seeds import MAX_SEED

BATCH = 16  # seeds at a time: how an image rounds depends on it
PIXELS = 16 * 128**2  # of images that are rendered at a time

Labels = Sequence[int] | np.ndarray | Tensor  # [N] indices of classes, or [N, num_classes] mixtures of them
NO_LABELS = "This model was trained without labels: it cannot be asked for a class."


def class_index(model: Model, name: str) -> int:
    """The index of a class by its name. Raises `UserError` where the model has no such class."""
    if not model.class_names:
        raise UserError(NO_LABELS)
    if name not in model.class_names:
        raise UserError(f"This model has no class {name!r}. It has: {', '.join(model.class_names)}.")
    return model.class_names.index(name)


def own_classes(model: Model, seeds: Sequence[int]) -> list[str]:
    """The name of each seed's own class; "" where the model has no classes."""
    if not model.class_names:
        return [""] * len(seeds)
    return [model.class_names[c] for c in own_labels(seeds, model.config.class_shares).tolist()]


def generate(model: Model, seeds: Sequence[int], labels: Labels | None = None, truncation: float = 1.0) -> np.ndarray:
    """Images uint8 [N, 1, R, R] of N seeds.

    Args:
        model: a generator.
        seeds: whole numbers from 0 to `MAX_SEED`.
        labels: the class of each, [N] indices or [N, num_classes] mixtures; by default each seed's own.
        truncation: in [0, 1]; less is less varied and more typical of its class.

    Raises:
        UserError: where one of them is out of range, or labels are given and the model was trained without.
        ValueError: where labels have another shape.
    """
    side = model.config.net.resolution
    return np.concatenate([np.empty((0, 1, side, side), np.uint8), *generate_batches(model, seeds, labels, truncation)])


@torch.inference_mode()
def generate_batches(
    model: Model, seeds: Sequence[int], labels: Labels | None = None, truncation: float = 1.0
) -> Iterator[np.ndarray]:
    """The same a batch at a time, uint8 [<= BATCH, 1, R, R], for long jobs."""
    if not 0 <= truncation <= 1:
        raise UserError(f"Truncation is a number from 0 to 1, not {truncation}.")
    if any(not 0 <= s <= MAX_SEED for s in seeds):
        raise UserError(f"A seed is a whole number from 0 to {MAX_SEED}.")
    c = _labels(model, seeds, labels)
    for i in range(0, len(seeds), BATCH):
        part = slice(i, i + BATCH)
        z = latents(seeds[part], model.config.net.z_dim)
        yield to_uint8(model.net(z, None if c is None else c[part], truncation))


def _labels(model: Model, seeds: Sequence[int], labels: Labels | None) -> Tensor | None:
    """c of the seeds as the network takes it; None for a network without."""
    count, n = len(model.class_names), len(seeds)
    if labels is None:
        return own_labels(seeds, model.config.class_shares) if count else None
    if not count:
        raise UserError(NO_LABELS)
    c = torch.as_tensor(labels)
    if c.shape not in ((n,), (n, count)):
        raise ValueError(f"{n} seeds need labels [{n}] or [{n}, {count}], not {list(c.shape)}")
    if c.dim() == 2:
        return c.float()
    if ((c != c.long()) | (c < 0) | (c >= count)).any():
        raise UserError(f"The index of a class is a whole number from 0 to {count - 1}.")
    return c.long()


def render(model: Model, w: Tensor, c: Tensor | None, synthesis: Callable[..., Tensor] | None = None) -> np.ndarray:
    """Images uint8 [N, 1, R, R] of points w [N, z_dim] with labels c [N] or [N, num_classes]; one row is for all.

    `synthesis(w, c)` draws them, by default the model's own.
    """
    return np.concatenate(list(render_batches(model, w, c, synthesis)))


@torch.inference_mode()
def render_batches(
    model: Model, w: Tensor, c: Tensor | None, synthesis: Callable[..., Tensor] | None = None
) -> Iterator[np.ndarray]:
    """The same some at a time: as many as there is room for, since few of them may be large."""
    net: Any = model.net
    c = None if c is None else c.expand(len(w), *c.shape[1:])
    step = max(1, PIXELS // model.config.net.resolution**2)
    for i in range(0, len(w), step):
        part = slice(i, i + step)
        yield to_uint8((synthesis or net.synthesis)(w[part], None if c is None else c[part]))
