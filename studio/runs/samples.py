"""The samples of several runs, in step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gan_core import images
from gan_core.data.decode import MAX_PIXELS
from gan_core.errors import UserError
from gan_core.files import check_own
from gan_core.train.run import Run, number
from studio.runs.member import Axis, Member
from studio.runs.offer import read_result

MAX_SHEET = 1600  # pixels of the longer side of a picture of samples as it is shown


def moments(member: Member, axis: Axis) -> list[tuple[int, float | None]]:
    """(images seen, place on the axis) of each picture of samples, in order; None where the place is not known."""
    places = member.along(list(member.samples), axis)
    return [(nimg, number(float(at))) for nimg, at in zip(member.samples, places, strict=True)]


def read_png(path: Path, folder: Path) -> Image.Image:
    """A PNG of a folder, which may come from elsewhere, as gray ("L").

    Raises `ValueError`, in words, where it is none, is damaged or too large, or leads out of the folder.
    """
    try:
        check_own(path, folder)
        with Image.open(path, formats=["PNG"]) as opened:
            size = opened.width * opened.height
            if size <= MAX_PIXELS:
                return opened.convert("L")
    except Exception as e:  # a decoder fed with damaged bytes raises anything
        raise ValueError("is damaged") from e
    raise ValueError("is too large to be a picture of samples")


def sheet(run: Run, nimg: int, rows: int = 0) -> bytes:
    """The samples after so many images as a PNG: the first `rows` rows of their grid, or with 0 all of it.

    Raises `UserError` where there is no such picture, or it is damaged or too large.
    """
    path = run.samples().get(nimg)
    if path is None:
        raise UserError(f"{run.name} has no samples after {nimg:,} images.")
    try:
        picture = read_png(path, run.path)
    except ValueError as e:
        raise UserError(f"{path.name} of {run.name} {e}.") from e
    if rows and (side := _side(run, picture.width)):
        picture = picture.crop((0, 0, picture.width, min(rows * side, picture.height)))
    picture.thumbnail((MAX_SHEET, MAX_SHEET))
    return images.png(np.asarray(picture))


def _side(run: Run, width: int) -> int:
    """Pixels of one image in a grid of `width` pixels; 0 where neither the result nor the settings tell."""
    if columns := read_result(run).columns:
        return width // columns
    try:
        side = run.config().resolution
    except UserError:
        return 0
    return side if width % side == 0 else 0
