"""Trains the knee encoder: for the grade, and to see the same knee at whatever exposure.

Supervised: cross-entropy against the grade with a little of its neighbours, since grades are an order. Self-supervised:
two exposures of one film must give the same features, which must not shrink to a point meanwhile (VICReg, Bardes, Ponce
and LeCun 2022). The two exposures are each graded too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from gan_core.data import Dataset
from gan_core.errors import UserError
from gan_core.images import resize, to_float
from gan_core.networks.efficientnet import take
from studio.knee.encoder.net import FEATURES, Encoder, EncoderConfig

BATCH = 32
RATE = 6e-4
WEIGHT_DECAY = 1e-2
NEIGHBOUR = 0.1  # of a grade's probability, to each neighbour
INVARIANCE = (1.0, 1.0, 0.04)  # weights of VICReg's invariance, variance and covariance
AVERAGE = 0.995  # of the weights, from step to step
SMALLEST = 7 / 16  # of the side: some films are brought down so far before training sees them


def expose(x: Tensor, rng: torch.Generator) -> Tensor:
    """Films [N, 1, R, R] in [-1, 1] as if taken otherwise: gamma, contrast, brightness; a few inverted."""
    n = len(x)

    def each(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1, 1).uniform_(low, high, generator=rng)

    unit = (x + 1) / 2
    unit = unit ** each(-0.7, 0.7).exp2()
    unit = (unit - 0.5) * each(0.6, 1.3) + 0.5 + each(-0.15, 0.15)
    unit = torch.where(each(0, 1) < 0.06, 1 - unit, unit)
    return unit.clamp(0, 1) * 2 - 1


def move(x: Tensor, rng: torch.Generator) -> Tensor:
    """Films a little turned, moved, scaled, and mirrored half of the time."""
    n = len(x)

    def each(low: float, high: float) -> Tensor:
        return torch.empty(n).uniform_(low, high, generator=rng)

    angle, scale = torch.deg2rad(each(-8, 8)), each(0.9, 1.1)
    mirror = each(-1, 1).sign()
    cos, sin = angle.cos() * scale, angle.sin() * scale
    matrix = torch.stack([cos * mirror, -sin, each(-0.08, 0.08), sin * mirror, cos, each(-0.08, 0.08)], 1)
    where = F.affine_grid(matrix.view(n, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, where, padding_mode="reflection", align_corners=False)


def soften(x: Tensor, rng: torch.Generator) -> Tensor:
    """A batch as a smaller network would make it, a third of the time: fakes of 64 pixels are to be graded too."""
    if torch.rand((), generator=rng) > 1 / 3:
        return x
    side = int(torch.randint(int(SMALLEST * x.shape[-1]), x.shape[-1], (), generator=rng))
    return resize(resize(x, side), x.shape[-1])


def targets(y: Tensor, classes: int) -> Tensor:
    """Probabilities [N, K]: the grade's, and `NEIGHBOUR` at each of its neighbours."""
    hard = F.one_hot(y, classes).float()
    sides = torch.zeros_like(hard)
    sides[:, 1:] += hard[:, :-1]
    sides[:, :-1] += hard[:, 1:]
    return hard * (1 - NEIGHBOUR * sides.sum(1, keepdim=True)) + NEIGHBOUR * sides


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """VICReg's loss of two views' features [N, d]: alike, each spread by 1, the dimensions unrelated."""
    both = torch.stack([a, b])
    centred = both - both.mean(1, keepdim=True)
    spread = F.relu(1 - (centred.var(1) + 1e-4).sqrt()).mean()
    covariance = centred.mT @ centred / (a.shape[0] - 1)
    off = covariance - torch.diag_embed(covariance.diagonal(dim1=1, dim2=2))
    w_alike, w_spread, w_unrelated = INVARIANCE
    return w_alike * F.mse_loss(a, b) + w_spread * spread + w_unrelated * off.square().sum((1, 2)).mean() / FEATURES


def _average(old: Tensor, new: Tensor, steps: Tensor | int) -> Tensor:
    return torch.lerp(old, new, 1 - min(AVERAGE, (1 + int(steps)) / (10 + int(steps))))


def train_encoder(
    dataset: Dataset,
    epochs: int,
    *,
    label_name: str = "class",
    resolution: int = 128,
    seed: int = 0,
    start: Path | None = None,
    on_epoch: Callable[[int, Encoder, float], None] = lambda epoch, net, loss: None,
) -> Encoder:
    """An encoder trained on `dataset`, in evaluation mode: the mean of its weights along the way.

    Give images of about twice `resolution`: turned at that size and then brought down they stay as sharp as films are.
    `on_epoch` gets the epochs done, that mean, and the epoch's loss. Raises `UserError` for data of one class.
    """
    if len(dataset.class_names) < 2 or len(dataset.images) < BATCH:
        raise UserError(f"An encoder needs images of at least two classes, {BATCH} or more; give a labelled folder.")
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    config = EncoderConfig(
        resolution=resolution, class_names=dataset.class_names, label_name=label_name, data=dataset.about
    )
    net = Encoder(config).to(memory_format=torch.channels_last)
    if start:
        take(net.trunk, start)
    mean = AveragedModel(net, avg_fn=_average)
    mean.n_averaged += 1  # the first step is averaged with where it started from
    kept: Any = mean.module.eval().requires_grad_(False)
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    steps = len(dataset.images) // BATCH * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    labels = torch.from_numpy(np.asarray(dataset.labels))
    for epoch in range(1, epochs + 1):
        net.train()
        order = torch.randperm(len(labels), generator=rng)[: len(labels) // BATCH * BATCH].view(-1, BATCH)
        losses = []
        for index in order:
            x = resize(move(to_float(dataset.images[index.numpy()]), rng), resolution)
            x = soften(x, rng)
            views = torch.cat([expose(x, rng), expose(x, rng)]).contiguous(memory_format=torch.channels_last)
            features, logits = net(views)
            y = targets(labels[index], len(dataset.class_names))
            loss = F.cross_entropy(logits, torch.cat([y, y])) + vicreg(*features.chunk(2))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            mean.update_parameters(net)
            losses.append(loss.item())
        on_epoch(epoch, kept, float(np.mean(losses)))
    return kept
