"""Joint-space width: it is the phantom's known width, on either side, and never a silent number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paths import KNEES
from scipy.stats import sem

from gan_core.data import load
from gan_core.errors import UserError
from studio.knee.joint_space import Spread, joint_space, per_grade, side
from studio.knee.phantom import phantom, render


@pytest.fixture(scope="module")
def phantoms():
    return phantom(150, 64, first_seed=300)


@pytest.fixture(scope="module")
def knees():
    if not KNEES.is_dir():
        pytest.skip("needs the real knees in ../shared/data/knees/val")
    return load(str(KNEES / "val"), 256)


@pytest.fixture(scope="module")
def small_knees(knees):
    """The same at 64 pixels."""
    blocks = knees.images.reshape(-1, 1, 64, 4, 64, 4)
    return blocks.mean((3, 5), np.float32).round().astype(np.uint8)


@pytest.mark.parametrize(("resolution", "error", "correlation"), [(64, 0.4, 0.75), (128, 0.6, 0.85), (256, 1.2, 0.85)])
def test_finds_the_phantoms_width(resolution, error, correlation):
    images, params = phantom(80, resolution, first_seed=300)
    space = joint_space(images)
    measured = np.stack(space.medial_lateral([p.side for p in params]), 1)[space.found]
    mm = np.array([[p.jsw_medial_mm, p.jsw_lateral_mm] for p in params])
    true = (mm / np.array([p.mm_per_pixel(resolution) for p in params])[:, None])[space.found]
    assert space.share_not_found < 0.03
    assert np.abs(measured - true).mean() < error
    for measured_one, true_one in zip(measured.T, true.T, strict=True):
        assert np.corrcoef(measured_one, true_one)[0, 1] > correlation - 0.1
    assert np.corrcoef(measured.ravel(), true.ravel())[0, 1] > correlation


@pytest.mark.parametrize("compartment", ["medial", "lateral"])
def test_narrowing_of_one_compartment_moves_that_ones_figure_alone(phantoms, compartment):
    before = [replace(p, jsw_medial_mm=5.5, jsw_lateral_mm=5.5) for p in phantoms[1][:40]]
    after = [replace(p, **{f"jsw_{compartment}_mm": 3.5}) for p in before]
    sides = [p.side for p in before]
    widths = [joint_space(render(params, 128)).medial_lateral(sides) for params in (before, after)]
    change = np.median(np.array(widths[0]) - np.array(widths[1]), axis=1)
    expected = np.mean([2 / p.mm_per_pixel(128) for p in before])
    moved, still = change if compartment == "medial" else change[::-1]
    assert moved == pytest.approx(expected, rel=0.25)
    assert abs(still) < 0.1 * expected


def test_an_inverted_or_fainter_film_reads_the_same(phantoms):
    images = phantoms[0]
    space, inverted = joint_space(images), joint_space(255 - images)
    assert not space.inverted.any()
    assert inverted.inverted.all()
    np.testing.assert_allclose(inverted.left, space.left, atol=0.05)
    fainter = joint_space((100 + 0.4 * images.astype(float)).round().astype(np.uint8))
    both = space.found & fainter.found
    assert both.mean() > 0.95
    assert np.median(np.abs(fainter.left - space.left)[both]) < 0.05


def test_a_mirrored_image_swaps_left_and_right(phantoms):
    images, mirrored = phantoms[0], np.ascontiguousarray(phantoms[0][..., ::-1])
    space, swapped = joint_space(images), joint_space(mirrored)
    np.testing.assert_allclose(swapped.left, space.right, atol=0.02)
    np.testing.assert_allclose(swapped.femur[:, 0, ::-1], space.femur[:, 1], atol=0.1)
    assert (side(mirrored) == np.array([{"L": "R", "R": "L", "": ""}[s] for s in side(images)])).all()


def test_edges_and_columns_are_in_pixels_of_the_image(phantoms):
    space = joint_space(phantoms[0])
    femur, tibia = space.femur[space.found], space.tibia[space.found]
    assert femur.shape[1:] == space.columns.shape
    assert 0 < space.columns[0].min() < space.columns[0].max() < 32 < space.columns[1].min() < 64
    assert (femur.mean(2) < tibia.mean(2)).all()
    # The plateau's middle is at a known height of the film.
    plateau = [32 + p.offset_distal_mm / p.mm_per_pixel(64) for p in phantoms[1]]
    assert np.median(tibia.mean((1, 2)) - np.array(plateau)[space.found]) == pytest.approx(0, abs=1)


@pytest.mark.parametrize("grain", [1, 4])  # pixels
def test_there_is_no_joint_in_noise(grain):
    noise = np.random.default_rng(0).integers(0, 256, (60, 1, 64 // grain, 64 // grain), np.uint8)
    space = joint_space(noise.repeat(grain, 2).repeat(grain, 3))
    assert space.share_not_found > 0.95
    assert np.isnan(space.left[~space.found]).all()
    assert np.isnan(space.right[~space.found]).all()


@pytest.mark.parametrize("level", [0, 90, 255])
def test_there_is_no_joint_in_a_constant_image(level):
    images = np.full((2, 1, 64, 64), level, np.uint8)
    space = joint_space(images)
    assert not space.found.any()
    assert space.share_not_found == 1
    for width in (space.left, space.right, space.narrower, space.femur, space.tibia):
        assert np.isnan(width).all()
    assert (side(images) == "").all()


def test_a_knee_measures_the_same_in_any_company(phantoms):
    space = joint_space(phantoms[0])
    np.testing.assert_allclose(joint_space(phantoms[0][70:80]).left, space.left[70:80], atol=1e-3)


@pytest.mark.parametrize("shape", [(0, 1, 64, 64), (2, 64, 64), (2, 1, 64, 48), (2, 1, 28, 28)])
@pytest.mark.parametrize("measure", [joint_space, side])
def test_says_which_images_it_cannot_measure(measure, shape):
    with pytest.raises(UserError):
        measure(np.zeros(shape, np.uint8))


def test_an_unknown_side_leaves_medial_and_lateral_open(phantoms):
    space = joint_space(phantoms[0][:3])
    medial, lateral = space.medial_lateral(["L", "R", ""])
    assert medial[:2].tolist() == [space.left[0], space.right[1]]
    assert lateral[:2].tolist() == [space.right[0], space.left[1]]
    assert np.isnan([medial[2], lateral[2]]).all()


def test_tells_the_phantoms_side(phantoms):
    told = side(phantoms[0])
    known = told != ""
    assert known.mean() > 0.9
    assert (told == np.array([p.side for p in phantoms[1]]))[known].mean() > 0.97


def test_spread_per_grade():
    values = np.array([1.0, 2.0, 4.0, np.nan, 7.0, np.nan])
    spread = per_grade(values, np.array([0, 0, 0, 0, 2, 3]), 4)
    assert spread[0].mean == pytest.approx(7 / 3)
    assert (spread[0].n, spread[0].missing) == (3, 1)
    assert spread[0].sd == pytest.approx(np.std([1, 2, 4], ddof=1))
    # 4.303 is the 97.5th percentile of Student's t with two degrees of freedom.
    assert spread[0].high - spread[0].mean == pytest.approx(4.303 * sem([1, 2, 4]), rel=1e-3)
    assert spread[0].mean - spread[0].low == pytest.approx(spread[0].high - spread[0].mean)
    assert spread[1] == Spread(0, 0, None, None, None, None)
    assert spread[2] == Spread(1, 0, 7.0, None, None, None)
    assert spread[3] == Spread(0, 1, None, None, None, None)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2], [-1, 0, 1]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(UserError):
        per_grade(np.ones(3), np.array(labels), 2)


def test_real_knees_narrow_with_grade(knees, small_knees):
    spread = per_grade(joint_space(small_knees).narrower, knees.labels, 5)
    for worn in (3, 4):
        assert spread[worn].high < min(spread[grade].low for grade in (0, 1, 2))
    assert sum(s.missing for s in spread) < 0.01 * len(knees.labels)


def test_real_knees_measure_the_same_at_a_quarter_of_the_size(knees, small_knees):
    large, small = joint_space(knees.images[::5]), joint_space(small_knees[::5])
    both = large.found & small.found
    assert both.mean() > 0.98
    for a, b in ((large.left, small.left), (large.right, small.right)):
        assert np.corrcoef(a[both], b[both])[0, 1] > 0.9
        assert np.median(np.abs(a / 4 - b)[both]) < 0.15


def test_tells_the_side_of_real_knees(knees, small_knees):
    told = side(small_knees)
    known = told != ""
    assert known.mean() > 0.98
    assert (told == np.array([Path(f).stem[-1] for f in knees.files]))[known].mean() > 0.99
