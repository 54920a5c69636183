"""Real or fake: how well a fresh classifier tells them apart, the reader that never tires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gan_core.data.dataset import split_by_patient
from gan_core.errors import UserError
from gan_core.metrics.estimate import auc
from gan_core.metrics.sample import Sample
from studio.evaluate.classifier import predict, shrink, train_classifier

STEPS = 400
HELD_OUT = 0.4  # of the patients, and of the fakes
FEWEST = 40  # images of each kind


@dataclass(frozen=True)
class Detect:
    """How well fakes are told from reals that the classifier has not seen. Perfect fakes: an AUC of 0.5."""

    auc: float
    low: float  # 95% interval of the AUC
    high: float
    accuracy: float  # share called rightly, half of the images being fakes
    n: int  # images judged, of both kinds


def detect(
    real: Sample,
    fake: Sample,
    seed: int = 0,
    *,
    steps: int = STEPS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Detect:
    """A fresh classifier learns real from fake on 60% of the patients and is judged on the rest; as many of each kind.

    Names tell whose an image is; each fake is its own patient. Other reals in place of `fake` give the floor, about
    0.5. `progress` is called with (steps done, steps).

    Raises:
        UserError: if there are fewer than 40 of a kind, or they are of different sizes.
    """
    if real.images.shape[1:] != fake.images.shape[1:]:
        raise UserError("Real and synthetic images differ in size; bring them to the same resolution.")
    if min(len(real), len(fake)) < FEWEST:
        raise UserError(
            f"The two-sample classifier test needs at least {FEWEST} images of each kind; there are {len(real)} real "
            f"and {len(fake)} synthetic ones."
        )
    rng = np.random.default_rng(seed)
    learn: list[Sample] = []
    judge: list[Sample] = []
    for sample in (real, fake):
        for part, index in zip((learn, judge), split_by_patient(sample.patients, HELD_OUT, seed), strict=True):
            part.append(sample.take(rng.permutation(index)))
    n = min(map(len, learn))
    images = np.concatenate([shrink(part.images[:n]) for part in learn])
    net = train_classifier(images, np.repeat([0, 1], n), 2, seed=seed, steps=steps, progress=progress)
    n = min(map(len, judge))
    of_real, of_fake = (predict(net, shrink(part.images[:n]))[:, 1] for part in judge)
    told = auc(of_fake, of_real, *(part.patients[:n] for part in reversed(judge)))
    accuracy = (np.mean(of_fake > 0.5) + np.mean(of_real <= 0.5)) / 2
    return Detect(told.value, told.low, told.high, float(accuracy), 2 * n)
