"""One image from somewhere else, on its way to a model: decoded as data sets are, trusting nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan_core.data.decode import MAX_FILE_BYTES, Fit, Unusable, frames, square
from gan_core.data.source import File
from gan_core.errors import UserError
from studio.data.crops import CroppedFiles, Film
from studio.data.options import KNEES, Options
from studio.knee.localizer import Knee, cut, framed, is_crop

Which = Literal["", "R", "L", "whole"]


class Target(NamedTuple):
    """A knee as a model sees it."""

    image: NDArray[np.uint8]  # [R, R]
    side: str = ""  # "R", "L", or "" where it is not known
    mm: float | None = None  # a pixel's side, where it is known


def read_image(content: bytes, name: str, resolution: int, fit: Fit = "crop") -> NDArray[np.uint8]:
    """The first image of a PNG, JPEG, TIFF or DICOM file as a model sees it: gray, [resolution, resolution].

    Raises `UserError` where it is no image, is damaged, or asks for too much.
    """
    with _readable(content, name):
        for frame in frames(BytesIO(content), name, resolution):
            return square(frame.image, resolution, fit)
    raise UserError(f"{name[-80:]} holds no image. Give a PNG, JPEG, TIFF or DICOM image.")


def read_film(content: bytes, name: str) -> Film:
    """The first image of a file as a film, its knees found. Raises `UserError` as `read_image` does."""
    file = File(name[-80:], partial(BytesIO, content), len(content))
    with _readable(content, name):
        films = CroppedFiles("upload", lambda: [file], (), options=Options(crop=KNEES)).of_file(file, lambda film: True)
        for film, pixels in films:
            return replace(film, decode=partial(np.asarray, pixels))
    raise UserError(f"{name[-80:]} holds no image. Give a PNG, JPEG, TIFF or DICOM image.")


def read_knee(content: bytes, name: str, resolution: int, which: Which = "", fit: Fit = "crop") -> Target:
    """The knee on a picture as a model sees it; a crop, and what is asked for as "whole", is taken as it is.

    Raises `UserError` as `read_image` does, or where there is no knee, or no single one of those asked for.
    """
    if which == "whole":
        return Target(read_image(content, name, resolution, fit))
    film = read_film(content, name)
    if is_crop(film.size[::-1], film.knees):
        knee, across = film.knees[0], min(film.size) if fit == "crop" else max(film.size)
        return Target(read_image(content, name, resolution, fit), knee.side, knee.mm and knee.mm * across / resolution)
    if not film.knees:
        raise UserError(f"No knee was found on {film.name}, so nothing is looked for; --knee whole takes all of it.")
    knees = [knee for knee in film.knees if which in ("", knee.side)]
    if len(knees) != 1:
        sides = ", ".join(knee.side or "side not known" for knee in film.knees)
        raise UserError(f"{film.name} shows these knees: {sides}. Name one with --knee R or --knee L.")
    knee = framed(knees[0])
    return Target(seen(film, knee, resolution), knee.side, knee.mm and knee.mm * knee.side_px / resolution)


def seen(film: Film, knee: Knee, resolution: int) -> NDArray[np.uint8]:
    """A knee's box as a model sees it: cut out at the film's own scale, then resized as training images are."""
    pixels = film.pixels
    whole = cut(pixels, knee, max(1, min(round(knee.side_px), max(pixels.shape))))
    return square(Image.fromarray(whole), resolution, "crop")


@contextmanager
def _readable(content: bytes, name: str) -> Iterator[None]:
    short = name[-80:]
    if len(content) > MAX_FILE_BYTES:
        raise UserError(f"{short} is larger than {MAX_FILE_BYTES // 2**20} MiB: give a single image.")
    try:
        yield
    except Unusable as e:
        raise UserError(f"{short} cannot be read: {e}. Give a PNG, JPEG, TIFF or DICOM image.") from e
