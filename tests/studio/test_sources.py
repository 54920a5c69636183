"""Before a training, an evaluation or a study a page shows how images were understood, and asks what it cannot know."""

import numpy as np
import pytest
from paths import ROOT
from PIL import Image
from streamlit.testing.v1 import AppTest

PAGES = {"train": 0, "evaluate": 0, "study": 0}


@pytest.fixture
def films(tmp_path, monkeypatch):
    """Makes a folder of small films of these names."""
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))

    def make(names):
        rng = np.random.default_rng(0)
        for name in names:
            path = tmp_path / "films" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(path)
        return str(tmp_path / "films")

    return make


def opened(page, source):
    at = AppTest.from_file(ROOT / f"pages/{page}.py", default_timeout=60).run()
    chooser = next(group for group in at.segmented_control if "Folder" in group.options)
    if chooser.value != "Folder":
        chooser.set_value("Folder").run()
    return typed(at, "Folder, zip or DICOM", source)


def typed(at, label, value):
    return next(t for t in at.text_input if t.label.startswith(label)).set_value(value).run()


def texts(at):
    return " ".join(
        e.value.replace("\\", "") for kind in ("markdown", "caption", "info", "error") for e in at.get(kind)
    )


@pytest.mark.parametrize("page", PAGES)
def test_splits_are_told_and_can_be_chosen(films, page):
    source = films([f"{s}/KL{g}/90000{i}{g}L.png" for s in ("train", "val") for g in range(3) for i in range(2)])
    at = opened(page, source)
    assert not at.exception
    assert "Splits: train (6), val (6). Used: train." in texts(at)
    assert "'KL2' as 2" in texts(at)
    at = next(s for s in at.selectbox if s.label == "Images of").set_value("val").run()
    assert "Used: val." in texts(at)
    assert not at.exception


@pytest.mark.parametrize("page", PAGES)
def test_what_cannot_be_known_is_asked(films, page):
    at = opened(page, films([f"{1000 + i // 2}/{i}.png" for i in range(60)]))
    assert "are these classes or patients?" in texts(at)
    assert "Start" not in " ".join(b.label for b in at.button if not b.disabled)
    at = next(b for b in at.button if b.label == "Each folder is a patient").click().run()
    assert "Patients: 30, from the folders." in texts(at)
    assert not at.exception


def test_a_wrong_answer_can_be_taken_back(films):
    at = opened("train", films([f"{g}/{i}.png" for g in "ab" for i in range(3)]))
    at = typed(at, "Patients in the files' names", "nothing-{patient}")
    assert "No file is called" in texts(at)
    at = next(b for b in at.button if b.label == "Read them as found").click().run()
    assert "Classes: a, b, from the folders." in texts(at)
    assert not at.exception


def test_a_recipe_that_ignores_classes_says_so(films):
    at = opened("train", films([f"{g}/{i}.png" for g in "ab" for i in range(3)]))
    at = at.selectbox(key="recipe").set_value("dcgan").run()
    assert "dcgan learns without classes: the 2 of this data are ignored." in texts(at)


def test_what_is_odd_is_shown(films, tmp_path):
    source = films([f"{i}.png" for i in range(5)])
    Image.new("L", (32, 32), 128).save(tmp_path / "films" / "blank.png")
    at = opened("train", source)
    assert "1 image is blank" in [e.label for e in at.expander]
    assert "blank.png" in texts(at)


def test_on_a_server_of_other_people_a_table_must_lie_where_they_may_look(films, tmp_path, monkeypatch):
    source = films(["a.png", "b.png"])
    monkeypatch.setenv("KNEE_GAN_FOLDERS", source)
    (tmp_path / "secret.csv").write_text("file,label\na.png,1\n")
    at = typed(opened("train", source), "Table of labels", str(tmp_path / "secret.csv"))
    assert "can only use folders below" in texts(at)
