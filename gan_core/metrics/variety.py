"""How alike the images of a class are: multi-scale structural similarity (MS-SSIM) of random pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from gan_core.errors import UserError

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the weight of each scale, finest first (Wang et al. 2003)
WINDOW = 11  # pixels; a scale is of use while the window fits into it
FEWEST = 4  # images of a class
BATCH = 16  # pairs


@dataclass(frozen=True)
class Similarity:
    """Mean MS-SSIM over pairs (higher is less varied; 1 is the same image twice) and its error over draws of images."""

    value: float
    se: float


@dataclass(frozen=True)
class Variety:
    """`overall` weighs each class alike, so that two sets compare whatever their shares of the classes."""

    overall: Similarity
    classes: dict[int, Similarity]


def ms_ssim_variety(images: NDArray[np.uint8], labels: NDArray[np.integer], pairs: int = 500, seed: int = 0) -> Variety:
    """MS-SSIM of `pairs` random pairs of images [N, 1, H, W], each pair of one class (Odena et al. 2017).

    The pairs are shared out evenly over the classes in `labels` [N]; a small class may have fewer. Sides under 176
    pixels have fewer scales (see `betas`), so only figures of one size of images compare.

    Raises:
        UserError: if a class has under 4 images, they are under 11 pixels wide, or all show one flat gray.
    """
    weights = betas(min(images.shape[2:]))
    present, counts = np.unique(labels, return_counts=True)
    for label, count in zip(present, counts, strict=True):
        if count < FEWEST:
            raise UserError(
                f"MS-SSIM compares images within a class and needs at least {FEWEST} of each; class {label} has "
                f"{count}. Use more images, or ignore the classes."
            )
    if all(image.min() == image.max() for image in images):
        raise UserError(f"MS-SSIM needs images with something in them; each of these {len(images)} is of one gray.")
    rng = np.random.default_rng(seed)
    each = -(-pairs // len(present))
    classes = {int(c): _similarity(images, _pairs(np.flatnonzero(labels == c), each, rng), weights) for c in present}
    found = list(classes.values())
    overall = Similarity(
        value=float(np.mean([s.value for s in found])), se=float(np.sqrt(np.sum([s.se**2 for s in found])) / len(found))
    )
    return Variety(overall, classes)


def betas(side: int) -> tuple[float, ...]:
    """The weights of the scales that images of `side` pixels have room for, their sum as that of all five.

    Raises:
        UserError: under 11 pixels.
    """
    # The second condition is torchmetrics' own, which is stricter than need be.
    room = [n for n in range(1, len(BETAS) + 1) if side >> (n - 1) >= WINDOW and side // max(1, n - 1) ** 2 >= WINDOW]
    if not room:
        raise UserError(f"MS-SSIM needs images of at least {WINDOW} pixels a side, not {side}.")
    some = BETAS[: room[-1]]
    return tuple(b * sum(BETAS) / sum(some) for b in some)


def _pairs(members: NDArray[np.integer], count: int, rng: np.random.Generator) -> NDArray[np.integer]:
    """[P, 2] of `members`: different pairs of different images, all that there are where these are fewer."""
    n = len(members)
    total = n * (n - 1) // 2
    code = rng.choice(total, min(count, total), replace=False)
    # Pair (i, j) with i < j has the number j (j - 1) / 2 + i.
    j = np.floor((1 + np.sqrt(1 + 8 * code)) / 2).astype(np.int64)
    return members[np.stack([code - j * (j - 1) // 2, j], axis=1)]


def _similarity(images: NDArray[np.uint8], pairs: NDArray[np.integer], weights: tuple[float, ...]) -> Similarity:
    values = np.concatenate([_ms_ssim(images, pairs[part], weights) for part in gen_batches(len(pairs), BATCH)])
    residual = values - values.mean()
    # Two pairs with an image in common vary together: each such product counts, once (dyadic clusters, Aronow et al.
    # 2015). A pair has both images in common with itself.
    of_image = sum(np.bincount(pairs[:, side], residual, len(images)) for side in (0, 1))
    own = np.square(residual).sum()
    used = len(np.unique(pairs))
    variance = max(np.square(of_image).sum() - own, own) / len(values) ** 2 * used / (used - 1)
    return Similarity(float(values.mean()), float(np.sqrt(variance)))


@torch.inference_mode()
def _ms_ssim(images: NDArray[np.uint8], pairs: NDArray[np.integer], weights: tuple[float, ...]) -> NDArray[np.float32]:
    """MS-SSIM [P] of each pair."""
    # Not above: it takes longer to import than PyTorch itself, and who asks for no MS-SSIM should not wait for it.
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    one, two = (torch.from_numpy(images[pairs[:, side]]).float() / 255 for side in (0, 1))  # black has to be 0
    return multiscale_structural_similarity_index_measure(
        one, two, reduction="none", data_range=1.0, betas=weights
    ).numpy()
