"""Directions in a model's latent space, each named by what it is measured to change.

They are the leading principal components of the generator's first features (GANSpace, Härkönen et al. 2020), here of w
with its grade's mean removed. Where a model has no mapping network its z is the same in all directions, and the
components of its first layer's output are, in closed form, the eigenvectors of its weights (SeFa, Shen & Zhou 2021).
Components mix what people tell apart, so they are then turned among themselves until each changes as few measured
quantities as it can (varimax, Kaiser 1958), which leaves the space that they span as it is. What a direction is called
is measured after that, on other samples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from gan_core.config import Settings
from gan_core.generate import render
from gan_core.latent import latents, own_labels, to_w
from gan_core.model import Model
from gan_core.networks import has_mapping
from studio.explore.measures import WORDS, are_knees, grade, grader, measure
from studio.explore.memo import Memo

MOST_DIRECTIONS = 8
RANGE = 2.0  # a slider's ends, in steps
VERSION = 1
KEPT, HELD = 32, 8  # models whose directions are in the cache and, so that a slider reads no file, in memory

_SAMPLES = 2048  # of w
_PIXELS = 48 * 128**2  # of the images that each direction is measured on, and at most ...
_MOST = 48  # ... so many
_GRADED = 8  # and so many for the grade, since the encoder takes its time
_STEP = 1.0  # steps to either side at which images are compared
_FELT = 0.15  # standard deviations a step: a direction with no effect of this size is left out
_CLEAR = 0.2  # a direction is named by an effect past this ...
_AHEAD = 1.25  # ... that is so much stronger than any other

Progress = Callable[[int, int], None]
Array = NDArray[np.float64]


class Direction(Settings):
    """A step along it changes each measured quantity by so many of that quantity's standard deviations among the
    model's images."""

    name: str  # of the quantity that it changes most, or of two where none stands out
    low: str  # what becomes of the image towards the one end
    high: str
    effects: dict[str, float]  # by `WORDS`, the strongest first
    vector: tuple[float, ...] = Field(max_length=1024)  # one step: a standard deviation among the model's own points

    @property
    def summary(self) -> str:
        """The strongest effects in words."""
        return ", ".join(f"{WORDS[name].name.lower()} {value:+.2f}" for name, value in list(self.effects.items())[:3])


class _Found(Settings):
    directions: tuple[Direction, ...] = Field(max_length=MOST_DIRECTIONS)


def _fits(model: Model, found: _Found) -> bool:
    """Whether they are this model's, and named by nothing but what they change."""
    return all(
        len(d.vector) == model.config.net.z_dim
        and len(d.effects) > 1
        and d.effects.keys() <= WORDS.keys()
        and (d.name, d.low, d.high) == _words(d.effects)
        for d in found.directions
    )


_memo: Memo[_Found] = Memo("directions", _Found, KEPT, HELD, _fits)
_KEY = f"{VERSION}"


def directions(model: Model, progress: Progress = lambda done, total: None) -> list[Direction]:
    """The model's directions, strongest first; found once, then remembered in memory and in the cache's folder.

    Always the same for the same model. `progress` gets (done, of how many).
    """
    return list(_memo.get(model, _KEY, lambda: _Found(directions=tuple(find(model, progress)))).directions)


def kept(model: Model) -> bool:
    """Whether `directions` answers at once."""
    return _memo.find(model, _KEY) is not None


def find(model: Model, progress: Progress = lambda done, total: None) -> list[Direction]:
    """`directions`, without the cache."""
    vectors = components(model)
    count = max(4, min(_MOST, _PIXELS // model.config.net.resolution**2))
    to_turn, to_name, to_grade = (_sample(model, i * _MOST, n) for i, n in enumerate((count, count, _GRADED)))
    knees = are_knees(_images(model, to_turn))
    encoder = grader() if knees else None
    total = 2 * len(vectors) * (2 * count + (_GRADED if encoder else 0))
    done = 0

    def step(images: int) -> None:
        nonlocal done
        done += images
        progress(done, total)

    look = partial(measure, knees=knees)
    raw = _effects(model, vectors, to_turn, look, step)
    turned = torch.from_numpy(varimax(np.stack(list(raw.values())))).float().T @ vectors
    names = _effects(model, turned, to_name, look, step)
    if encoder:
        names |= _effects(model, turned, to_grade, partial(grade, encoder=encoder), step)
    found = [_named(turned[i], {name: float(effect[i]) for name, effect in names.items()}) for i in range(len(turned))]
    felt = [d for d in found if max(map(abs, d.effects.values())) >= _FELT]
    return sorted(felt, key=lambda d: -sum(e * e for e in d.effects.values()))


def components(model: Model) -> Tensor:
    """The leading principal components [<= 8, dim], each of the length of a standard deviation along it."""
    net: Any = model.net
    if has_mapping(net):
        z, c = _sample(model, 0, _SAMPLES)
        with torch.inference_mode():
            rest = (to_w(net, z, c) - to_w(net, z, c, truncation=0.0)).double()
        values, vectors = torch.linalg.eigh(rest.T @ rest / len(rest))
        scale = values.clamp(min=0).sqrt()
    else:
        weight = net.first.weight[:, : model.config.net.z_dim].double()
        values, vectors = torch.linalg.eigh(weight.T @ weight)
        scale = torch.ones_like(values)
    best = values.argsort(descending=True)[:MOST_DIRECTIONS]
    return (vectors[:, best] * scale[best]).T.float()


def varimax(effects: Array, rounds: int = 100) -> Array:
    """The rotation [K, K] after which each column of effects [quantities, K] has few large values (Kaiser 1958)."""
    rows, k = effects.shape
    rotation = np.eye(k)
    for _ in range(rounds):
        turned = effects @ rotation
        target = turned**3 - turned * (turned**2).sum(0) / rows
        u, _, vt = np.linalg.svd(effects.T @ target)
        before, rotation = rotation, u @ vt
        if np.abs(rotation - before).max() < 1e-6:
            break
    return rotation


def _sample(model: Model, first: int, n: int) -> tuple[Tensor, Tensor | None]:
    """z and c of seeds from `first` on, each of its own class."""
    seeds = range(first, first + n)
    shares = model.config.class_shares
    return latents(seeds, model.config.net.z_dim), own_labels(seeds, shares) if shares else None


def _images(model: Model, sample: tuple[Tensor, Tensor | None], move: Tensor | float = 0.0) -> NDArray[np.uint8]:
    with torch.inference_mode():
        return render(model, to_w(model.net, *sample) + move, sample[1])


def _effects(
    model: Model,
    vectors: Tensor,
    sample: tuple[Tensor, Tensor | None],
    look: Callable[[NDArray[np.uint8]], dict[str, Array]],
    step: Callable[[int], None],
) -> dict[str, Array]:
    """How much each quantity changes with a step along each vector [K, dim]: [K], in the sample's standard deviations.

    The median over the sample, which a few images that were misread do not move.
    """
    spread = {name: float(np.nanstd(v)) for name, v in look(_images(model, sample)).items() if np.isfinite(v).any()}
    out: dict[str, list[float]] = {name: [] for name in spread}
    for vector in vectors:
        low, high = (look(_images(model, sample, sign * _STEP * vector)) for sign in (-1, 1))
        step(2 * len(sample[0]))
        for name, sd in spread.items():
            change = (high[name] - low[name]) / (2 * _STEP)
            seen = change[np.isfinite(change)]
            out[name].append(float(np.median(seen)) / sd if len(seen) and sd > 0 else 0.0)
    return {name: np.array(values) for name, values in out.items()}


def _named(vector: Tensor, effects: dict[str, float]) -> Direction:
    """Named by its effects, and turned round where less of the strongest is towards its end."""
    ordered = sorted(effects, key=lambda name: -abs(effects[name]))
    if effects[ordered[0]] < 0:
        vector, effects = -vector, {name: -e for name, e in effects.items()}
    rounded = {name: round(effects[name], 3) for name in ordered}
    name, low, high = _words(rounded)
    return Direction(name=name, low=low, high=high, effects=rounded, vector=tuple(float(np.float32(v)) for v in vector))


def _words(effects: dict[str, float]) -> tuple[str, str, str]:
    """What a direction with these effects, the strongest first, and its two ends are called."""
    first, second = list(effects)[:2]
    words = WORDS[first]
    if abs(effects[first]) >= _CLEAR and abs(effects[first]) >= _AHEAD * abs(effects[second]):
        return words.name, words.low, words.high
    return f"{words.name} and {WORDS[second].name.lower()}", "−", "+"
