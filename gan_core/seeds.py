"""Where randomness comes from: everything random is a function of named parts, never of what ran before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

MAX_SEED = 2**31 - 1


def seed_of(*parts: object) -> int:
    """A 63-bit seed from `parts`. What a step draws depends on (seed, step) alone, so that a resumed run equals an
    uninterrupted one (as in EDM, Karras et al. 2022)."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big") >> 1


def latents(seeds: Sequence[int], z_dim: int) -> Tensor:
    """z [len(seeds), z_dim], standard normal: row i depends on seeds[i] alone."""
    return torch.stack([torch.randn(z_dim, generator=torch.Generator().manual_seed(s)) for s in seeds])


def own_labels(seeds: Sequence[int], shares: Sequence[float]) -> Tensor:
    """c [len(seeds)]: each seed's own class, in the shares given; for when nobody asks for one."""
    cumulative = np.cumsum(shares) / np.sum(shares)
    draws = [np.random.default_rng(seed_of("class", s)).random() for s in seeds]
    return torch.from_numpy(np.minimum(np.searchsorted(cumulative, draws, side="right"), len(shares) - 1))
