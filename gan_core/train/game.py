"""The game of two networks: their state and one step of it. Knows nothing of files, clocks or progress."""

from __future__ import annotations

import copy
import math
import shutil
import sysconfig
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gan_core import losses, networks, schedules
from gan_core.augment import augment, crop
from gan_core.config import GROUP, TrainConfig
from gan_core.data.dataset import take
from gan_core.errors import UserError
from gan_core.images import to_float, to_uint8
from gan_core.seeds import seed_of
from gan_core.train.distributed import World
from gan_core.train.feature_critic import FeatureCritic

UNSEEN = 128  # films held out that D is asked about at a time


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the best there is. Raises `UserError` where this machine has no such one."""
    if name != "auto":
        if name == "mps" and not torch.backends.mps.is_available():
            raise UserError("This machine has no Apple GPU that PyTorch can use: set device to auto or cpu.")
        if name.startswith("cuda") and int(name[5:] or 0) >= torch.cuda.device_count():
            raise UserError(f"This machine has no GPU {name} that PyTorch can use: set device to auto or cpu.")
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_precision(name: str, device: torch.device) -> str:
    """ "auto" is bfloat16 where the processor has it: elsewhere it is emulated and slower than float32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        fast = device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)
    return "bfloat16" if fast else "float32"


def can_fuse() -> bool:
    """Whether `torch.compile` finds what it needs for a processor: a C++ compiler and Python's headers."""
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return headers.is_file() and any(map(shutil.which, ("g++", "clang++")))


def fused(net: nn.Module, device: torch.device) -> Callable[..., Any]:
    """`net`, with the same tensors, compiled at its first use for what needs no gradient of a gradient.

    Raises `UserError` where this machine cannot.
    """
    if device.type == "cpu" and not can_fuse():
        raise UserError(
            "compile=true needs a C++ compiler (g++ or clang++) and Python's header files, and this machine lacks "
            "one of them: leave it off."
        )
    return torch.compile(net, dynamic=False)


class Batches:
    """The endless stream of shuffled epochs: position i of it depends on (seed, i) alone.

    With `balance` above 0 an epoch shows images of rare classes more than once and leaves out some of common ones:
    a class of share p gets a share proportional to p^(1 - balance). Of all images those at `chosen` are shown.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        seed: int,
        balance: float = 0.0,
        chosen: np.ndarray | None = None,
    ) -> None:
        self.images, self.labels, self.seed, self.balance = images, labels, seed, balance
        self.chosen = np.arange(len(images)) if chosen is None else chosen
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def _shuffled(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng(seed_of(self.seed, "epoch", epoch))
        n = len(self.chosen)
        if not self.balance:
            return self.chosen[rng.permutation(n)]
        labels = self.labels[self.chosen]
        members = [self.chosen[labels == c] for c in np.unique(labels)]
        weights = np.array([len(m) for m in members], float) ** (1 - self.balance)
        ends = np.round(np.cumsum(weights / weights.sum()) * n).astype(int)
        out = []
        for own, count in zip(members, np.diff(ends, prepend=0), strict=True):
            rounds = [rng.permutation(own) for _ in range(-(-count // len(own)))]
            out += [part[: count - i * len(own)] for i, part in enumerate(rounds)]
        return rng.permutation(np.concatenate(out))

    def _indices(self, start: int, count: int) -> np.ndarray:
        n = len(self.chosen)
        out: list[np.ndarray] = []
        while count:
            epoch, offset = divmod(start, n)
            if epoch != self._epoch:
                self._epoch, self._order = epoch, self._shuffled(epoch)
            part = self._order[offset : offset + count]
            out.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(out)

    def __call__(self, start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Images uint8 [count, 1, H, W] and labels [count] from position `start` on."""
        index = self._indices(start, count)
        return take(self.images, index), self.labels[index]


class Game:
    """G, D, the average of G, their optimizers, and `step()`.

    `nimg` counts the images shown to D. Raises `UserError` where the batch does not divide by the processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        batches: Batches,
        num_classes: int,
        world: World | None = None,
        unseen: Batches | None = None,
    ) -> None:
        self.config, self.batches, self.world, self.unseen = config, batches, world or World(), unseen
        self.loss = losses.LOSSES[config.loss]
        if config.batch % self.world.size:
            raise UserError(
                f"A batch of {config.batch} does not divide by {self.world.size} processes: set batch to a multiple."
            )
        if config.compares and config.batch // self.world.size % GROUP:
            raise UserError(  # else a group would hold reals beside fakes
                f"The discriminator compares images in groups of {GROUP}, and {self.world.size} processes share a "
                f"batch of {config.batch}: set batch to a multiple of {GROUP * self.world.size}."
            )
        self.device = pick_device(config.device)
        self.bfloat16 = pick_precision(config.precision, self.device) == "bfloat16"
        torch.manual_seed(seed_of(config.seed, "nets"))
        g_config, d_config = config.nets(num_classes)
        self.num_classes = g_config.num_classes
        self.G, self.D = (networks.build(c).to(self.device) for c in (g_config, d_config))
        for net in (self.G, self.D):
            net.to(memory_format=torch.channels_last)
        # For what asks for no gradient of a gradient
        self.fast_G, self.fast_D = (fused(n, self.device) if config.compile else n for n in (self.G, self.D))
        self.G_ema = copy.deepcopy(self.G).eval().requires_grad_(False)
        self.F: FeatureCritic | None = None
        if config.feature_weight:
            self.F = FeatureCritic(self.num_classes).to(self.device)
            self.F.to(memory_format=torch.channels_last)
        self.nimg = 0
        self.d_steps = 0
        self.overfitting: float | None = None
        self.share, self.watched = config.augment_share, 0  # of augmented images; how many had been shown then
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.rng = torch.Generator(self.device)

    # Made when they are first asked for: the first optimizer of a process takes PyTorch seconds to import what compiles
    # it, and pictures of the untrained generator need not wait for that.

    @cached_property
    def g_opt(self) -> torch.optim.Optimizer:
        return self._optimizer(self.G, self.config.g_lr)

    @cached_property
    def d_opt(self) -> torch.optim.Optimizer:
        return self._optimizer(self.D, self.config.d_lr)

    @cached_property
    def f_opt(self) -> torch.optim.Optimizer:
        assert self.F
        return self._optimizer(self.F, self.config.feature_lr)

    def _optimizer(self, net: nn.Module, lr: float) -> torch.optim.Optimizer:
        if self.config.optimizer == "rmsprop":
            return torch.optim.RMSprop(net.parameters(), lr=lr)
        betas = (self.config.beta1, self.config.beta2)
        return torch.optim.Adam(net.parameters(), lr=lr, betas=betas, fused=self.device.type in ("cpu", "cuda"))

    # -- what goes in -------------------------------------------------------------------------------------------------

    def _seed_step(self) -> None:
        """`self.rng` is the same in every process and drawn for the whole batch; the global state is each one's own."""
        self.rng.manual_seed(seed_of(self.config.seed, "step", self.d_steps))
        torch.manual_seed(seed_of(self.config.seed, "step", self.d_steps, self.world.rank))

    def _share(self, draw: Tensor) -> Tensor:
        return draw[self.world.share(self.config.batch)]

    def _z(self) -> Tensor:
        shape = (self.config.batch, self.config.z_dim)
        return self._share(torch.randn(shape, generator=self.rng, device=self.device))

    def _uniform(self) -> Tensor:
        return self._share(torch.rand(self.config.batch, generator=self.rng, device=self.device))

    def _reals(self) -> tuple[Tensor, Tensor | None]:
        """The next real images [n, 1, R, R] in [-1, 1] and their labels [n], or None for an unconditional game."""
        share = self.world.share(self.config.batch)
        images, labels = self.batches(self.nimg + share.start, share.stop - share.start)
        x = to_float(images, self.device)
        if self.config.mirror:
            flip = (self._uniform() < 0.5).view(-1, 1, 1, 1)
            x = torch.where(flip, x.flip(3), x)
        x = x.contiguous(memory_format=torch.channels_last)
        return x, torch.from_numpy(labels).to(self.device) if self.num_classes else None

    def _seen(self, x: Tensor) -> Tensor:
        """x as D sees it: noise fades to nothing over the run."""
        cfg = self.config
        return augment(x, cfg.augment, cfg.input_noise * (1 - self._progress()), self.share)

    def _crop(self, x: Tensor) -> Tensor:
        """x as the discriminator of features sees it."""
        return crop(x, self._uniform(), self._uniform())

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    # -- the step -----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """`n_critic` steps of D on fresh images, then one of G, which answers for the last fakes that D has seen."""
        self._set_rates()
        for remaining in reversed(range(self.config.n_critic)):
            self._seed_step()
            reals, c = self._reals()
            with torch.set_grad_enabled(remaining == 0), self._autocast():
                fakes = self.fast_G(self._z(), c)
                maps = self.F.see(self._crop(fakes)) if self.F else []
            self._d_step(reals, fakes.detach(), c)
            if self.F:
                self._f_step(self.F, reals, [m.detach() for m in maps], c)
            self.nimg += self.config.batch
            self.d_steps += 1
        self._g_step(reals, fakes, maps, c)
        self._average()

    def _progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        return min(1.0, self.nimg / (self.config.kimg * 1000))

    def _set_rates(self) -> None:
        cfg = self.config
        scale = schedules.rate(cfg, self._progress())
        rates = [(self.g_opt, cfg.g_lr), (self.d_opt, cfg.d_lr), *([(self.f_opt, cfg.feature_lr)] if self.F else [])]
        for opt, lr in rates:
            for group in opt.param_groups:
                group["lr"] = lr * scale

    def _d_step(self, reals: Tensor, fakes: Tensor, c: Tensor | None) -> None:
        cfg = self.config
        n = len(reals)
        real_x, fake_x = self._seen(reals), self._seen(fakes)
        lazy = bool(cfg.r1_gamma or cfg.r2_gamma) and self.d_steps % cfg.penalty_every == 0
        D = self.D if lazy else self.fast_D
        with self._autocast():
            if cfg.d_norm == "batch":
                # Batch statistics of reals and fakes apart, as in the DCGAN paper's practice.
                real, fake = D(real_x, c), D(fake_x, c)
            else:
                x = torch.cat([real_x, fake_x]).requires_grad_(lazy)
                both = D(x, None if c is None else torch.cat([c, c]))
                halves = [(None, None) if t is None else (t[:n], t[n:]) for t in both]
                real, fake = (networks.Scores(*pair) for pair in zip(*halves, strict=True))
        loss = self._d_loss(real.score, fake.score)
        self._note(d_loss=loss, **self._judgement(real.score, fake.score))
        if real.classes is not None:
            loss = loss + self._class_loss(real, fake, c)
        if lazy:
            penalty = losses.zero_centred_penalty(both.score, x, cfg.r1_gamma, cfg.r2_gamma)
            penalty = penalty * schedules.gamma(cfg, self._progress())
            self._note(penalty=penalty)
            loss = loss + cfg.penalty_every * penalty
        if cfg.gp_weight:
            with self._autocast():
                mix = self._uniform()
                penalty = losses.gradient_penalty(lambda x: self.D(x, c).score, real_x, fake_x, mix)
            self._note(penalty=penalty)
            loss = loss + cfg.gp_weight * penalty
        self._update(self.D, self.d_opt, loss, "d_grad")
        if cfg.clip:
            with torch.no_grad():
                for p in self.D.parameters():
                    p.clamp_(-cfg.clip, cfg.clip)

    def _d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        cfg = self.config
        flips = torch.stack([self._uniform(), self._uniform()]) < cfg.label_flip if cfg.label_flip else None
        return self.loss.of_d(real, fake, cfg.label_smoothing, cfg.smooth_fakes, flips)

    def _class_loss(self, real: networks.Scores, fake: networks.Scores, c: Tensor | None) -> Tensor:
        assert c is not None
        assert real.classes is not None
        assert fake.classes is not None
        loss = losses.class_loss(real.classes, c, self.config.class_flood)
        self._note(class_accuracy=(real.classes.argmax(1) == c).float().mean(), d_class_loss=loss)
        if self.config.class_on_fakes:
            loss = loss + losses.class_loss(fake.classes, c, self.config.class_flood)
        return self.config.class_weight * loss

    def _f_step(self, critic: FeatureCritic, reals: Tensor, fake_maps: list[Tensor], c: Tensor | None) -> None:
        with self._autocast():
            with torch.no_grad():
                real_maps = critic.see(self._crop(reals))
            maps = [torch.cat(pair) for pair in zip(real_maps, fake_maps, strict=True)]
            real, fake = critic(maps, None if c is None else torch.cat([c, c])).chunk(2)
        loss = losses.d_hinge(real, fake)
        accuracy = {"f_accuracy_real": (real > 0).float().mean(), "f_accuracy_fake": (fake < 0).float().mean()}
        self._note(f_loss=loss, **accuracy)
        self._update(critic, self.f_opt, loss, "f_grad")

    def _g_step(self, reals: Tensor, fakes: Tensor, maps: list[Tensor], c: Tensor | None) -> None:
        """`maps` are what the discriminator of features has seen of the fakes; empty without one."""
        cfg = self.config
        self.D.requires_grad_(False)
        with self._autocast():
            fake = self.fast_D(self._seen(fakes), c)
            with torch.no_grad():
                real = self.fast_D(self._seen(reals), c).score if self.loss.pairs else None
            loss = self.loss.of_g(fake.score, real)
        self._note(g_loss=loss)
        if self.F:
            self.F.requires_grad_(False)
            with self._autocast():
                loss = loss - schedules.feature_weight(cfg, self.nimg) * self.F(maps, c).mean()
            self.F.requires_grad_(True)
        if fake.classes is not None:
            assert c is not None
            loss = loss + cfg.class_weight * losses.class_loss(fake.classes, c, cfg.class_flood)
        self._update(self.G, self.g_opt, loss, "g_grad")
        self.D.requires_grad_(True)

    def _update(self, net: nn.Module, opt: torch.optim.Optimizer, loss: Tensor, name: str) -> None:
        opt.zero_grad(set_to_none=True)
        loss.backward()
        grads = [p.grad for p in net.parameters() if p.grad is not None]
        self.world.mean(grads)
        norm = nn.utils.get_total_norm(grads)
        if self.config.grad_clip:
            nn.utils.clip_grads_with_norm_(net.parameters(), self.config.grad_clip, norm)
        self._note(**{name: norm})
        opt.step()

    def _average(self) -> None:
        """G_ema follows G with a half-life of ema_kimg, shorter at first if G starts as noise (Karras et al. 2020)."""
        half_life = self.config.ema_kimg * 1000
        if not self.config.init:
            half_life = min(half_life, self.nimg * 0.05)
        each = self.config.batch * self.config.n_critic
        follow = get_ema_multi_avg_fn(0.5 ** (each / max(half_life, 1e-8)))
        averaged, now = self.G_ema.state_dict(), self.G.state_dict()
        floats = [name for name, t in now.items() if t.is_floating_point()]
        follow([averaged[name] for name in floats], [now[name] for name in floats], None)
        for name in now.keys() - set(floats):  # how many batches a normalisation has seen
            averaged[name].copy_(now[name])

    # -- what comes out -----------------------------------------------------------------------------------------------

    def _judgement(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """D's accuracies, and a critic's estimate of the distance."""
        real, fake = real.detach(), fake.detach()
        threshold = self.loss.middle(real, fake)
        out = {"wasserstein": real.mean() - fake.mean()} if self.loss.critic else {}
        if self.unseen:
            out |= {"score_real": real.mean(), "score_fake": fake.mean()}
        return out | {
            "d_accuracy_real": (real > threshold).float().mean(),
            "d_accuracy_fake": (fake < threshold).float().mean(),
        }

    def watch(self, seen: Mapping[str, float]) -> dict[str, float]:
        """How far D overfits, from what `take_stats` has given since the last call and its scores of unseen films.

        0: these score as its own do, 1: as fakes do (r_v of ADA, Karras et al. 2020). With `ada_target` the share of
        augmented images follows it. {} without films held out.
        """
        cfg = self.config
        if not self.unseen:
            return {}
        torch.manual_seed(seed_of(cfg.seed, "unseen", self.nimg))
        images_unseen, labels = self.unseen(self.nimg, UNSEEN)
        c = torch.from_numpy(labels).to(self.device) if self.num_classes else None
        with torch.no_grad(), self._autocast():
            scores = self.D(self._seen(to_float(images_unseen, self.device)), c)
        real, fake = seen["score_real"], seen["score_fake"]
        now = (real - float(scores.score.float().mean())) / max(real - fake, 1e-3)
        # Of so few films it jumps from one time to the next.
        self.overfitting = now if self.overfitting is None else 0.8 * self.overfitting + 0.2 * now
        out = {"overfitting": self.overfitting}
        if scores.classes is not None:
            out["class_accuracy_unseen"] = float((scores.classes.argmax(1) == c).float().mean())
        if cfg.ada_target:
            step = (self.nimg - self.watched) / (1000 * cfg.ada_kimg)
            self.share += math.copysign(step, out["overfitting"] - cfg.ada_target)
            self.share, self.watched = min(1.0, max(0.0, self.share)), self.nimg
            out["augment_share"] = self.share
        return out

    def _note(self, **values: Tensor) -> None:
        for name, value in values.items():
            value = value.detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def take_stats(self) -> dict[str, float]:
        """The means, over all processes, of what was noted since the last call."""
        names = sorted(self.sums)
        means = torch.stack([self.sums[n] / self.counts[n] for n in names])
        self.world.mean([means])
        self.sums, self.counts = {}, {}
        return dict(zip(names, means.tolist(), strict=True))

    @torch.no_grad()
    def sample(self, z: Tensor, c: Tensor | None, batch: int = 64) -> np.ndarray:
        """G_ema's images of z [N, z_dim], c [N] or None, as uint8 [N, 1, R, R]."""
        out = []
        for i in range(0, len(z), batch):
            x = self.G_ema(z[i : i + batch].to(self.device), None if c is None else c[i : i + batch].to(self.device))
            out.append(to_uint8(x))
        return np.concatenate(out)

    def finite(self) -> bool:
        """Whether every weight of all networks is a number."""
        nets = filter(None, (self.G, self.D, self.F))
        largest = nn.utils.get_total_norm((p for net in nets for p in net.parameters()), norm_type=math.inf)
        return bool(largest.isfinite())

    def _parts(self) -> dict[str, Any]:
        """What has a state of its own, by its name in a stored one."""
        names = ["G", "D", "G_ema", "g_opt", "d_opt", *(("F", "f_opt") if self.F else ())]
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        counters = {name: getattr(self, name) for name in ("nimg", "d_steps", "share", "watched", "overfitting")}
        return state | counters | {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises KeyError or RuntimeError where the state belongs to other networks."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.nimg, self.d_steps = state["nimg"], state["d_steps"]
        self.share, self.watched = state.get("share", self.share), state.get("watched", 0)
        self.overfitting = state.get("overfitting")
        self.sums = {k: v.to(self.device) for k, v in state["sums"].items()}
        self.counts = dict(state["counts"])
