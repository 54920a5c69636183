"""How much a file may ask for, and the exception that passes one over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_PIXELS = 64_000_000  # of one image: 8000 x 8000; the largest mammograms have 28 million
MAX_IMAGE_BYTES = 4 * MAX_PIXELS  # of one image's values
MAX_STACK_PIXELS = 1_000_000_000  # of all slices of one file
MAX_SLICES = 10_000  # of one file
MAX_FILE_BYTES = 512 * 2**20
MAX_ZIP_BYTES = 4 * 2**30  # of all members, expanded
MAX_ZIP_RATIO = 100  # expanded to packed, of a zip that expands past ...
MAX_ZIP_RATIO_BYTES = 256 * 2**20  # ... this

_change = threading.Condition()
_taken = 0  # pixels of all images being decoded


@contextmanager
def room(pixels: int, each: int = 2) -> Iterator[None]:
    """Waits until all images that are being decoded, this one among them, have at most MAX_PIXELS: a pixel takes up to
    22 bytes meanwhile, and as many images are decoded at once as there are cores.

    Pixels of more bytes `each` than 3, all their channels together, count as more: those of 8 bytes take up to 32.
    """
    global _taken
    pixels = min(MAX_PIXELS, pixels * max(1, each // 2))
    with _change:
        _change.wait_for(lambda: _taken + pixels <= MAX_PIXELS)
        _taken += pixels
    try:
        yield
    finally:
        with _change:
            _taken -= pixels
            _change.notify_all()


class Unusable(Exception):
    """A file that yields no image; its text is the reason, for people."""


def pixel_limit(width: int | None = None, height: int | None = None) -> str:
    """The reason given for an image that is too large."""
    asks = f"{width} x {height} pixels" if width else "far too many pixels"
    return f"it claims {asks}; at most {MAX_PIXELS // 10**6} million are read"
