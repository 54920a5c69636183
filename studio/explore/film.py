"""The loop through seeds as a film that plays for ever: GIF always, MP4 with ffmpeg."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gan_core.generate import render_batches
from gan_core.model import Model
from studio.explore.directions import Direction
from studio.explore.latent import Latent, on_loop, points
from studio.runs.media import video

RATE = 25  # frames a second; a GIF, which hardly compresses grain, has every other one
SIDES = (256, 512)  # of the film's picture, at least and at most
MOST_FRAMES = 400  # a longer loop has fewer a second
CAPTION = "synthetic, not for diagnosis"
INK, BACKGROUND, BAND = 170, 12, 28

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Film:
    frames: list[NDArray[np.uint8]]  # [H, W], all of one size, both sides even as video needs
    rate: float  # frames a second


def loop_film(
    latent: Latent,
    model: Model,
    directions: Sequence[Direction],
    seconds: float = 2.0,
    progress: Progress = lambda done, total: None,
) -> Film:
    """The loop through a latent's seeds, `seconds` from each to the next; its last frame leads to its first.

    All else of the latent, such as its grade, holds throughout. `progress` gets (frames, of how many).

    Raises `UserError` where it has no seeds.
    """
    corners = len(latent.seeds or (0,))
    steps = max(2, min(round(seconds * RATE), MOST_FRAMES // corners))
    at = loop_times(corners, steps)
    z = on_loop(latent, model, torch.from_numpy(at).float())
    batches = render_batches(model, *points(latent, model, directions, z))
    return Film(list(_framed(batches, len(z), progress)), steps / seconds)


def loop_times(n: int, steps: int) -> NDArray[np.float64]:
    """`steps` places a leg of a loop through n corners, slow at each corner, so that the motion has no kink there."""
    t = np.arange(steps) / steps
    return (np.arange(n)[:, None] + t * t * (3 - 2 * t)).ravel()


def _framed(batches: Iterator[NDArray[np.uint8]], total: int, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    done = 0
    for batch in batches:
        for image in batch:
            yield _captioned(image[0])
        done += len(batch)
        progress(done, total)


def _captioned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At the film's size, over a line that says what it is."""
    side = min(max(image.shape[0] + image.shape[0] % 2, SIDES[0]), SIDES[1])
    sheet = Image.new("L", (side, side + BAND), BACKGROUND)
    sheet.paste(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    font = ImageFont.load_default(14)
    ImageDraw.Draw(sheet).text((side / 2, side + BAND / 2), CAPTION, INK, font, anchor="mm")
    return np.asarray(sheet)


def gif(film: Film) -> bytes:
    """The film as a GIF that plays for ever."""
    frames = film.frames[::2]
    return video.gif(frames, [round(2000 / film.rate)] * len(frames))


def mp4(film: Film) -> bytes:
    """The same in H.264. Raises `UserError` as `video.mp4` does."""
    return video.mp4(film.frames, film.rate)
