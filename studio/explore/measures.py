"""What can be measured of a single image: the quantities that directions are named by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gan_core.errors import UserError
from gan_core.metrics.features import Extractor
from studio.evaluate.extractors import open_extractor
from studio.knee.joint_space import MIN_RESOLUTION, joint_space

Array = NDArray[np.float64]
KNEES = 0.5  # where a joint space is found in so many of a model's images, they are knees


@dataclass(frozen=True)
class Words:
    """A quantity's name, and what less and more of it are called."""

    name: str
    low: str
    high: str


WORDS = {
    "brightness": Words("Brightness", "darker", "brighter"),
    "contrast": Words("Contrast", "flatter", "more contrast"),
    "sharpness": Words("Sharpness", "softer", "sharper"),
    "width": Words("Width of the bone", "slimmer", "wider"),
    "joint_space": Words("Joint space", "narrower", "wider"),
    "joint_tilt": Words("Tilt of the joint space", "wider on the left", "wider on the right"),
    "joint_line": Words("Height of the joint line", "higher", "lower"),
    "side": Words("Side", "more like a right knee", "more like a left knee"),
    "grade": Words("Grade", "lower", "higher"),
}


def measure(images: NDArray[np.uint8], knees: bool) -> dict[str, Array]:
    """Each quantity of uint8 images [N, 1, R, R], as [N]; NaN where it cannot be read.

    Those of knees only where `knees` says so, and all but the grade.
    """
    x = images[:, 0].astype(np.float64)
    side = x.shape[-1]
    spread = x.std((1, 2)) + 1e-3
    columns = x.mean(1)
    low, high = columns.min(1, keepdims=True), columns.max(1, keepdims=True)
    steps = np.abs(np.diff(x, axis=2)).mean((1, 2)) + np.abs(np.diff(x, axis=1)).mean((1, 2))
    out = {
        "brightness": x.mean((1, 2)),
        "contrast": spread,
        "sharpness": steps / spread,
        "width": (columns > (low + high) / 2).mean(1) * side,
    }
    if knees:
        corner = x[:, -(side // 5) :]  # the fibula and the tibia's flare brighten the lower corner of the lateral side
        quarter = side // 4
        out["side"] = (corner[:, :, -quarter:].mean((1, 2)) - corner[:, :, :quarter].mean((1, 2))) / spread
        found = joint_space(images)
        out["joint_space"] = found.narrower
        out["joint_tilt"] = found.right - found.left
        out["joint_line"] = (found.femur + found.tibia).mean((1, 2)) / 2
    return out


def grade(images: NDArray[np.uint8], encoder: Extractor) -> dict[str, Array]:
    """The grade that the encoder expects in each image, apart from `measure` as it takes five times as long."""
    graded = encoder.see(images).probabilities
    assert graded is not None
    return {"grade": graded.astype(np.float64) @ np.arange(graded.shape[1])}


@cache
def grader() -> Extractor | None:
    """The knee encoder; None in a copy without it, which does what it can without grades."""
    try:
        return open_extractor("knee")
    except UserError:
        return None


def are_knees(images: NDArray[np.uint8]) -> bool:
    """Whether these look like knees: a joint space is found in half of them or more."""
    return images.shape[-1] >= MIN_RESOLUTION and float(joint_space(images).found.mean()) >= KNEES
