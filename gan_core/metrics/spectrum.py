"""How much detail images have at each scale, and which grays: their power spectrum and their histogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2
from scipy.signal.windows import hann
from sklearn.utils import gen_batches

from gan_core.errors import UserError

SMALLEST = 8  # pixels a side; the window blurs three frequencies into one, and of fewer nothing is left
FAINTEST = 1e-6  # gray levels squared; far below the rounding of gray levels, 1/12, and its logarithm is finite
BATCH = 64  # images


def radial_power(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power of images [N, 1, H, W] over all directions: frequency [B] in cycles per pixel, up to 0.5, and log10
    power [B] in gray levels squared, where B is half the shorter side.

    Noise of variance v has the power v at every frequency, whatever the size of the images.

    Raises:
        UserError: without images, if a side is under 8 pixels, or if each image is of one gray.
    """
    height, width = images.shape[2:]
    if not len(images) or min(height, width) < SMALLEST:
        raise UserError(
            f"A power spectrum needs at least 1 image of {SMALLEST} pixels a side; "
            f"there are {len(images)} of {height}x{width}."
        )
    # The frame's left edge continues in its right one, and the jump between them is no detail: fade out to the edges.
    window = np.outer(hann(height, sym=False), hann(width, sym=False))
    power = np.zeros((height, width))
    for part in gen_batches(len(images), BATCH):
        x = images[part, 0].astype(np.float64)
        mean = (x * window).sum(axis=(1, 2), keepdims=True) / window.sum()
        spectrum = fft2((x - mean) * window)
        power += (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    power /= len(images) * np.square(window).sum()
    if power.max() < FAINTEST:
        raise UserError(f"A power spectrum needs images with something in them; each of these {len(images)} is flat.")

    side = min(height, width)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) * side
    bins = np.rint(radius).astype(int).ravel()
    mean_power = (np.bincount(bins, power.ravel()) / np.bincount(bins))[1 : side // 2 + 1]
    return np.arange(1, side // 2 + 1) / side, np.log10(np.maximum(mean_power, FAINTEST))


def spectrum_gap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Root mean square difference, in dB, of two curves of log10 power [B], as `radial_power` gives them.

    Raises:
        UserError: if the curves are of images of different size.
    """
    if a.shape != b.shape:
        raise UserError(f"Spectra of {len(a)} and {len(b)} frequencies do not compare; use images of one size.")
    return float(10 * np.sqrt(np.mean(np.square(a - b))))


def intensity_histogram(images: NDArray[np.uint8], bins: int = 64) -> NDArray[np.float64]:
    """The share of pixels [bins] in each of `bins` equal ranges of gray, dark to bright; the sum is 1.

    Raises:
        UserError: without images, or unless `bins` divides 256: else some ranges would have a gray level more.
    """
    if not images.size:
        raise UserError("A histogram needs at least 1 image.")
    if bins < 1 or 256 % bins:
        raise UserError(f"A histogram of 256 gray levels cannot have {bins} equal ranges; use 16, 32, 64, 128 or 256.")
    counts = sum(np.bincount(images[part].ravel(), minlength=256) for part in gen_batches(len(images), BATCH))
    return np.asarray(counts).reshape(bins, -1).sum(axis=1) / images.size
