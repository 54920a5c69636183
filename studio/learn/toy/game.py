"""A GAN small enough to read in a minute: perceptrons that play the trainings' losses on points in the plane.

A point is an image of two pixels, [1, 1, 2], so that the losses and penalties are those of `gan_core.losses` unchanged,
and a game is a preset of `gan_core.presets` whose rates and weights are scaled to small networks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gan_core import losses, schedules
from gan_core.config import TrainConfig
from gan_core.errors import UserError
from gan_core.presets import configure
from gan_core.seeds import seed_of
from studio.learn.toy.targets import Target

STEPS = 1500  # of G in a game
WIDTH = 64

# What a game takes over from the recipe of its name is its loss, its kind of penalty, its optimizer and its schedule;
# what small networks on points need otherwise is here: faster rates, lighter penalties, two steps of D for five.
_GAMES: dict[str, dict[str, Any]] = {
    "dcgan": {"g_lr": 4e-3, "d_lr": 4e-3},
    "wgan": {"g_lr": 2e-3, "d_lr": 2e-3, "clip": 0.1, "n_critic": 2},
    "wgan-gp": {"g_lr": 2e-3, "d_lr": 2e-3, "gp_weight": 0.1, "n_critic": 2},
    "knee-64": {"g_lr": 4e-3, "d_lr": 4e-3, "r1_gamma": 0.02, "r2_gamma": 0.02},
}


def games() -> list[str]:
    """Names of all that can be played: recipes, and whichever losses none of these has."""
    played = {configure(name).loss for name in _GAMES}
    return [*_GAMES, *(name for name in losses.LOSSES if name not in played)]


def settings(name: str) -> TrainConfig:
    """The recipe of the game `name`, scaled to points. Raises `UserError` where there is no such game."""
    if name not in games():
        raise UserError(f"There is no game {name[:40]!r}. Available: {', '.join(games())}.")
    if name not in _GAMES:
        return configure("dcgan", loss=name, batch=64, z_dim=2, **_GAMES["dcgan"])
    return configure(name, batch=64, z_dim=2, **_GAMES[name])


class Game:
    """G, D and `step()`. All that is random comes from `rng`, so that games may share a process."""

    def __init__(self, config: TrainConfig, target: Target, seed: int) -> None:
        self.config, self.target, self.loss = config, target, losses.LOSSES[config.loss]
        self.rng = torch.Generator().manual_seed(seed_of("toy", seed))
        self.G = self._perceptron(config.z_dim, 2, detail=1.0, span=0.1)
        self.D = self._perceptron(2, 1, detail=4.0, span=1.0)
        self.g_opt, self.d_opt = self._optimizer(self.G, config.g_lr), self._optimizer(self.D, config.d_lr)
        self.steps = 0
        self.d_loss: float | None = None
        self.g_loss: float | None = None

    def _perceptron(self, n_in: int, n_out: int, detail: float, span: float) -> nn.Sequential:
        """Its first kinks lie all over the plane, steeper for finer `detail`: else small clumps take for ever. A small
        `span` starts all fakes in one cloud, from where they must spread."""
        first, second, last = nn.Linear(n_in, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, n_out)
        for linear in (first, second, last):
            nn.init.kaiming_normal_(linear.weight, 0.2, generator=self.rng)
            nn.init.zeros_(linear.bias)
        with torch.no_grad():
            first.weight.mul_(detail)
            first.bias.uniform_(-detail, detail, generator=self.rng)
            last.weight.mul_(span)
        return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), last)

    def _optimizer(self, net: nn.Module, lr: float) -> torch.optim.Optimizer:
        if self.config.optimizer == "rmsprop":
            return torch.optim.RMSprop(net.parameters(), lr)
        return torch.optim.Adam(net.parameters(), lr, (self.config.beta1, self.config.beta2), fused=True)

    def generate(self, z: Tensor) -> Tensor:
        """z [N, z_dim] -> points [N, 1, 1, 2]."""
        return self.G(z).view(-1, 1, 1, 2)

    def score(self, x: Tensor) -> Tensor:
        """Points [N, 1, 1, 2] -> scores [N], high for real."""
        return self.D(x.flatten(1)).squeeze(1)

    def step(self) -> None:
        """`n_critic` steps of D on fresh points, then one of G."""
        self._set_rates()
        n = self.config.batch
        for _ in range(self.config.n_critic):
            real = self.target.sample(n, self.rng).view(-1, 1, 1, 2)
            fake = self.generate(torch.randn(n, self.config.z_dim, generator=self.rng))
            self.d_loss = _descend(self.critic_loss(real, fake.detach()), self.d_opt)
            if self.config.clip:
                with torch.no_grad():
                    for p in self.D.parameters():
                        p.clamp_(-self.config.clip, self.config.clip)
        self.D.requires_grad_(False)
        self.g_loss = _descend(self.generator_loss(real, fake), self.g_opt)
        self.D.requires_grad_(True)
        self.steps += 1

    def _set_rates(self) -> None:
        scale = schedules.rate(self.config, self.steps / STEPS)
        for opt, lr in ((self.g_opt, self.config.g_lr), (self.d_opt, self.config.d_lr)):
            opt.param_groups[0]["lr"] = lr * scale

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What D lowers: the loss of the recipe and its penalties on D's slope."""
        cfg = self.config
        penalised = bool(cfg.r1_gamma or cfg.r2_gamma)
        x = torch.cat([real, fake]).requires_grad_(penalised)
        score = self.score(x)
        real_score, fake_score = score.chunk(2)
        loss = self.loss.of_d(real_score, fake_score, cfg.label_smoothing)
        if penalised:
            loss = loss + losses.zero_centred_penalty(score, x, cfg.r1_gamma, cfg.r2_gamma)
        if cfg.gp_weight:
            mix = torch.rand(len(real), generator=self.rng)
            loss = loss + cfg.gp_weight * losses.gradient_penalty(self.score, real, fake, mix)
        return loss

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What G lowers: the same discriminator's view of the fakes, the other way round."""
        return self.loss.of_g(self.score(fake), self.score(real) if self.loss.pairs else None)


def _descend(loss: Tensor, opt: torch.optim.Optimizer) -> float:
    opt.zero_grad()
    loss.backward()
    opt.step()
    return loss.item()
