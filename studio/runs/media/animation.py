"""A run's sample pictures as a film: the same seeds from the first image to the last. GIF always, MP4 with ffmpeg."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_core.errors import UserError
from gan_core.train.run import Run
from studio.runs.media import video
from studio.runs.samples import read_png

MAX_FRAMES = 120
MAX_PIXELS = 24_000_000  # over all frames: film grain hardly compresses, so that a GIF has about a byte for each
MAX_SIDE = 720  # a larger picture is scaled down to it
MIN_SIDE = 320  # a smaller one is enlarged by a whole factor, so that its pixels stay square and the caption legible
HOLD_SECONDS = 2.0  # the last frame stays so long
FRAME_SECONDS = (0.02, 0.5)  # browsers slow a GIF down below the first; few pictures do not crawl past the second
BACKGROUND, INK = 12, 170
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class _Film:
    frames: list[np.ndarray]  # uint8 [H, W], all of one size, both sides even as video needs
    seconds: float  # of each frame


def animation_gif(run: Run, seconds: float = 6.0) -> bytes:
    """The samples of `run` in order, with the images seen under each, as a GIF that plays for ever.

    It lasts about `seconds` and then holds the last picture. Damaged pictures are left out. Raises `UserError` where
    there is none to show.
    """
    film = _film(run, seconds)
    durations = [round(film.seconds * 1000)] * len(film.frames)
    durations[-1] += round(HOLD_SECONDS * 1000)
    return video.gif(film.frames, durations)


def animation_mp4(run: Run, seconds: float = 6.0) -> bytes:
    """The same film as `animation_gif`'s in H.264. Raises `UserError` as `video.mp4` does."""
    film = _film(run, seconds)
    held = film.frames[-1:] * round(HOLD_SECONDS / film.seconds)
    return video.mp4([*film.frames, *held], 1 / film.seconds)


def _film(run: Run, seconds: float) -> _Film:
    frames = [_captioned(picture, nimg) for nimg, picture in _pictures(run)]
    low, high = FRAME_SECONDS
    return _Film(frames, min(high, max(low, seconds / len(frames))))


def _pictures(run: Run) -> list[tuple[int, np.ndarray]]:
    """(images seen, uint8 [H, W]) of samples evenly chosen, the first and the last among them, within the limits."""
    samples = list(run.samples().items())
    last = next((picture for _, path in reversed(samples) if (picture := _read(run, path)) is not None), None)
    if last is None:
        raise UserError(f"{run.name} has no sample pictures yet: let it train until the first ones appear.")
    most = min(MAX_FRAMES, max(2, MAX_PIXELS // last.size))
    read = ((nimg, _read(run, path)) for nimg, path in _evenly(samples, most))
    return [(nimg, p) for nimg, p in read if p is not None and p.shape == last.shape] or [(samples[-1][0], last)]


def _evenly(items: Sequence[tuple[int, Path]], most: int) -> list[tuple[int, Path]]:
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _read(run: Run, path: Path) -> np.ndarray | None:
    """The picture as uint8 [H, W], its longer side between the two limits; None where it is damaged."""
    try:
        picture = read_png(path, run.path)
    except ValueError:
        return None
    longer = max(picture.size)
    if longer > MAX_SIDE:
        width, height = (max(1, round(side * MAX_SIDE / longer)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    elif longer < MIN_SIDE:
        factor = -(-MIN_SIDE // longer)
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    return np.asarray(picture)


def _captioned(picture: np.ndarray, nimg: int) -> np.ndarray:
    """The picture over a line that says how many images had been seen, with both sides even."""
    height, width = picture.shape
    font_size = max(14, width // 40)
    font = ImageFont.load_default(font_size)
    band = 2 * font_size
    sheet = Image.new("L", (width + width % 2, height + band + (height + band) % 2), BACKGROUND)
    sheet.paste(Image.fromarray(picture, "L"))
    draw = ImageDraw.Draw(sheet)
    middle, margin = height + band / 2, font_size / 2
    text = f"{nimg:,} images seen"
    draw.text((margin, middle), text, INK, font, anchor="lm")
    if draw.textlength(text, font) + draw.textlength(SYNTHETIC, font) + 4 * margin < width:
        draw.text((width - margin, middle), SYNTHETIC, INK, font, anchor="rm")
    return np.asarray(sheet)
