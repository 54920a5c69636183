"""Find this knee: the latent whose picture is nearest to an image, by descent.

As StyleGAN2's projector (Karras et al. 2020) and Image2StyleGAN (Abdal et al. 2019) do: the loss is of pixels and of a
network's features, here the knee encoder's, which says whether two images look alike to a reader of knees rather than
whether their grain agrees. Several starts, since a descent ends in the valley it starts in. What the model's z cannot
say is left to a small offset of its point, so that grade, variety and directions move what was found like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_core.errors import UserError
from gan_core.generate import generate, render
from gan_core.images import resize, to_float, to_uint8
from gan_core.latent import latents, mixtures, own_labels, to_w
from gan_core.model import Model
from gan_core.networks import has_mapping
from studio.explore.directions import HELD, KEPT
from studio.explore.latent import Latent, draw
from studio.explore.memo import Memo
from studio.knee.encoder.net import Encoder, load_encoder
from studio.knee.extractor import FOLDER

STEPS = 240
CANDIDATES = 255  # seeds looked at for the starts, besides z = 0, the middle
SHORTLIST = 24  # of them, by their pixels, are compared by features too
STARTS = 4
TRIAL = 0.25  # share of the steps after which only the best start goes on
RATE = 0.05
FEATURES = 0.1  # weight of the features' distance, beside a mean squared error of pixels in [-1, 1]
SMALL = 0.002  # weight of the offset's square
OWN_SEEDS = (1_000_003, 1_000_033)  # of the model's own images, for comparison: no candidates
SHOW_EVERY = 5  # steps
_LIKE, _NEAR = 0.9, 0.5  # shares of the way from a blind choice to the model's own images


@dataclass(frozen=True)
class Found:
    """The best picture so far, and how near it is."""

    latent: Latent
    image: NDArray[np.uint8]  # [R, R]
    error: float  # root mean square difference to the target, in gray levels of 255
    chance: float  # the same of a seed picked blindly: the median over many
    done: int  # steps, of ...
    total: int
    grades: tuple[float, float] | None = None  # as the encoder reads them, in the target and in what was found


Progress = Callable[[Found], None]
_memo: Memo[dict[str, float]] = Memo("directions", dict[Literal["error"], float], KEPT, HELD)


@torch.enable_grad()
def project(
    target: NDArray[np.uint8], model: Model, steps: int = STEPS, progress: Progress = lambda found: None
) -> Found:
    """The latent of `model` whose picture is nearest to `target` [R, R], R being the model's resolution.

    `progress` is told the best so far; it may raise to stop, and what it was told last is then what there is. The same
    target gives the same latent.

    Raises:
        UserError: if the target has another size, or is of one gray level only.
    """
    side = model.config.net.resolution
    if target.shape != (side, side):
        raise UserError(f"The image must be {side} x {side} pixels for this model.")
    if target.min() == target.max():
        raise UserError("The image has only one gray level: there is nothing to find.")
    search = _Search(model, target[None, None], steps, progress)
    trial = max(1, round(TRIAL * steps))
    tried = search.descend(search.starts(STARTS), range(trial))
    return search.found(search.descend(tried.best(), range(trial, steps)), steps, graded=True)


def own_error(model: Model, steps: int = STEPS, progress: Callable[[int, int], None] = lambda d, t: None) -> float:
    """How near the search comes to images that the model itself has made: the mean of `Found.error` over a few.

    What it misses there is the search's fault; what it misses beyond that, the model cannot draw. Kept in the cache.
    """

    def find() -> dict[str, float]:
        images = generate(model, OWN_SEEDS)
        errors = []
        for i, image in enumerate(images):

            def show(found: Found, before: int = i * steps) -> None:
                progress(before + found.done, len(images) * steps)

            errors.append(project(image[0], model, steps, show).error)
        return {"error": float(np.mean(errors))}

    return _memo.get(model, f"own{steps}", find)["error"]


def likeness(found: Found, own: float) -> str:
    """What an error means, in a sentence: where it lies between that of a seed picked blindly and `own_error`."""
    way = (found.chance - found.error) / max(found.chance - own, 1.0)
    if way > _LIKE:
        return "About as close as for its own images: the model can draw this knee."
    if way > _NEAR:
        return "Close, though not as close as for its own images: a knee of this kind, not this very one."
    return "Far off: the model cannot draw this image, and this is the nearest it can get."


@dataclass(frozen=True)
class _At:
    """Where a descent of N starts is."""

    z: Tensor  # [N, z_dim]
    offset: Tensor  # [N, z_dim]
    c: Tensor | None  # [N, num_classes]
    losses: Tensor  # [N]

    def best(self) -> _At:
        """The one start of the smallest loss."""
        i = [int(self.losses.argmin())]
        return _At(self.z[i], self.offset[i], None if self.c is None else self.c[i], self.losses[i])


class _Search:
    def __init__(self, model: Model, target: NDArray[np.uint8], steps: int, progress: Progress) -> None:
        self.model, self.steps, self.progress = model, steps, progress
        self.net: Any = model.net
        self.mapped = has_mapping(self.net)
        self.target = to_float(np.array(target))  # a copy, since PyTorch takes no read-only array
        self.encoder: Encoder | None = None
        with suppress(UserError):  # a copy without the encoder goes by pixels alone
            self.encoder = load_encoder(FOLDER)
        with torch.no_grad():
            self.features, self.grade = self._read(self.target)
            sample = latents(range(CANDIDATES), model.config.net.z_dim)
            self.candidates = torch.cat([torch.zeros_like(sample[:1]), sample])
            self.labels = self._labels()
            self.own = to_w(self.net, self.candidates, self.labels)
        self.chance = math.inf
        self.scale = self.own.std(0).mean()  # of the model's points: what an offset is small against

    def _read(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The encoder's features of images, and its grade where that is the model's grade too."""
        if self.encoder is None:
            return None, None
        features, logits = self.encoder(resize(x, self.encoder.config.resolution))
        same = self.encoder.config.class_names == self.model.class_names
        grades = torch.arange(logits.shape[1], dtype=logits.dtype)
        return features, logits.softmax(1) @ grades if same else None

    def _labels(self) -> Tensor | None:
        """c of each candidate: the target's grade where the encoder reads it, else the candidate's own class."""
        shares, n = self.model.config.class_shares, len(self.candidates)
        if not shares:
            return None
        grades = own_labels(range(n), shares) if self.grade is None else self.grade.expand(n)
        return mixtures(grades.tolist(), len(shares))

    def losses(self, x: Tensor) -> Tensor:
        """[N] of images [N, 1, R, R]."""
        loss = (x - self.target).square().mean((1, 2, 3))
        if self.features is not None:
            features, _ = self._read(x)
            assert features is not None
            loss = loss + FEATURES * (features - self.features).square().sum(1) / self.features.square().sum(1)
        return loss

    @torch.no_grad()
    def starts(self, n: int) -> _At:
        """The `n` candidates nearest to the target."""
        images = to_float(render(self.model, self.own, self.labels))
        squares = (images - self.target).square().mean((1, 2, 3))
        self.chance = float(squares.sqrt().median()) * 127.5
        near = squares.argsort()[:SHORTLIST]
        losses = self.losses(images[near])
        order = losses.argsort()[:n]
        z, c = self.candidates[near[order]], None if self.labels is None else self.labels[near[order]]
        return _At(z, torch.zeros_like(z), c, losses[order])

    def descend(self, start: _At, steps: range) -> _At:
        """Steps number `steps` from each start, each start for itself; the best that each came by."""
        z, offset, c = start.z.clone().requires_grad_(), start.offset.clone().requires_grad_(self.mapped), start.c
        # Adam's step is about the rate whatever the gradient, so the offset is in units of the points' own spread.
        adam = torch.optim.Adam([z, offset] if self.mapped else [z], lr=RATE, betas=(0.9, 0.99))
        best = replace(start, losses=torch.full((len(z),), math.inf))
        for i in steps:
            adam.param_groups[0]["lr"] = RATE * min(1.0, 2 * (1 - i / self.steps))
            losses = self.losses(self.net.synthesis(to_w(self.net, z, c, offset=offset * self.scale), c))
            with torch.no_grad():
                won = losses < best.losses
                better = [torch.where(won[:, None], now, had) for now, had in ((z, best.z), (offset, best.offset))]
                best = _At(better[0], better[1], c, torch.where(won, losses, best.losses))
            adam.zero_grad()
            (losses.sum() + SMALL * offset.square().mean(1).sum()).backward()
            adam.step()
            if (done := i + 1) % SHOW_EVERY == 0 or done == self.steps:
                self.progress(self.found(best, done))
        return best

    def found(self, at: _At, done: int, graded: bool = False) -> Found:
        at = at.best()
        grade = None if at.c is None else float(at.c[0] @ torch.arange(at.c.shape[1], dtype=at.c.dtype))
        latent = Latent(
            model=self.model.digest,
            z=tuple(at.z[0].clamp(-99, 99).tolist()),
            offset=tuple((at.offset[0] * self.scale).clamp(-99, 99).tolist()) if self.mapped else None,
            grade=grade,
        )
        image = draw(latent, self.model)  # by way of the latent, so that it is what a file or link brings back
        grades = None
        if graded and self.grade is not None:
            with torch.no_grad():
                _, read = self._read(to_float(image))
            assert read is not None
            grades = float(self.grade), float(read)
        error = float(np.square(image.astype(float) - to_uint8(self.target)).mean() ** 0.5)
        return Found(latent, image[0, 0], error, self.chance, done, self.steps, grades)
