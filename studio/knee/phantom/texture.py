"""Seamless tiles of random texture, made once by shaping white noise in Fourier space."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import uniform_filter

Array = NDArray[np.floating]

_TILE_PIXELS = 1024
_TILE_MM = 102.4
_NOMINAL_FIELD_MM = 98.0  # of a phantom


def _from_spectrum(amplitude: Array, seed: int) -> Array:
    white = np.random.Generator(np.random.Philox(seed)).standard_normal((_TILE_PIXELS,) * 2, np.float32)
    tile = fft.irfft2(fft.rfft2(white) * amplitude)
    return (tile - tile.mean()) / tile.std()


@cache
def _full_tile(kind: str) -> Array:
    pitch_mm = _TILE_MM / _TILE_PIXELS
    fy = fft.fftfreq(_TILE_PIXELS, pitch_mm).astype(np.float32)[:, None]  # cycles per mm
    fx = fft.rfftfreq(_TILE_PIXELS, pitch_mm).astype(np.float32)[None, :]
    f = np.hypot(fx, fy)
    if kind == "trabecular":
        # Struts about a millimetre apart, short ones and long ones, that run along the load; and a slower mottle.
        struts = np.zeros_like(f)
        for stretch, pitch, weight in ((6, 0.9, 1.0), (16, 0.7, 1.2)):
            u = np.hypot(fx, stretch * fy) / pitch
            struts += weight * u**2 / (1 + u**2) ** 2
        struts *= np.exp(-((f / 2.2) ** 2))
        mottle = (f / 0.05) ** 2 / (1 + (f / 0.05) ** 2) / (0.05 + f) ** 1.5 * np.exp(-((f / 0.8) ** 2))
        return _from_spectrum(struts + 0.025 * mottle, seed=1)
    # Soft tissue: smooth, mostly along the leg.
    stretched = np.hypot(fx, 2.5 * fy)
    return _from_spectrum(np.exp(-((f / 0.3) ** 2)) / (0.02 + stretched) ** 2, seed=2)


@cache
def _tiles(step: int, average: int) -> tuple[Array, Array]:
    """Both tiles, the mean of every `average` pixels kept at every `step`-th, flattened."""
    trabecular, soft = (
        uniform_filter(_full_tile(kind), average, mode="wrap")[::step, ::step].ravel()
        for kind in ("trabecular", "soft")
    )
    return trabecular, soft


def sample(x: Array, y: Array) -> tuple[Array, Array]:
    """The endless textures of trabecular bone and of soft tissue, each [N, R, R], on the grids x by y.

    Of unit variance when fine; a coarse grid gets the mean over about a pixel.

    Args:
        x, y: [N, R] in mm, evenly spaced.
    """
    # Of the nominal field, not of these knees': the tiles must not depend on the company a knee is in.
    pixel = _NOMINAL_FIELD_MM / x.shape[1] * _TILE_PIXELS / _TILE_MM
    step = 1
    while 4 * step <= pixel and step < 64:
        step *= 2
    n = _TILE_PIXELS // step
    scale = np.float32(n / _TILE_MM)
    column = np.floor(x * scale).astype(np.intp) % n
    row = np.floor(y * scale).astype(np.intp) % n
    index = row[:, :, None] * n + column[:, None, :]
    trabecular, soft = _tiles(step, max(1, round(pixel)))
    return trabecular.take(index), soft.take(index)
