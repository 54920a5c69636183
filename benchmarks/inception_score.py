"""Inception score and Fréchet distance by a classifier of the very classes that are drawn, for any labelled set.

The score (Salimans et al. 2016) is high where each image is surely of one class and all classes occur. It knows nothing
of the reals but their classes; the distance, in the features of the same classifier, does.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.image.inception import InceptionScore

from gan_core.errors import UserError
from gan_core.images import to_float
from gan_core.metrics.distances import frechet_distance
from studio.evaluate.classifier import predict, train_classifier

STEPS = 600
FEWEST = 20  # images in a quarter of the reals


@dataclass(frozen=True)
class ClassScores:
    """Of fakes, and of reals that the classifier has not seen in equal number."""

    score: float
    score_of_reals: float
    fd: float
    fd_of_reals: float  # the floor
    accuracy: float  # of the classifier, on reals that it has not seen
    n: int  # images on each side


class _Logits(nn.Module):
    """uint8 images -> logits, as torchmetrics asks its network."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(to_float(x.numpy()))


@torch.inference_mode()
def inception_score(net: nn.Module, images: NDArray[np.uint8]) -> float:
    """exp(mean KL(p(y|x), p(y))) of uint8 images [N, 1, R, R] by a classifier's logits: 1 to its number of classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of its buffer, and of the spread over a single split
        metric = InceptionScore(feature=_Logits(net), splits=1)
        for i in range(0, len(images), 256):
            metric.update(torch.from_numpy(np.ascontiguousarray(images[i : i + 256])))
        return float(metric.compute()[0])


@torch.inference_mode()
def _features(net: nn.Sequential, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    chunks = [net[:-1](to_float(images[i : i + 256])) for i in range(0, len(images), 256)]
    return torch.cat(chunks).numpy()


def class_scores(
    reals: NDArray[np.uint8],
    labels: NDArray[np.int64],
    num_classes: int,
    fakes: NDArray[np.uint8],
    *,
    steps: int = STEPS,
) -> ClassScores:
    """Both figures of `fakes` against `reals`, uint8 [N, 1, R, R], `labels` [N] those of the reals.

    Half of the reals teach the classifier; the other half is split again, the fakes stand against one quarter and the
    other quarter gives the floor.

    Raises:
        UserError: where there are too few images.
    """
    quarter = len(reals) // 4
    if quarter < FEWEST or len(fakes) < quarter:
        raise UserError(f"An inception score needs at least {4 * FEWEST} reals, and a quarter as many fakes.")
    order = np.random.default_rng(0).permutation(len(reals))
    learn, one, other = order[2 * quarter :], order[:quarter], order[quarter : 2 * quarter]
    net = train_classifier(reals[learn], labels[learn], num_classes, seed=0, steps=steps)
    assert isinstance(net, nn.Sequential)
    some = fakes[np.random.default_rng(0).permutation(len(fakes))[:quarter]]
    unseen = order[: 2 * quarter]
    of_reals, of_others, of_fakes = (_features(net, x) for x in (reals[one], reals[other], some))
    return ClassScores(
        score=inception_score(net, some),
        score_of_reals=inception_score(net, reals[other]),
        fd=frechet_distance(of_fakes, of_reals),
        fd_of_reals=frechet_distance(of_others, of_reals),
        accuracy=float((predict(net, reals[unseen]).argmax(1) == labels[unseen]).mean()),
        n=quarter,
    )
