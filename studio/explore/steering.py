"""Steering: a knee changed in one quantity while all others are held.

The generator's points are taken in their own units (principal components of w, each over its standard deviation). For
the knee at hand the quantities' gradients there give the smallest change of its point that moves one of them and none
of the others; what that misses, since neither network is linear, is read off the picture and corrected, and the
gradients with it (Broyden 1965). So a slider says what is measured, not along which vector somebody once looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.generate import render
from gan_core.images import to_float
from gan_core.latent import latents, own_labels, to_w
from gan_core.model import Model
from gan_core.networks import has_mapping
from studio.explore.measures import are_knees
from studio.explore.memo import Memo
from studio.knee.readings import QUANTITIES, Quantity, outwards, read
from studio.knee.readings.net import Reader, load_reader

TILT = "tilt"  # the lateral joint space less the medial one, their mean held
# The grade has a slider of its own, and a knee is of one side or of the other.
SLIDERS = {name: quantity for name, quantity in QUANTITIES.items() if name not in ("grade", "side")} | {
    TILT: Quantity(
        "Varus and valgus",
        "valgus: lateral side narrower",
        "varus: medial side narrower",
        "The lateral joint space less the medial one.",
    )
}
ROUNDS = 3  # of drawing and reading
_POINTS, _KNEES = 4096, 192  # of w, and of those that are drawn
_TRIED = 12  # knees that each slider is tried on
FELT = 0.15  # standard deviations by which another quantity may change before a slider says so
_LEAST = 1e-3  # of the largest variance: what varies less is left alone
_RIDGE = 0.002  # beside the quantities' squared gradients: what hardly moves is not forced
_AROUND, _NEAR = 4, 0.3  # points at which gradients are taken, and how far from the knee, in standard deviations
_SLOWER = 0.3  # a step that led away from the goal is not taken, and the next is so much shorter
_STRIDE = 5.0  # of a point, in its standard deviations: the farthest that a correction may go

Progress = Callable[[int, int], None]


class Frame(Settings):
    """A model's own units: how its points and its knees vary."""

    basis: tuple[tuple[float, ...], ...] = Field(max_length=256)  # directions of w, each of a standard deviation
    spread: dict[str, float]  # a standard deviation of each quantity, and of the tilt
    # What a step of each slider was measured to do, by the reader: to its own quantity (the median of the knees tried)
    # and to each other one (the mean of the absolute changes), in standard deviations.
    effects: dict[str, dict[str, float]] = Field({})

    def goals(self, asked: Iterable[Mapping[str, float]]) -> Tensor:
        """[N, quantities], in their standard deviations, of what sliders ask for."""
        return torch.tensor([[self._goal(a, name) for name in QUANTITIES] for a in asked])

    def _goal(self, asked: Mapping[str, float], name: str) -> float:
        sign = {"medial_space": -0.5, "lateral_space": 0.5}.get(name, 0.0)
        return asked.get(name, 0.0) + asked.get(TILT, 0.0) * sign * self.spread[TILT] / self.spread[name]

    def told(self, slider: str) -> str:
        """What else a step of a slider changes, in words; "" where that is little."""
        others = {n: v for n, v in self.effects.get(slider, {}).items() if n not in _OWN.get(slider, (slider,))}
        felt = sorted((n for n, v in others.items() if v > FELT), key=lambda n: -others[n])
        listed = ", ".join(f"{QUANTITIES[n].name.lower()} by {others[n]:.1f}" for n in felt[:3])
        return f"A step also changes {listed} standard deviations, on average." if listed else ""


_OWN = {TILT: ("medial_space", "lateral_space")}  # what a slider is about, besides that of its own name


_NONE = Frame(basis=(), spread={})  # of a model that cannot be steered


def _fits(model: Model, found: Frame) -> bool:
    dim = model.config.net.z_dim
    return found == _NONE or (all(len(b) == dim for b in found.basis) and found.spread.keys() == {*QUANTITIES, TILT})


_memo: Memo[Frame] = Memo("steering", Frame, 32, 8, _fits)
_KEY = "2"


def reader() -> Reader | None:
    """None in a copy without it, which has no such sliders."""
    try:
        return load_reader()
    except UserError:
        return None


def frame(model: Model, progress: Progress = lambda done, total: None) -> Frame | None:
    """Found once, then remembered; None where the model draws no knees or has no mapping network, or without reader."""
    if reader() is None:
        return None  # and not remembered: it may come
    found = _memo.get(model, _KEY, lambda: find(model, progress) or _NONE)
    return found if found.basis else None


def kept(model: Model) -> bool:
    """Whether `frame` answers at once."""
    return reader() is None or _memo.find(model, _KEY) is not None


def find(model: Model, progress: Progress = lambda done, total: None) -> Frame | None:
    """`frame`, without the cache."""
    net: Any = model.net
    seeing = reader()
    if seeing is None or not has_mapping(net):
        return None
    seeds = range(_POINTS)
    shares = model.config.class_shares
    z, c = latents(seeds, model.config.net.z_dim), own_labels(seeds, shares) if shares else None
    with torch.inference_mode():
        w = to_w(net, z, c)
        rest = (w - to_w(net, z, c, truncation=0.0)).double()
        values, vectors = torch.linalg.eigh(rest.T @ rest / len(rest))
        large = values > _LEAST * values[-1]
        basis = (vectors[:, large] * values[large].sqrt()).T.flip(0)
        images = render(model, w[:_KNEES], None if c is None else c[:_KNEES])
        if not are_knees(images):
            return None
        x = to_float(images)
        known = torch.cat([read(part, seeing, outwards(part, seeing)) for part in x.split(32)])
    tilt = (known[:, 1] - known[:, 0])[:, None]
    spread = {
        n: round(float(sd), 6) for n, sd in zip((*QUANTITIES, TILT), torch.cat([known, tilt], 1).std(0), strict=True)
    }
    made = Frame(basis=tuple(tuple(round(v, 4) for v in row) for row in basis.tolist()), spread=spread)
    changes = []
    for i in range(_TRIED):
        changes.append(Knee(model, made, w[i : i + 1].clone(), c if c is None else c[i : i + 1]).tried())
        progress(i + 1, _TRIED)
    change = torch.stack(changes)  # [knees, sliders, quantities]
    effects = {}
    for i, slider in enumerate(SLIDERS):
        typical = change[:, i].abs().mean(0)
        if slider in QUANTITIES:
            own = list(QUANTITIES).index(slider)
            typical[own] = change[:, i, own].median()
        effects[slider] = {n: round(float(v), 2) for n, v in zip(QUANTITIES, typical, strict=True)}
    return made.model_copy(update={"effects": effects})


class Knee:
    """One knee of a model, and what moves it."""

    def __init__(self, model: Model, found: Frame, w: Tensor, c: Tensor | None) -> None:
        """w [1, z_dim], c [1, num_classes] or None."""
        seeing = reader()
        assert seeing
        self.model, self.frame, self.reader, self.w, self.c = model, found, seeing, w, c
        self.basis = torch.tensor(found.basis)
        self.spread = torch.tensor([found.spread[name] for name in QUANTITIES])
        with torch.no_grad():
            x = self._draw(w)
            self.sign = outwards(x, seeing)
            self.start = read(x, seeing, self.sign) / self.spread
        self.jacobian = self._jacobian()

    def _draw(self, w: Tensor) -> Tensor:
        c = None if self.c is None else self.c.expand(len(w), *self.c.shape[1:])
        net: Any = self.model.net
        return net.synthesis(w, c).float().clamp(-1, 1)

    @torch.enable_grad()
    def _jacobian(self) -> Tensor:
        """How each quantity, in its spread, changes with each of the point's own units: [quantities, K].

        The mean over a few points around: a gradient at one says little of the way that a slider goes.
        """
        n = len(QUANTITIES)
        around = _NEAR * torch.randn(_AROUND, len(self.basis), generator=torch.Generator().manual_seed(0))
        total = torch.zeros(n, len(self.basis))
        for point in around:
            u = point.repeat(n, 1).requires_grad_()
            found = read(self._draw(self.w + u @ self.basis), self.reader, self.sign.expand(n)) / self.spread
            total += torch.autograd.grad(found.diagonal().sum(), u)[0]  # copy i answers for quantity i
        return total / _AROUND

    @torch.no_grad()
    def moved(self, asked: Sequence[Mapping[str, float]]) -> Tensor:
        """w [N, z_dim] at which the quantities differ from this knee's by what is `asked` of `SLIDERS`, in standard
        deviations."""
        goal = self.frame.goals(asked)
        jacobian = self.jacobian.expand(len(goal), *self.jacobian.shape)
        u, there, pace = torch.zeros(len(goal), len(self.basis)), torch.zeros_like(goal), torch.ones(len(goal), 1)
        for _ in range(ROUNDS):
            step = pace * (self._within(u + _least(jacobian, goal - there)) - u)
            found = self.changed(self.w + (u + step) @ self.basis)
            # What the step did, where the Jacobian had it otherwise.
            missed = found - there - (jacobian @ step[:, :, None])[:, :, 0]
            square = step.square().sum(1).clamp(min=1e-9)[:, None, None]
            jacobian = jacobian + missed[:, :, None] * step[:, None] / square
            nearer = ((goal - found).norm(dim=1) < (goal - there).norm(dim=1))[:, None]
            u, there = torch.where(nearer, u + step, u), torch.where(nearer, found, there)
            pace = torch.where(nearer, 1.0, pace * _SLOWER)
        return self.w + u @ self.basis

    @torch.no_grad()
    def tried(self, step: float = 1.0) -> Tensor:
        """How much each slider's step changes each quantity: [sliders, quantities], in standard deviations."""
        return self.changed(self.moved([{name: step} for name in SLIDERS]))

    @torch.no_grad()
    def changed(self, w: Tensor) -> Tensor:
        """How far the quantities at w [N, z_dim] are from this knee's, [N, quantities]."""
        return read(self._draw(w), self.reader, self.sign.expand(len(w))) / self.spread - self.start

    @staticmethod
    def _within(u: Tensor) -> Tensor:
        return u * (_STRIDE / u.norm(dim=1, keepdim=True).clamp(min=_STRIDE))


def _least(jacobian: Tensor, goal: Tensor) -> Tensor:
    """The smallest steps [N, K] that change the quantities by `goal` [N, Q], as far as is worth the way, by a Jacobian
    [N, Q, K]."""
    square = jacobian @ jacobian.mT + _RIDGE * torch.eye(goal.shape[1])
    return (jacobian.mT @ torch.linalg.solve(square, goal[:, :, None]))[:, :, 0]
