"""The knees that fit a request best: seeds of the grades asked for, measured; the nearest of them moved along the
model's directions, and measured again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gan_core.errors import UserError
from gan_core.generate import render
from gan_core.grades import KL_GRADE
from gan_core.latent import latents, mixtures, own_labels, to_w
from gan_core.model import Model
from studio.explore.directions import RANGE, Direction
from studio.explore.latent import Latent, draw
from studio.explore.measures import KNEES, grade, grader
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


@dataclass(frozen=True)
class Ordinary:
    """The model's own images, measured: what targets are held against."""

    measures: Measures

    @property
    def knees(self) -> bool:
        space = self.measures.get("joint_space")
        return space is not None and float(np.isfinite(space).mean()) >= KNEES

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
    measures: dict[str, float]  # as `pool.look` has them, and the "grade" where it was read
    off: float  # standard deviations that it is off its targets, all together; 0 where it meets them


@dataclass(frozen=True)
class Chosen:
    """What was found for a request."""

    request: Request
    model: Model
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
    places = _places(request, model)
    each = _each(len(places))
    total = REFERENCE + each * len(places)
    usual = Ordinary(pool(model, None, REFERENCE, _after(progress, 0, total)))
    asked, cannot = askable(request, model, usual)
    if asked.grades is None and asked.side is None and not asked.targets:
        return Chosen(request, model, asked, cannot, (), usual, 0)
    search = _Search(asked, model, directions, usual)
    found = [] if places else [search.candidates(None, usual.measures)]
    for i, place in enumerate(places):
        measures = pool(model, place, each, _after(progress, REFERENCE + i * each, total))
        found.append(search.candidates(place, measures))
    everything = pd.concat(found, ignore_index=True)
    if directions and asked.targets:
        off = search.off(everything)
        nearest = np.argsort(off, kind="stable")[:MOVED]
        moving = everything.iloc[nearest[off[nearest] > 0]]
        for _ in range(ROUNDS if len(moving) else 0):
            moving = search.moved(moving)
            everything = pd.concat([everything, moving], ignore_index=True)
    shortlist = search.graded(search.best_first(everything)[: SHORTLIST * n])
    knees = tuple(map(search.knee, search.best_first(shortlist)[:n].to_dict("records")))
    return Chosen(request, model, asked, cannot, knees, usual, len(everything))


def fill(model: Model, progress: Progress = lambda done, total: None) -> None:
    """Draws and measures all that `choose` may ask the model's pool for, but grades between two."""
    pool(model, None, REFERENCE)
    places = range(len(kl_values(model) or ()))
    for place in places:
        pool(model, place, _each(1), _after(progress, place * _each(1), len(places) * _each(1)))


def _each(grades: int) -> int:
    """Candidates of each of so many grades."""
    return max(1, CANDIDATES // BLOCK // max(1, grades)) * BLOCK


def _after(progress: Progress, before: int, total: int) -> Progress:
    """`progress` for a part of the images."""
    return lambda done, _: progress(before + done, total)


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


def _places(request: Request, model: Model) -> list[float]:
    """The classes' indices, or one between two, of the grades asked for; none where the model has no such grades."""
    values = kl_values(model)
    if request.grades is None or values is None:
        return []
    low, high = request.grades
    wanted = [v for v in values if low <= v <= high] or [(low + high) / 2]
    order = np.argsort(values)
    return np.interp(wanted, np.array(values)[order], order).tolist()


class _Search:
    """What is done with candidates for what is `asked`: N images as a table, with the columns "seed", "place" (as
    `Latent.grade` has it, 0 throughout without classes), a step along each direction, and what is measured of them."""

    def __init__(self, asked: Request, model: Model, directions: Sequence[Direction], usual: Ordinary) -> None:
        self.asked, self.model, self.directions, self.usual = asked, model, directions, usual
        self.steps = [f"step {i}" for i in range(len(directions))]

    def candidates(self, place: float | None, measures: Measures) -> pd.DataFrame:
        """The seeds from 0 on as they are, at a place or, for None, each of its own class."""
        seeds = range(len(measures["brightness"]))
        shares = self.model.config.class_shares
        places = own_labels(seeds, shares).numpy() if shares and place is None else place or 0.0
        return pd.DataFrame(measures | {"seed": seeds, "place": places} | dict.fromkeys(self.steps, 0.0)).astype(
            {"place": float}
        )

    def off(self, found: pd.DataFrame) -> Array:
        """How far each is off what is asked, [N], in standard deviations; 0 where it meets it all."""
        asked, usual = self.asked, self.usual
        squares = np.zeros(len(found))
        for target in asked.targets:
            short = (usual.mark(target) - found[target.quantity].to_numpy()) * (1 if target.more else -1)
            squares += np.nan_to_num(short / usual.spread(target.quantity), nan=_UNREAD).clip(min=0) ** 2
        if asked.grades and "grade" in found:
            low, high = asked.grades
            read = found["grade"].to_numpy()
            squares += np.maximum(low - read, read - high).clip(min=READ) ** 2 - READ**2
        if asked.side:
            squares += np.where(found["knee"] == SIGN[asked.side], 0.0, _WRONG_SIDE**2)
        return np.sqrt(squares)

    def odd(self, found: pd.DataFrame) -> NDArray[np.bool_]:
        """Which are at an end of the model's own in what was not asked for, or cannot be read, [N]."""
        usual, odd = self.usual, np.zeros(len(found), bool)
        for name in (*_OF_ANY, *(("joint_line", "joint_space") if usual.knees else ())):
            low, high = np.nanquantile(usual.measures[name], (_TAIL, 1 - _TAIL))
            values = found[name].to_numpy()
            unasked = name != "joint_space" and name not in {t.quantity for t in self.asked.targets}
            odd |= np.isnan(values) | (unasked & ((values < low) | (values > high)))
        return odd | (found["clipped"] > _CLIPPED) | (usual.knees & (found["inside"] < 0))

    def best_first(self, found: pd.DataFrame) -> pd.DataFrame:
        """Each seed's best candidate, the best of them first: near to what is asked, ordinary in all else, hardly
        moved. Among equals, grades take turns."""
        off = self.off(found)
        price = off + _ODD * self.odd(found) + _STEP * np.linalg.norm(found[self.steps], axis=1)
        turn = (found["seed"] + found["place"]) % found["place"].nunique()
        priced = found.assign(off=off, price=price.round(3), turn=turn)
        return priced.sort_values(["price", "turn", "seed"]).drop_duplicates("seed")

    def moved(self, found: pd.DataFrame) -> pd.DataFrame:
        """Each moved along the directions towards its targets, and measured again."""
        steps = (found[self.steps].to_numpy() + self.moves(found)).clip(-FURTHEST, FURTHEST).round(2)
        found = found.assign(**dict(zip(self.steps, steps.T, strict=True)))
        return found.assign(**look(self.images(found)))

    def moves(self, found: pd.DataFrame) -> Array:
        """Steps [N, directions] that by the directions' measured effects close the gaps to the targets and change
        little else: weighted least squares with a price on the steps."""
        names = list(dict.fromkeys(name for d in self.directions for name in d.effects))
        effects = np.array([[d.effects.get(name, 0.0) for d in self.directions] for name in names])
        weights = np.array([1.0 if name in ("grade", "side") else _HELD for name in names])
        gaps = np.zeros((len(names), len(found)))
        for target in self.asked.targets:
            sign = 1 if target.more else -1
            short = self.usual.mark(target) - found[target.quantity].to_numpy()
            short = short / self.usual.spread(target.quantity)
            gap = np.nan_to_num(np.where(short * sign > 0, short + sign * _PAST, 0.0))
            name = {"medial": "joint_space", "lateral": "joint_space"}.get(target.quantity, target.quantity)
            if target.quantity in ("medial_less", "lateral_less"):
                outwards = found["knee"].to_numpy() * (1 if target.quantity == "medial_less" else -1)
                name, gap = "joint_tilt", gap * outwards
            if name in names:
                i = names.index(name)
                weights[i] = 1.0
                gaps[i] = np.where(np.abs(gap) > np.abs(gaps[i]), gap, gaps[i])
        a = effects * weights[:, None]
        return np.linalg.solve(a.T @ a + _STILL * np.eye(len(self.directions)), a.T @ (gaps * weights[:, None])).T

    def graded(self, found: pd.DataFrame) -> pd.DataFrame:
        """With the grade that the knee encoder reads, where one is asked for; a copy without the encoder goes by the
        grade that the generator was asked for."""
        encoder = grader() if self.asked.grades else None
        return found.assign(**grade(self.images(found), encoder)) if encoder else found

    def images(self, found: pd.DataFrame) -> NDArray[np.uint8]:
        c = mixtures(found["place"].tolist(), len(self.model.class_names))
        with torch.inference_mode():
            w = to_w(self.model.net, latents(found["seed"].tolist(), self.model.config.net.z_dim), c)
            if self.directions:
                steps = torch.from_numpy(found[self.steps].to_numpy().copy()).float()
                w = w + steps @ torch.tensor([d.vector for d in self.directions])
            return render(self.model, w, c)

    def knee(self, row: dict[str, Any]) -> Knee:
        steps = tuple(row[name] for name in self.steps)
        place = row["place"] if self.model.class_names else None
        latent = Latent(model=self.model.digest, seed=int(row["seed"]), grade=place, moves=steps if any(steps) else ())
        return Knee(latent, draw(latent, self.model, self.directions)[0, 0], row, row["off"])
