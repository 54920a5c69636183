"""The Describe view of the Explore page as Streamlit's test harness sees it."""

import io
import json
import zipfile

import app_page
import pytest
from app_page import button, told

from studio.explore import ui_describe as describe_view
from studio.knee.words import sentences
from studio.knee.words.sentences import open_encoder
from studio.knee.words.telling import zipped
from studio.models import ui_models as models


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(models, "shipped_generators", list)  # the small models below are quicker
    monkeypatch.setattr(sentences, "_FOLDERS", {"minilm": lambda: None, "clip": lambda: None})
    open_encoder.cache_clear()


@pytest.fixture
def graded(untrained_run):
    return lambda preset="acgan": untrained_run(preset, 5)


def page(**query):
    return app_page.page("explore", **{"view": "Describe", **query})


def films(at):
    """What the viewer was given; empty where there is none."""
    found = [
        json.loads(c.proto.mixed.json if c.proto.HasField("mixed") else c.proto.json)
        for c in at.main.get("bidi_component")
    ]
    return next((given["films"] for given in found if "films" in given), [])


def test_it_opens_empty_with_examples_and_says_what_can_be_asked_for(graded):
    graded()
    at = page()
    assert not at.exception
    assert not films(at)
    assert "osteophytes" in told(at)
    assert "chondrocalcinosis" not in told(at)
    assert "pip install" in told(at), "there is no sentence encoder in this test"
    button(at, describe_view.EXAMPLES[2]).click().run()
    assert at.text_input(key="describe_words").value == describe_view.EXAMPLES[2]
    assert len(films(at)) == describe_view.KNEES


def test_too_many_words_are_told_of_rather_than_dropped(graded):
    graded()
    at = page()
    at.text_input(key="describe_words").set_value("KL 3 " + "narrowing " * 30).run()
    assert not at.exception
    assert "at most 300 characters" in told(at)
    assert not films(at)


def test_words_in_the_link_bring_knees_the_mapping_and_the_command(graded):
    run = graded()
    at = page(model=run.name, words="KL 3, very dark film, xyzzy, no fracture")
    assert not at.exception
    assert len(films(at)) == describe_view.KNEES
    assert all("synthetic" in film["file_name"] for film in films(at))
    assert all("KL 3" in film["caption"] for film in films(at))
    text = told(at)
    assert "A dark film, severe" in text
    assert "darker than 95%" in text
    assert "xyzzy: not understood" in text
    assert "neither asked for nor kept out" in text
    (command,) = [c.value for c in at.code]
    assert command.startswith("python -m gan_core describe 'KL 3, very dark film, xyzzy, no fracture' --model")
    shown = {k: v if isinstance(v, str) else v[0] for k, v in at.query_params.items()}
    assert shown["words"] == "KL 3, very dark film, xyzzy, no fracture"
    assert [b.proto.label for b in at.get("download_button")] == ["Download all"]


def test_a_knee_opens_in_explore_and_the_words_are_still_there_on_the_way_back(graded):
    graded()
    at = page(words="KL 2, bright film")
    button(at, "3").click().run()
    (component,) = at.main.get("bidi_component")
    given = json.loads(component.proto.mixed.json if component.proto.HasField("mixed") else component.proto.json)
    assert given["mode"] == "one"
    assert given["query"]["grade"] == "2"
    at.segmented_control(key="explore_view").set_value("Describe").run()
    assert at.text_input(key="describe_words").value == "KL 2, bright film"
    assert films(at)


def test_a_model_without_grades_says_what_it_cannot_be_asked_for(graded):
    graded("dcgan")
    at = page(words="KL 3, left knee, bright film")
    assert not at.exception
    assert "trained without grades" in told(at)
    assert "neither left nor right" in told(at)
    assert films(at)
    at.text_input(key="describe_words").set_value("KL 3").run()
    assert not films(at)
    assert "cannot be asked for any of this" in told(at)


@pytest.mark.parametrize(
    "words",
    [
        "...",
        "x" * 5000,
        "<script>alert(1)</script>",
        "**bold** $x^2$ :red[x]",
        "\u202eknee\u0000",
        "'; rm -rf / #",
        "🦴" * 90,
    ],
)
def test_whatever_a_link_says_there_is_no_traceback(graded, words):
    graded()
    at = page(words=words, show="99999999999999999999")
    assert not at.exception
    assert not at.error
    assert not films(at)
    assert told(at)


def test_all_knees_at_once_are_a_zip_file():
    content = zipped({"seed0001.png": b"a", "described.json": b"{}"})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("seed0001.png") == b"a"
        assert archive.testzip() is None
