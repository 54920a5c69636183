"""Film -> knees."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from studio.knee.localizer.boxes import BOX_MM, Knee, border_value, side_of, window, without_doubles
from studio.knee.localizer.net import STRIDE, Localizer, load_localizer

SURE = 0.65  # from this confidence on a place counts as a knee
_CANDIDATES = 6  # places that the reader looks at
_HEAT = 0.1  # of the finder's map, from which on it looks at all
_PLAUSIBLE_MM = (55.0, 165.0)  # of what the picture's own box measures; a child's knee, a magnified one


def find(film: NDArray, spacing: float | None = None, said: str = "", net: Localizer | None = None) -> list[Knee]:
    """The knees on a film, ordered from left to right on the picture; none where there is no knee.

    Args:
        film: [H, W] of uint8, uint16 or float, bone bright.
        spacing: a pixel's side in the plane of the knee, in mm, where it is known. The boxes are then 140 mm wide,
            otherwise framed as the training crops are. A spacing that no knee could have on this picture is not used.
        said: the side that the file says its one knee is, "R" or "L".
        net: the localiser; the shipped one unless given.
    """
    net = net or load_localizer()
    reduced, times = reduce(film, max(3 * net.config.film_side, 768))
    with torch.inference_mode():
        knees = _read(net, reduced, _propose(net, reduced))
    knees = [replace(k, x=k.x * times, y=k.y * times, side_px=k.side_px * times) for k in knees]
    if len(knees) == 1:
        knees = [replace(knees[0], side=side_of(knees[0].side, said)[0])]
    return [_to_scale(k, spacing) for k in knees]


def reduce(film: NDArray, side: int) -> tuple[NDArray[np.float32], int]:
    """The film with its longer side brought down to no less than `side` by whole numbers of pixels, and that number."""
    times = max(1, max(film.shape) // side)
    times = min(times, *film.shape)
    height, width = (n // times * times for n in film.shape)
    if times == 1:
        small = film.astype(np.float32)
    elif film.dtype == np.uint8:
        small = np.asarray(Image.fromarray(film).reduce(times, (0, 0, width, height)), np.float32)
    else:
        rows = np.zeros((height // times, width), np.float32)
        for i in range(times):  # one line after the other: four times as fast as a mean over axes
            rows += film[i:height:times, :width]
        small = np.zeros((height // times, width // times), np.float32)
        for i in range(times):
            small += rows[:, i::times]
        small /= times**2
    if film.dtype.kind == "f":
        np.nan_to_num(small, copy=False, posinf=0, neginf=0)
    return small, times


def thumbnail(film: NDArray[np.float32], side: int) -> tuple[NDArray[np.float32], float]:
    """The film as the finder sees it: [side, side] in [0, 1], at the top left; and pixels of it to one of the film."""
    height, width = film.shape
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(
        Image.fromarray(film).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    )
    out = np.full((side, side), border_value(small), np.float32)
    out[: size[1], : size[0]] = small
    return stretched(out), scale


def stretched(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture from its 1st percentile to its 99th, as 0 to 1."""
    low, high = map(float, np.percentile(picture, (1, 99)))  # not NumPy's own, which would make all of it float64
    return np.clip((picture - low) / max(high - low, 1e-6), 0, 1)


def _propose(net: Localizer, film: NDArray[np.float32]) -> list[Knee]:
    small, scale = thumbnail(film, net.config.film_side)
    out = net.finder(torch.from_numpy(small)[None, None])[0]
    heat = out[0].sigmoid()
    peaks = torch.where(F.max_pool2d(heat[None, None], 3, 1, 1)[0, 0] == heat, heat, 0)
    best = peaks.flatten().topk(_CANDIDATES)
    found = []
    for confidence, at in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        row, column = divmod(at, heat.shape[1])
        dx, dy, size, angle = out[1:, row, column].clamp(-3, 3).tolist()
        x, y = (column + 0.5 + dx) * STRIDE / scale, (row + 0.5 + dy) * STRIDE / scale
        side = net.config.film_side / 4 * math.exp(size) / scale
        if confidence >= _HEAT:
            found.append(Knee(x, y, side, max(-30.0, min(30.0, 15 * angle)), "", confidence))
    return without_doubles(found, 0.6)


def _read(net: Localizer, film: NDArray[np.float32], knees: list[Knee]) -> list[Knee]:
    """Each place corrected twice, without those that are none."""
    side = net.config.window_side
    for least in (SURE / 2, SURE):
        if not knees:
            break
        seen = [stretched(window(film, k.x, k.y, net.config.window * k.side_px, k.angle, side)) for k in knees]
        out = net.reader(torch.from_numpy(np.stack(seen)[:, None])).tolist()
        knees = [_corrected(k, *row) for k, row in zip(knees, out, strict=True)]
        knees = without_doubles(k for k in knees if k.confidence >= least)
    return knees


def _corrected(k: Knee, dx: float, dy: float, size: float, turn: float, right: float, knee: float) -> Knee:
    """The box as the reader corrects it; its confidence is the mean (geometric) of the one so far and the reader's."""
    cos, sin = math.cos(math.radians(k.angle)), math.sin(math.radians(k.angle))
    dx, dy, size, turn = (max(-1.0, min(1.0, v)) for v in (dx, dy, size, turn))
    return Knee(
        x=k.x + k.side_px * (cos * dx - sin * dy),
        y=k.y + k.side_px * (sin * dx + cos * dy),
        side_px=k.side_px * math.exp(size),
        angle=k.angle + 15 * turn,
        side="L" if right > 0 else "R",
        confidence=math.sqrt(k.confidence / (1 + math.exp(-max(-30.0, min(30.0, knee))))),
    )


def _to_scale(knee: Knee, spacing: float | None) -> Knee:
    if spacing and _PLAUSIBLE_MM[0] <= spacing * knee.side_px <= _PLAUSIBLE_MM[1]:
        return replace(knee, side_px=BOX_MM / spacing, mm=spacing)
    return knee
