"""What the discriminator sees under each augmentation: a phantom knee, before and after."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from gan_core.augment import augment
from gan_core.images import to_float, to_uint8
from gan_core.presets import ADDITIONS
from gan_core.seeds import seed_of
from studio.knee.phantom import phantom


def seen(seed: int, draws: int = 3, resolution: int = 128) -> dict[str, NDArray[np.uint8]]:
    """By name, the phantom of `seed` [1, R, R] and what becomes of it [draws, R, R]: each operation of the addition
    "augment", all together, and the noise of the addition "noise" at its start."""
    knee, _ = phantom(1, resolution, seed)
    x = to_float(knee).expand(draws, -1, -1, -1)
    operations = ADDITIONS["augment"].settings["augment"]
    out = {"as it is": knee[0]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("seen", seed))
        for name in operations:
            out[name] = to_uint8(augment(x, (name,)))[:, 0]
        out["all four"] = to_uint8(augment(x, operations))[:, 0]
        out["noise"] = to_uint8(augment(x, (), ADDITIONS["noise"].settings["input_noise"]))[:, 0]
    return out
