"""What a set of knees is made of: left and right, inverted films, and how they are exposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.knee.joint_space import joint_space, side

_PERCENTILES = (5, 50, 95)


@dataclass(frozen=True)
class Makeup:
    """Shares of a set of images, and how bright they are."""

    left: float  # share of left knees, of those whose side can be told
    inverted: float  # share of films with dark bone
    brightness: NDArray[np.float64]  # [N], the mean gray level of each image

    def percentiles(self) -> list[float]:
        """Gray levels below which 5, 50 and 95 in a hundred images lie."""
        return [float(v) for v in np.percentile(self.brightness, _PERCENTILES)]


def makeup(images: NDArray[np.uint8]) -> Makeup:
    """Of uint8 images of knees [N, 1, R, R]. Raises `UserError` as `joint_space` does."""
    told = side(images)
    known = max(1, int((told != "").sum()))
    return Makeup(
        left=float((told == "L").sum()) / known,
        inverted=float(joint_space(images).inverted.mean()),
        brightness=images.mean((1, 2, 3), dtype=np.float64),
    )
