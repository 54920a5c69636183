"""A toy game as a film: what is drawn at each frame, and its form on the way to a browser or a file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gan_core.errors import UserError
from gan_core.seeds import seed_of
from studio.learn.toy.game import STEPS, Game, settings
from studio.learn.toy.targets import EXTENT, target

SEEDS = range(6)  # few, so that all that can be asked for fits into a cache
FRAMES = 100  # after the first, which shows the networks untrained
EACH = STEPS // FRAMES  # steps of G from one frame to the next
POINTS, ARROWS, SIDE = 256, 48, 32  # fakes drawn; how many of them with an arrow; the field is SIDE x SIDE
JUDGED = 1000  # fakes of a frame on which the counts rest

_LARGEST = 32767


@dataclass(frozen=True)
class Frame:
    """One moment. Distances are in the units of the plane, of which +-EXTENT is drawn."""

    step: int  # of G so far
    d_loss: float | None  # None before the first step
    g_loss: float | None
    covered: int  # clumps, as `Target.judge` counts them
    good: float  # share of fakes on a clump
    fake: NDArray[np.float32]  # [POINTS, 2], of the same z in each frame
    field: NDArray[np.float32]  # D's scores [SIDE, SIDE] at the middles of the cells, the lowest y first
    middle: float  # half way between D's mean score of reals and of fakes
    slope: NDArray[np.float32]  # D's gradient [ARROWS, 2] at the first fakes


def check(game: str, target_name: str, seed: int) -> None:
    """Raises `UserError` where one of the three is not on offer."""
    settings(game)
    target(target_name)
    if seed not in SEEDS:
        raise UserError(f"The seed is a whole number from {SEEDS[0]} to {SEEDS[-1]}.")


def record(game: str, target_name: str, seed: int) -> Iterator[Frame]:
    """Plays `game` from `seed`, a frame at a time: the same numbers each time. Raises `UserError` as `check` does."""
    check(game, target_name, seed)
    config, goal = settings(game), target(target_name)
    played = Game(config, goal, seed)
    rng = torch.Generator().manual_seed(seed_of("toy film", seed))
    z = torch.randn(JUDGED, config.z_dim, generator=rng)
    real = goal.sample(JUDGED, rng).view(-1, 1, 1, 2)
    axis = (torch.arange(SIDE) + 0.5) * (2 * EXTENT / SIDE) - EXTENT
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cells = torch.stack([x, y], -1).view(-1, 1, 1, 2)
    for i in range(FRAMES + 1):
        with torch.no_grad():
            fake = played.generate(z)
            field = played.score(cells).view(SIDE, SIDE)
            middle = (played.score(real).mean() + played.score(fake).mean()) / 2
        points = fake.view(-1, 2)
        at = fake[:ARROWS].requires_grad_(True)
        (slope,) = torch.autograd.grad(played.score(at).sum(), at)
        covered, good = goal.judge(points)
        yield Frame(
            step=i * EACH,
            d_loss=played.d_loss,
            g_loss=played.g_loss,
            covered=covered,
            good=good,
            fake=points[:POINTS].numpy(),
            field=field.numpy(),
            middle=middle.item(),
            slope=slope.view(-1, 2).numpy(),
        )
        if i < FRAMES:
            for _ in range(EACH):
                played.step()


def _packed(values: NDArray[np.floating], span: float) -> str:
    """`values` within +-span as base64 of little-endian int16; what is beyond is at the border."""
    scaled = np.clip(np.asarray(values, np.float64) / span, -1, 1) * _LARGEST
    return base64.b64encode(scaled.round().astype("<i2").tobytes()).decode()


def unpacked(text: str, span: float) -> NDArray[np.float64]:
    """What `_packed` made, flat, to within span / 65534."""
    return np.frombuffer(base64.b64decode(text), "<i2") * (span / _LARGEST)


def encode(frame: Frame) -> dict[str, Any]:
    """`frame` for JSON, 5 kB: arrays as `_packed`; the field's and the slope's span stand beside them."""
    height = float(np.abs(frame.field - frame.middle).max()) or 1.0
    steepest = float(np.abs(frame.slope).max()) or 1.0
    return {
        "step": frame.step,
        "d_loss": None if frame.d_loss is None else round(frame.d_loss, 4),
        "g_loss": None if frame.g_loss is None else round(frame.g_loss, 4),
        "covered": frame.covered,
        "good": round(frame.good, 3),
        "fake": _packed(frame.fake, EXTENT),
        "field": _packed(frame.field - frame.middle, height),
        "height": height,
        "slope": _packed(frame.slope, steepest),
        "steepest": steepest,
    }


def scene(target_name: str) -> dict[str, Any]:
    """What stays the same through a film, for JSON: the target's real points and the sizes of the arrays."""
    goal = target(target_name)
    real = goal.sample(2 * POINTS, torch.Generator().manual_seed(seed_of("toy scene")))
    return {
        "target": target_name,
        "title": goal.title,
        "modes": goal.modes,
        "extent": EXTENT,
        "side": SIDE,
        "frames": FRAMES + 1,
        "real": _packed(real.numpy(), EXTENT),
    }
