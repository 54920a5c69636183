"""Losses and penalties: pure functions of scores and images. `real` and `fake` are D's scores [N], logits."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def d_targets(loss: str, smoothing: float, two_sided: bool = False) -> tuple[float, float]:
    """What D is asked to say of (a real, a fake): 1 and 0, or -1 and 1 in WGAN's Keras convention; both smoothed.

    Smoothing is one-sided for cross-entropy (Salimans et al. 2016), 0.9 and 0, or `two_sided`, 0.9 and 0.1. For WGAN it
    is -0.9 and 1.1.
    """
    if loss == "wasserstein":
        return smoothing - 1, 1 + smoothing
    return 1 - smoothing, smoothing if two_sided else 0.0


def swap(real_target: Tensor, fake_target: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """The two targets [N], exchanged where `which` [2, N] is true for the real or the fake (label flips)."""
    return torch.where(which[0], fake_target, real_target), torch.where(which[1], real_target, fake_target)


def d_non_saturating(real: Tensor, fake: Tensor, real_target: Tensor, fake_target: Tensor) -> Tensor:
    """Binary cross-entropy of D's logits against its targets (Goodfellow et al. 2014)."""
    return F.binary_cross_entropy_with_logits(real, real_target) + F.binary_cross_entropy_with_logits(fake, fake_target)


def g_non_saturating(fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()


def d_wasserstein(real: Tensor, fake: Tensor, real_target: Tensor, fake_target: Tensor) -> Tensor:
    """The critic's loss, E[real_target * D(real)] + E[fake_target * D(fake)], in the sign convention of the Keras
    examples: targets -1 and 1 give the plain E[D(fake)] - E[D(real)] (Arjovsky et al. 2017), -0.9 and 1.1 smooth it."""
    return (real_target * real).mean() + (fake_target * fake).mean()


def g_wasserstein(fake: Tensor) -> Tensor:
    return -fake.mean()


def d_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic pairing loss: a real should score above the fake beside it (Jolicoeur-Martineau 2018)."""
    return F.softplus(fake - real).mean()


def g_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


def d_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """A real should score at least 1, a fake at most -1; what does teaches nothing more (Lim and Ye 2017)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def class_loss(classes: Tensor, c: Tensor, flood: float) -> Tensor:
    """Cross-entropy of class logits [N, num_classes] against c [N], turned back below the share `flood` of what a guess
    costs, ln num_classes (flooding, Ishida et al. 2020): nobody gains by being surer of a class than that."""
    least = flood * math.log(classes.shape[1])
    return (F.cross_entropy(classes, c) - least).abs() + least


def squared_gradient_norm(score: Tensor, x: Tensor) -> Tensor:
    """|d score_i / d x_i|^2 of each image, [N], differentiable."""
    (grad,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return grad.float().square().sum(dim=(1, 2, 3))


def zero_centred_penalty(score: Tensor, x: Tensor, r1_gamma: float, r2_gamma: float) -> Tensor:
    """R1 + R2: half the mean squared gradient norm, times gamma, of reals and of fakes (Mescheder et al. 2018).

    `x` [2 N, 1, H, W] are N reals, then N fakes, and must require a gradient; `score` [2 N] is the critic's.
    """
    at_real, at_fake = squared_gradient_norm(score, x).chunk(2)
    return r1_gamma / 2 * at_real.mean() + r2_gamma / 2 * at_fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|grad critic(x)| - 1)^2] at x = mix * real + (1 - mix) * fake (Gulrajani et al. 2017).

    `mix` [N] is uniform in [0, 1], one for each pair; `critic` maps images to scores [N]; `fake` is taken as data.
    """
    x = torch.lerp(fake.detach(), real, mix.view(-1, 1, 1, 1)).requires_grad_(True)
    norm = (squared_gradient_norm(critic(x), x) + 1e-12).sqrt()
    return (norm - 1).square().mean()
