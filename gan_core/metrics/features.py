"""Features of a data set, computed once: kept in the cache by its content and the extractor's digest."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gan_core.data.cache import cache_folder
from gan_core.errors import UserError
from gan_core.files import replacing
from gan_core.metrics.extractors.base import Extractor, Features, Progress, sha256

__all__ = ["Features", "features"]


def features(
    extractor: Extractor, images: NDArray[np.uint8], fingerprint: str | None, progress: Progress | None = None
) -> Features:
    """What the extractor sees in uint8 images [N, 1, H, W].

    `fingerprint` names the content of `images` (`Dataset.fingerprint`): with it, features come from the cache the next
    time; without, as for fakes, nothing is kept. Raises `UserError` where there are no images, or features that are not
    numbers.
    """
    path = cache_folder() / f"features-{sha256(fingerprint, images.shape, extractor.digest)}.npz"
    if fingerprint and (kept := _read(path, len(images))):
        if progress:
            progress(len(images), len(images))
        return kept
    found = extractor.see(images, progress)
    if bad := int((~np.isfinite(found.values)).any(1).sum()):
        raise UserError(
            f"The extractor {extractor.name} gives features that are not numbers for {bad:,} of {len(images):,} "
            "images: its weights are damaged, or it takes other images. Use another one, such as knee."
        )
    if fingerprint:
        with contextlib.suppress(OSError):  # no room or no right to write: it is only slower the next time
            _write(path, found)
    return found


def _write(path: Path, found: Features) -> None:
    none = np.empty((len(found.values), 0), np.float32)
    probabilities = none if found.probabilities is None else found.probabilities
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, values=found.values, probabilities=probabilities)


def _read(path: Path, count: int) -> Features | None:
    """What `_write` kept; None where it is not there whole, which the checksums in the file tell."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            values, probabilities = kept["values"], kept["probabilities"]
    except (OSError, ValueError, LookupError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None
    return Features(values, probabilities if probabilities.size else None) if len(values) == count else None
