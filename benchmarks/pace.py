"""How fast a training is, so that each can be given the same processor time whatever its step costs.

Processor time, not the clock's: a machine that is shared then favours no trial that had it alone.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

ENOUGH = 20.0  # seconds
RATES = 4


def images_a_second(config: Any) -> float:
    """Images that a second of processor time shows to the critic of this training, in whole cycles of its penalty."""
    from gan_core.train.game import Batches, Game

    rng = np.random.default_rng(0)
    side = config.resolution
    images = rng.integers(0, 256, (64 if side > 256 else 1024, 1, side, side), np.uint8)
    game = Game(config, Batches(images, rng.integers(0, 5, len(images)), 0), 5)
    cycle = config.penalty_every if config.r1_gamma or config.r2_gamma else 1
    rates: list[float] = []
    start = time.process_time()
    # The first finds its kernels.
    while len(rates) < 2 or (time.process_time() - start < ENOUGH and len(rates) < RATES):
        before, at = game.nimg, time.process_time()
        for _ in range(2 * cycle):
            game.step()
        rates.append((game.nimg - before) / (time.process_time() - at))
    return max(rates)


def thousand_images(config: Any, minutes: float) -> float:
    """The length, in thousands of images, of a training like `config` that takes so many minutes of processor time."""
    return round(images_a_second(config) * minutes * 60 / 1000, 3)
