"""One image from somewhere else, on its way to a model: decoded as data sets are, trusting nothing."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from gan_core.data.decode import MAX_FILE_BYTES, Fit, Unusable, frames, square
from gan_core.errors import UserError


def read_image(content: bytes, name: str, resolution: int, fit: Fit = "crop") -> NDArray[np.uint8]:
    """The first image of a PNG, JPEG, TIFF or DICOM file as a model sees it: gray, [resolution, resolution].

    Raises `UserError` where it is no image, is damaged, or asks for too much.
    """
    short = name[-80:]
    if len(content) > MAX_FILE_BYTES:
        raise UserError(f"{short} is larger than {MAX_FILE_BYTES // 2**20} MiB: give a single image.")
    try:
        for frame in frames(BytesIO(content), name, resolution):
            return square(frame.image, resolution, fit)
    except Unusable as e:
        raise UserError(f"{short} cannot be read: {e}. Give a PNG, JPEG, TIFF or DICOM image.") from e
    raise UserError(f"{short} holds no image. Give a PNG, JPEG, TIFF or DICOM image.")
