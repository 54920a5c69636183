"""A procedural knee radiograph with its ground truth, so that everything runs with no download and no patient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from gan_core.errors import UserError
from studio.knee.phantom import film
from studio.knee.phantom.anatomy import thickness
from studio.knee.phantom.params import GRADES, PhantomParams, Purpose, sample_params, stream

__all__ = ["GRADES", "PhantomParams", "phantom", "render", "sample_params"]

_CHUNK_PIXELS = 1 << 17  # working arrays of a chunk this size stay in the processor's cache


def phantom(
    n: int, resolution: int, first_seed: int = 0, grade: int | None = None
) -> tuple[NDArray[np.uint8], list[PhantomParams]]:
    """`n` phantoms from the seeds first_seed, first_seed + 1, ...: uint8 [n, 1, resolution, resolution] and parameters.

    Raises:
        UserError: as `sample_params` and `render` do.
    """
    if n < 1:
        raise UserError(f"{n} phantoms were asked for; ask for one or more.")
    params = [sample_params(first_seed + i, grade) for i in range(n)]
    return render(params, resolution), params


def render(params: Sequence[PhantomParams], resolution: int, grain: bool = True) -> NDArray[np.uint8]:
    """Radiographs of the knees: uint8 [N, 1, resolution, resolution], bone white.

    An image depends on its own parameters and the resolution alone. Without grain it is the film's expected value,
    for measuring.

    Raises:
        UserError: if the resolution is not in 16..1024.
    """
    if not 16 <= resolution <= 1024:
        raise UserError(f"The phantom's resolution is {resolution}; use 16 to 1024 pixels.")
    images = np.empty((len(params), 1, resolution, resolution), np.uint8)
    step = max(1, _CHUNK_PIXELS // resolution**2)

    def fill(first: int) -> None:
        images[first : first + step, 0] = _render_chunk(params[first : first + step], resolution, grain)

    # Threads help because NumPy lets go of the interpreter inside its loops.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        list(pool.map(fill, range(0, len(params), step)))
    return images


def _render_chunk(params: Sequence[PhantomParams], resolution: int, grain: bool) -> NDArray[np.uint8]:
    def column(values: Sequence[float]) -> NDArray[np.float32]:
        return np.array(values, np.float32)[:, None, None]

    intensity = film.transmitted(*thickness(params, resolution))
    for i, p in enumerate(params):
        if p.side == "R":
            intensity[i] = intensity[i, :, ::-1].copy()
    noise = None
    if grain:
        shape = (resolution, resolution)
        noise = np.stack([stream(p.seed, Purpose.GRAIN).standard_normal(shape, np.float32) for p in params])
    # The exposure is set by the leg's thickness, as an automatic exposure control does: soft tissue is middle grey.
    reference = column([np.exp(-film.MU_MUSCLE * 2 * p.leg_half_depth_mm) for p in params])
    photons = column([p.photons_per_mm2 * p.mm_per_pixel(resolution) ** 2 for p in params])
    exposed = film.expose(intensity, reference, photons, noise)
    stops = column([p.exposure_stops for p in params])
    return film.develop(exposed, reference, stops, column([p.film_contrast for p in params]))
