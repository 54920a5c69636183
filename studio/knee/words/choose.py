"""The knees that fit a request best: seeds of the grades asked for, measured; the nearest of them moved along the
model's directions, and measured again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from gan_core.errors import UserError
from gan_core.generate import render
from gan_core.grades import KL_GRADE
from gan_core.latent import latents, mixtures, own_labels, to_w
from gan_core.metrics.features import Extractor
from gan_core.model import Model
from studio.evaluate.extractors import open_extractor
from studio.explore.directions import RANGE, Direction
from studio.explore.latent import Latent, draw
from studio.explore.measures import grade
from studio.knee.words.lexicon import Side
from studio.knee.words.pool import BLOCK, Array, Measures, Progress, look, pool
from studio.knee.words.understand import Request, Target

REFERENCE = 128  # of the model's own images, that say what is ordinary for it
CANDIDATES = 160  # to choose among, over the grades asked for
MOVED = 40  # of them, the nearest, that are moved
ROUNDS = 2  # since moves are not exact
FURTHEST = RANGE  # steps along a direction, as on the page's sliders
SHORTLIST = 3  # times as many as wanted, of which the grade is read
MOST = 24  # knees at once

_UNREAD, _WRONG_SIDE = 3.0, 10.0  # standard deviations, in place of how far off a knee is
_ODD = 0.5  # the price of being odd in what was not asked for, in the same
_STEP = 0.02  # the price of a step along a direction, in the same
_PAST = 0.5  # past its mark a move aims at, in the same
_HELD = 0.3  # weight of leaving alone what was not asked for; for grade and side it is 1
_STILL = 0.1  # of moving no further than needed
SIGN: dict[Side, float] = {"L": 1.0, "R": -1.0}  # of `look`'s "knee"
_OF_ANY = ("brightness", "contrast", "sharpness", "width")  # what any image has
READ = 0.5  # grades by which a reading may be off: it is a mean over grades, and whole grades are asked for
_TAIL = 0.025  # share of a model's images, at either end, that are odd in a quantity
_CLIPPED = 0.1  # of an image's pixels, that may be black or white before it is odd
_KNEES = 0.5  # where a joint space is found in so many of a model's images, they are knees


@dataclass(frozen=True)
class Ordinary:
    """The model's own images, measured: what targets are held against."""

    measures: Measures

    @property
    def knees(self) -> bool:
        space = self.measures.get("joint_space")
        return space is not None and float(np.isfinite(space).mean()) >= _KNEES

    def below(self, quantity: str, value: float) -> float:
        """The share of images with less of a quantity."""
        values = self.measures[quantity]
        return float((values[np.isfinite(values)] < value).mean())

    def mark(self, target: Target) -> float:
        """The value that a target asks to be past."""
        return float(np.nanquantile(self.measures[target.quantity], target.share if target.more else 1 - target.share))

    def spread(self, quantity: str) -> float:
        return float(np.nanstd(self.measures[quantity])) + 1e-6


@dataclass(frozen=True)
class Knee:
    """An image that was chosen."""

    latent: Latent
    image: NDArray[np.uint8]  # [R, R]
    measures: dict[str, float]  # as `pool.look` has them
    off: float  # standard deviations that it is off its targets, all together; 0 where it meets them


@dataclass(frozen=True)
class Chosen:
    """What was found for a request."""

    asked: Request  # of the request, what this model can be asked for
    cannot: tuple[str, ...]  # and why not, for the rest
    knees: tuple[Knee, ...]  # the best first
    ordinary: Ordinary
    looked_at: int  # images that were compared


def choose(
    request: Request,
    model: Model,
    n: int,
    directions: Sequence[Direction] = (),
    progress: Progress = lambda done, total: None,
) -> Chosen:
    """The `n` knees of `model` that fit `request` best, each from a seed of its own; always the same ones.

    Without directions they are seeds as they are. `progress` is called with (images done, of how many). There are none
    where the model can be asked for nothing of the request.
    """
    if not 1 <= n <= MOST:
        raise UserError(f"Ask for 1 to {MOST} knees.")
    indices = _indices(request, model)
    each = max(1, CANDIDATES // BLOCK // max(1, len(indices))) * BLOCK
    total = REFERENCE + each * len(indices)
    usual = Ordinary(pool(model, None, REFERENCE, _after(progress, 0, total)))
    asked, cannot = askable(request, model, usual)
    if asked.grades is None and asked.side is None and not asked.targets:
        return Chosen(asked, cannot, (), usual, 0)
    if not indices:
        found = _candidates(model, None, REFERENCE, usual.measures, len(directions))
    for i, index in enumerate(indices):
        measures = pool(model, index, each, _after(progress, REFERENCE + i * each, total))
        part = _candidates(model, index, each, measures, len(directions))
        found = found.joined(part) if i else part
    off = _off(found.measures, asked, usual)
    if directions and asked.targets:
        nearest = np.argsort(off, kind="stable")[:MOVED]
        moving = found.take(nearest[off[nearest] > 0])
        for _ in range(ROUNDS if len(moving.seeds) else 0):
            moving = _moved(moving, asked, model, directions, usual)
            found = found.joined(moving)
        off = _off(found.measures, asked, usual)
    shortlist = found.take(_best_first(found, off, asked, usual)[: SHORTLIST * n])
    shortlist = _graded(shortlist, asked, model, directions)
    off = _off(shortlist.measures, asked, usual)
    best = _best_first(shortlist, off, asked, usual)[:n]
    knees = tuple(_knee(shortlist, i, off[i], model, directions) for i in best)
    return Chosen(asked, cannot, knees, usual, len(found.seeds))


def _after(progress: Progress, before: int, total: int) -> Progress:
    """`progress` for a part of the images."""
    return lambda done, _: progress(before + done, total)


def _best_first(found: _Candidates, off: Array, asked: Request, usual: Ordinary) -> NDArray[np.int64]:
    """Each seed's best candidate, the best of them first: near to what is asked, ordinary in all else, hardly moved.
    Among equals, grades take turns."""
    price = off + _ODD * _odd(found.measures, asked, usual) + _STEP * np.linalg.norm(found.moves, axis=1)
    turn = (found.seeds + found.grades) % max(1, len(np.unique(found.grades)))
    order = np.lexsort((found.seeds, turn, price.round(3)))
    _, first = np.unique(found.seeds[order], return_index=True)
    return order[np.sort(first)]


def kl_values(model: Model) -> list[float] | None:
    """The KL grade of each of the model's classes; None where they are no such grades."""
    names = model.class_names
    if not names or model.config.label_name != KL_GRADE or not all(name.isdecimal() for name in names):
        return None
    return [float(name) for name in names]


def askable(request: Request, model: Model, usual: Ordinary) -> tuple[Request, tuple[str, ...]]:
    """What of a request this model can be asked for, and why not for the rest."""
    cannot = []
    if request.grades and kl_values(model) is None:
        label = model.config.label_name
        why = f"its classes are called {label}, not KL grade" if model.class_names else "it was trained without grades"
        cannot.append(f"This model cannot be asked for a grade: {why}.")
        request = replace(request, grades=None)
    if request.side and not usual.knees:
        cannot.append("No joint is found in what this model draws, so there is neither left nor right to choose.")
        request = replace(request, side=None)
    able = tuple(t for t in request.targets if t.quantity in usual.measures and (usual.knees or t.quantity in _OF_ANY))
    if len(able) < len(request.targets):
        cannot.append("No joint is found in what this model draws, so its width cannot be chosen.")
    return replace(request, targets=able), tuple(cannot)


@dataclass(frozen=True)
class _Candidates:
    """N images by what makes them, measured."""

    seeds: NDArray[np.int64]
    grades: Array  # as `Latent` has them; 0 throughout without classes
    moves: Array  # [N, directions]
    measures: Measures

    def take(self, index: NDArray[np.int64]) -> _Candidates:
        rest = {name: values[index] for name, values in self.measures.items()}
        return _Candidates(self.seeds[index], self.grades[index], self.moves[index], rest)

    def joined(self, other: _Candidates) -> _Candidates:
        return _Candidates(
            np.concatenate([self.seeds, other.seeds]),
            np.concatenate([self.grades, other.grades]),
            np.concatenate([self.moves, other.moves]),
            {name: np.concatenate([values, other.measures[name]]) for name, values in self.measures.items()},
        )


def _indices(request: Request, model: Model) -> list[float]:
    """The classes' indices, or one between two, of the grades asked for; none where the model has no such grades."""
    values = kl_values(model)
    if request.grades is None or values is None:
        return []
    low, high = request.grades
    wanted = [v for v in values if low <= v <= high] or [(low + high) / 2]
    order = np.argsort(values)
    return np.interp(wanted, np.array(values)[order], order).tolist()


def _candidates(model: Model, index: float | None, count: int, measures: Measures, directions: int) -> _Candidates:
    seeds = np.arange(count)
    shares = model.config.class_shares
    own = own_labels(seeds.tolist(), shares).numpy().astype(float) if shares and index is None else None
    grades = np.full(count, index or 0.0) if own is None else own
    return _Candidates(seeds, grades, np.zeros((count, directions)), measures)


def _off(measures: Measures, asked: Request, usual: Ordinary) -> Array:
    """How far each of N images is off what is asked, [N], in standard deviations; 0 where it meets it all."""
    squares = np.zeros(len(measures["brightness"]))
    for target in asked.targets:
        short = (usual.mark(target) - measures[target.quantity]) * (1 if target.more else -1)
        squares += np.nan_to_num(short / usual.spread(target.quantity), nan=_UNREAD).clip(min=0) ** 2
    if asked.grades and "grade" in measures:
        low, high = asked.grades
        squares += np.maximum(low - measures["grade"], measures["grade"] - high).clip(min=READ) ** 2 - READ**2
    if asked.side:
        squares += np.where(measures["knee"] == SIGN[asked.side], 0.0, _WRONG_SIDE**2)
    return np.sqrt(squares)


def _odd(measures: Measures, asked: Request, usual: Ordinary) -> NDArray[np.bool_]:
    """Which of N images are at an end of the model's own in what was not asked for, or cannot be read, [N]."""
    odd = np.zeros(len(measures["brightness"]), bool)
    for name in (*_OF_ANY, *(("joint_line", "joint_space") if usual.knees else ())):
        low, high = np.nanquantile(usual.measures[name], (_TAIL, 1 - _TAIL))
        values = measures[name]
        unasked = name != "joint_space" and name not in {t.quantity for t in asked.targets}
        odd |= np.isnan(values) | (unasked & ((values < low) | (values > high)))
    return odd | (measures["clipped"] > _CLIPPED) | (usual.knees & (measures["inside"] < 0))


def _moved(
    found: _Candidates, asked: Request, model: Model, directions: Sequence[Direction], usual: Ordinary
) -> _Candidates:
    """Each candidate moved along the directions towards its targets, and measured again."""
    moves = found.moves + _moves(found.measures, asked, directions, usual)
    moves = moves.clip(-FURTHEST, FURTHEST).round(2)
    found = replace(found, moves=moves)
    return replace(found, measures=look(_images(found, model, directions)))


def _moves(measures: Measures, asked: Request, directions: Sequence[Direction], usual: Ordinary) -> Array:
    """Steps [N, directions] that by the directions' measured effects close the gaps to the targets and change little
    else: weighted least squares with a price on the steps."""
    names = list(dict.fromkeys(name for d in directions for name in d.effects))
    effects = np.array([[d.effects.get(name, 0.0) for d in directions] for name in names])
    weights = np.array([1.0 if name in ("grade", "side") else _HELD for name in names])
    gaps = np.zeros((len(names), len(measures["brightness"])))
    for target in asked.targets:
        sign = 1 if target.more else -1
        short = (usual.mark(target) - measures[target.quantity]) / usual.spread(target.quantity)
        gap = np.nan_to_num(np.where(short * sign > 0, short + sign * _PAST, 0.0))
        name = {"medial": "joint_space", "lateral": "joint_space"}.get(target.quantity, target.quantity)
        if target.quantity in ("medial_less", "lateral_less"):
            name, gap = "joint_tilt", gap * measures["knee"] * (1 if target.quantity == "medial_less" else -1)
        if name in names:
            i = names.index(name)
            weights[i] = 1.0
            gaps[i] = np.where(np.abs(gap) > np.abs(gaps[i]), gap, gaps[i])
    a = effects * weights[:, None]
    steps = np.linalg.solve(a.T @ a + _STILL * np.eye(len(directions)), a.T @ (gaps * weights[:, None]))
    return steps.T


def _graded(found: _Candidates, asked: Request, model: Model, directions: Sequence[Direction]) -> _Candidates:
    """With the grade that the knee encoder reads, where a grade is asked for and there is an encoder."""
    if asked.grades is None:
        return found
    encoder = _grader()
    if encoder is None:  # a copy without it goes by the grade that the generator was asked for
        return found
    return replace(found, measures=found.measures | grade(_images(found, model, directions), encoder))


@cache
def _grader() -> Extractor | None:
    try:
        return open_extractor("knee")
    except UserError:
        return None


def _images(found: _Candidates, model: Model, directions: Sequence[Direction]) -> NDArray[np.uint8]:
    c = mixtures(found.grades.tolist(), len(model.class_names))
    with torch.inference_mode():
        w = to_w(model.net, latents(found.seeds.tolist(), model.config.net.z_dim), c)
        if directions:
            w = w + torch.from_numpy(found.moves).float() @ torch.tensor([d.vector for d in directions])
        return render(model, w, c)


def _knee(found: _Candidates, i: int, off: float, model: Model, directions: Sequence[Direction]) -> Knee:
    moves = tuple(found.moves[i].tolist()) if found.moves[i].any() else ()
    grade = float(found.grades[i]) if model.class_names else None
    latent = Latent(model=model.digest, seed=int(found.seeds[i]), grade=grade, moves=moves)
    image = draw(latent, model, directions)[0, 0]
    return Knee(latent, image, {name: float(values[i]) for name, values in found.measures.items()}, float(off))
