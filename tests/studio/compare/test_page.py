"""The Compare page as Streamlit's own test harness sees it: what a person finds, chooses and is told."""

import json
import re
import shutil
from functools import partial

import app_page
import numpy as np
import pytest
from app_page import told as texts
from PIL import Image

from gan_core.model import SHIPPED
from gan_core.train.distributed import World
from gan_core.train.run import create_run
from studio import ui_sources as sources
from studio.compare import ui_films as compare
from studio.compare import ui_views as compare_view
from studio.train.session import train

needs_encoder = pytest.mark.skipif(
    not (SHIPPED / "knee-encoder" / "config.json").is_file(), reason="the knee encoder is not there"
)
MADE = {}  # runs, each trained once
NEAREST, TONES, MAP = "Nearest real", "Brightness and detail", "Map"


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """No runs, no shipped model, few phantoms."""
    from studio.models import ui_models as models

    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(models, "shipped_generators", list)
    monkeypatch.setattr(sources, "PHANTOMS", "phantom:60")
    return tmp_path / "runs"


@pytest.fixture
def trained(tiny, runs, tmp_path_factory):
    """trained(preset): the name of a run that has hardly learnt anything."""

    def make(preset="dcgan", data="digits"):
        if (preset, data) not in MADE:
            config = tiny(preset, kimg=0.05, samples=10, data=data)
            run = create_run(config, "made", tmp_path_factory.mktemp("made"))
            train(run, config, World())
            MADE[preset, data] = run.path
        return shutil.copytree(MADE[preset, data], runs / MADE[preset, data].name).name

    return make


@pytest.fixture
def graded(trained):
    """A run whose classes are the phantom's."""
    return trained("acgan", "phantom:60")


page = partial(app_page.page, "compare")


def given(at, name):
    """What a component was given, by a word that only it has; None where it is not on the page."""
    for component in at.main.get("bidi_component"):
        proto = component.proto
        data = json.loads(proto.mixed.json if proto.HasField("mixed") else proto.json)
        if name in data:
            return data
    return None


def panels(at):
    return {side["films"][0]["mark"]: side["films"] for side in given(at, "sides")["sides"]}


def folder_of(tmp_path, count, paint=lambda i: np.random.default_rng(i).integers(0, 256, (20, 20), dtype=np.uint8)):
    folder = tmp_path / "films"
    folder.mkdir()
    for i in range(count):
        Image.fromarray(paint(i)).save(folder / f"{9000000 + i}L.png")
    return folder


def from_folder(at, path):
    next(c for c in at.segmented_control if c.label == "From").set_value("Folder").run()
    at.text_input[0].set_value(str(path)).run()
    return at


def test_it_opens_on_the_phantom_with_as_many_of_each_and_says_that_these_stand_in(graded):
    at = page()
    both = panels(at)
    assert len(both["Real"]) == len(both["Synthetic"]) == 12
    assert all(f["alt"].startswith("Synthetic image") for f in both["Synthetic"])
    assert "Phantoms" in texts(at)
    assert "Matching real images: 60." in texts(at)


def test_visitors_who_may_name_no_folder_do_not_see_where_an_upload_lies(graded, monkeypatch, tmp_path):
    monkeypatch.setenv("KNEE_GAN_FOLDERS", "none")
    at = page()
    next(c for c in at.segmented_control if c.label == "From").set_value("Upload").run()
    content = (folder_of(tmp_path, 1) / "9000000L.png").read_bytes()
    at.file_uploader[0].upload("knee.png", content, "image/png").run()
    assert "Matching real images: 1." in texts(at)
    assert "gan_core compare" in at.code[0].value
    assert str(tmp_path) not in at.code[0].value


def test_a_grade_holds_both_sides(graded):
    at = page()
    at.segmented_control(key="grade").set_value("3").run()
    for films in panels(at).values():
        assert films
        assert all(re.match(r"\S+ 3 ·", f["caption"].removeprefix("KL grade")) for f in films)
    assert "--class 3" in at.code[0].value


def test_more_can_be_shown_and_the_link_keeps_it(graded):
    at = page()
    next(b for b in at.button if "more" in b.label).click().run()
    assert len(panels(at)["Real"]) == 24
    assert panels(page(pages="2")) == panels(at)


def test_an_unlabelled_model_has_no_dead_filter(trained):
    trained("dcgan")
    at = page()
    assert "grade" not in {c.key for c in at.segmented_control}
    assert len(panels(at)["Synthetic"]) == 12


@needs_encoder
def test_the_nearest_reals_come_with_words_and_are_said_to_be_no_test_of_copying(graded):
    at = page(view=NEAREST)
    shown = given(at, "synthetic")
    assert shown["synthetic"]["mark"] == "Synthetic"
    assert shown["real"]["mark"] == "Real"
    assert re.search(r"farther away than that: \*\*(\d+ of 100|all|none)\*\*", texts(at))
    ((first, *others),) = panels(at).values()
    assert [film["kind"] for film in (first, *others)] == ["synthetic", *["real"] * 4]
    assert first["query"]["seed"] == re.search(r"seed (\d+)", first["caption"])[1]
    assert all("pairs of different real patients" in film["note"] for film in others)
    assert "trained on" in texts(at)


@needs_encoder
def test_a_link_brings_back_the_same_synthetic_image(graded):
    at = page(view=NEAREST, fake="17")
    assert at.selectbox(key="fake").value == 17
    assert "seed 17" in given(at, "synthetic")["synthetic"]["caption"]


@needs_encoder
def test_the_map_has_a_point_for_each_image_and_shows_the_chosen_one_in_full(graded):
    at = page(view=MAP, point="synthetic-4")
    found = given(at, "points")
    assert len(found["points"]) == 120
    assert len({p["id"] for p in found["points"]}) == 120
    assert found["full"]["src"].startswith("data:image/png")
    next(b for b in at.button if "nearest" in b.label).click().run()
    assert not at.exception
    assert at.selectbox(key="fake").value == 4


def test_the_tones_stand_beside_their_floor_with_what_to_look_for(graded):
    said = texts(page(view=TONES))
    assert said.count("Real to other real patients") == 2
    assert said.count("Synthetic to real") == 2
    assert all(words in said for words in compare_view.WHAT_TO_LOOK_FOR.values())
    assert "finest detail" in said


@needs_encoder
@pytest.mark.parametrize(
    "query",
    [
        {"view": "../../etc", "model": "../../etc", "light": "<script>", "pages": "99"},
        {"grade": "seventeen", "n": "1000000", "seed": "-1", "variety": "nan", "pages": "0"},
        {"n": "x", "seed": "99999999999999999999", "variety": "-1", "pages": "-3"},
        {"view": NEAREST, "fake": "9999999999"},
        {"view": NEAREST, "fake": "-1"},
        {"view": MAP, "point": "real-999"},
        {"view": MAP, "point": "synthetic-x"},
    ],
)
def test_a_link_out_of_range_still_shows_the_page(graded, query):
    at = page(**query)
    assert not at.error
    assert any(given(at, part) for part in ("sides", "synthetic", "points"))


def test_the_window_of_a_link_is_brought_into_range(graded):
    assert given(page(window="150-80-1"), "window") == {"window": "150-80-1"}
    assert given(page(window="<script>"), "window") == {"window": ""}


@pytest.mark.parametrize("light", ["100-100-0", "150-80-1", "60-200-0", "9999-0-0"])
def test_an_older_link_s_brightness_and_contrast_become_the_window_that_shows_the_same(graded, light):
    brightness, contrast, invert = map(int, light.split("-"))
    window, level, inverted = map(int, given(page(light=light), "window")["window"].split("-"))
    assert inverted == invert
    gray = np.arange(256.0)
    shown = ((gray - (level - 0.5)) / (window - 1) + 0.5) * 255
    bright, steep = np.clip(brightness, 20, 300) / 100, np.clip(contrast, 20, 300) / 100
    before = (gray * bright - 127.5) * steep + 127.5
    if light != "9999-0-0":  # whose window is wider than any
        assert np.abs(np.clip(shown, 0, 255) - np.clip(before, 0, 255)).max() <= 3


def test_a_link_makes_this_computer_read_no_folder(graded, tmp_path):
    at = page(data=str(folder_of(tmp_path, 3)), source="Folder", real="Folder")
    assert "phantom, 60 images" in texts(at)
    assert "films, 3 images" not in texts(at)


def test_a_folder_of_one_film_is_compared_and_what_cannot_be_said_is_said(graded, tmp_path):
    at = from_folder(page(view=TONES), folder_of(tmp_path, 1))
    assert not at.exception
    assert "Matching real images: 1." in texts(at)
    assert "do not have the model's classes" in texts(at)
    assert "is not known" in texts(at)


def test_files_that_are_no_images_are_named(graded, tmp_path):
    folder = folder_of(tmp_path, 2)
    (folder / "notes.png").write_bytes(b"no image")
    at = from_folder(page(view=TONES), folder)
    assert "Left out: 1 of the files" in [e.label for e in at.expander]
    assert "notes.png" in at.dataframe[0].value["file"].tolist()


@needs_encoder
def test_few_films_do_not_tell_what_is_unusually_near(graded, tmp_path):
    at = from_folder(page(view=NEAREST), folder_of(tmp_path, 6))
    assert "too few real images to tell what is unusual" in texts(at)
    assert "unusually close" not in texts(at)


@needs_encoder
def test_one_film_has_neighbours_but_no_map(graded, tmp_path):
    at = from_folder(page(view=NEAREST), folder_of(tmp_path, 1))
    assert "all of one patient" in texts(at)
    at = from_folder(page(view=MAP), tmp_path / "films")
    assert "at least 3 images" in texts(at)


def test_films_of_one_gray_have_no_spectrum_and_the_page_says_so(graded, tmp_path):
    gray = folder_of(tmp_path, 3, lambda i: np.full((20, 20), 90, np.uint8))
    at = from_folder(page(view=TONES), gray)
    assert not at.exception
    assert "flat" in texts(at)
    assert "Synthetic to real" in texts(at)


def test_a_folder_that_is_not_there_is_explained(graded, tmp_path):
    at = from_folder(page(), tmp_path / "nowhere")
    assert len(at.error) == 1
    assert not at.exception


def test_a_damaged_model_is_said_in_words(graded, runs):
    (runs / graded / "generator" / "model.safetensors").write_bytes(b"not tensors")
    assert any("damaged" in e.value for e in page().error)


def test_without_any_model_it_says_what_to_do(runs):
    assert "Train one" in texts(page())


def test_side_by_side_makes_no_more_than_it_shows_and_another_view_all(graded, monkeypatch):
    made = []
    whole = compare.sides

    def counted(model, dataset, class_name, n, *rest):
        made.append(n)
        return whole(model, dataset, class_name, n, *rest)

    monkeypatch.setattr(compare, "sides", counted)
    at = page(n="40", seed="77")  # that no other test has had made
    assert made == [12]
    assert "40 synthetic images" in texts(at)
    page(n="40", seed="77", view=TONES)
    assert made == [12, 40]
