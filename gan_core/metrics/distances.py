"""How far two sets of features lie apart: the Fréchet distance and the kernel distance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from gan_core.errors import UserError

FEWEST = 10  # images on each side; a covariance or an error of fewer says nothing
MOST = 10_000  # images on each side of a kernel distance; more take minutes and hardly change it
BLOCK = 1024  # rows of a kernel matrix in memory at a time
LARGEST = 1e12  # its sixth power, which the kernel distance's error needs, is still a float

Features = NDArray[np.float64]


@dataclass(frozen=True)
class KernelDistance:
    """An estimate without bias, below zero about as often as above where the sets are alike, and its standard error."""

    value: float
    se: float


def checked(a: NDArray[np.floating], b: NDArray[np.floating], measure: str, fewest: int) -> tuple[Features, Features]:
    """Both sets as float64 [N, d] and [M, d].

    Raises:
        UserError: if a set has under `fewest` rows or holds NaN or beyond-all-reason numbers, or the lengths differ.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.shape[1]:
        raise UserError(
            f"{measure} compares features of one length, not arrays of shape {a.shape} and {b.shape}; "
            "take both from the same extractor."
        )
    if min(len(a), len(b)) < fewest:
        raise UserError(
            f"{measure} needs at least {fewest} images on each side; there are {len(a)} and {len(b)}. Use more images."
        )
    for x in (a, b):
        bad = int((~(np.abs(x) < LARGEST)).any(axis=1).sum())
        if bad:
            raise UserError(
                f"{measure} cannot be computed: the features of {bad} of {len(x)} images are not numbers or are "
                "beyond all reason; check the images and the extractor."
            )
    return a.astype(np.float64), b.astype(np.float64)


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of the Gaussians fitted to features [N, d] and [M, d] (Dowson and Landau 1982; as FID,
    Heusel et al. 2017). Never negative. It grows as N and M shrink: only figures of the same N and M compare.

    Raises:
        UserError: as `checked` does; it needs 10 images on each side.
    """
    a, b = checked(a, b, "The Fréchet distance", FEWEST)
    gap = a.mean(axis=0) - b.mean(axis=0)
    r, s = _root(a), _root(b)
    # With covariances RᵀR and SᵀS, tr (RᵀR SᵀS)^(1/2) is the sum of R Sᵀ's singular values. The eigenvalues of the
    # product say the same, but a root of their rounding errors (1e-16) spoils the eighth digit in each dimension.
    overlap = np.linalg.svd(r @ s.T, compute_uv=False).sum()
    return max(0.0, float(gap @ gap + np.square(r).sum() + np.square(s).sum() - 2 * overlap))


def _root(x: Features) -> Features:
    """R [min(N, d), d] with RᵀR the covariance of x [N, d]."""
    return np.linalg.qr((x - x.mean(axis=0)) / np.sqrt(len(x) - 1)).R


def kernel_distance(a: NDArray[np.floating], b: NDArray[np.floating], seed: int = 0) -> KernelDistance:
    """Squared maximum mean discrepancy of features [N, d] and [M, d] with the kernel (x·y / d + 1)³ (KID, Bińkowski et
    al. 2018), unbiased, of all images at once; of more than 10,000 on a side, of that many drawn by `seed`.

    An image that is on both sides does not count as a pair with itself, as none does within a side: so a set is at
    distance 0 from itself. The error is that of independent images, first and second order (see `_variance`).

    Raises:
        UserError: as `checked` does; it needs 10 images on each side.
    """
    a, b = checked(a, b, "The kernel distance", FEWEST)
    rng = np.random.default_rng(seed)
    a, b = (x[rng.permutation(len(x))[:MOST]] if len(x) > MOST else x for x in (a, b))
    within_a, within_b, between = _Kernel.within(a), _Kernel.within(b), _Kernel.between(a, b)
    value = within_a.mean + within_b.mean - 2 * between.mean
    return KernelDistance(float(value), float(np.sqrt(_variance(within_a, within_b, between))))


def _kernel(dot: Features, d: int) -> Features:
    """(t + 1)³ - 1 with t = dot / d. A constant changes no discrepancy, and without it small t keep their digits."""
    t = dot / d
    return t * (t * (t + 3) + 3)


@dataclass(frozen=True)
class _Kernel:
    """Of a kernel matrix [n, m], all that its mean and variance need."""

    rows: Features  # [n], sums
    columns: Features  # [m], sums
    mean: float
    noise: float  # variance of what remains of k(x, y) once what x and y each contribute is taken off

    @staticmethod
    def within(x: Features) -> _Kernel:
        """Of a set and itself, the diagonal left out. The noise is Székely and Rizzo's U-centred (2014)."""
        n, d = x.shape
        rows, _, squares = _sums(x, x)
        diagonal = _kernel(np.square(x).sum(axis=1), d)
        rows -= diagonal
        squares -= np.square(diagonal).sum()
        total = rows.sum()
        rest = squares - 2 * np.square(rows).sum() / (n - 2) + total**2 / ((n - 1) * (n - 2))
        return _Kernel(rows, rows, total / (n * (n - 1)), rest / (n * (n - 3)))

    @staticmethod
    def between(x: Features, y: Features) -> _Kernel:
        """Of two sets. The noise is a two-way table's residual variance."""
        n, m = len(x), len(y)
        rows, columns, squares = _sums(x, y)
        total = rows.sum()
        rest = squares - np.square(rows).sum() / m - np.square(columns).sum() / n + total**2 / (n * m)
        same = _shared(x, y)
        mean = (total - _kernel(np.square(same).sum(axis=1), x.shape[1]).sum()) / (n * m - len(same))
        return _Kernel(rows, columns, mean, rest / ((n - 1) * (m - 1)))


def _sums(x: Features, y: Features) -> tuple[Features, Features, float]:
    """Sums over the rows [n] and the columns [m] of the kernel matrix, and of its squares."""
    rows, columns, squares = np.empty(len(x)), np.zeros(len(y)), 0.0
    for part in gen_batches(len(x), BLOCK):
        k = _kernel(x[part] @ y.T, x.shape[1])
        rows[part] = k.sum(axis=1)
        columns += k.sum(axis=0)
        squares += np.square(k).sum()
    return rows, columns, squares


def _shared(x: Features, y: Features) -> Features:
    """The rows that both sets have, as often as both have them."""
    counts = [Counter(row.tobytes() for row in z + 0.0) for z in (x, y)]  # + 0.0 makes a zero of a minus zero
    return np.frombuffer(b"".join((counts[0] & counts[1]).elements())).reshape(-1, x.shape[1])


def _variance(a: _Kernel, b: _Kernel, between: _Kernel) -> float:
    """Variance of the unbiased discrepancy over draws of both sets: its Hoeffding decomposition, each part estimated
    without bias (the parts as in Sutherland and Deka 2019).

    The first order is how much the witness function varies over the images; it vanishes where the sets are alike, and
    the second, of pairs, is all there is. A jackknife counts the second order twice.
    """
    n, m = len(a.rows), len(b.rows)
    witness_a = (a.rows / (n - 2) - between.rows / m).var(ddof=1) - a.noise / (n - 2) - between.noise / m
    witness_b = (b.rows / (m - 2) - between.columns / n).var(ddof=1) - b.noise / (m - 2) - between.noise / n
    first = 4 * witness_a / n + 4 * witness_b / m
    second = 2 * a.noise / (n * (n - 1)) + 2 * b.noise / (m * (m - 1)) + 4 * between.noise / (n * m)
    return max(first, 0.0) + max(second, 0.0)
