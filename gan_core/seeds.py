"""Where randomness comes from: everything random is a function of named parts, never of what ran before."""

from __future__ import annotations

import hashlib

MAX_SEED = 2**31 - 1


def seed_of(*parts: object) -> int:
    """A 63-bit seed from `parts`. What a step draws depends on (seed, step) alone, so that a resumed run equals an
    uninterrupted one (as in EDM, Karras et al. 2022)."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big") >> 1
