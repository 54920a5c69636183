"""Where randomness comes from: everything random is a function of named parts, never of what ran before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_SEED = 2**31 - 1


def seed_of(*parts: object) -> int:
    """A 63-bit seed from `parts`. What a step draws depends on (seed, step) alone, so that a resumed run equals an
    uninterrupted one (as in EDM, Karras et al. 2022)."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big") >> 1


def own_classes(seeds: Sequence[int], shares: Sequence[float]) -> NDArray[np.int64]:
    """The index [len(seeds)] of each seed's own class, in the shares given; for when nobody asks for one."""
    cumulative = np.cumsum(shares) / np.sum(shares)
    draws = [np.random.default_rng(seed_of("class", s)).random() for s in seeds]
    return np.minimum(np.searchsorted(cumulative, draws, side="right"), len(shares) - 1)
