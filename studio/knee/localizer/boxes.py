"""A knee's place on a film, and the square that is cut out of the film there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BOX_MM = 140.0  # side of the box where the film's scale is known, as Tiulpin and others cut theirs
FRAME_MM = 98.0  # side of the square that the training crops show, as far as the size of their bones tells
DOUBTFUL = 0.8  # a knee of less confidence is to be looked at


@dataclass(frozen=True)
class Knee:
    """A square box on a film. Lengths are in pixels of the film, from the outer corner of its first pixel."""

    x: float  # of the box's centre, at the height of the joint line
    y: float
    side_px: float  # length of the box's side
    angle: float = 0.0  # degrees to turn the film counterclockwise for the knee to stand upright
    side: str = ""  # "R", "L", or "" where it is not known
    confidence: float = 1.0  # 0 to 1
    mm: float | None = None  # a pixel's side in mm, or None where it is not known


def framed(knee: Knee) -> Knee:
    """The same knee in a box as the training crops have it, for what looks through models that were trained on them."""
    return replace(knee, side_px=FRAME_MM / knee.mm) if knee.mm else knee


def side_of(seen: str, said: str) -> tuple[str, str]:
    """The side of a knee, and a sentence where the picture and the file contradict each other, else "".

    `seen` is what the fibula tells, `said` what the file says: "R", "L", or anything else for not known. The file's
    word stands: it names the patient's leg, and a picture may have been mirrored.
    """
    names = {"R": "right", "L": "left"}
    if said not in names:
        return (seen if seen in names else ""), ""
    if seen not in names or seen == said:
        return said, ""
    return said, f"The file says {names[said]}, but by its fibula this looks like a {names[seen]} knee."


def border_value(film: NDArray) -> float:
    """The grey of the film's border: the median of its outermost pixels."""
    return float(np.median(np.concatenate([film[0], film[-1], film[:, 0], film[:, -1]])))


def window(film: NDArray, x: float, y: float, side: float, angle: float, resolution: int) -> NDArray[np.float32]:
    """The square around (x, y), turned upright, antialiased: float32 [resolution, resolution] in the film's values.

    What lies beyond the film has the value of its border.
    """
    # Only the part that is looked at is worked on.
    height, width = film.shape
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    times = max(1, math.ceil(side / resolution))
    coarse = max(1, times // 2)  # turning takes the longest, so what is fine is brought down before as well as after
    reach = side / 2 * (abs(cos) + abs(sin)) + 2 * coarse
    left, top = max(math.floor(x - reach), 0), max(math.floor(y - reach), 0)
    right, bottom = min(math.ceil(x + reach), width), min(math.ceil(y + reach), height)
    outside = border_value(film)
    if right - left < 1 or bottom - top < 1:
        return np.full((resolution, resolution), outside, np.float32)
    part = Image.fromarray(np.ascontiguousarray(film[top:bottom, left:right], np.float32))
    if coarse > 1:
        part, times = part.reduce(coarse), math.ceil(times / coarse)
    n, scale = resolution * times, side / (resolution * times * coarse)
    cos, sin = cos * scale, sin * scale
    x0, y0 = (x - left) / coarse - (cos - sin) * n / 2, (y - top) / coarse - (sin + cos) * n / 2
    turned = part.transform(
        (n, n), Image.Transform.AFFINE, (cos, -sin, x0, sin, cos, y0), Image.Resampling.BILINEAR, fillcolor=outside
    )
    return np.asarray(turned.reduce(times) if times > 1 else turned, np.float32)


def cut(film: NDArray, knee: Knee, resolution: int) -> NDArray[np.uint8]:
    """The knee's box as a picture, upright: uint8 [resolution, resolution].

    Films of 8 bits keep their grey values; others are stretched from their lowest value to their highest. What is no
    number, or infinite, is black.
    """
    if film.dtype.kind == "f":
        finite = np.isfinite(film)
        film = np.where(finite, film, film[finite].min() if finite.any() else 0)
    out = window(film, knee.x, knee.y, knee.side_px, knee.angle, resolution)
    if film.dtype != np.uint8:
        low, high = float(film.min()), float(film.max())
        out = (out - low) * (255 / (high - low or 1.0))
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def overlap(a: Knee, b: Knee) -> float:
    """Intersection over union of two boxes, as if neither were turned."""
    across = min(a.x + a.side_px / 2, b.x + b.side_px / 2) - max(a.x - a.side_px / 2, b.x - b.side_px / 2)
    down = min(a.y + a.side_px / 2, b.y + b.side_px / 2) - max(a.y - a.side_px / 2, b.y - b.side_px / 2)
    both = max(across, 0.0) * max(down, 0.0)
    return both / (a.side_px**2 + b.side_px**2 - both)


def without_doubles(knees: Iterable[Knee], most: float = 0.2) -> list[Knee]:
    """The surest of knees that overlap by more than `most`, ordered from left to right."""
    kept: list[Knee] = []
    for knee in sorted(knees, key=lambda k: -k.confidence):
        if all(overlap(knee, other) <= most for other in kept):
            kept.append(knee)
    return sorted(kept, key=lambda k: k.x)


def is_crop(shape: tuple[int, int], knees: Sequence[Knee], least: float = 0.7) -> bool:
    """Whether a picture [H, W] is a knee's crop already, and no whole film: a square, one knee, and a box framed as the
    training crops are that overlaps with the whole of it by `least` (intersection over union)."""
    height, width = shape
    if len(knees) != 1 or max(shape) > 1.1 * min(shape):
        return False
    return overlap(framed(knees[0]), Knee(width / 2, height / 2, float(min(shape)))) >= least
