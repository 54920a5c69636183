"""Knees cut out of films, as DICOM: side and scale go with them, the patient does not."""

import subprocess
import sys

import numpy as np
import pydicom
import pytest
from dicom_check import errors_of, needs_validator
from made_dicom import dicom
from made_films import SPACING, whole_film
from PIL import Image

from gan_core.data import load
from gan_core.errors import UserError
from studio.data.cutting import write_crops
from studio.export.crops import write_dicom
from studio.knee.localizer import BOX_MM


@pytest.fixture
def crops(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "films").mkdir()
    both, left = whole_film("RL")[0], whole_film("L")[0]
    said = {"PatientID": "p7", "PatientName": "Doe^Jane", "PixelSpacing": [SPACING, SPACING]}
    dicom(both, **said).save_as(tmp_path / "films" / "both.dcm")
    Image.fromarray(left).save(tmp_path / "films" / "one.png")
    write_crops(str(tmp_path / "films"), tmp_path / "knees", resolution=64)
    return tmp_path / "knees"


def test_side_and_scale_go_with_a_knee_and_its_patient_does_not(crops, tmp_path):
    assert write_dicom(crops, tmp_path / "archive") == 3
    read = {p.stem: (p.read_bytes(), pydicom.dcmread(p)) for p in (tmp_path / "archive").rglob("*.dcm")}
    assert sorted(read) == ["both_L", "both_R", "one_L"]
    for name, (content, ds) in read.items():
        assert b"p7" not in content
        assert b"Doe" not in content
        assert ds.ImageLaterality == name[-1]
        assert "SyntheticData" not in ds
        with Image.open(crops / f"{name}.png") as image:
            assert np.array_equal(ds.pixel_array, np.asarray(image))
    assert [float(v) for v in read["both_R"][1].PixelSpacing] == pytest.approx([BOX_MM / 64] * 2, rel=1e-4)
    assert "PixelSpacing" not in read["one_L"][1]
    study = {name: ds.StudyInstanceUID for name, (_, ds) in read.items()}
    assert study["both_L"] == study["both_R"] != study["one_L"]
    assert len({ds.SOPInstanceUID for _, ds in read.values()}) == 3
    write_dicom(crops, tmp_path / "again")
    assert all((tmp_path / "again" / f"{name}.dcm").read_bytes() == content for name, (content, _) in read.items())


def test_read_again_they_have_their_side_and_scale(crops, tmp_path):
    write_dicom(crops, tmp_path / "archive")
    found = load(str(tmp_path / "archive"), 32)
    of = dict(zip(found.files, zip(found.sides, found.mm, strict=True), strict=True))
    assert of["both_L.dcm"] == ("L", pytest.approx(BOX_MM / 32, rel=1e-4))
    assert of["both_R.dcm"] == ("R", pytest.approx(BOX_MM / 32, rel=1e-4))
    assert of["one_L.dcm"][0] == "L"
    assert np.isnan(of["one_L.dcm"][1])


@needs_validator
def test_they_pass_the_validator(crops, tmp_path):
    write_dicom(crops, tmp_path / "archive")
    for path in (tmp_path / "archive").rglob("*.dcm"):
        assert errors_of(path) == []


def test_nothing_is_read_or_written_where_it_should_not_be(crops, tmp_path):
    with pytest.raises(UserError, match="name another folder"):
        write_dicom(crops, crops / "dicom")
    with pytest.raises(UserError, match="no folder of crops"):
        write_dicom(tmp_path / "films", tmp_path / "archive")
    Image.new("L", (64, 64)).save(tmp_path / "secret.png")
    table = crops / "crops.csv"
    table.write_text(table.read_text().replace("one_L.png", "../secret.png"))
    with pytest.raises(UserError, match="not in the folder"):
        write_dicom(crops, tmp_path / "archive")
    assert not (tmp_path / "secret.dcm").exists()


def test_by_command(crops, tmp_path):
    command = [
        sys.executable,
        "-m",
        "gan_core",
        "crop",
        str(tmp_path / "films"),
        "--out",
        str(crops),
        "--resolution",
        "64",
    ]
    done = subprocess.run([*command, "--dicom", str(tmp_path / "archive")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "archive").rglob("*.dcm"))) == 3
