"""Losses and penalties: pure functions of scores and images. `real` and `fake` are D's scores [N].

A loss is an entry of `LOSSES`, and that is all it takes: settings, training and the page Learn find it there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Loss:
    """What D and G lower, how D's scores are read, and how all that is explained."""

    d_loss: Callable[..., Tensor]  # of (real, fake), then of their two targets [N] where there are `targets`
    g_loss: Callable[..., Tensor]  # of (fake), or of (real, fake) where it pairs
    sentence: str
    d_formula: tuple[str, ...]  # LaTeX, a line each
    g_formula: str
    terms: tuple[tuple[str, str], ...]  # LaTeX, what it does
    pairs: bool = False  # each fake is held against a real, so that G needs the reals too
    targets: Callable[[float, bool], tuple[float, float]] | None = None  # (smoothing, two-sided) -> (real, fake)
    threshold: float | None = None  # a score above it says "real"; None: the middle between reals and fakes
    critic: bool = False  # the scores are no logits: their gap is a distance, and D is properly called a critic

    @property
    def d_name(self) -> str:
        return "critic" if self.critic else "discriminator"

    def of_d(
        self, real: Tensor, fake: Tensor, smoothing: float = 0, two_sided: bool = False, flips: Tensor | None = None
    ) -> Tensor:
        """What D lowers. `flips` [2, N] is true where the target of a real or of a fake is the other one's."""
        if self.targets is None:
            return self.d_loss(real, fake)
        real_target, fake_target = (torch.full_like(real, t) for t in self.targets(smoothing, two_sided))
        if flips is not None:
            real_target, fake_target = swap(real_target, fake_target, flips)
        return self.d_loss(real, fake, real_target, fake_target)

    def of_g(self, fake: Tensor, real: Tensor | None) -> Tensor:
        """What G lowers; `real` where the loss pairs."""
        return self.g_loss(real, fake) if self.pairs else self.g_loss(fake)

    def middle(self, real: Tensor, fake: Tensor) -> Tensor | float:
        """The score that parts what D takes for real from the rest."""
        return (real.mean() + fake.mean()) / 2 if self.threshold is None else self.threshold


def swap(real_target: Tensor, fake_target: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """The two targets [N], exchanged where `which` [2, N] is true for the real or the fake (label flips)."""
    return torch.where(which[0], fake_target, real_target), torch.where(which[1], real_target, fake_target)


def logit_targets(smoothing: float, two_sided: bool) -> tuple[float, float]:
    """1 and 0, smoothed one-sidedly (Salimans et al. 2016) to 0.9 and 0, or `two_sided` to 0.9 and 0.1."""
    return 1 - smoothing, smoothing if two_sided else 0.0


def d_non_saturating(real: Tensor, fake: Tensor, real_target: Tensor, fake_target: Tensor) -> Tensor:
    """Binary cross-entropy of D's logits against its targets (Goodfellow et al. 2014)."""
    return F.binary_cross_entropy_with_logits(real, real_target) + F.binary_cross_entropy_with_logits(fake, fake_target)


def g_non_saturating(fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()


def wasserstein_targets(smoothing: float, two_sided: bool) -> tuple[float, float]:
    """-1 and 1, the signs of the Keras examples; smoothed -0.9 and 1.1."""
    return smoothing - 1, 1 + smoothing


def d_wasserstein(real: Tensor, fake: Tensor, real_target: Tensor, fake_target: Tensor) -> Tensor:
    """D's loss, E[real_target * D(real)] + E[fake_target * D(fake)], in the sign convention of the Keras
    examples: targets -1 and 1 give the plain E[D(fake)] - E[D(real)] (Arjovsky et al. 2017), -0.9 and 1.1 smooth it."""
    return (real_target * real).mean() + (fake_target * fake).mean()


def g_wasserstein(fake: Tensor) -> Tensor:
    return -fake.mean()


def d_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic pairing loss: a real should score above the fake beside it (Jolicoeur-Martineau 2018)."""
    return F.softplus(fake - real).mean()


def g_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


LOSSES: dict[str, Loss] = {
    "non-saturating": Loss(
        d_non_saturating,
        g_non_saturating,
        targets=logit_targets,
        threshold=0.0,
        sentence="The discriminator is a judge: real or fake? The generator wants to be called real.",
        d_formula=(r"-\mathbb{E}\,[\log \sigma(D(x))]", r"- \mathbb{E}\,[\log(1 - \sigma(D(G(z))))]"),
        g_formula=r"-\mathbb{E}\,[\log \sigma(D(G(z)))]",
        terms=(
            (
                r"-\log \sigma(D(x))",
                "is large while the judge doubts a real image: it learns to call real images real.",
            ),
            (r"-\log(1 - \sigma(D(G(z))))", "is large while the judge believes a fake: it learns to call fakes fake."),
            (
                r"-\log \sigma(D(G(z)))",
                "is steepest where a fake is seen through, so that even a bad generator learns. The first form, "
                r"$\log(1 - \sigma(D(G(z))))$, is flat just there: it saturates.",
            ),
        ),
    ),
    "wasserstein": Loss(
        d_wasserstein,
        g_wasserstein,
        targets=wasserstein_targets,
        critic=True,
        sentence="The critic gives scores, not verdicts; the gap between them is a distance between the two crowds.",
        d_formula=(r"\mathbb{E}\,[D(G(z))] - \mathbb{E}\,[D(x)]",),
        g_formula=r"-\mathbb{E}\,[D(G(z))]",
        terms=(
            (
                r"\mathbb{E}\,[D(G(z))] - \mathbb{E}\,[D(x)]",
                "real images should get high scores and fakes low ones. Turned round, the gap estimates the "
                "Wasserstein distance: how far the fakes would have to be moved.",
            ),
            (r"-\mathbb{E}\,[D(G(z))]", "the generator climbs the scores. There is always a slope, near or far."),
        ),
    ),
    "relativistic": Loss(
        d_relativistic,
        g_relativistic,
        pairs=True,
        sentence="The discriminator compares a real image with a fake beside it: which of the two is more real?",
        d_formula=(r"\mathbb{E}\,[\log(1 + e^{D(G(z)) - D(x)})]",),
        g_formula=r"\mathbb{E}\,[\log(1 + e^{D(x) - D(G(z))})]",
        terms=(
            (
                r"\log(1 + e^{D(G(z)) - D(x)})",
                "is large while a fake beats the real beside it. There is no score to reach, only a partner to beat, "
                "so fakes cannot all hide on one clump: real points elsewhere keep winning.",
            ),
        ),
    ),
}


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

    `x` [2 N, 1, H, W] are N reals, then N fakes, and must require a gradient; `score` [2 N] is the discriminator's.
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
