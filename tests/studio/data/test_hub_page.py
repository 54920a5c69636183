"""Real images from a Hub on loopback: searched for, seen with size and licence, fetched with progress, cancelled."""

import io
import json
import time

import app_page
import numpy as np
import pytest
from app_page import told as texts
from hub_server import TOKEN, Repo, hub_fixture  # noqa: F401
from made_data_set import CARD, FILES, png

from gan_core.errors import UserError
from studio import hosting
from studio.data import downloads, library
from studio.data import hub as data_sets
from studio.data.library import HERE

NAME = "lab/knees"


def arrays(**values):
    out = io.BytesIO()
    np.savez(out, **values)
    return out.getvalue()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(hosting.FOLDERS_ENV, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("studio.ui_sources.PHANTOMS", "phantom:60")
    yield
    for download in downloads.downloads(HERE):
        download.cancel()
        downloads.dismiss(download)


@pytest.fixture
def knees(hub):
    hub.repos[f"datasets/{NAME}"] = repo = Repo(dict(FILES), card={"license": "cc-by-4.0"})
    return repo


def page(name="train"):
    at = app_page.page(name)
    next(group for group in at.segmented_control if "From the Hub" in group.options).set_value("From the Hub").run()
    assert not at.exception
    return at


def asked(at, text):
    next(t for t in at.text_input if t.label.startswith("Search the Hub")).set_value(text)
    at = next(b for b in at.button if b.label == "Ask the Hub").click().run()
    assert not at.exception
    return at


def button(at, label):
    return next((b for b in at.button if b.label.startswith(label)), None)


def box(at, label):
    return next(b for b in at.selectbox if b.label.startswith(label))


def until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it never came")


def test_nobody_is_asked_before_a_person_asks(hub, knees):
    at = page()
    assert "The Hub is not contacted until you press a button" in texts(at)
    for known in data_sets.KNOWN:  # with size and licence
        assert button(at, known.title)
        assert known.about in texts(at)
    assert hub.seen == []


@pytest.mark.parametrize("name", ["evaluate", "compare", "study"])
def test_every_page_that_takes_real_images_offers_the_hub(hub, knees, name, untrained_run):
    untrained_run()
    at = asked(page(name), "lab")
    assert NAME in box(at, "Found").options[0]


def test_found_by_words_seen_fetched_used_and_remembered(hub, knees):
    at = asked(page(), "knees")
    assert box(at, "Found").options == [f"{NAME} · cc-by-4.0"]
    at = box(at, "Found").set_value(NAME).run()
    assert "Licence: **cc-by-4.0**" in texts(at)
    assert "Films of the lab" in texts(at)
    assert "![" not in texts(at)  # no picture is fetched from elsewhere
    parts = {option.partition(" · ")[0] for option in box(at, "Images of").options}
    assert parts == {"The training images, or all", "train", "test", "All of them"}
    assert not hub.paths("png")
    at = button(at, "Fetch it").click().run()
    until(lambda: not any(d.running for d in downloads.downloads(HERE)))
    at = at.run()
    assert not at.exception
    assert "6 images" in texts(at)
    assert not [path for path in hub.paths("png") if "test/" in path]
    (one,) = library.remembered(HERE)
    assert (one.name, one.licence, one.count) == (NAME, "cc-by-4.0", 6)
    assert one.source == f"hf:{NAME}@{knees.commit}"
    hub.seen.clear()
    again = app_page.page("train")
    again = again.segmented_control[0].set_value("Remembered").run()
    assert "6 images" in texts(again)
    assert hub.seen == []  # at its commit it is what it was: nobody is asked again


def test_a_part_is_chosen_before_it_is_fetched(hub, knees):
    at = asked(page(), f"https://huggingface.co/datasets/{NAME}")
    at = box(at, "Images of").set_value("test").run()
    assert "4 files" in texts(at)
    button(at, "Fetch it").click().run()
    until(lambda: library.remembered(HERE))
    assert library.remembered(HERE)[0].name == f"{NAME}:test"
    at = at.run()
    assert "4 images" in texts(at)


def test_a_download_is_cancelled_and_nothing_of_it_is_remembered(hub, knees):
    knees.faults = dict.fromkeys(knees.files, "slow")
    knees.pause = 0.5
    at = asked(page(), NAME)
    at = button(at, "Fetch it").click().run()
    at = button(at, "Cancel").click().run()
    assert "cancelled" in texts(at)
    until(lambda: not any(d.is_alive() for d in downloads.downloads(HERE)))
    assert library.remembered(HERE) == []
    assert button(at, "Fetch it")


def test_what_arrives_damaged_is_said_and_not_used(hub, knees):
    knees.faults = {"train/0/0.png": "wrong"}
    at = asked(page(), NAME)
    at = button(at, "Fetch it").click().run()
    until(lambda: not any(d.running for d in downloads.downloads(HERE)))
    assert "arrived damaged" in texts(at.run())
    assert library.remembered(HERE) == []


@pytest.mark.parametrize(
    ("about", "words"),
    [({"card": {}}, "Ask its owner"), ({"gated": True}, "Gated"), ({"private": True}, "no public data set")],
)
def test_what_stands_in_the_way_is_said_before_the_download(hub, about, words):
    hub.repos[f"datasets/{NAME}"] = Repo(dict(FILES), **about)
    assert words in texts(asked(page(), NAME))


def test_without_the_hub_a_sentence_says_so_and_the_token_is_shown_to_nobody(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.stop()
    for text in ("knees", NAME):
        at = asked(page(), text)
        assert "cannot be reached" in texts(at)
        assert TOKEN not in texts(at)


@pytest.mark.parametrize("text", ["../..", "lab/none", "<b>", "lab/knees:attic", "a" * 200])
def test_what_names_nothing_is_told(hub, knees, text):
    at = asked(page(), text)
    assert any(
        words in texts(at) for words in ("no public data set", "has no data set matching", "no images of a split")
    )


def test_a_host_that_shows_no_folders_downloads_nothing(hub, monkeypatch):
    monkeypatch.setenv(hosting.FOLDERS_ENV, "none")
    at = app_page.page("train")
    assert "From the Hub" not in at.segmented_control[0].options
    assert {"Remembered", "Upload"} <= set(at.segmented_control[0].options)


def test_one_archive_of_arrays_among_many_is_taken_by_its_name(hub):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    some = arrays(train_images=images[:3], train_labels=np.arange(3), test_images=images[3:], test_labels=np.arange(2))
    files = {"README.md": CARD, "data/pneumonia.npz": some, "data/retina.npz": arrays(train_images=images)}
    hub.repos["datasets/lab/small"] = Repo(files)
    offer = data_sets.look("lab/small:pneumonia")
    assert {"pneumonia", "retina"} <= set(offer.parts)
    assert offer.sizes["pneumonia"] == len(some)
    source = data_sets.fetch(offer, "pneumonia")
    assert not hub.paths("retina")
    from studio.data.survey import inspect

    assert inspect(source)["count"] == 5
    assert inspect(f"{source}?split=test")["count"] == 2


def test_a_folder_of_a_set_of_sets_is_taken_by_its_name(hub):
    files = {"knee_osteoarthritis/train/a.png": png(1), "chest/train/b.png": png(2), "README.md": CARD}
    hub.repos["datasets/lab/many"] = Repo(files)
    offer = data_sets.look("lab/many:knee_osteoarthritis")
    assert "chest" in offer.parts
    data_sets.fetch(offer, offer.asked)
    assert hub.paths("a.png")
    assert not hub.paths("b.png")


def test_what_is_too_large_is_refused_before_it_is_fetched(hub, knees):
    knees.sizes = {"train/0/0.png": data_sets.MAX_HUB_BYTES + 1}
    offer = data_sets.look(NAME)
    with pytest.raises(UserError, match="8 GiB"):
        data_sets.fetch(offer)
    assert not hub.paths("png")
    at = asked(page(), NAME)
    assert button(at, "Fetch it").disabled


def test_the_same_by_command(hub, knees, call):
    code, out, _ = call("sources", "search", "knees", "--json")
    assert (code, [hit["repo"] for hit in json.loads(out)]) == (0, [NAME])
    code, out, _ = call("sources", "look", NAME)
    assert code == 0
    assert "cc-by-4.0" in out
    assert not hub.paths("png")
    code, out, err = call("sources", "add", f"hf:{NAME}:test")
    assert code == 0
    assert out.strip() == f"hf:{NAME}@{knees.commit}:test"
    assert "cc-by-4.0" in err
    (one,) = library.remembered(HERE)
    assert (one.count, one.licence) == (4, "cc-by-4.0")
