"""Usefulness: does a classifier that also learns from synthetic images grade unseen real ones better?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from gan_core.errors import UserError
from gan_core.metrics.estimate import Estimate
from gan_core.metrics.sample import Sample
from gan_core.seeds import seed_of
from studio.evaluate.classifier import predict, shrink, train_classifier

STEPS = 800
RESAMPLES = 1000  # of the test patients
FEWEST = 20  # images of each kind, and in the smallest part of the reals


@dataclass(frozen=True)
class Scores:
    """Of predictions on the real test images: means over the seeds. The intervals are for training anew (Student's t
    over the seeds) and for testing on other patients (bootstrap), both together."""

    accuracy: Estimate
    balanced_accuracy: Estimate  # the mean over the classes; chance is 1 / their number
    kappa: Estimate  # quadratic: chance 0, and a near miss counts less; for classes that are an order


@dataclass(frozen=True)
class Arm:
    """What comes of adding the fakes to a part of the reals."""

    fraction: float  # of the real patients
    n: int  # images of theirs, at most, over the seeds
    real: Scores
    both: Scores
    difference: Scores  # both minus real, seed by seed
    verdict: str


@dataclass(frozen=True)
class Useful:
    """The experiment, all of it judged by the same real test images."""

    fake: Scores  # trained on fakes alone
    fractions: tuple[Arm, ...]
    seeds: int
    steps: int
    n_fake: int
    n_test: int


def useful(
    real_train: Sample,
    fake: Sample,
    real_test: Sample,
    num_classes: int,
    fractions: Sequence[float] = (0.05, 0.10, 0.25, 1.0),
    seeds: int = 3,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    steps: int = STEPS,
) -> Useful:
    """Trains a classifier on fakes, and on each fraction of the reals without and with the fakes; tests on `real_test`.

    Every training has the same number of steps: else what seemed a gain from the fakes could be one from training
    longer. With fakes, reals are repeated until they are at least as many, so that fakes never outweigh them. A seed
    means the same patients and the same start in each arm, so that differences are paired. `progress` is called with
    (steps done, steps in all).

    Raises:
        UserError: if there are too few images, classes or seeds, or a fraction is out of range.
    """
    _check(real_train, fake, real_test, num_classes, fractions, seeds)
    train_x, fake_x, test_x = (shrink(sample.images) for sample in (real_train, fake, real_test))
    weights = resampled_patients(real_test)
    total, done = seeds * (1 + 2 * len(fractions)) * steps, 0

    def trained(x: NDArray[np.uint8], y: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        nonlocal done
        start = done
        net = train_classifier(
            x, y, num_classes, seed=seed, steps=steps, progress=lambda step, _: progress(start + step, total)
        )
        done += steps
        cell = real_test.labels * num_classes + predict(net, test_x).argmax(1)
        confusion = weights @ np.eye(num_classes**2)[cell]
        return figures(confusion.reshape(-1, num_classes, num_classes))

    of_fake = [trained(fake_x, fake.labels, seed) for seed in range(seeds)]
    arms = []
    for fraction in fractions:
        of_real, of_both, counts = [], [], []
        for seed in range(seeds):
            index = part_of_patients(real_train, fraction, seed)
            counts.append(len(index))
            of_real.append(trained(train_x[index], real_train.labels[index], seed))
            again = np.tile(index, max(1, -(-len(fake) // len(index))))
            both_x = np.concatenate([train_x[again], fake_x])
            of_both.append(trained(both_x, np.concatenate([real_train.labels[again], fake.labels]), seed))
        real, both = _scores(of_real), _scores(of_both)
        gain = _scores(np.subtract(of_both, of_real))
        arms.append(Arm(fraction, max(counts), real, both, gain, _verdict(fraction, max(counts), real, both, gain)))
    return Useful(_scores(of_fake), tuple(arms), seeds, steps, len(fake), len(real_test))


def part_of_patients(sample: Sample, fraction: float, seed: int) -> NDArray[np.int64]:
    """Indices, ascending, of the images of a `fraction` of the patients, the same fraction (one at least) of those of
    each highest class. A smaller part of the same seed lies within a larger one."""
    names, whose = np.unique(sample.patients, return_inverse=True)
    highest = np.zeros(len(names), np.int64)
    np.maximum.at(highest, whose, sample.labels)
    rng = np.random.default_rng(seed_of("part of patients", seed))
    chosen = []
    for label in np.unique(highest):
        order = rng.permutation(np.flatnonzero(highest == label))
        chosen.append(order[: max(1, round(fraction * len(order)))])
    return np.flatnonzero(np.isin(whose, np.concatenate(chosen)))


def resampled_patients(sample: Sample) -> NDArray[np.float64]:
    """How often each image counts [1 + 1000, N]: once in the first row, then in bootstraps of the patients."""
    patients, whose = np.unique(sample.patients, return_inverse=True)
    n = len(patients)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    return np.concatenate([np.ones((1, len(sample))), drawn[:, whose]])


def figures(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accuracy, balanced accuracy, quadratic kappa [..., 3] of counts [..., K, K], truth down and prediction across."""
    truth, said = confusion.sum(-1), confusion.sum(-2)
    total = truth.sum(-1)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurs = truth > 0
    recall = np.divide(right, truth, out=np.zeros_like(right), where=occurs)
    grade = np.arange(confusion.shape[-1])
    miss = np.square(grade[:, None] - grade)
    by_chance = (miss * truth[..., :, None] * said[..., None, :]).sum((-2, -1)) / total
    beyond = np.divide((miss * confusion).sum((-2, -1)), by_chance, out=np.ones_like(total), where=by_chance > 0)
    return np.stack([right.sum(-1) / total, recall.sum(-1) / occurs.sum(-1), 1 - beyond], -1)


def interval(over_seeds: NDArray[np.float64], over_patients: float) -> Estimate:
    """The mean of one value a seed [S] and its 95% interval, from their spread (Student's t) and from the standard
    deviation of that mean over test patients."""
    mean = float(over_seeds.mean())
    anew = t.ppf(0.975, len(over_seeds) - 1) * over_seeds.std(ddof=1) / np.sqrt(len(over_seeds))
    reach = float(np.hypot(anew, norm.ppf(0.975) * over_patients))
    return Estimate(mean, mean - reach, mean + reach)


def _scores(runs: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> Scores:
    """Of `figures` [1 + 1000, 3] of each seed's classifier, as `resampled_patients` weigh the test images."""
    of_seeds = np.asarray(runs)
    deviations = of_seeds.mean(0)[1:].std(0)
    return Scores(*(interval(of_seeds[:, 0, i], float(deviations[i])) for i in range(3)))


def _verdict(fraction: float, n_real: int, real: Scores, both: Scores, gain: Scores) -> str:
    before, after, change = real.balanced_accuracy, both.balanced_accuracy, gain.balanced_accuracy
    effect = "help" if change.low > 0 else "hurt" if change.high < 0 else "make no measurable difference"
    return (
        f"With {fraction:.0%} of the real patients ({n_real:,} images) the synthetic images {effect}: "
        f"balanced accuracy is {before.value:.3f} without and {after.value:.3f} with them, "
        f"a change of {change.value:+.3f} (95% interval {change.low:+.3f} to {change.high:+.3f})."
    )


def _check(
    real_train: Sample, fake: Sample, real_test: Sample, num_classes: int, fractions: Sequence[float], seeds: int
) -> None:
    if num_classes < 2:
        raise UserError("Augmentation utility needs images of two or more classes; this data set or model has none.")
    if seeds < 2:
        raise UserError(
            f"Augmentation utility needs at least 2 seeds for an interval, preferably 3 or more, not {seeds}."
        )
    if not fractions or not all(0 < fraction <= 1 for fraction in fractions):
        raise UserError("The fractions of the real data must be above 0 and at most 1, for instance 0.05 and 1.")
    samples = (("real training", real_train), ("synthetic", fake), ("real test", real_test))
    for what, sample in samples:
        if len(sample) < FEWEST:
            raise UserError(f"Augmentation utility needs at least {FEWEST} {what} images; there are {len(sample)}.")
        if len(np.unique(sample.labels)) < 2:
            raise UserError(f"The {what} images are all of one class; augmentation utility needs two or more.")
    if len({sample.images.shape[1:] for _, sample in samples}) > 1:
        raise UserError("Real and synthetic images differ in size; bring them to the same resolution.")
    smallest = min(fractions)
    if (part := len(part_of_patients(real_train, smallest, 0))) < FEWEST:
        raise UserError(
            f"{smallest:.0%} of the {len(real_train):,} real training images are {part}; at least {FEWEST} are needed. "
            "Leave out the small fractions, or give more images."
        )
