"""The anatomy panel: what it says of a picture, where it says nothing, and a knee's place among real ones."""

import json
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from gan_core.errors import UserError
from gan_core.images import save_png
from gan_core.model import SHIPPED
from studio.cli.common import app
from studio.knee.phantom import render, sample_params
from studio.knee.readings import panel as panels
from studio.knee.readings.edges import FOLDER
from studio.knee.readings.outline import LENGTHS
from studio.knee.readings.panel import NOT_FOUND, panel
from studio.knee.readings.reference import FILE, PERCENTS, load_reference
from studio.knee.readings.reference_table import truth

pytestmark = pytest.mark.skipif(
    not all((SHIPPED / name / "config.json").is_file() for name in ("knee-edges", "knee-reader")),
    reason="knee-edges or knee-reader is not there",
)
SIDE = 128


@pytest.fixture(scope="module")
def knee():
    return replace(sample_params(700, 0), side="L", jsw_medial_mm=3.0, jsw_lateral_mm=6.0)


@pytest.fixture(scope="module")
def image(knee):
    return render([knee], SIDE)[0, 0]


def number(figure):
    return float(figure.value.split()[0])


def drawn(told):
    return ElementTree.fromstring(f"<svg>{told.drawing}</svg>")


def test_with_a_scale_lengths_are_in_mm_with_their_error_and_the_drawing_says_them(image, knee):
    told = panel(image, knee.mm_per_pixel(SIDE))
    medial, lateral, difference = told.figures[:3]
    assert number(medial) == pytest.approx(3.0, abs=0.6)
    assert number(lateral) == pytest.approx(6.0, abs=0.7)
    assert number(difference) == pytest.approx(3.0, abs=0.9)
    assert all(f.value.endswith("mm") and " ± 0." in f.value for f in (medial, lateral, difference))
    texts = [text.text for text in drawn(told).iter("text")]
    assert f"medial {number(medial)} mm" in texts
    assert f"lateral {number(lateral)} mm" in texts
    assert "L" in texts
    assert "20 mm" in texts  # the bar
    assert "are in mm" in told.told


def test_without_a_scale_they_are_shares_of_the_plateau_and_there_is_no_bar(image, knee):
    told = panel(image)
    assert number(told.figures[0]) == pytest.approx(float(truth([knee])["medial_space"][0]), abs=0.8)
    assert told.figures[0].value.endswith("%")
    assert "scale is not known" in told.told
    assert not any("mm" in (text.text or "") for text in drawn(told).iter("text"))


def test_neither_left_nor_right_is_said_of_a_compartment(image):
    told = panel(image, 0.8)
    said = f"{told.told} {told.among} {told.drawing} {[f.name for f in told.figures]}".lower()
    assert "medial" in said
    assert "lateral" in said
    assert "left" not in said
    assert "right" not in said


def test_calipers_lie_in_the_half_where_the_compartment_is(image):
    """On a left knee, seen from the front, medial is on the picture's left; mirrored, it is on the right."""
    for pixels, way in ((image, 1), (image[:, ::-1], -1)):
        at = {str(text.text).split()[0]: float(text.get("x", 0)) for text in drawn(panel(pixels)).iter("text")}
        assert way * (at["lateral"] - at["medial"]) > 20
        assert panel(pixels).side == ("L" if way > 0 else "R")


def test_where_there_is_no_knee_it_says_so_and_draws_only_what_the_film_says():
    told = panel(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8), 0.8, "R")
    assert told.told == NOT_FOUND
    assert not told.found
    assert not told.figures
    assert [text.text for text in drawn(told).iter("text")] == ["R", "20 mm"]
    assert not panel(np.zeros((SIDE, SIDE), np.uint8)).drawing


def test_a_film_whose_side_contradicts_its_fibula_is_told(image):
    assert "may be the other way round" in panel(image, side="R").told
    assert "may be" not in panel(image, side="L").told


@pytest.mark.parametrize("mm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_not_used(image, mm):
    assert panel(image, mm).figures == panel(image).figures


def test_an_image_that_is_too_small_is_refused_in_words():
    with pytest.raises(UserError, match="64 pixels or more"):
        panel(np.zeros((32, 32), np.uint8))


def test_a_knee_s_place_is_how_many_of_a_hundred_real_ones_have_less():
    reference = load_reference()
    for resolution in (64, 128, 200, 256, 512):
        spread = reference.level(resolution).spread
        for name in LENGTHS:
            for grade, values in enumerate(spread[name]):
                assert list(values) == sorted(values)
                middle = values[PERCENTS.index(50)]
                assert reference.places(name, middle, resolution)[grade] == pytest.approx(50, abs=1)
            assert set(reference.places(name, -1e9, resolution)) == {0}
            assert set(reference.places(name, 1e9, resolution)) == {100}
    assert len(reference.counts) == len(reference.grades) == 5
    narrow = reference.places("medial_space", 3.5, 128)
    assert narrow[0] < narrow[3]  # a narrow space is rarer among healthy knees


@pytest.mark.parametrize("wrong", ["weights", "json", "sizes", "missing"])
def test_a_table_that_does_not_belong_to_the_weights_is_refused_in_words(tmp_path, wrong):
    folder = tmp_path / "edges"
    shutil.copytree(FOLDER, folder)
    table = json.loads((folder / FILE).read_text())
    if wrong == "weights":
        table["edges"] = "0" * 16
    elif wrong == "sizes":
        table["counts"] = [1, 2]
    (folder / FILE).write_text("{" if wrong == "json" else json.dumps(table))
    if wrong == "missing":
        (folder / FILE).unlink()
    with pytest.raises(UserError):
        load_reference(folder)


def test_the_command_prints_the_figures_and_draws_the_outline(tmp_path, image):
    save_png(tmp_path / "knee.png", image)
    save_png(tmp_path / "none.png", np.zeros((SIDE, SIDE), np.uint8))
    run = CliRunner().invoke
    files = [str(tmp_path / name) for name in ("knee.png", "none.png")]
    done = run(app, ["anatomy", *files, "--knee", "whole", "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0
    knee, none = json.loads(done.stdout)
    assert [f["name"] for f in knee["figures"]][:2] == ["Medial joint space", "Lateral joint space"]
    assert none["told"] == NOT_FOUND
    text = (tmp_path / "out" / "knee.svg").read_text()
    root = ElementTree.fromstring(text)
    assert root.find("{http://www.w3.org/2000/svg}image") is not None
    assert "medial" in text
    shown = run(app, ["anatomy", files[0]])
    assert "Medial joint space" in shown.stdout
    assert panels.NOT_FOR_DIAGNOSIS in shown.stdout
