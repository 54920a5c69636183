"""Measures of sets against torch-fidelity, torchmetrics, the papers' definitions and theorems; and on real knees."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from paths import KNEES
from scipy.ndimage import gaussian_filter
from scipy.stats import special_ortho_group
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gan_core import data
from gan_core.errors import UserError
from gan_core.metrics import distances, manifold
from gan_core.metrics.distances import frechet_distance, kernel_distance
from gan_core.metrics.manifold import Prdc, prdc
from gan_core.metrics.spectrum import intensity_histogram, radial_power, spectrum_gap
from gan_core.metrics.variety import betas, ms_ssim_variety
from studio.evaluate.extractors import open_extractor


def normal(n, d, seed=0, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, (n, d))


def noise_images(n, height, width=None, seed=0, low=0, high=256):
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (n, 1, height, width or height)).astype(np.uint8)


def smooth_images(n, side, seed=0):
    """Soft blobs: like one another as far as chance has it, with detail at every scale."""
    x = gaussian_filter(np.random.default_rng(seed).normal(size=(n, 1, side, side)), (0, 0, 2, 2))
    return np.clip(128 + 200 * x, 0, 255).astype(np.uint8)


def mixed(n, d, seed):
    """Features with correlations, a mean of their own and a skew, as an extractor has them."""
    return np.maximum(normal(n, d, seed) @ normal(d, d, 99) / math.sqrt(d) + normal(1, d, 98), -0.5)


SIZES = [(300, 300, 16), (80, 120, 48), (40, 30, 64)]  # the last: fewer images than dimensions
PAIRS = [(mixed(n, d, 1), 1.1 * mixed(m, d, 2) + 0.2) for n, m, d in SIZES]
each_pair = pytest.mark.parametrize(("a", "b"), PAIRS, ids=[f"{n}, {m} of {d}" for n, m, d in SIZES])


class Given(torch.nn.Module):
    """An "extractor" whose images are features already."""

    def __init__(self, d):
        super().__init__()
        self.num_features = d

    def forward(self, x):
        return x


def by_torchmetrics(metric, a, b):
    metric.update(torch.from_numpy(a), real=True)
    metric.update(torch.from_numpy(b), real=False)
    return metric.compute()


# Fréchet distance


@each_pair
def test_frechet_distance_agrees_with_the_libraries(a, b):
    ours = frechet_distance(a, b)
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b)]
    fidelity = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    metrics = by_torchmetrics(FrechetInceptionDistance(feature=Given(a.shape[1])).set_dtype(torch.float64), a, b)
    assert ours == pytest.approx(fidelity, rel=1e-4)
    assert ours == pytest.approx(metrics.item(), rel=1e-4)


@each_pair
@pytest.mark.parametrize("mean", [0, 1000])
def test_frechet_distance_of_a_set_to_itself_is_zero_within_rounding(a, b, mean):
    for x in (a + mean, b + mean):
        spread = x.var(axis=0).sum()
        assert 0 <= frechet_distance(x, x) < 1e-10 * spread
        assert 0 <= frechet_distance(x, x[::-1]) < 1e-10 * spread


@each_pair
def test_frechet_distance_is_symmetric_and_blind_to_a_rigid_motion(a, b):
    value = frechet_distance(a, b)
    assert value > 0
    assert frechet_distance(b, a) == pytest.approx(value, rel=1e-9)
    turn = special_ortho_group.rvs(a.shape[1], random_state=0)
    assert frechet_distance(a @ turn + 7, b @ turn + 7) == pytest.approx(value, rel=1e-8)
    assert frechet_distance(3 * a, 3 * b) == pytest.approx(9 * value, rel=1e-9)


def test_frechet_distance_in_one_dimension_is_that_of_means_and_deviations():
    a, b = normal(50, 1, 1), normal(90, 1, 2, shift=3, scale=2)
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_many_draws_is_that_of_their_gaussians():
    """tr(A + B - 2 (A^(1/2) B A^(1/2))^(1/2)), with covariances that do not commute, in closed form for 2 x 2: the
    trace of the root of a matrix P is (tr P + 2 det(P)^(1/2))^(1/2)."""
    x, y = np.array([[2.0, 0.0], [0.7, 1.0]]), np.array([[1.0, 0.9], [0.0, 0.5]])
    first, second = x @ x.T, y @ y.T
    product = first @ second
    root = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
    expected = 0.5**2 * 2 + np.trace(first) + np.trace(second) - 2 * root
    value = frechet_distance(normal(100_000, 2, 1) @ x.T, normal(100_000, 2, 2) @ y.T + 0.5)
    assert value == pytest.approx(expected, rel=0.02)


def test_distances_of_sets_without_spread_are_defined():
    a, b = np.zeros((20, 8)), np.full((20, 8), 0.5)
    assert frechet_distance(a, b) == pytest.approx(8 * 0.25)
    spread = normal(20, 8)
    assert frechet_distance(spread, a) == pytest.approx(np.square(spread.mean(0)).sum() + spread.var(0, ddof=1).sum())
    assert kernel_distance(a, b).value == pytest.approx(1 + 1.25**3 - 2)  # <b, b> / d = 1/4, <a, .> = 0
    assert kernel_distance(a, b).se == pytest.approx(0, abs=1e-9)
    assert kernel_distance(a, a).value == kernel_distance(a, a).se == 0


# Kernel distance


@pytest.mark.parametrize(("n", "d"), [(300, 16), (40, 64)])
def test_kernel_distance_agrees_with_the_libraries(n, d):
    a, b = mixed(n, d, 1), 1.1 * mixed(n, d, 2) + 0.2
    ours = kernel_distance(a, b).value
    fidelity = kid_features_to_metric(
        torch.from_numpy(a), torch.from_numpy(b), kid_subsets=1, kid_subset_size=n, verbose=False
    )["kernel_inception_distance_mean"]
    metric = KernelInceptionDistance(feature=Given(d), subsets=1, subset_size=n)
    assert ours == pytest.approx(fidelity, rel=1e-4)
    assert ours == pytest.approx(by_torchmetrics(metric, a, b)[0].item(), rel=1e-4)


def test_kernel_distance_is_the_mean_over_pairs_of_different_images():
    a, b = normal(30, 4, 1), normal(20, 4, 2, shift=0.5)
    b[:3] = a[:3]  # on both sides
    b[3] = a[0]  # twice on this side: with the one on that side it is one pair of the same and one of equals

    def kernel(x, y):
        return (x @ y.T / 4 + 1) ** 3

    within = [kernel(x, x)[~np.eye(len(x), dtype=bool)].mean() for x in (a, b)]
    between = np.ones((30, 20), bool)
    between[[0, 1, 2], [0, 1, 2]] = False
    expected = sum(within) - 2 * kernel(a, b)[between].mean()
    assert kernel_distance(a, b).value == pytest.approx(expected, rel=1e-10)


@each_pair
def test_kernel_distance_is_symmetric_zero_to_itself_and_blind_to_a_rotation(a, b):
    for x in (a, b, a[np.arange(len(a)) % 10]):  # the last: ten images, again and again
        order = np.random.default_rng(0).permutation(len(x))
        assert kernel_distance(x, x[order]).value == pytest.approx(0, abs=1e-12)
    found = kernel_distance(a, b)
    turn = special_ortho_group.rvs(a.shape[1], random_state=0)
    for other in (kernel_distance(b, a), kernel_distance(a @ turn, b @ turn)):
        assert other.value == pytest.approx(found.value, rel=1e-8)
        assert other.se == pytest.approx(found.se, rel=1e-6)


@pytest.mark.parametrize(
    ("n", "m", "d", "shift", "scale"),
    [(100, 100, 8, 0, 1), (60, 200, 8, 0, 1), (30, 30, 64, 0, 1), (100, 60, 8, 0.6, 1), (80, 150, 20, 0, 1.5)],
    ids=["alike", "alike, uneven", "few", "shifted", "wider"],
)
def test_the_kernel_distance_has_no_bias_and_its_error_has_the_right_size(n, m, d, shift, scale):
    """Over 300 independent pairs of sets: the values spread as their errors say, within a fifth, and under no other
    estimate would alike sets be 0 on average."""
    found = [kernel_distance(normal(n, d, (0, i)), normal(m, d, (1, i), shift, scale)) for i in range(300)]
    values, errors = np.array([(k.value, k.se) for k in found]).T
    assert errors.min() > 0
    assert 0.85 < np.sqrt(np.mean(errors**2)) / values.std() < 1.2
    if (shift, scale) == (0, 1):
        assert abs(values.mean()) < 4 * values.std() / math.sqrt(300)


def test_kernel_distance_keeps_its_digits_for_tiny_features():
    """To first order k(x, y) = 1 + 3 x·y / d: at 1e-6 the discrepancy is that of a linear kernel."""
    a, b = 1e-6 * normal(60, 8, 1), 1e-6 * normal(60, 8, 2, shift=1)
    own = [(np.square(x.sum(0)).sum() - np.square(x).sum()) / (60 * 59) for x in (a, b)]
    linear = 3 / 8 * (sum(own) - 2 * a.mean(0) @ b.mean(0))
    assert kernel_distance(a, b).value == pytest.approx(linear, rel=1e-6)
    assert 0 < kernel_distance(a, b).se < linear


def test_large_sets_are_cut_by_the_seed_and_blocks_change_nothing(monkeypatch):
    a, b = PAIRS[0]
    whole = kernel_distance(a, b)
    manifolds = prdc(a, b)
    for module in (distances, manifold):
        monkeypatch.setattr(module, "BLOCK", 7)
    assert kernel_distance(a, b).value == pytest.approx(whole.value, rel=1e-10)
    assert kernel_distance(a, b).se == pytest.approx(whole.se, rel=1e-8)
    assert prdc(a, b) == manifolds
    monkeypatch.setattr(distances, "MOST", 150)
    part = kernel_distance(a, b, seed=1)
    assert part == kernel_distance(a, b, seed=1) != kernel_distance(a, b, seed=2)
    assert part.se > whole.se
    assert abs(part.value - whole.value) < 4 * part.se


# Precision, recall, density, coverage


def by_definition(real, fake, k):
    """As Kynkäänniemi et al. (2019) and Naeem et al. (2020) write them, balls closed."""
    inside = [[False] * len(fake) for _ in real]
    for i, x in enumerate(real):
        radius = sorted(((x - other) ** 2).sum() for j, other in enumerate(real) if j != i)[k - 1]
        for j, y in enumerate(fake):
            inside[i][j] = ((x - y) ** 2).sum() <= radius
    inside = np.array(inside)
    return {
        "precision": inside.any(0).mean(),
        "density": inside.sum() / (k * len(fake)),
        "coverage": inside.any(1).mean(),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
@each_pair
def test_prdc_agrees_with_torch_fidelity_and_the_definition(a, b, k):
    ours = prdc(a, b, k)
    fidelity = prc_features_to_metric(
        torch.from_numpy(b),
        torch.from_numpy(a),
        prc_neighborhood=k,
        prc_batch_size=10_000,
        save_cpu_ram=False,
        verbose=False,
    )
    assert ours.precision == pytest.approx(fidelity["precision"], rel=1e-6)
    assert ours.recall == pytest.approx(fidelity["recall"], rel=1e-6)
    if len(a) < 100:
        for name, expected in by_definition(a, b, k).items():
            assert getattr(ours, name) == pytest.approx(expected, rel=1e-9), name


@pytest.mark.parametrize("offset", [0, 1e5])
def test_prdc_with_ties_is_exact(offset):
    """Points of a small lattice: most neighbours are tied, many points are double, and a root rounds none of it."""
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(0, 4, (60, 3)).astype(float) for _ in range(2))
    ours, swapped = prdc(real + offset, fake + offset, 3), prdc(fake + offset, real + offset, 3)
    for name, expected in by_definition(real, fake, 3).items():
        assert getattr(ours, name) == pytest.approx(expected), name
    assert ours.recall == swapped.precision


@each_pair
def test_prdc_of_a_set_against_itself(a, b):
    for x in (a, b, a + 1e4):
        found = prdc(x, np.random.default_rng(0).permutation(x), 4)
        assert found == Prdc(1.0, 1.0, pytest.approx(5 / 4), 1.0)


def test_prdc_says_what_is_wrong():
    real = normal(200, 8)
    assert prdc(real, real + 100) == Prdc(0, 0, 0, 0)
    collapsed = prdc(real, np.repeat(real[:1], 200, axis=0))
    assert collapsed.precision == 1
    assert collapsed.recall == 1 / 200  # the one real that all fakes copy
    assert collapsed.coverage < 0.2
    halved = prdc(real, normal(200, 8, 1, scale=0.5))
    assert halved.precision > 0.9
    assert halved.recall < 0.6
    assert halved.density > 1
    alike = prdc(real, normal(200, 8, 1))
    assert alike.density == pytest.approx(1, abs=0.2)
    assert alike.coverage == pytest.approx(1 - 0.5**5, abs=0.05)  # of k = 5 and M = N (Naeem et al. 2020)


# What cannot be measured


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, prdc])
def test_features_that_cannot_be_compared_are_refused_in_words(measure):
    good = normal(30, 8)
    with pytest.raises(UserError, match=r"at least \d+ images on each side; there are 30 and 3"):
        measure(good, good[:3])
    with pytest.raises(UserError, match="at least"):
        measure(good[:0], good)
    with pytest.raises(UserError, match="same extractor"):
        measure(good, good[:, :5])
    with pytest.raises(UserError, match="same extractor"):
        measure(good, good[0])
    for bad in (np.nan, np.inf, 1e30):
        spoilt = good.copy()
        spoilt[[4, 7], 2] = bad
        with pytest.raises(UserError, match="2 of 30 images"):
            measure(good, spoilt)


def test_prdc_refuses_reals_without_spread_and_no_neighbour():
    with pytest.raises(UserError, match="use images that differ"):
        prdc(np.full((30, 8), 0.1), normal(30, 8))
    with pytest.raises(UserError, match="1 neighbour"):
        prdc(normal(30, 8), normal(30, 8, 1), k=0)
    with pytest.raises(UserError, match="at least 31"):
        prdc(normal(30, 8), normal(30, 8, 1), k=30)


def test_measures_leave_their_input_alone():
    a, b = normal(30, 8, 1), normal(30, 8, 2)
    kept = a.copy(), b.copy()
    for measure in (frechet_distance, kernel_distance, prdc):
        measure(a, b)
    assert (a == kept[0]).all()
    assert (b == kept[1]).all()


# MS-SSIM


@pytest.mark.parametrize("side", [12, 32, 64, 128, 180])
def test_ms_ssim_agrees_with_torchmetrics(side):
    images = smooth_images(4, side)
    some = betas(side)
    assert len(some) == {12: 1, 32: 2, 64: 3, 128: 4, 180: 5}[side]
    metric = MultiScaleStructuralSimilarityIndexMeasure(data_range=255.0, betas=some)
    x = torch.from_numpy(images).float()
    expected = [metric(x[i : i + 1], x[j : j + 1]).item() for j in range(4) for i in range(j)]
    found = ms_ssim_variety(images, np.zeros(4, int))
    assert found.overall.value == pytest.approx(np.mean(expected), rel=1e-4)
    assert found.classes[0].value == found.overall.value


@pytest.mark.parametrize("side", [11, 16, 21, 22, 28, 44, 63, 88, 100, 176, 200])
def test_ms_ssim_of_the_same_image_is_one_at_any_side(side):
    images = np.repeat(smooth_images(1, side), 4, axis=0)
    found = ms_ssim_variety(images, np.zeros(4, int))
    assert found.overall.value == pytest.approx(1, abs=1e-4)
    assert found.overall.se < 1e-6
    assert sum(betas(side)) == pytest.approx(sum(betas(256)))


def test_ms_ssim_compares_within_classes_and_weighs_them_alike():
    """Class 3 is one image again and again, class 7 is many: across the two nothing is alike."""
    images = np.concatenate([np.repeat(smooth_images(1, 32), 30, axis=0), smooth_images(10, 32, seed=1)])
    labels = np.repeat([3, 7], [30, 10])
    found = ms_ssim_variety(images, labels, pairs=60)
    assert found.classes.keys() == {3, 7}
    assert found.classes[3].value == pytest.approx(1, abs=1e-4)
    alone = ms_ssim_variety(images[30:], labels[30:])
    assert found.classes[7].value == pytest.approx(alone.overall.value, abs=5 * alone.overall.se)
    assert found.overall.value == pytest.approx((found.classes[3].value + found.classes[7].value) / 2)
    assert found.overall.se == pytest.approx(found.classes[7].se / 2, rel=1e-3)
    assert ms_ssim_variety(images, labels, pairs=60) == found
    assert ms_ssim_variety(images, labels, pairs=60, seed=1) != found


@pytest.mark.parametrize(("n", "pairs"), [(12, 66), (60, 40)], ids=["all pairs of few", "some pairs of many"])
def test_the_error_of_ms_ssim_has_the_right_size(n, pairs):
    """Over independent sets; images differ in how soft they are, so that some are like many others. That of pairs
    taken as independent is a third of the truth for the few images, and two thirds for the many."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(80):
        contrast = rng.uniform(0, 0.5, (n, 1, 1, 1))
        images = (128 + contrast * (smooth_images(n, 16, seed=(n, i)) - 128.0)).astype(np.uint8)
        found.append(ms_ssim_variety(images, np.zeros(n, int), pairs=pairs, seed=i))
    spread = np.std([f.overall.value for f in found])
    assert 0.75 < np.sqrt(np.mean([f.overall.se**2 for f in found])) / spread < 1.3


def test_ms_ssim_refuses_in_words():
    images = smooth_images(12, 16)
    with pytest.raises(UserError, match="class 2 has 3"):
        ms_ssim_variety(images, np.repeat([0, 2], [9, 3]))
    with pytest.raises(UserError, match="at least 11 pixels"):
        ms_ssim_variety(images[:, :, :8, :8], np.zeros(12, int))
    with pytest.raises(UserError, match="of one gray"):
        ms_ssim_variety(np.full((12, 1, 16, 16), 9, np.uint8), np.zeros(12, int))
    with pytest.raises(UserError):
        ms_ssim_variety(images[:0], np.zeros(0, int))


# Spectrum and histogram


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 33), (40, 90)])
def test_the_power_of_white_noise_is_its_variance_at_any_size(height, width):
    images = noise_images(200, height, width, low=100, high=149)  # the variance of 49 equal steps is (49² - 1) / 12
    frequency, power = radial_power(images)
    assert len(frequency) == len(power) == min(height, width) // 2
    assert frequency[-1] == pytest.approx(0.5, abs=0.5 / min(height, width))
    # The lowest frequencies lose a part: the mean of each image is taken off, and the window smears that.
    np.testing.assert_allclose(10 ** power[2:], 200, rtol=0.1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (81, 50)])
def test_a_grating_has_its_power_at_its_frequency(height, width):
    y, x = np.mgrid[:height, :width]
    grating = 128 + 100 * np.sin(2 * np.pi * (0.12 * x + 0.16 * y))  # 0.2 cycles per pixel, aslant
    frequency, power = radial_power(np.rint(grating).astype(np.uint8)[None, None])
    assert frequency[power.argmax()] == pytest.approx(0.2, abs=1 / min(height, width))
    assert (power[abs(frequency - 0.2) > 0.1] < power.max() - 4).all()


def test_the_frame_leaks_no_power():
    """A ramp has no detail, though its left edge is black and its right one white."""
    ramp = np.broadcast_to(np.linspace(0, 255, 64), (1, 1, 64, 64)).astype(np.uint8)
    frequency, power = radial_power(ramp)
    assert power[frequency > 0.1].max() < power[0] - 5


def gap(a, b):
    return spectrum_gap(radial_power(a)[1], radial_power(b)[1])


def test_spectrum_gap_in_decibels():
    images = noise_images(20, 32, high=100)
    assert gap(images, images) == 0
    assert gap(images, 2 * images) == pytest.approx(20 * math.log10(2))
    assert gap(2 * images, images) == pytest.approx(20 * math.log10(2))
    assert gap(images, images + 50) == pytest.approx(0, abs=1e-9)  # brighter, and no less detailed


def test_histogram():
    images = np.array([0, 1, 3, 4, 255, 255], np.uint8).reshape(1, 1, 2, 3)
    found = intensity_histogram(images)
    assert found.shape == (64,)
    assert found.sum() == pytest.approx(1)
    assert (found[0], found[1], found[63]) == pytest.approx((3 / 6, 1 / 6, 2 / 6))
    many = noise_images(300, 8)
    np.testing.assert_allclose(intensity_histogram(many, 16), np.histogram(many, 16, (0, 256))[0] / many.size)


def test_spectrum_and_histogram_refuse_in_words():
    images = noise_images(3, 16)
    with pytest.raises(UserError, match="is flat"):
        radial_power(np.full((3, 1, 16, 16), 77, np.uint8))
    with pytest.raises(UserError, match="at least 1 image"):
        radial_power(images[:0])
    with pytest.raises(UserError, match="8 pixels"):
        radial_power(images[:, :, :4, :4])
    with pytest.raises(UserError, match="one size"):
        gap(images, images[:, :, :12, :12])
    with pytest.raises(UserError, match="at least 1 image"):
        intensity_histogram(images[:0])
    for bins in (0, 60, 512):
        with pytest.raises(UserError, match="equal ranges"):
            intensity_histogram(images, bins)


# Real knees


def features_of(images):
    """[N, 112] of uint8 images [N, 1, R, R]: gray at 8x8, and the log energy of three bands of detail at 4x4.

    Plain pixels or their principal components would not do: they are all low frequencies, where noise is none.
    """

    def pooled(x, cells):
        n, side = x.shape[0], x.shape[1] // cells
        return x.reshape(n, cells, side, cells, side).mean((2, 4)).reshape(n, -1)

    sharp = images[:, 0] / 255
    levels = [sharp, *(gaussian_filter(sharp, (0, s, s)) for s in (1, 2, 4))]
    bands = [pooled((a - b) ** 2, 4) for a, b in pairwise(levels)]
    return np.concatenate([pooled(levels[-1], 8), *(0.1 * np.log(band + 1e-5) for band in bands)], axis=1)


@pytest.fixture(scope="module")
def knees():
    """Half of the patients, and what becomes of the other half: {"reference": images [N, 1, 64, 64], "real": ...}."""
    if not KNEES.is_dir():
        pytest.skip("needs ../shared/data/knees/val, which is not here")
    dataset = data.load(str(KNEES / "val"), 64)
    one, two = data.split_by_patient(dataset.patients, 0.5)
    real = dataset.images[two]
    rng = np.random.default_rng(0)

    def blurred(sigma):
        return np.rint(gaussian_filter(real.astype(float), (0, 0, sigma, sigma))).astype(np.uint8)

    def noisy(sigma):
        return np.clip(np.rint(real + rng.normal(0, sigma, real.shape)), 0, 255).astype(np.uint8)

    return {
        "reference": dataset.images[one],
        "real": real,
        "mild blur": blurred(0.7),
        "strong blur": blurred(2),
        "mild noise": noisy(6),
        "strong noise": noisy(40),
        "ten": real[rng.choice(len(real), 10, replace=False)][np.arange(len(real)) % 10],
    }


ORDERS = [("real", "mild blur", "strong blur"), ("real", "mild noise", "strong noise"), ("real", "ten")]


@pytest.fixture(scope="module", params=["plain", "knee"])
def seen(knees, request):
    """The features of each set, plain and those of the shipped encoder."""
    if request.param == "plain":
        return {name: features_of(images) for name, images in knees.items()}
    extractor = open_extractor("knee")
    return {name: extractor(images[::2]) for name, images in knees.items()}


@pytest.mark.parametrize("order", ORDERS, ids=" < ".join)
def test_distances_order_knees(seen, order):
    reference = seen["reference"]
    frechet = [frechet_distance(reference, seen[name]) for name in order]
    assert frechet == sorted(frechet)
    kernel = [kernel_distance(reference, seen[name]) for name in order]
    assert abs(kernel[0].value) < 3 * kernel[0].se  # other patients are no further than chance
    for nearer, further in pairwise(kernel):
        assert further.value - nearer.value > 3 * math.hypot(further.se, nearer.se)


@pytest.mark.parametrize("order", ORDERS[:2], ids=" < ".join)
def test_prdc_orders_knees(seen, order):
    found = [prdc(seen["reference"], seen[name]) for name in order]
    for part in ("precision", "density", "coverage"):
        values = [getattr(f, part) for f in found]
        assert values == sorted(values, reverse=True), part
        assert values[0] > values[-1] + 0.2, part
    assert found[0].precision > 0.85
    assert found[0].coverage > 0.85


def test_prdc_sees_a_collapse_that_precision_does_not(seen):
    real, ten = (prdc(seen["reference"], seen[name]) for name in ("real", "ten"))
    assert ten.precision > 0.7
    assert ten.recall < 0.1 < 0.8 < real.recall
    assert ten.coverage < 0.3 < 0.8 < real.coverage


def test_ms_ssim_sees_a_collapse_to_two_and_blur(knees):
    """Not one to ten: there one pair in ten is of the same image, less than chance makes of which ten."""
    two = knees["real"][np.arange(400) % 2]
    real, two, blurred = (
        ms_ssim_variety(images, np.zeros(len(images), int), pairs=200).overall
        for images in (knees["real"], two, knees["strong blur"])
    )
    assert two.value > real.value + 5 * real.se
    assert blurred.value > real.value + 3 * real.se


@pytest.mark.parametrize("order", ORDERS[:2], ids=" < ".join)
def test_spectra_order_knees(knees, order):
    gaps = [gap(knees["reference"], knees[name]) for name in order]
    assert gaps == sorted(gaps)
    assert gaps[0] < 1 < 3 < gaps[1]
