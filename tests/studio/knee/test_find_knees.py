"""Whole films on the pages: what is asked, what is said, what is used; and the marks on a crop."""

import base64
import io
import re

import numpy as np
import pytest
from app_page import told
from made_dicom import bilateral, bilateral_dicom
from paths import ROOT
from PIL import Image
from streamlit.testing.v1 import AppTest

from gan_core.images import png
from studio.explore.upload import read_film
from studio.knee import marks
from studio.knee.localizer import Knee, is_crop
from studio.knee.phantom import phantom


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, beside empty runs and an empty cache."""
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "films").mkdir()
    return tmp_path / "films"


def opened(page, folder):
    at = AppTest.from_file(ROOT / f"pages/{page}.py", default_timeout=120).run()
    chooser = next(group for group in at.segmented_control if "Folder" in group.options)
    if chooser.value != "Folder":
        chooser.set_value("Folder").run()
    at = next(t for t in at.text_input if t.label.startswith("Folder, zip or DICOM")).set_value(str(folder)).run()
    assert not at.exception
    return at


def use(at):
    return next(group for group in at.segmented_control if group.label == "Knees")


@pytest.mark.parametrize("page", ["train", "evaluate", "study", "compare"])
def test_whole_films_become_their_knees_unless_a_person_wants_the_pictures(folder, page):
    for i in range(2):
        (folder / f"{i}.dcm").write_bytes(bilateral_dicom(PatientID=f"P{i}"))
    (folder / "none.png").write_bytes(png(np.full((200, 300), 90, np.uint8)))
    at = opened(page, folder)
    assert "3 films: 4 knees are used, 1 film has none and is left out" in told(at).replace("*", "")
    assert use(at).value == "Use the knees"
    counted = r"\b4 (images|of films)" if page != "compare" else r"\b4 images"
    assert re.search(counted, told(at).replace("*", ""))
    use(at).set_value("Use the whole pictures").run()
    assert not at.exception
    assert re.search(r"\b3 images", told(at).replace("*", ""))


def test_crops_are_taken_as_they_are_without_a_question(folder):
    for i in range(3):
        (folder / f"{i}.png").write_bytes(png(phantom(1, 64, i)[0][0, 0]))
    at = opened("train", folder)
    assert "3 images, as the networks" in told(at).replace("*", "")
    assert not [group for group in at.segmented_control if group.label == "Knees"]


def test_where_few_are_whole_the_pictures_stay_until_a_person_asks_for_the_knees(folder):
    for i in range(3):
        (folder / f"{i}.png").write_bytes(png(phantom(1, 64, i)[0][0, 0]))
    (folder / "film.dcm").write_bytes(bilateral_dicom())
    at = opened("train", folder)
    assert use(at).value == "Use the whole pictures"
    assert "4 images, as the networks" in told(at).replace("*", "")
    use(at).set_value("Use the knees").run()
    assert "4 films: 5 knees are used" in told(at).replace("*", "")
    assert "5 images, as the networks" in told(at).replace("*", "")


def test_a_film_that_is_looked_for_has_its_knees_with_side_and_scale():
    film = read_film(bilateral_dicom(), "film.dcm")
    assert [knee.side for knee in film.knees] == ["R", "L"]
    assert "Pixel Spacing" in film.spacing_from
    assert np.array_equal(film.pixels, bilateral())


@pytest.mark.parametrize(
    ("shape", "knees", "crop"),
    [
        ((256, 256), [Knee(128, 128, 256)], True),
        ((256, 256), [], False),
        ((256, 512), [Knee(128, 128, 256)], False),
        ((512, 512), [Knee(128, 128, 256), Knee(384, 128, 256)], False),
        ((512, 512), [Knee(256, 256, 200)], False),
        ((140, 140), [Knee(70, 70, 140, mm=1.0)], False),  # 140 mm: more than the models have seen
    ],
)
def test_a_square_that_its_box_covers_is_a_crop(shape, knees, crop):
    assert is_crop(shape, knees) is crop


def test_marks_are_laid_over_a_crop_and_never_into_it():
    pixels = phantom(1, 64)[0][0, 0]
    drawing = base64.b64decode(marks.address(pixels, "L", 1.5).partition(",")[2]).decode()
    assert ">L</text>" in drawing
    assert ">20 mm</text>" in drawing  # 96 mm wide, of which the bar takes less than a half
    inside = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", drawing)[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(inside))), pixels)


@pytest.mark.parametrize("mm", [None, float("nan"), 0.0, 1e-6])
def test_what_is_not_known_is_not_drawn(mm):
    assert marks.address(phantom(1, 64)[0][0, 0], "", mm).startswith("data:image/png")
