"""Inception score and distance by an own classifier; side markers on films."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.inception_score import class_scores
from benchmarks.letters import marked
from gan_core.errors import UserError


def bars(n, seed, side=16):
    """Images of four classes: how high the bright bar stands."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 60, (n, 1, side, side), dtype=np.uint8), rng.integers(0, 4, n)
    high = side // 4
    for image, at in zip(images[:, 0], labels, strict=True):
        image[at * high : (at + 1) * high] += 150
    return images, labels


@pytest.fixture(scope="module")
def reals():
    return bars(400, 0)


def scores(reals, fakes):
    return class_scores(*reals, 4, fakes, steps=60)


def test_sure_images_of_all_classes_score_as_many_as_there_are(reals):
    found = scores(reals, bars(400, 1)[0])
    assert found.n == 100
    assert found.accuracy > 0.95
    assert 3.3 < found.score <= 4 + 1e-4
    assert found.score == pytest.approx(found.score_of_reals, rel=0.15)
    assert found.fd < 3 * found.fd_of_reals + 0.1


def test_one_class_alone_scores_one_and_is_far(reals):
    images, labels = bars(800, 1)
    found = scores(reals, images[labels == 2])
    assert found.score < 1.3
    assert found.fd > 5 * found.fd_of_reals


def test_images_that_could_be_anything_score_one(reals):
    flat = np.full((200, 1, 16, 16), 100, np.uint8)
    assert scores(reals, flat).score == pytest.approx(1, abs=1e-3)


def test_too_few_images_are_refused(reals):
    with pytest.raises(UserError, match="at least 80"):
        class_scores(reals[0][:60], reals[1][:60], 4, reals[0])


def film(letter_at=None, side=200):
    """Soft shapes like bones, perhaps with a thin bright stroke."""
    image = 150 * ndimage.gaussian_filter(np.random.default_rng(0).random((side, side)), 12, mode="wrap")
    image = np.clip((image - image.min()) * 4, 0, 200)
    if letter_at:
        row, column = letter_at
        image[row : row + 10, column : column + 2] = 255
    return image.astype(np.uint8)[None, None]


def test_a_letter_is_seen_on_its_own_side_only():
    assert not marked(film())[0]
    left, right, low = film((50, 10)), film((50, 185)), film((180, 10))
    assert marked(left)[0]
    assert not marked(left, right=True)[0]
    assert marked(right, right=True)[0]
    assert not marked(right)[0]
    assert not marked(low)[0]
