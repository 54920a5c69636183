"""The phantom: its pictures depend on its parameters alone, and show what the parameters say."""

from dataclasses import replace

import numpy as np
import pytest

from gan_core.errors import UserError
from studio.knee.phantom import GRADES, PhantomParams, film, phantom, render, sample_params
from studio.knee.phantom.anatomy import JSW_AT_MM, thickness


def standard_film(p: PhantomParams, **changes: object) -> PhantomParams:
    """The same knee, upright and with one exposure for all."""
    return replace(p, **{"rotation_deg": 0.0, "exposure_stops": 0.0, "film_contrast": 1.5, **changes})


def measured_jsw(image: np.ndarray, p: PhantomParams) -> list[float]:
    """Medial and lateral joint-space width in mm, read off the picture as a reader would.

    Along a vertical line through the middle of a compartment: from the darkest point of the gap to half the brightness
    of the bone's edge, up and down.
    """
    resolution = image.shape[-1]
    mm = p.mm_per_pixel(resolution)
    widths = []
    for at, width in zip(JSW_AT_MM, (p.jsw_medial_mm, p.jsw_lateral_mm), strict=True):
        column = (at * p.size + p.offset_lateral_mm) / mm + resolution / 2
        column = resolution - column if p.side == "R" else column
        profile = image[:, int(column) - 1 : int(column) + 2].mean(1)
        plateau = p.offset_distal_mm / mm + resolution / 2
        first, last = int(plateau - (width + 2) / mm), int(plateau + 2 / mm)
        darkest = first + int(profile[first:last].argmin())
        edges = []
        for direction in (-1, 1):
            ray = profile[darkest::direction][: round(6 / mm)]
            half = (ray[0] + ray.max()) / 2
            beyond = int(np.argmax(ray > half))
            edges.append(beyond - (ray[beyond] - half) / (ray[beyond] - ray[beyond - 1]))
        widths.append(sum(edges) * mm)
    return widths


@pytest.mark.parametrize("resolution", [16, 28, 64, 126, 256])
def test_gives_images_and_parameters(resolution):
    images, params = phantom(3, resolution, first_seed=5)
    assert images.shape == (3, 1, resolution, resolution)
    assert images.dtype == np.uint8
    assert [p.seed for p in params] == [5, 6, 7]
    assert (images.std(axis=(1, 2, 3)) > 5).all()


def test_image_depends_on_its_parameters_and_nothing_else():
    together, params = phantom(40, 64, first_seed=100)
    again, _ = phantom(40, 64, first_seed=100)
    np.testing.assert_array_equal(together, again)
    for i in (0, 17, 39):
        np.testing.assert_array_equal(render([params[i]], 64)[0], together[i])
    np.testing.assert_array_equal(render(params[::-1], 64)[::-1], together)


def test_seeds_give_different_knees():
    images, _ = phantom(8, 64)
    assert len(np.unique(images.reshape(8, -1), axis=0)) == 8
    _, rows = phantom(4, 16)
    assert len({tuple(p.as_row().values()) for p in rows}) == 4


def test_row_holds_the_ground_truth():
    row = sample_params(3, grade=2).as_row()
    assert row["kl_grade"] == 2
    assert row["seed"] == 3
    assert {"side", "jsw_medial_mm", "jsw_lateral_mm", "rotation_deg", "field_mm", "exposure_stops"} <= set(row)
    assert all(isinstance(v, int | float | str) for v in row.values())


def test_grades_come_in_the_proportions_of_real_sets():
    grades = [sample_params(seed).kl_grade for seed in range(4000)]
    share = np.bincount(grades, minlength=len(GRADES)) / len(grades)
    np.testing.assert_allclose(share, [0.40, 0.18, 0.26, 0.13, 0.03], atol=0.03)
    sides = [sample_params(seed).side for seed in range(400)]
    assert 0.4 < sides.count("L") / 400 < 0.6


def test_higher_grades_have_narrower_joints_more_spurs_and_sclerosis():
    def means(grade: int) -> tuple[float, float, float]:
        knees = [sample_params(seed, grade) for seed in range(200)]
        return (
            float(np.mean([min(p.jsw_medial_mm, p.jsw_lateral_mm) for p in knees])),
            float(np.mean([p.osteophyte_tibia_medial_mm + p.osteophyte_femur_medial_mm for p in knees])),
            float(np.mean([p.sclerosis_medial for p in knees])),
        )

    widths, spurs, sclerosis = zip(*(means(grade) for grade in range(5)), strict=True)
    assert sorted(widths, reverse=True) == list(widths)
    assert sorted(spurs) == list(spurs)
    assert sorted(sclerosis) == list(sclerosis)
    assert 4 < widths[0] < 6
    assert widths[4] < 1


def test_a_seed_is_one_patient_at_every_grade():
    early, late = sample_params(9, 0), sample_params(9, 4)
    assert (early.side, early.size, early.field_mm, early.film_contrast) == (
        late.side,
        late.size,
        late.field_mm,
        late.film_contrast,
    )


@pytest.mark.parametrize("grade", [0, 2, 3])
def test_joint_space_on_the_film_is_the_one_stated(grade):
    params = [standard_film(sample_params(seed, grade)) for seed in range(20)]
    images = render(params, 256, grain=False)[:, 0].astype(float)
    measured = np.array([measured_jsw(image, p) for image, p in zip(images, params, strict=True)])
    stated = np.array([(p.jsw_medial_mm, p.jsw_lateral_mm) for p in params])
    pixel = max(p.mm_per_pixel(256) for p in params)
    assert np.abs(measured - stated).mean() < 1.25 * pixel
    assert np.abs(measured - stated).max() < 3 * pixel


@pytest.mark.parametrize("resolution", [64, 128])
def test_joint_space_on_the_film_grows_with_the_one_stated(resolution):
    knee = standard_film(sample_params(4, 0))
    widths = [2.5, 3.5, 4.5, 5.5, 6.5]
    params = [replace(knee, jsw_medial_mm=width) for width in widths]
    images = render(params, resolution, grain=False)[:, 0].astype(float)
    medial = [measured_jsw(image, p)[0] for image, p in zip(images, params, strict=True)]
    assert (np.diff(medial) > 0.5).all()


def test_fibula_lies_on_the_outer_side():
    left = standard_film(sample_params(1, 0), side="L", fibula_distal_mm=0.0, fibula_lateral_mm=0.0)
    right = replace(left, side="R")
    images = render([left, right], 64, grain=False)[:, 0].astype(float)
    np.testing.assert_array_equal(images[0], images[1][:, ::-1])
    without = replace(left, fibula_distal_mm=200.0)
    fibula = images[0] - render([without], 64, grain=False)[0, 0]
    rows, columns = np.nonzero(fibula > 5)
    assert rows.size > 20
    assert rows.min() > 38
    assert columns.min() > 40


def test_spurs_and_sclerosis_add_bone_where_they_are():
    plain = standard_film(
        sample_params(2, 0),
        side="L",
        **{f"osteophyte_{bone}_{c}_mm": 0.0 for bone in ("femur", "tibia") for c in ("medial", "lateral")},
        sclerosis_medial=0.0,
        sclerosis_lateral=0.0,
    )
    dense = replace(plain, sclerosis_medial=1.0)
    spurred = replace(plain, osteophyte_tibia_medial_mm=5.0, osteophyte_femur_medial_mm=5.0)
    cortical = thickness([plain, dense, spurred], 64).cortical
    for changed in cortical[1:]:
        gain = changed - cortical[0]
        assert gain[:, :32].sum() > 50
        assert np.abs(gain[:, 40:]).sum() < 0.1 * gain[:, :32].sum()


def test_more_exposure_is_a_blacker_film():
    knee = sample_params(6)
    images = render([replace(knee, exposure_stops=stops) for stops in (-1.0, 0.0, 1.0)], 64)
    bright, middle, dark = images.mean(axis=(1, 2, 3))
    assert bright > middle + 10 > dark + 20


def test_fewer_photons_are_more_grain():
    knee = standard_film(sample_params(6))
    clean = render([knee], 64, grain=False).astype(float)
    grains = [
        float((render([replace(knee, photons_per_mm2=photons)], 64) - clean).std()) for photons in (1e3, 1e4, 1e5)
    ]
    assert grains[0] > 2 * grains[1] > 4 * grains[2]


def test_the_same_knee_at_every_resolution():
    params = [sample_params(seed) for seed in range(6)]
    fine = render(params, 256, grain=False)[:, 0].astype(float)
    for resolution in (32, 64, 128):
        factor = 256 // resolution
        averaged = fine.reshape(6, resolution, factor, resolution, factor).mean((2, 4))
        coarse = render(params, resolution, grain=False)[:, 0].astype(float)
        for a, b in zip(averaged, coarse, strict=True):
            assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97
            assert np.abs(a - b).mean() < 6


def test_attenuation_is_beer_lamberts():
    steps = np.linspace(0, 60, 7, dtype=np.float32)
    none = np.zeros_like(steps)
    empty = film.transmitted(none, none, none, none)
    np.testing.assert_array_equal(empty, 1)
    through = [film.transmitted(*(steps if i == tissue else none for i in range(4))) for tissue in range(4)]
    for intensity in through:
        assert (np.diff(intensity) < 0).all()
        # Equal layers each take the same share.
        np.testing.assert_allclose(intensity[1:] / intensity[:-1], intensity[1] / intensity[0], rtol=1e-4)
    fat, muscle, trabecular, cortical = (intensity[-1] for intensity in through)
    assert fat > muscle > trabecular > cortical
    mixed = film.transmitted(steps, none, none, steps)
    np.testing.assert_allclose(mixed, through[0] * through[3], rtol=1e-4)


def test_thickness_is_never_negative():
    maps = thickness([sample_params(seed, grade) for grade in range(5) for seed in range(4)], 64)
    for name, values in maps._asdict().items():
        assert np.isfinite(values).all(), name
        assert values.min() >= -1e-3, name


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: phantom(1, 8), "resolution"),
        (lambda: phantom(1, 2048), "resolution"),
        (lambda: phantom(0, 64), "0 phantoms"),
        (lambda: sample_params(0, grade=5), "grade"),
        (lambda: sample_params(-1), "seed"),
    ],
)
def test_impossible_requests_are_refused_in_words(call, words):
    with pytest.raises(UserError, match=words):
        call()
