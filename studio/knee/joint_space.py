"""Joint-space width read off PA knee crops, and which side of the image is lateral.

The joint space is a dark band between two bright bone edges. In each half of an image the two edges are followed
together, from outside to inside, by dynamic programming: the pair of paths with the steepest fall (femur) and rise
(tibia) of brightness that do not jump. All images are brought to one working size first, so that an image and its
smaller copy are read alike. It is a measurement of images, for comparing sets of them; it is no diagnosis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from gan_core.errors import UserError

Array = NDArray[np.float64]

MIN_RESOLUTION = 32  # below it a healthy joint space is thinner than two pixels

_SIDE = 256  # the working size; lengths below are in its pixels
_ROWS = slice(80, 224)  # where the joint line is looked for
_CENTRES, _HALF = (64.0, 192.0), 33.0  # the columns followed in either half: the notch and the spines stay out
_COLUMNS = 12
_CENTRAL = slice(3, 9)  # of these columns, those whose median is the width
_BLUR = 2.0  # standard deviation; two edges cannot be told apart much below twice this
_LOCAL = 24.0  # standard deviation of the window in which brightness is evened out
_STEP = 2  # the grid of rows that paths run on
_WIDTHS = 16  # candidate widths, in steps
_PER_WIDTH = 0.015  # price of a pixel of width, so that a closed space is not given a wide band with faint edges
_PER_JUMP = 0.04  # price of a step up, down, wider or narrower from column to column
_PER_OFFSET = 0.01  # price, for each column, of a pixel by which the two halves' inner ends differ in height
_AROUND = 16  # rows above and below the line that must look alike in all columns
_THUMB = 32  # the side at which the layout of an image is looked at
# A knee is found past these: at 64 px all but 12 of 6,604 real knees, no white noise, a few in 100 of coarser noise.
_MIN_LAYOUT = 0.75
_MIN_COHERENCE = 0.65
_MIN_STEEPNESS = 0.12
_CHUNK = 64  # images at a time: their working arrays stay in the processor's cache

_SIDE_SURE = 0.1  # of 6,604 real knees at 64 px 99.5% are past it, and of these 99.6% are told right


@dataclass(frozen=True)
class JointSpace:
    """Joint-space widths of N images, in pixels of the images given, measured down the image's columns.

    A width has a floor, the least distance at which two edges can be told apart: a space narrower than about 1.5 pixels
    at 64 px, 2.5 at 128 or 5 at 256 reads as about that much, and where bone lies on bone it may be missed altogether.
    """

    left: Array  # [N], in the left half of the image; NaN where not found
    right: Array  # [N], in the right half
    found: NDArray[np.bool_]  # [N]
    inverted: NDArray[np.bool_]  # [N], bone is dark
    columns: Array  # [2, C]: x of the columns followed in the left and in the right half
    femur: Array  # [N, 2, C]: y of the femur's lower edge in them; NaN where not found
    tibia: Array  # [N, 2, C]: y of the tibia's upper edge

    @property
    def narrower(self) -> Array:
        """The smaller of an image's two widths, [N]."""
        return np.minimum(self.left, self.right)

    @property
    def share_not_found(self) -> float:
        return float(np.mean(~self.found))

    def medial_lateral(self, sides: Sequence[str] | NDArray[np.str_]) -> tuple[Array, Array]:
        """Medial and lateral width, each [N], from each knee's side as `side` tells it.

        NaN where the side is "".
        """
        which = np.asarray(sides)
        known = (which == "L") | (which == "R")
        medial = np.where(which == "L", self.left, self.right)
        lateral = np.where(which == "L", self.right, self.left)
        return np.where(known, medial, np.nan), np.where(known, lateral, np.nan)


def joint_space(images: NDArray[np.uint8]) -> JointSpace:
    """The joint-space width of PA knee crops, uint8 [N, 1, R, R], in both halves of each image.

    A knee is found where bone stands out from the image's margins (dark bone is taken for an inverted film) and where,
    in at least one half, both edges are clear and all columns look alike about them. Meant for R from 64 to 256; larger
    images are reduced.

    Raises:
        UserError: if there is no image, or they are not square or smaller than 32 pixels.
    """
    _check(images)
    scale = images.shape[-1] / _SIDE
    down, across = _sampling(images.shape[-1])
    parts = [_measure(_as_float(images[i : i + _CHUNK]), down, across) for i in range(0, len(images), _CHUNK)]
    found, inverted, femur, tibia = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    edges = np.stack([femur, tibia]).astype(np.float64) * scale
    edges[:, ~found] = np.nan
    width = np.median(edges[1, :, :, _CENTRAL] - edges[0, :, :, _CENTRAL], axis=2)
    return JointSpace(
        left=width[:, 0],
        right=width[:, 1],
        found=found,
        inverted=inverted,
        columns=_columns().numpy().astype(np.float64) * scale,
        femur=edges[0],
        tibia=edges[1],
    )


def side(images: NDArray[np.uint8]) -> NDArray[np.str_]:
    """Which knee each image shows, [N]: "L" (lateral on the image's right), "R" or, where it cannot be told, "".

    The fibula, and the tibia's flare towards it, brighten the lower corner of the lateral side.

    Raises:
        UserError: as `joint_space` does.
    """
    _check(images)
    scores = torch.cat([_lateral(_as_float(images[i : i + _CHUNK])) for i in range(0, len(images), _CHUNK)]).numpy()
    return np.where(scores > _SIDE_SURE, "L", np.where(scores < -_SIDE_SURE, "R", ""))


@dataclass(frozen=True)
class Spread:
    """How a measured quantity is spread in one grade; None where there are too few values for the figure."""

    n: int  # values that count
    missing: int  # NaNs, left out
    mean: float | None
    sd: float | None
    low: float | None  # 95% interval of the mean (Student's t)
    high: float | None


def per_grade(values: Array, labels: NDArray[np.integer], num_classes: int) -> tuple[Spread, ...]:
    """The spread of `values` [N] in each grade 0 .. num_classes - 1, NaNs left out and counted.

    Raises:
        UserError: if there are not as many labels as values, or a label is not one of the grades.
    """
    if len(values) != len(labels):
        raise UserError(f"There are {len(values)} values and {len(labels)} labels; give one label for each value.")
    if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
        raise UserError(f"Labels go from {labels.min()} to {labels.max()}; they must be 0 to {num_classes - 1}.")
    return tuple(_spread(values[labels == grade]) for grade in range(num_classes))


def _spread(values: Array) -> Spread:
    there = values[np.isfinite(values)]
    n, missing = len(there), len(values) - len(there)
    mean = float(there.mean()) if n else None
    if mean is None or n < 2:
        return Spread(n, missing, mean, None, None, None)
    sd = float(there.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * sd / n**0.5
    return Spread(n, missing, mean, sd, mean - half, mean + half)


def _check(images: NDArray[np.uint8]) -> None:
    if images.ndim != 4 or not len(images) or images.shape[2] != images.shape[3]:
        raise UserError(f"Joint-space width needs square gray images [N, 1, R, R], not {list(images.shape)}.")
    if images.shape[-1] < MIN_RESOLUTION:
        raise UserError(
            f"The joint space cannot be measured on images of {images.shape[-1]} pixels; "
            f"use {MIN_RESOLUTION} or more, best 64 to 256."
        )


def _as_float(images: NDArray[np.uint8]) -> Tensor:
    """[N, R, R], in gray levels."""
    return torch.from_numpy(images[:, 0].astype(np.float32))


def _columns() -> Tensor:
    """x of the columns followed, [2, C], left to right, in working pixels."""
    within = ((torch.arange(_COLUMNS) + 0.5) / _COLUMNS * 2 - 1) * _HALF
    return torch.tensor(_CENTRES)[:, None] + within


def _gaussian(at: Tensor, sd: float) -> Tensor:
    """Weights [len(at), _SIDE] of the working pixels in a Gaussian mean about each of `at`."""
    weights = torch.exp(-0.5 * ((at[:, None] - torch.arange(_SIDE) - 0.5) / sd) ** 2)
    return weights / weights.sum(1, keepdim=True)


def _sampling(resolution: int) -> tuple[Tensor, Tensor]:
    """Matrices from an image's rows to blurred working rows, [_SIDE, R], and from its columns to the followed, [2C, R].

    Scaling and blurring are linear and separable, so both are done at once and only where they are needed.
    """
    unit = torch.eye(resolution)[None, None]
    scaled = F.interpolate(unit, size=(_SIDE, resolution), mode="bicubic", antialias=True)[0, 0]
    return _gaussian(torch.arange(_SIDE) + 0.5, _BLUR) @ scaled, _gaussian(_columns().flatten(), _BLUR) @ scaled


def _measure(images: Tensor, down: Tensor, across: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """found [N], inverted [N], femur and tibia [N, 2, C] (y in working pixels) of images [N, R, R]."""
    contrast = _bone_over_sides(_thumbs(images))
    inverted = contrast < 0
    profiles = (down @ (images @ across.T)).unflatten(2, (2, _COLUMNS)).permute(0, 2, 3, 1)  # [N, 2, C, _SIDE]
    profiles = _even(profiles)[..., _ROWS] * torch.where(inverted, -1.0, 1.0)[:, None, None, None]
    profiles[:, 1] = profiles[:, 1].flip(1)  # now both halves go from outside to inside
    rise = torch.gradient(profiles, dim=3)[0]
    upper, lower = _follow(rise)
    (femur, fall), (tibia, climb) = _sharpen(-rise, upper), _sharpen(rise, lower)
    steep = torch.minimum(fall.mean(2), climb.mean(2)) > _MIN_STEEPNESS
    coherent = _coherence(profiles, (femur + tibia) / 2) > _MIN_COHERENCE
    found = (contrast.abs() > _MIN_LAYOUT) & (steep & coherent).any(1)  # one half will do: the other may be closed
    for edge in (femur, tibia):
        edge[:, 1] = edge[:, 1].flip(1)
        edge += _ROWS.start + 0.5
    return found, inverted, femur, tibia


def _even(profiles: Tensor) -> Tensor:
    """Brightness along the last axis, less its local mean and over its local spread, so that exposure plays no part.

    The spread is one for all columns of a half. Half a gray level is added to it: a flat profile stays flat.
    """
    window = _gaussian(torch.arange(_SIDE) + 0.5, _LOCAL).T
    rest = profiles - profiles @ window
    return rest / (rest.square().mean(2, keepdim=True) @ window + 0.25).sqrt()


def _follow(rise: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [N, 2, C] of the femur's and the tibia's edge, to within _STEP, by dynamic programming.

    `rise` [N, 2, C, H] is the brightness' derivative downwards. A state is a row of the femur's edge and a width; its
    score is the fall at the one edge and the rise at the other. The two halves are tied at their inner ends.
    """
    n = len(rise)
    on_grid = rise.flatten(0, 1)[..., ::_STEP]
    rows = on_grid.shape[-1] - _WIDTHS
    price = _PER_WIDTH * _STEP * torch.arange(1, _WIDTHS + 1)
    score = on_grid[..., 1:].unfold(2, _WIDTHS, 1) - on_grid[..., :rows, None] - price  # [2N, C, rows, widths]
    best = [score[:, 0]]
    for column in range(1, _COLUMNS):
        moved = F.max_pool2d(best[-1], 3, 1, 1) - _PER_JUMP
        best.append(score[:, column] + torch.maximum(best[-1], moved))

    ends = best[-1].amax(2).unflatten(0, (n, 2))
    offset = (torch.arange(rows)[:, None] - torch.arange(rows)).abs() * _STEP
    tie = _PER_OFFSET * _COLUMNS * offset
    chosen = (ends[:, 0, :, None] + ends[:, 1, None, :] - tie).flatten(1).argmax(1)
    row = torch.stack([chosen // rows, chosen % rows], 1).flatten()

    each = torch.arange(2 * n)
    width = best[-1][each, row].argmax(1)
    path = [(row, width)]
    moves = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))
    prices = _PER_JUMP * (moves != 0).any(1)
    for scores in best[-2::-1]:
        # A move over the border is clipped to one in this list whose price is no higher: it never wins wrongly.
        to_row = (row[:, None] + moves[:, 0]).clamp(0, rows - 1)
        to_width = (width[:, None] + moves[:, 1]).clamp(0, _WIDTHS - 1)
        move = (scores[each[:, None], to_row, to_width] - prices).argmax(1)
        row, width = to_row[each, move], to_width[each, move]
        path.append((row, width))
    upper = torch.stack([r for r, _ in reversed(path)], 1)
    lower = upper + torch.stack([w for _, w in reversed(path)], 1) + 1
    return upper.unflatten(0, (n, 2)) * _STEP, lower.unflatten(0, (n, 2)) * _STEP


def _sharpen(steepness: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where `steepness` [..., H] peaks near `rows` [...], to a fraction of a row by a parabola, and its value there."""
    near = (rows[..., None] + torch.arange(-_STEP, _STEP + 1)).clamp(1, steepness.shape[-1] - 2)
    peak = near.gather(-1, steepness.gather(-1, near).argmax(-1, keepdim=True))
    before, at, after = steepness.gather(-1, peak + torch.arange(-1, 2)).unbind(-1)
    bend = before - 2 * at + after
    shift = torch.where(bend < -1e-6, (before - after) / (2 * bend), 0.0)
    return peak[..., 0] + shift.clamp(-0.5, 0.5), at


def _coherence(profiles: Tensor, line: Tensor) -> Tensor:
    """The share of the variance about the line [N, 2, C] that all columns of a half have in common, [N, 2].

    Near 1 where the same dark band runs through all columns; low in noise, where a path follows chance.
    """
    rows = (line.round().long()[..., None] + torch.arange(-_AROUND, _AROUND + 1)).clamp(0, profiles.shape[-1] - 1)
    about = profiles.gather(3, rows)
    about = about - about.mean(3, keepdim=True)
    return about.mean(2).square().mean(2) / (about.square().mean((2, 3)) + 1e-6)


def _thumbs(images: Tensor) -> Tensor:
    """Images [N, R, R] reduced to _THUMB pixels a side."""
    return F.interpolate(images[:, None], size=(_THUMB, _THUMB), mode="area")[:, 0]


def _bone_over_sides(thumbs: Tensor) -> Tensor:
    """How much brighter the middle is than the image's left and right margins, in its standard deviations, [N]."""
    margins = torch.cat([thumbs[:, :, :2], thumbs[:, :, -2:]], 2).flatten(1)
    middle = thumbs[:, :, 5:-5].flatten(1)
    # Medians, which a metal clip in a margin does not move.
    return (middle.quantile(0.5, dim=1) - margins.quantile(0.5, dim=1)) / (thumbs.std((1, 2)) + 1e-3)


def _lateral(images: Tensor) -> Tensor:
    """How much more bone the lower right corner shows than the lower left, in standard deviations, [N]."""
    thumbs = _thumbs(images)
    corners = thumbs[:, -5:]
    difference = (corners[:, :, -5:-1].mean((1, 2)) - corners[:, :, 1:5].mean((1, 2))) / (thumbs.std((1, 2)) + 1e-3)
    return difference * torch.where(_bone_over_sides(thumbs) < 0, -1.0, 1.0)
