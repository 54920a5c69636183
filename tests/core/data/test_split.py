"""A patient is never on both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_core.data import split_by_patient
from gan_core.data.dataset import patient, patients
from gan_core.errors import UserError

KNEES = [f"{grade}/90{i:05d}{side}.png" for i in range(100) for side, grade in (("L", i % 5), ("R", i % 3))]


@given(st.floats(0.01, 0.99), st.integers(0, 2**31), st.randoms())
def test_no_patient_on_both_sides_and_every_file_on_one(fraction, seed, random):
    files = KNEES.copy()
    random.shuffle(files)
    rest, held = split_by_patient(patients(files), fraction, seed)
    assert sorted([*rest, *held]) == list(range(len(files)))
    assert not {patient(files[i]) for i in rest} & {patient(files[i]) for i in held}
    assert abs(len(held) - fraction * 200) <= 2
    assert len(rest) > 0
    assert len(held) > 0


def test_the_side_of_a_patient_hangs_on_the_seed_alone():
    held = {KNEES[i] for i in split_by_patient(patients(KNEES), 0.3, 7)[1]}
    backwards = KNEES[::-1]
    assert {backwards[i] for i in split_by_patient(patients(backwards), 0.3, 7)[1]} == held
    assert {KNEES[i] for i in split_by_patient(patients(KNEES), 0.3, 8)[1]} != held


def test_both_knees_are_one_patient_in_whatever_folder():
    assert patient("0/9001695L.png") == patient("train/4/9001695R.PNG") != patient("0/9001696L.png")


def test_files_without_a_patient_stand_alone_and_slices_stay_together():
    files = ["normal/IM-0117-0001.jpg", "other/IM-0117-0001.jpg", "scan.dcm#0", "scan.dcm#1", "MODEL.png", "MODER.png"]
    assert len({patient(f) for f in files}) == 5
    for seed in range(20):
        rest, held = split_by_patient(patients(files), 0.5, seed)
        assert (2 in rest) == (3 in rest)
        assert len(rest) + len(held) == 6


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_fraction_that_splits_nothing_is_refused(fraction):
    with pytest.raises(UserError, match="fraction"):
        split_by_patient(patients(KNEES), fraction)


def test_one_patient_cannot_be_split():
    with pytest.raises(UserError, match="split"):
        split_by_patient(patients(["0/9000001L.png", "0/9000001R.png"]), 0.5)
    with pytest.raises(UserError, match="split"):
        split_by_patient([], 0.5)


def test_indices_index():
    rest, _ = split_by_patient(patients(KNEES), 0.2)
    assert np.array(KNEES)[rest].shape == rest.shape
    assert np.all(np.diff(rest) > 0)
