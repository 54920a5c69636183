"""How rates and penalties change along a run: pure functions of the share of it that is done, 0 to 1."""

from __future__ import annotations

import math

from gan_core.config import TrainConfig

_BLIND = 3000  # images after which the heads of the discriminator of features, which start from nothing, count in full


def cosine(final: float, phase: float) -> float:
    """From 1 at phase 0 to `final` at phase 1, along half a cosine."""
    return final + (1 - final) * (1 + math.cos(math.pi * phase)) / 2


def rate(config: TrainConfig, done: float) -> float:
    """The share of themselves at which the learning rates are: whole until `lr_decay_from`, `lr_final` at the end."""
    phase = max(0.0, (done - config.lr_decay_from) / max(1e-9, 1 - config.lr_decay_from))
    return cosine(config.lr_final, phase)


def gamma(config: TrainConfig, done: float) -> float:
    """The share of themselves at which R1 and R2 are."""
    return cosine(config.gamma_final, done)


def feature_weight(config: TrainConfig, nimg: int) -> float:
    """The weight of the feature discriminator in G's loss."""
    return config.feature_weight * min(1.0, nimg / _BLIND)
