"""Copying: a generator that returns training images fails, one that shows other patients passes."""

import numpy as np
import pytest
from paths import KNEES, needs_knees

from gan_core.data import load, split_by_patient
from gan_core.errors import UserError
from gan_core.metrics.memorisation import copying, nearest, pixel_features
from gan_core.metrics.sample import Sample
from studio.knee.phantom import phantom


def sample(images, names):
    return Sample(images, np.zeros(len(images), np.int64), pixel_features(images), tuple(names))


def generated(images):
    return sample(images, [f"seed {i}" for i in range(len(images))])


def noisy(images, amount=2, seed=0):
    noise = np.random.default_rng(seed).normal(0, amount, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def phantoms():
    images, params = phantom(900, 32)
    return sample(images, [f"phantom{p.seed:06d}{p.side}" for p in params])


@pytest.fixture(scope="module")
def seen(phantoms):
    return phantoms.take(np.arange(400))


@pytest.fixture(scope="module")
def unseen(phantoms):
    return phantoms.take(np.arange(400, 700))


@pytest.fixture(scope="module")
def knees():
    """(seen, unseen, a third set of patients)."""
    val = load(str(KNEES / "val"), 64)
    every = sample(val.images, val.files)
    rest, seen = split_by_patient(val.patients, 0.5)
    unseen, third = (every.take(rest).take(i) for i in split_by_patient([val.patients[j] for j in rest], 0.5))
    return every.take(seen), unseen, third


def test_other_patients_are_no_copies(phantoms, seen, unseen):
    found = copying(phantoms.take(np.arange(700, 900)), seen, unseen)
    assert not found.copies
    assert found.verdict.startswith("No sign of copying: ")
    assert found.ratio.low < 1 < found.ratio.high
    assert found.membership.low < 0.5 < found.membership.high
    assert found.copied.expected == pytest.approx(0.01, abs=0.002)


def test_a_generator_that_returns_training_images_is_found(seen, unseen):
    found = copying(generated(noisy(seen.images[:200])), seen, unseen)
    assert found.verdict.startswith("Copies: ")
    assert found.ratio.high < 0.7
    assert found.copied.value > 0.9
    assert found.copied.low > 0.8
    assert found.near.value > 5 * found.near.limit
    assert found.membership.low > 0.6


def test_copies_at_another_exposure_are_found(seen, unseen):
    faint = np.rint(seen.images[:200] * 0.6 + 30).astype(np.uint8)
    assert copying(generated(faint), seen, unseen).copied.value > 0.9


def test_collapse_to_five_training_images_is_found_though_membership_is_blind_to_it(seen, unseen):
    found = copying(generated(noisy(np.repeat(seen.images[:5], 40, 0))), seen, unseen)
    assert found.copied.value > 0.9
    assert found.membership.low < 0.5
    assert found.copies


def test_a_few_copies_among_many_fakes_are_the_worst_pairs(phantoms, seen, unseen):
    own = phantoms.images[700:890]
    found = copying(generated(np.concatenate([own, noisy(seen.images[100:110])])), seen, unseen)
    assert {(pair.fake, pair.seen) for pair in found.worst} == {(190 + i, 100 + i) for i in range(10)}
    assert found.copies
    relative = [pair.relative for pair in found.worst]
    assert relative == sorted(relative)
    assert all(0 <= pair.percentile <= 100 for pair in found.worst)


def test_typical_fakes_lie_near_everything_but_are_no_copies():
    """Drawn like the reals but with a smaller spread: nearer to training images than any patient is."""
    rng = np.random.default_rng(0)

    def drawn(n, spread):
        features = rng.normal(0, spread, (n, 16)).astype(np.float32)
        return Sample(
            rng.integers(0, 256, (n, 1, 4, 4), np.uint8), np.zeros(n, np.int64), features, tuple(map(str, range(n)))
        )

    found = copying(drawn(300, 0.6), drawn(400, 1), drawn(300, 1))
    assert found.ratio.high < 0.9
    assert found.near.value > found.near.limit
    assert not found.copies


def test_an_exact_copy_lies_at_distance_zero(seen, unseen):
    found = copying(generated(seen.images[:50]), seen, unseen, worst=3)
    assert [pair.distance for pair in found.worst] == [0, 0, 0]
    assert [pair.percentile for pair in found.worst] == [0, 0, 0]
    assert len(found.worst) == 3


def test_the_answer_depends_on_the_seed_alone(seen, unseen):
    fake = generated(noisy(seen.images[:60], 40))
    assert copying(fake, seen, unseen, seed=3) == copying(fake, seen, unseen, seed=3)


def test_training_images_among_the_unseen_do_not_count(phantoms, seen, unseen):
    fake = phantoms.take(np.arange(700, 800))
    leaked = phantoms.take(np.concatenate([np.arange(50), np.arange(400, 700)]))
    assert copying(fake, seen, leaked).n_unseen == 300
    with pytest.raises(UserError, match=r"Only 0 of the unseen images .* at least 100"):
        copying(fake, seen, seen)


def test_an_exact_copy_of_what_is_there_three_times_is_found(seen, unseen):
    thrice = seen.take(np.repeat(np.arange(len(seen)), 3))
    assert copying(generated(seen.images[:50]), thrice, unseen).copied.value == 1


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((10, 400, 300), "at least 50 synthetic"),
        ((60, 5, 300), "at least 20 training"),
        ((60, 400, 30), "at least 100 images of patients"),
    ],
)
def test_too_few_images_are_refused_in_words(phantoms, seen, unseen, counts, words):
    fake = phantoms.take(np.arange(700, 900))
    with pytest.raises(UserError, match=words):
        copying(*(part.take(np.arange(n)) for part, n in zip((fake, seen, unseen), counts, strict=True)))


def test_features_that_are_no_numbers_are_refused(phantoms, seen, unseen):
    broken = phantoms.take(np.arange(700, 800))
    broken.features[3, 2] = np.nan
    with pytest.raises(UserError, match="not numbers"):
        copying(broken, seen, unseen)


def test_features_that_are_all_alike_are_refused(phantoms, seen, unseen):
    blind = [
        Sample(part.images, part.labels, np.ones((len(part), 3), np.float32), part.names)
        for part in (phantoms.take(np.arange(700, 800)), seen, unseen)
    ]
    with pytest.raises(UserError, match="apart"):
        copying(*blind)


def test_pixel_features_do_not_know_exposure():
    images = phantom(6, 64)[0] // 2
    brighter = images * 2 + 1
    x, y = pixel_features(images), pixel_features(brighter)
    assert x.shape == (6, 32 * 32)
    np.testing.assert_allclose(x, y, atol=1e-4)
    np.testing.assert_allclose(x.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(1), 1, atol=1e-5)


def test_pixel_features_of_constant_images_are_refused():
    images = np.concatenate([phantom(3, 32)[0], np.full((2, 1, 32, 32), 7, np.uint8)])
    with pytest.raises(UserError, match="2 of 5 images"):
        pixel_features(images)


def test_nearest_is_exact_where_the_mean_is_large():
    rng = np.random.default_rng(0)
    among = (rng.normal(size=(300, 20)) + 1000).astype(np.float32)
    x = among[:50] + rng.normal(0, 1e-2, (50, 20)).astype(np.float32)
    index, distance = nearest(x, among, 3)
    every = np.linalg.norm(x[:, None].astype(np.float64) - among, axis=2)
    np.testing.assert_array_equal(index, every.argsort(1)[:, :3])
    np.testing.assert_allclose(distance, np.sort(every, 1)[:, :3], rtol=1e-12)


@needs_knees
def test_real_knees_of_other_patients_are_no_copies(knees):
    seen, unseen, third = knees
    found = copying(third, seen, unseen)
    assert not found.copies
    assert found.ratio.low < 1 < found.ratio.high
    assert found.membership.low < 0.5 < found.membership.high


@needs_knees
def test_a_generator_that_memorised_real_knees_is_found(knees):
    seen, unseen, _ = knees
    found = copying(generated(noisy(seen.images[::2], 8)), seen, unseen)
    assert found.verdict.startswith("Copies: ")
    assert found.ratio.high < 0.7
    assert found.copied.low > 0.9
    assert found.membership.low > 0.5


@needs_knees
def test_one_copy_in_twenty_is_found_among_real_knees(knees):
    seen, unseen, third = knees
    fake = np.concatenate([third.images[:190], noisy(seen.images[:10], 8)])
    assert copying(generated(fake), seen, unseen).copies
