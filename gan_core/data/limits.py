"""How much a file may ask for, and the exception that passes one over."""

from __future__ import annotations

MAX_PIXELS = 64_000_000  # of one image: 8000 x 8000; the largest mammograms have 28 million
MAX_STACK_PIXELS = 1_000_000_000  # of all slices of one file
MAX_FILE_BYTES = 512 * 2**20
MAX_ZIP_BYTES = 4 * 2**30  # of all members, expanded
MAX_ZIP_RATIO = 100  # expanded to packed, of a zip that expands past ...
MAX_ZIP_RATIO_BYTES = 256 * 2**20  # ... this


class Unusable(Exception):
    """A file that yields no image; its text is the reason, for people."""


def pixel_limit(width: int | None = None, height: int | None = None) -> str:
    """The reason given for an image that is too large."""
    asks = f"{width} x {height} pixels" if width else "far too many pixels"
    return f"it claims {asks}; at most {MAX_PIXELS // 10**6} million are read"
