"""What small classifiers learn tells of the fakes: whether they are told from reals, and whether they help to grade."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, roc_auc_score

from gan_core.data.dataset import patient
from gan_core.errors import UserError
from gan_core.metrics.estimate import auc, wilson
from gan_core.metrics.sample import Sample
from studio.evaluate.augmentation import figures, interval, part_of_patients, resampled_patients, useful
from studio.evaluate.classifier import network, predict, shrink, train_classifier
from studio.evaluate.two_sample import detect
from studio.knee.phantom import render, sample_params


def phantoms(count, first, grades=(0, 4), resolution=32):
    """Phantoms of these grades in turn, one patient each; the class is the place of the grade."""
    params = [sample_params(first + i, grades[i % len(grades)]) for i in range(count)]
    labels = np.arange(count, dtype=np.int64) % len(grades)
    names = tuple(f"phantom{p.seed:06d}{p.side}" for p in params)
    return Sample(render(params, resolution), labels, np.zeros((count, 1), np.float32), names)


def labelled(sample, labels):
    return Sample(sample.images, labels, sample.features, sample.names)


@pytest.fixture(scope="module")
def train():
    return phantoms(400, 0)


@pytest.fixture(scope="module")
def test():
    return phantoms(200, 10_000)


@pytest.fixture(scope="module")
def fake():
    return phantoms(400, 20_000)


# The AUC and its interval


def test_auc_is_scikit_learns_with_ties():
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(2, 9, 40), rng.integers(0, 7, 60)
    expected = roc_auc_score(np.repeat([1, 0], [40, 60]), np.concatenate([positive, negative]))
    assert auc(positive, negative).value == pytest.approx(expected)


def test_auc_interval_holds_the_truth_nineteen_times_in_twenty():
    """Of normals one deviation apart the AUC is Phi(1 / sqrt 2)."""
    truth = 0.76025
    rng = np.random.default_rng(0)
    found = [auc(rng.normal(1, 1, 60), rng.normal(0, 1, 40)) for _ in range(600)]
    assert 0.925 < np.mean([e.low <= truth <= e.high for e in found]) < 0.975


def test_auc_of_patients_who_gave_several_images_each():
    """Each score four times over is no more evidence, and the interval knows it where it is told who is who."""
    rng = np.random.default_rng(1)
    positive, negative = rng.normal(1, 1, 50), rng.normal(0, 1, 50)
    names = [str(i) for i in range(50)]
    once = auc(positive, negative)
    copies = auc(positive.repeat(4), negative.repeat(4), np.repeat(names, 4), np.repeat(names, 4))
    assert (copies.value, copies.low, copies.high) == pytest.approx((once.value, once.low, once.high))
    blind = auc(positive.repeat(4), negative.repeat(4))
    assert blind.high - blind.low < 0.6 * (once.high - once.low)


def test_a_perfect_auc_is_not_certain():
    sure = auc(np.arange(10) + 100, np.arange(30))
    assert (sure.value, sure.high) == pytest.approx((1, 1))
    assert 0.65 < sure.low < 0.75  # Wilson's interval of 10 successes in 10


def test_wilson_by_hand():
    found = wilson(0.1, 100)
    assert (found.low, found.high) == pytest.approx((0.0552, 0.1744), abs=5e-5)


# The classifier


def test_the_classifier_learns(train, test):
    probabilities = predict(train_classifier(train.images, train.labels, 2, seed=0, steps=60), test.images)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(1) == test.labels) > 0.75


def test_the_seed_decides_all(train, test):
    def trained(seed, state):
        torch.manual_seed(state)
        return predict(train_classifier(train.images, train.labels, 2, seed=seed, steps=5), test.images)

    np.testing.assert_array_equal(trained(5, state=1), trained(5, state=2))
    assert not np.array_equal(trained(5, state=1), trained(6, state=1))


def test_training_leaves_pytorchs_random_state_alone(train):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train_classifier(train.images, train.labels, 2, seed=0, steps=2)
    assert torch.rand(1) == expected


def test_a_rare_class_is_predicted_as_if_it_were_as_frequent(train, test):
    rare = np.concatenate([np.flatnonzero(train.labels == 0), np.flatnonzero(train.labels == 1)[:20]])
    net = train_classifier(train.images[rare], train.labels[rare], 2, seed=0, steps=60)
    assert 0.3 < np.mean(predict(net, test.images).argmax(1)) < 0.7


def test_a_class_that_was_never_shown_is_not_predicted(train, test):
    net = train_classifier(train.images, train.labels * 2, 3, seed=0, steps=60)
    assert not (predict(net, test.images).argmax(1) == 1).any()


@pytest.mark.parametrize("side", [8, 28, 64])
def test_images_of_any_side(side):
    assert network(5)(torch.zeros(2, 1, side, side)).shape == (2, 5)


def test_shrink_averages_down_and_never_up():
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 100, 100), np.uint8)
    small = shrink(images, 50)
    assert small.shape == (3, 1, 50, 50)
    assert small.dtype == np.uint8
    assert small.std() < 0.7 * images.std()
    assert small.mean() == pytest.approx(images.mean(), abs=1)
    assert shrink(images, 128) is images


# Real or fake


def test_phantoms_cannot_be_told_from_phantoms(train, fake):
    """The floor: images of one origin, other patients."""
    found = detect(train, fake, steps=60)
    assert found.low < 0.5 < found.high
    assert found.n == 320
    assert 0.4 < found.accuracy < 0.6


def test_blurred_phantoms_are_told_from_sharp_ones(train, fake):
    blurred = fake.images.reshape(-1, 1, 16, 2, 16, 2).mean((3, 5)).repeat(2, 2).repeat(2, 3).astype(np.uint8)
    found = detect(train, Sample(blurred, fake.labels, fake.features, fake.names), steps=60)
    assert found.low > 0.9
    assert found.accuracy > 0.85


def test_as_many_of_each_kind_are_judged(train, fake):
    assert detect(train, fake.take(np.arange(50)), steps=2).n == 40


def test_progress_is_told(train, fake):
    calls = []
    detect(train, fake, steps=3, progress=lambda *done: calls.append(done))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_detect_refuses_in_words(train, fake):
    with pytest.raises(UserError, match="at least 40 images of each kind; there are 400 real and 10 synthetic"):
        detect(train, fake.take(np.arange(10)))
    with pytest.raises(UserError, match="size"):
        detect(train, phantoms(50, 0, resolution=16))


# Usefulness


def test_more_phantoms_help_where_reals_are_few(train, fake, test):
    found = useful(train, fake, test, 2, fractions=(0.05,), seeds=3, steps=30)
    (few,) = found.fractions
    assert few.n == 20
    assert few.difference.balanced_accuracy.low > 0
    assert "synthetic images help" in few.verdict
    assert found.fake.balanced_accuracy.low > 0.5
    assert (found.n_fake, found.n_test, found.seeds) == (400, 200, 3)
    gain = few.both.kappa.value - few.real.kappa.value
    assert few.difference.kappa.value == pytest.approx(gain)


def test_phantoms_with_wrong_labels_do_not_help(train, fake, test):
    wrong = labelled(fake, np.random.default_rng(0).permutation(fake.labels))
    found = useful(train, wrong, test, 2, fractions=(0.25,), seeds=3, steps=30)
    assert found.fractions[0].difference.balanced_accuracy.low <= 0
    assert "help" not in found.fractions[0].verdict
    assert found.fake.balanced_accuracy.low < 0.6


def test_progress_counts_every_training_once(train, fake, test):
    calls = []
    useful(train, fake, test, 2, (0.5, 1.0), 2, lambda *done: calls.append(done), steps=2)
    assert calls == [(i + 1, 20) for i in range(20)]  # 2 seeds, 1 + 2 * 2 trainings, 2 steps


def test_a_part_of_the_patients_keeps_their_images_together_and_the_classes_shares():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.choice(3, 200, p=(0.6, 0.3, 0.1)), 2)
    names = tuple(f"{1000 + i // 2}{'LR'[i % 2]}" for i in range(400))
    knees = Sample(np.zeros((400, 1, 4, 4), np.uint8), labels, np.zeros((400, 1), np.float32), names)
    small, large = part_of_patients(knees, 0.1, 7), part_of_patients(knees, 0.5, 7)
    assert set(small) < set(large)
    assert len(small) == pytest.approx(40, abs=4)
    for part, fraction in ((small, 0.1), (large, 0.5)):
        inside = {patient(names[i]) for i in part}
        assert sorted(part) == [i for i in range(400) if patient(names[i]) in inside]
        for label in range(3):
            assert (labels[part] == label).sum() == pytest.approx(fraction * (labels == label).sum(), abs=2)
    assert set(small) != set(part_of_patients(knees, 0.1, 8))


def test_figures_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (3, 200))  # of five classes one does not occur
    said = np.clip(truth + rng.integers(-1, 3, truth.shape), 0, 4)
    counts = np.stack([confusion_matrix(a, b, labels=range(5)) for a, b in zip(truth, said, strict=True)]).astype(float)
    for found, a, b in zip(figures(counts), truth, said, strict=True):
        expected = [
            accuracy_score(a, b),
            np.mean([np.mean(b[a == k] == k) for k in range(4)]),
            cohen_kappa_score(a, b, labels=range(5), weights="quadratic"),
        ]
        assert found == pytest.approx(expected)


def test_interval_by_hand():
    of_seeds = np.array([0.1, 0.2, 0.3])
    found = interval(of_seeds, 0.0)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, -0.0484, 0.4484), abs=1e-4)
    assert interval(of_seeds, 0.1).high == pytest.approx(0.2 + np.hypot(0.2484, 0.1960), abs=1e-4)


def test_few_test_patients_make_the_interval_wide_however_alike_the_seeds():
    """Of 40 images at an accuracy of 0.8 the standard error is 0.063; of 20 patients with two alike each, 0.089."""
    right = np.arange(40) % 5 != 0
    counts = np.eye(4)[np.where(right, 0, 1)]

    def spread(names):
        sample = Sample(np.zeros((40, 1, 4, 4), np.uint8), np.zeros(40, np.int64), np.zeros((40, 1), np.float32), names)
        accuracy = figures((resampled_patients(sample) @ counts).reshape(-1, 2, 2))[:, 0]
        assert accuracy[0] == 0.8
        return accuracy[1:].std()

    assert spread(tuple(str(i) for i in range(40))) == pytest.approx(0.063, rel=0.1)
    assert spread(tuple(f"{10 + i % 20}{'LR'[i // 20]}" for i in range(40))) == pytest.approx(0.089, rel=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_classes": 1}, "two or more classes"),
        ({"seeds": 1}, "at least 2 seeds"),
        ({"fractions": (0.0, 1.0)}, "above 0"),
        ({"fractions": ()}, "above 0"),
        ({"fractions": (0.01,)}, "at least 20 are needed"),
    ],
)
def test_useful_refuses_settings_in_words(train, fake, test, change, words):
    with pytest.raises(UserError, match=words):
        useful(train, fake, test, **{"num_classes": 2, **change})


def test_useful_refuses_images_in_words(train, fake, test):
    with pytest.raises(UserError, match="at least 20 synthetic images; there are 5"):
        useful(train, fake.take(np.arange(5)), test, 2)
    with pytest.raises(UserError, match="synthetic images are all of one class"):
        useful(train, labelled(fake, np.zeros(400, np.int64)), test, 2)
    with pytest.raises(UserError, match="size"):
        useful(train, phantoms(40, 0, resolution=16), test, 2)
