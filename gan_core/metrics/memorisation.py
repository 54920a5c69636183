"""Copying: is a fake a training image over again? Put against images of patients the model has never seen.

Three questions, each with what fakes that copy nothing would answer:
- How near do fakes lie to training images, next to how near unseen patients' images lie? But smooth or typical fakes
  lie near everything, and would be taken for copies.
- How near do they lie to one training image for how near they lie to others? Likeness to everybody cancels out. Close
  copies of what is in the training set three times over are missed.
- Can training images be told from unseen ones by how near the fakes come to them (membership)? The answer is weak
  where few of the training images are copied, but needs no assumption about the fakes.
The verdict rests on the second and third.

An extractor that was trained on the training images may place them otherwise than unseen ones: hence `pixel_features`,
which know nothing, to ask in both. A mirrored copy is found where a mirrored training image is among the seen ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, bootstrap
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from gan_core.errors import UserError
from gan_core.images import to_float
from gan_core.metrics.estimate import Estimate, auc, wilson
from gan_core.metrics.sample import Sample

FEWEST_FAKE, FEWEST_SEEN, FEWEST_UNSEEN = 50, 20, 100  # the last, for there is no 1st percentile of fewer
PERCENTILE = 0.01
OTHERS = 3  # the distance to a training image is judged by that to the third nearest
SWAPPED = 0.45  # an AUC wholly below this is no chance
SURE = 0.99  # that fakes which copy nothing are not called copies for their share


@dataclass(frozen=True)
class Share:
    """A share of the fakes, its 95% interval (Wilson), and what it is with fakes that copy nothing."""

    value: float
    low: float
    high: float
    expected: float
    limit: float  # fakes that copy nothing stay at or below it 99 times in 100


@dataclass(frozen=True)
class Pair:
    """A fake and its nearest training image."""

    fake: int  # index among the fakes
    seen: int  # index among the seen
    distance: float
    percentile: float  # of the unseen images, how many in 100 lie nearer to a training image than this
    relative: float  # the distance over that to the third nearest training image


@dataclass(frozen=True)
class Copying:
    """Whether fakes are copies of training images. Each figure stands beside that of fakes that copy nothing."""

    ratio: Estimate  # median distance to the nearest training image, fakes over unseen; 1, and well below 1 for copies
    near: Share  # fakes nearer to a training image than the 1st percentile of the unseen
    copied: Share  # the same with `relative` distances
    membership: Estimate  # AUC of training against unseen images by their distance to the nearest fake; 0.5
    worst: tuple[Pair, ...]  # by relative distance
    n_fake: int
    n_seen: int
    n_unseen: int  # without those that are training images too

    @property
    def copies(self) -> bool:
        """Whether more fakes are copies than chance explains, or membership shows."""
        return self.copied.value > self.copied.limit or self.membership.low > 0.5

    @property
    def swapped(self) -> bool:
        """Whether the fakes come nearer to the unseen images than to those of the training: no honest model's do."""
        return self.membership.high < SWAPPED

    @property
    def clean(self) -> bool:
        return not (self.copies or self.swapped)

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        known, limit = self.membership, self.copied.limit
        area = f"(AUC {known.value:.2f}, 95% interval {known.low:.2f} to {known.high:.2f})"
        if self.swapped:
            near = f"the synthetic images come nearer to the unseen images than to the training images {area}"
            return f"Not clear: {near}. Are the two swapped?"
        told = f"can{'' if known.low > 0.5 else 'not'} be told from unseen ones by how near the synthetic ones come"
        return (
            f"{'Copies' if self.copies else 'No sign of copying'}: {self.copied.value:.1%} of the synthetic images lie "
            f"closer to a training image than likeness explains (up to {limit:.1%} is chance), and training images "
            f"{told} {area}."
        )


def pixel_features(images: NDArray[np.uint8], side: int = 32) -> NDArray[np.float32]:
    """uint8 images [N, 1, R, R] as [N, side * side], averaged over areas, each with mean 0 and variance 1.

    Exposure and contrast then hide no copy. Raises `UserError` for images that are one gray level.
    """
    chunks = [F.adaptive_avg_pool2d(to_float(images[i : i + 256]), side) for i in range(0, len(images), 256)]
    x = np.concatenate([chunk.flatten(1).numpy() for chunk in chunks])
    x -= x.mean(1, keepdims=True)
    deviation = x.std(1, keepdims=True)
    if constant := int((deviation < 1e-4).sum()):
        raise UserError(f"{constant} of {len(x)} images are a single gray level; leave them out, or train longer.")
    return x / deviation


def nearest(
    x: NDArray[np.float32], among: NDArray[np.float32], k: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each row of x [N, d] the k nearest rows of `among` [M, d], and their Euclidean distances; both [N, k]."""
    index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(among).kneighbors(x, return_distance=False)
    # Again, without the products by which the search found them: they leave no exact zero for an exact copy.
    columns = [np.linalg.norm(np.subtract(x, among[i], dtype=np.float64), axis=1) for i in index.T]
    return index, np.stack(columns, 1)


def copying(fake: Sample, seen: Sample, unseen: Sample, worst: int = 10, seed: int = 0) -> Copying:
    """Compares fakes with the images `seen` in training and with `unseen` images of other patients, by features.

    With some of the unseen as `fake` and the rest as `unseen` it gives the figures of fakes that copy nothing.

    Raises:
        UserError: if there are too few images, features that are no numbers, or unseen images that were seen.
    """
    _check(fake, seen, unseen)
    trained_on = {image.tobytes() for image in seen.images}
    unseen = unseen.take(np.flatnonzero([image.tobytes() not in trained_on for image in unseen.images]))
    if len(unseen) < FEWEST_UNSEEN:
        raise UserError(
            f"Only {len(unseen)} of the unseen images are not training images too; give at least {FEWEST_UNSEEN} "
            "images of patients that the model was not trained on."
        )
    from_unseen = nearest(unseen.features, seen.features, OTHERS)[1]
    index, from_fake = nearest(fake.features, seen.features, OTHERS)
    distance, unseen_distance, ratio = from_fake[:, 0], from_unseen[:, 0], relative(from_fake)
    if not np.median(unseen_distance) > 0:
        raise UserError("The features do not tell these images apart; use another extractor.")
    nearer = np.searchsorted(np.sort(unseen_distance), distance) / len(unseen) * 100
    return Copying(
        _ratio_of_medians(distance, unseen_distance, seed),
        _share_below(distance, unseen_distance),
        _share_below(ratio, relative(from_unseen)),
        _membership(fake, seen, unseen, seed),
        tuple(
            Pair(int(i), int(index[i, 0]), float(distance[i]), float(nearer[i]), float(ratio[i]))
            for i in np.argsort(ratio, kind="stable")[:worst]
        ),
        len(fake),
        len(seen),
        len(unseen),
    )


def _check(fake: Sample, seen: Sample, unseen: Sample) -> None:
    counts = (
        ("synthetic images", fake, FEWEST_FAKE),
        ("training images", seen, FEWEST_SEEN),
        ("images of patients that the model has not seen", unseen, FEWEST_UNSEEN),
    )
    for what, sample, fewest in counts:
        if len(sample) < fewest:
            raise UserError(f"Looking for copies needs at least {fewest} {what}; there are {len(sample)}.")
        if not np.isfinite(sample.features).all():
            raise UserError(f"The features of the {what} hold values that are not numbers; check the extractor.")


def relative(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's first distance over its last; 0 for an exact copy of what is among the training images over again."""
    first, last = distances[:, 0], distances[:, -1]
    return np.divide(first, last, out=np.zeros_like(first), where=last > 0)


def _share_below(x: NDArray[np.float64], fair: NDArray[np.float64]) -> Share:
    """The share of x [N] below the 1st percentile of `fair` [M].

    That percentile is the k-th smallest of M, itself a matter of chance; if x is like `fair`, the number of x below it
    is beta-binomial whatever their distribution.
    """
    n, k = len(x), max(1, round(PERCENTILE * len(fair)))
    below = int((x < np.partition(fair, k - 1)[k - 1]).sum())
    share = wilson(below / n, n)
    limit = float(betabinom.ppf(SURE, n, k, len(fair) - k + 1)) / n
    return Share(share.value, share.low, share.high, k / (len(fair) + 1), limit)


def _ratio_of_medians(x: NDArray[np.float64], fair: NDArray[np.float64], seed: int) -> Estimate:
    def ratio(a: NDArray[np.float64], b: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        return np.median(a, axis) / np.median(b, axis)

    interval = bootstrap(
        (x, fair), ratio, n_resamples=1000, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(float(ratio(x, fair)), float(interval.low), float(interval.high))


def _membership(fake: Sample, seen: Sample, unseen: Sample, seed: int) -> Estimate:
    """As many seen as unseen images, drawn by seed: the AUC of being seen by nearness to the fakes."""
    rng = np.random.default_rng(seed)
    n = min(len(seen), len(unseen))
    of_seen, of_unseen = (sample.take(rng.permutation(len(sample))[:n]) for sample in (seen, unseen))
    scores, whose = [], []
    for part in (of_seen, of_unseen):
        scores.append(-nearest(part.features, fake.features)[1][:, 0])
        whose.append(part.patients)
    return auc(scores[0], scores[1], whose[0], whose[1])
