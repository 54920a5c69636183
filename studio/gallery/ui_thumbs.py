"""The images of the Gallery's sheet, small, made and kept a page at a time for all viewers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from gan_core.model import digest, read_config
from studio.models.ready import FIRST_PAGE, first_page
from studio.models.ui_models import Entry, loaded

PAGE = FIRST_PAGE
SIDE = 256  # pixels, at most


def _thumb(image: NDArray[np.uint8]) -> bytes:
    """Gray levels [R, R] as a WebP: to find an image by, not to read it."""
    small, buffer = Image.fromarray(image, "L"), BytesIO()
    small.thumbnail((SIDE, SIDE))
    small.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


@st.cache_data(max_entries=400, show_spinner=False)
def _page(folder: Path, stamp: int, first_seed: int, class_name: str | None, truncation: float) -> list[bytes]:
    if (first_seed, class_name, truncation) == (0, None, 1.0):
        ready = first_page(folder, digest(folder), read_config(folder).net.resolution)
        if ready is not None:
            return [_thumb(image[0]) for image in ready]
    from gan_core.generate import class_index, generate

    seeds = range(first_seed, first_seed + PAGE)
    model = loaded(Entry("", folder, stamp))
    labels = None if class_name is None else [class_index(model, class_name)] * PAGE
    made = generate(model, seeds, labels, truncation)
    return [_thumb(image[0]) for image in made]


def thumbs(entry: Entry, first_seed: int, pages: int, class_name: str | None, truncation: float) -> list[bytes]:
    """A small picture (WebP) for each seed of so many pages from the first seed on."""
    starts = range(first_seed, first_seed + pages * PAGE, PAGE)
    return [thumb for start in starts for thumb in _page(entry.folder, entry.stamp, start, class_name, truncation)]
