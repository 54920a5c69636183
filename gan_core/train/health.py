"""What the figures of a training say in words: collapse, a discriminator that has won, numbers that are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from gan_core.images import to_float
from gan_core.losses import LOSSES

COLLAPSED = 0.35  # diversity below this share of the reals'
SATURATED = 0.98  # D right this often on both reals and fakes
PATIENCE = 3  # ticks in a row
UNDONE = 1.25  # times the best distance so far: what had been learnt is being lost
BY_HEART = 0.6  # overfitting past this
ERRORS = 3  # standard errors that this must be past


def diversity(images: np.ndarray) -> float:
    """How much uint8 images [N, 1, H, W] differ from one another: their root mean variance at 16x16, in gray levels.

    At that size noise does not count as variety.
    """
    x: Tensor = to_float(images)
    small = F.adaptive_avg_pool2d(x, min(16, x.shape[-1]))
    return float(small.var(dim=0, correction=0).mean().sqrt() * 127.5)


class Setbacks(NamedTuple):
    """How a training's distance to the reals went back up."""

    times: int  # how often it rose past `UNDONE` of its best so far
    worst: float  # the largest such rise, as a ratio
    best: float  # kernel distance
    last: float
    down: bool  # whether the last judgement is such a rise


def setbacks(ticks: Sequence[dict]) -> Setbacks | None:
    """None where the training has been judged fewer than three times."""
    judged = [t for t in ticks if {"kd_knee", "kd_knee_se"} <= t.keys()]
    # Before there is any variety there are gray fields, which can be nearer than the first attempts: no best to undo.
    first = next((i for i, t in enumerate(judged) if t.get("diversity", 1.0) >= COLLAPSED), len(judged))
    found = [(t["kd_knee"], t["kd_knee_se"]) for t in judged[first:]]
    if len(found) < 3:
        return None
    best, times, worst, down = found[0][0], 0, 1.0, False
    for value, se in found[1:]:
        undone = value > UNDONE * best and value - best > ERRORS * se
        times += undone and not down
        down = undone
        worst = max(worst, value / best) if best > 0 else worst
        best = min(best, value)
    return Setbacks(times, worst, best, found[-1][0], down)


def warnings(ticks: Sequence[dict], loss: str) -> list[str]:
    """What to tell a person, from the ticks so far (the newest last, some perhaps damaged); empty while all is well.

    Little variety at the start is no collapse while it still grows.
    """
    recent = ticks[-PATIENCE:]
    if len(recent) < PATIENCE:
        return []
    out = []
    best = max((t.get("diversity", 0.0) for t in ticks[:-PATIENCE]), default=0.0)
    if all(t.get("diversity", 1.0) < COLLAPSED and t["diversity"] <= best for t in recent):
        out.append(
            f"This looks like mode collapse: the samples vary only {recent[-1]['diversity']:.0%} as much as the real "
            "images. Try +augment or +smooth, a lower g_lr, or the knee-64 or wgan-gp preset."
        )
    if not LOSSES[loss].critic and all(  # a critic is no worse for being right
        t.get("d_accuracy_real", 0.0) > SATURATED and t.get("d_accuracy_fake", 0.0) > SATURATED for t in recent
    ):
        out.append(
            "The discriminator is nearly always right, so the generator learns little from it. Try +smooth or "
            "+noise, a lower d_lr, or more r1_gamma."
        )
    if all(t.get("overfitting", 0.0) > BY_HEART for t in recent):
        out.append(
            "The discriminator learns its images by heart: unseen real ones score nearly as synthetic ones do. Try "
            "+ada, more r1_gamma, or more images."
        )
    back = setbacks(ticks)
    if back and back.down:
        out.append(
            "This training is undoing what it had learnt: its distance to the real images has risen from "
            f"{back.best:.3f} to {back.last:.3f}. The best generator is kept (generator-best). Try +penalty or "
            "+augment, or a lower d_lr."
        )
    return out
