"""What can be read off a picture of a knee: its quantities, each with its name and what less and more of it are called.

Medial and lateral are told by the fibula. Lengths are in shares of the picture's side, and angles in degrees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.knee.readings.net import Reader

MID = 0.5  # between the places in the two halves where the joint line is read, in sides


@dataclass(frozen=True)
class Quantity:
    name: str
    low: str  # what less of it is called
    high: str
    what: str = ""  # in a sentence


QUANTITIES = {
    "medial_space": Quantity("Medial joint space", "narrower", "wider", "Width of the joint space on the inner side."),
    "lateral_space": Quantity(
        "Lateral joint space", "narrower", "wider", "Width of the joint space on the outer side."
    ),
    "rotation": Quantity("Rotation", "medial side down", "lateral side down", "How far the joint line is turned."),
    "size": Quantity("Size", "smaller", "larger", "Width of the tibial plateau."),
    "position_lateral": Quantity(
        "Position across", "towards medial", "towards lateral", "Where the plateau's middle is."
    ),
    "position_distal": Quantity("Height of the joint line", "higher", "lower", "Where on the film the joint line is."),
    "brightness": Quantity("Brightness", "darker", "brighter", "Mean gray level."),
    "contrast": Quantity("Contrast", "flatter", "more contrast", "Standard deviation of gray levels."),
    "sharpness": Quantity("Sharpness", "softer", "sharper", "Mean step from pixel to pixel, over the contrast."),
    "side": Quantity("Side", "more like a right knee", "more like a left knee", "On which side the fibula is."),
    "grade": Quantity("Grade", "lower", "higher", "KL grade as the knee encoder expects it."),
}


def outwards(x: Tensor, reader: Reader) -> Tensor:
    """1 where lateral is to the right in images x [N, 1, R, R] in [-1, 1], as in left knees, else -1: [N]."""
    return torch.where(reader(x)[:, 6] >= 0, 1.0, -1.0)


def read(x: Tensor, reader: Reader, sign: Tensor) -> Tensor:
    """`QUANTITIES` [N, 11] of images x [N, 1, R, R] in [-1, 1], differentiable; `sign` [N] as `outwards` gives it."""
    left, right, line_left, line_right, end_left, end_right, fibula, grade = reader(x).unbind(1)
    lateral_right = sign > 0
    spread = x.std((1, 2, 3)) + 0.01
    steps = x.diff(dim=3).abs().mean((1, 2, 3)) + x.diff(dim=2).abs().mean((1, 2, 3))
    return torch.stack(
        [
            torch.where(lateral_right, left, right),
            torch.where(lateral_right, right, left),
            torch.rad2deg(torch.atan((line_right - line_left) / MID)) * sign,
            end_right - end_left,
            ((end_left + end_right) / 2 - 0.5) * sign,
            (line_left + line_right) / 2,
            x.mean((1, 2, 3)),
            spread,
            steps / spread * math.sqrt(x.shape[-1]),
            fibula,
            grade,
        ],
        1,
    )
