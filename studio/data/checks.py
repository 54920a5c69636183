"""What is odd about the images of a set: the same or nearly the same twice, blank, inverted, too dark or too bright.

The limits are set on 6,604 knee crops of the OAI (`benchmarks/duplicates.py`): of their 21.8 million pairs none counts
as nearly the same, while a film's JPEG of quality 40 or another size of it always does. One that was turned does not.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

from gan_core.data.source import File

SIDE = 64  # pixels of the squares that are looked at
_SMALL = 32  # of those that are compared
_BITS_APART, _ALIKE = 4, 0.993  # most bits of the hashes that may differ, least correlation, of nearly the same image
_INVERTED = -0.5  # correlation with the mean of all images
_FEWEST = 10  # images that a mean is worth something of
_MOST = 50_000  # images that are held against each other
_BLANK, _FLAT, _DARK, _BRIGHT = 3.0, 8.0, 25.0, 235.0  # grey levels: of the standard deviation, then of the mean
_LISTED = 40  # files named of each kind
_CHUNK = 1024


class Seen:
    """Images as they are looked at, one after the other; `findings` says at the end what is odd."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.files: list[File] = []
        self._digests: list[bytes] = []
        self._small: list[NDArray[np.uint8]] = []

    def add(self, name: str, image: NDArray[np.uint8], file: File) -> None:
        """Takes an image [SIDE, SIDE] in."""
        self.names.append(name)
        self.files.append(file)
        self._digests.append(hashlib.blake2b(image.tobytes(), digest_size=16).digest())
        small = Image.fromarray(image).resize((_SMALL, _SMALL), Image.Resampling.BOX)
        self._small.append(np.asarray(small))

    def findings(self) -> list[dict[str, Any]]:
        """What is odd, for JSON: {"what", "words", "count", "files": [[name, ...], ...]}, a group of files each."""
        if not self.names:
            return []
        small = np.stack(self._small).astype(np.float32)
        spread, mean = small.std((1, 2)), small.mean((1, 2))
        blank = spread < _BLANK
        same = [g for g in self._same() if not blank[g[0]]]
        near = _pairs(small, self._digests, blank) if len(small) <= _MOST else []
        out = [
            _finding("same", same, "the same image as another", "the same images as others"),
            _finding("near", near, "nearly the same image as another", "nearly the same images as others"),
        ]
        apart = [g for g in (*same, *near) if len({self.files[i].split for i in g}) > 1]
        out.append(_finding("across", apart, "image stands in two splits", "images stand in two splits"))
        mixed = [g for g in same if len({self.files[i].label for i in g}) > 1]
        out.append(_finding("classes", mixed, "image stands in two classes", "images stand in two classes"))
        flat, dark, bright = (spread >= _BLANK) & (spread < _FLAT), mean < _DARK, mean > _BRIGHT
        out.append(_finding("blank", _each(blank), "image is blank", "images are blank"))
        out.append(_finding("flat", _each(flat), "image has hardly any contrast", "images have hardly any contrast"))
        out.append(_finding("dark", _each(dark & ~blank), "image is almost black", "images are almost black"))
        out.append(_finding("bright", _each(bright & ~blank), "image is almost white", "images are almost white"))
        inverted = _inverted(small, blank)
        out.append(_finding("inverted", _each(inverted), "image looks inverted", "images look inverted"))
        return [self._named(f) for f in out if f["count"]]

    def _same(self) -> list[list[int]]:
        groups: dict[bytes, list[int]] = defaultdict(list)
        for i, digest in enumerate(self._digests):
            groups[digest].append(i)
        return [g for g in groups.values() if len(g) > 1]

    def _named(self, finding: dict[str, Any]) -> dict[str, Any]:
        groups = finding["files"][:_LISTED]
        return finding | {"files": [[self.names[i] for i in group] for group in groups]}


def _finding(what: str, groups: Sequence[Sequence[int]], one: str, many: str) -> dict[str, Any]:
    """`count` is of images; those that are alike are counted but for one of each group."""
    alike = what in ("same", "near")
    count = sum(len(g) - 1 for g in groups) if alike else len(groups)
    verb = ("is " if count == 1 else "are ") if alike else ""
    noun = ("image " if count == 1 else "images ") if alike else ""
    return {
        "what": what,
        "count": count,
        "files": list(groups),
        "words": f"{count:,} {noun}{verb}{one if count == 1 else many}",
    }


def _each(which: NDArray[np.bool_]) -> list[list[int]]:
    return [[i] for i in np.flatnonzero(which).tolist()]


def _unit(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each image [N, 32, 32] as a vector of mean 0 and length 1: their products are correlations."""
    flat = small.reshape(len(small), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def hashes(small: NDArray[np.float32]) -> NDArray[np.uint64]:
    """A perceptual hash of each image [N, 32, 32]: the signs of its 64 lowest cosine coefficients about their median,
    without the mean brightness."""
    waves = scipy.fft.dctn(small, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(small), 64)
    waves[:, 0] = 0
    return np.packbits(waves > np.median(waves, 1, keepdims=True), 1).view(np.uint64)[:, 0]


def _pairs(small: NDArray[np.float32], digests: Sequence[bytes], blank: NDArray[np.bool_]) -> list[list[int]]:
    """Pairs of images that are nearly, but not exactly, the same."""
    unit, hashed = _unit(small), hashes(small)
    found = []
    for a, b in _close(hashed):
        if digests[a] != digests[b] and not blank[a] and unit[a] @ unit[b] > _ALIKE:
            found.append([a, b])
    return found


def _close(hashed: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    for start in range(0, len(hashed), _CHUNK):
        apart = np.bitwise_count(hashed[start : start + _CHUNK, None] ^ hashed[None, start:])
        for i, j in zip(*np.nonzero(apart <= _BITS_APART), strict=True):
            if i < j:
                yield start + int(i), start + int(j)


def _inverted(small: NDArray[np.float32], blank: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which images are a negative of what the others have in common."""
    unit = _unit(small)
    if len(small) < _FEWEST:
        return np.zeros(len(small), bool)
    mean = unit[~blank].mean(0) if (~blank).any() else unit.mean(0)
    return (unit @ (mean / max(float(np.linalg.norm(mean)), 1e-6)) < _INVERTED) & ~blank
