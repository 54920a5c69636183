"""What a GAN betrays itself by: for the second round, each clue with synthetic pictures of the very model.

The pictures are chosen by measurement among images that are in neither round; nobody has vetted them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist, squareform

EACH = 3  # pictures of a clue


@dataclass(frozen=True)
class Clue:
    name: str
    title: str
    text: str
    chosen: str  # how its pictures were: "" for a clue without


CLUES = (
    Clue(
        "smooth",
        "Too smooth",
        "Look inside the bone. A film shows the fine lattice of trabeculae and the grain of the film or detector all "
        "over; a generator tends to leave a patch like wax or watercolour.",
        "those with the least fine detail",
    ),
    Clue(
        "rough",
        "The wrong grain",
        "Upsampling leaves speckle, ripples or a regular checkerboard where a film has irregular grain. Compare the "
        "background beside the leg with the bone: in a film the grain follows the brightness.",
        "those with the most fine detail",
    ),
    Clue(
        "odd",
        "Anatomy that does not hold together",
        "Follow one contour all the way: the cortex of a condyle, the tibial plateau, the fibula. Look for a margin "
        "that fades or doubles, a joint space that ends in bone, a fibula that starts nowhere.",
        "those least like the others",
    ),
    Clue(
        "alike",
        "The same knee again",
        "A generator has a few favourites. A knee with an outline, pose and exposure that you have just seen is "
        "suspect.",
        "those most like one another",
    ),
    Clue(
        "edges",
        "Lettering and edges",
        "Side markers, collimator edges and the frame of the film are rare and sharp: a generator smears them, or "
        "leaves them out altogether.",
        "",
    ),
)


def pick(images: NDArray[np.uint8], each: int = EACH) -> dict[str, list[int]]:
    """Which of the images [N, 1, H, W] show which clue; of those most alike, two."""
    x = images[:, 0].astype(np.float64)
    x -= x.mean(axis=(1, 2), keepdims=True)  # an exposure is no anatomy
    x /= np.maximum(x.std(axis=(1, 2), keepdims=True), 1)
    order = np.argsort(np.std(x - gaussian_filter(x, (0, 1, 1)), axis=(1, 2)))
    apart = squareform(pdist(x.reshape(len(x), -1)))
    lonely = np.argsort(-np.median(apart, axis=1))
    np.fill_diagonal(apart, np.inf)
    alike = np.unravel_index(np.argmin(apart), apart.shape)
    return {
        "smooth": order[:each].tolist(),
        "rough": order[::-1][:each].tolist(),
        "odd": lonely[:each].tolist(),
        "alike": [int(i) for i in alike],
    }
