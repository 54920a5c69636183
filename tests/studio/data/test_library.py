"""What a person has brought is there the next time, until they remove it; on a host each visitor has their own."""

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import app_page
import numpy as np
import pytest
from app_page import told as texts
from made_data_set import png as made
from paths import ROOT
from PIL import Image

from gan_core.errors import UserError
from gan_core.train.run import create_run
from studio import hosting, ui_visitor, uploads
from studio.data import library
from studio.data.library import HERE
from studio.evaluate.folder import EvaluationRequest, create_evaluation

DAY = 86_400


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(hosting.FOLDERS_ENV, raising=False)
    monkeypatch.setattr("studio.ui_sources.PHANTOMS", "phantom:60")
    return tmp_path / "runs"


@pytest.fixture
def films(tmp_path):
    for name in ("train/0/a.png", "train/1/b.png", "val/0/c.png", "val/1/d.png"):
        path = tmp_path / "knees/films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(len(name)).integers(0, 256, (32, 32), np.uint8)).save(path)
    return str(tmp_path / "knees/films")


def png():
    return made(0)


def session(name="train"):
    at = app_page.page(name)
    assert not at.exception
    return at


def shown(at, name):
    at.switch_page(str(ROOT / f"pages/{name}.py"))
    at.run()
    assert not at.exception
    return at


def images_of(at):
    """What the choice of images says."""
    return next(group for group in at.segmented_control if "Remembered" in group.options)


def choose(at, kind):
    at = images_of(at).set_value(kind).run()
    assert not at.exception
    return at


def named(at, folder):
    at = choose(at, "Folder")
    return next(t for t in at.text_input if t.label.startswith("Folder, zip")).set_value(folder).run()


def brought(at):
    """The sources that are on offer as brought before."""
    return next((box.options for box in at.selectbox if box.label == "Used before"), [])


def test_a_folder_named_once_is_there_on_the_other_pages_and_the_next_time(films, untrained_run):
    untrained_run()
    at = named(session(), films)
    assert "2 images" in texts(at)
    at = shown(at, "evaluate")
    assert images_of(at).value == "Remembered"  # in the session in which it was brought
    assert "Splits: train (2), val (2). Used: train." in texts(at)
    assert next(group for group in at.segmented_control if group.label == "Reference").value != "Remembered"
    for page in ("compare", "study", "train", "evaluate"):
        at = session(page)
        assert images_of(at).value != "Remembered"
        at = choose(at, "Remembered")
        assert brought(at) == ["knees/films · 2 images"]
        assert f"Folder, added {datetime.now(UTC).day} " in texts(at)
        assert films in texts(at)


def test_how_it_is_read_is_remembered_but_not_the_split(films, untrained_run):
    untrained_run()
    at = named(session("evaluate"), films)
    at = next(t for t in at.text_input if t.label == "Patients in the files' names").set_value("none").run()
    at = next(box for box in at.selectbox if box.label == "Images of").set_value("val").run()
    assert "Used: val." in texts(at)
    again = choose(session("evaluate"), "Remembered")
    assert next(t for t in again.text_input if t.label == "Patients in the files' names").value == "none"
    assert "Used: train." in texts(again)


def test_an_upload_is_there_the_next_time_and_goes_when_it_is_removed(runs, untrained_run):
    at = choose(session(), "Upload")
    at.file_uploader[0].upload("knee one.png", png(), "image/png").run()
    at = choose(session(), "Remembered")
    assert brought(at) == ["knee one.png · 1 image"]
    assert "Upload, added" in texts(at)
    assert "1 image" in texts(at)
    assert len(list((runs / "uploads").iterdir())) == 1
    at = next(b for b in at.button if b.label == "Remove").click().run()
    assert not at.exception
    assert brought(at) == []
    assert "Nothing yet" in texts(at)
    assert not list((runs / "uploads").iterdir())


def test_what_is_removed_does_not_come_back_from_a_page_where_it_still_stands(films, untrained_run):
    untrained_run()
    at = named(session("evaluate"), films)
    at = choose(shown(at, "train"), "Remembered")
    at = next(b for b in at.button if b.label == "Remove").click().run()
    at = shown(at, "evaluate")
    assert not list(library.everything())
    at = named(at, f"{films}/val")
    assert [known.source for _, known in library.everything()] == [f"{films}/val"]


def test_an_upload_that_a_run_uses_outlives_its_removal(runs, tiny):
    source = uploads.keep([("a.png", png())])
    library.remember(HERE, source, "upload", 1)
    create_run(tiny(data=source), "upload")
    library.forget(HERE, source)
    uploads.forget([source])
    assert Path(source).exists()


def test_images_that_cannot_be_used_are_not_remembered(tmp_path):
    (tmp_path / "words.txt").write_text("words")
    at = named(session(), str(tmp_path / "words.txt"))
    assert at.error
    assert not list(library.everything())
    assert brought(choose(session(), "Remembered")) == []


def test_phantoms_and_digits_need_no_remembering():
    at = named(session(), "digits")
    assert "1,797 images" in texts(at)
    assert not list(library.everything())


def test_on_a_host_nobody_sees_what_another_has_brought(films, monkeypatch, call):
    named(session(), films)
    monkeypatch.setenv(hosting.FOLDERS_ENV, films)
    one, other = session(), session()
    assert brought(choose(one, "Remembered")) == []  # not even what the computer's owner has
    one = named(one, f"{films}/val")
    assert len(brought(choose(one, "Remembered"))) == 1
    assert brought(choose(other, "Remembered")) == []


def test_on_a_host_evaluate_does_not_open_with_what_another_has_named(films, monkeypatch, untrained_run):
    untrained_run()
    source = uploads.keep([("a.png", png())])
    create_evaluation(EvaluationRequest(model="m", data=source, reference=films))
    named_before = {"Folder, zip or DICOM file on the computer that runs this": source}
    assert named_before.items() <= {t.label: t.value for t in reversed(session("evaluate").text_input)}.items()
    monkeypatch.setenv(hosting.FOLDERS_ENV, films)
    at = session("evaluate")
    assert not at.error
    assert not [t.value for t in at.text_input if t.value in (source, films)]


def test_a_folder_that_the_host_no_longer_shows_is_refused(films, tmp_path, monkeypatch):
    monkeypatch.setattr(ui_visitor, "owner", lambda: "somebody")
    monkeypatch.setattr("studio.ui_sources.owner", lambda: "somebody")
    library.remember("somebody", films, "folder", 2)
    monkeypatch.setenv(hosting.FOLDERS_ENV, str(tmp_path / "elsewhere"))
    at = choose(session(), "Remembered")
    assert "can only use folders below" in texts(at)


def aged(source, days):
    """As if a source had been brought, and kept, so many days ago."""
    for path in (*library._root().glob("*/*.json"), Path(source).parent):
        os.utime(path, (time.time() - days * DAY,) * 2)


def test_a_visitors_upload_is_forgotten_when_its_days_are_over_and_the_owners_is_not(runs, monkeypatch):
    source = uploads.keep([("a.png", png())])
    library.remember("visitor", source, "upload", 1)
    aged(source, 6.9)
    uploads.sweep(7 * DAY)
    assert Path(source).exists()
    aged(source, 7.1)
    uploads.sweep(7 * DAY)
    assert not Path(source).exists()
    assert not list((runs / "sources").iterdir())
    source = uploads.keep([("a.png", png())])
    library.remember(HERE, source, "upload", 1)
    aged(source, 400)
    uploads.sweep(7 * DAY)
    assert Path(source).exists()


def test_a_visitors_upload_stays_as_long_as_their_training(tiny):
    source = uploads.keep([("a.png", png())])
    library.remember("visitor", source, "upload", 1)
    create_run(tiny(data=source), "upload")
    aged(source, 30)
    uploads.sweep(7 * DAY)
    assert Path(source).exists()
    assert [known.source for known in library.remembered("visitor")] == [source]


def test_what_was_used_last_comes_first(tmp_path):
    for i, name in enumerate(("a", "b", "c")):
        library.remember(HERE, name, "folder", 1)
        path = library._path(HERE, name)
        os.utime(path, (time.time() - 100 + i,) * 2)
    library.remember(HERE, "a", "folder")
    assert [known.source for known in library.remembered(HERE)] == ["a", "c", "b"]
    assert library.remembered(HERE)[0].count == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"source": 1}', b"\xff", b"[" * 100_000, b'{"source":"a","kind":"x","brought":"2020-01-01"}'],
)
def test_a_damaged_note_is_passed_over(content, films):
    library.remember(HERE, films, "folder", 2)
    (library._root() / HERE / "damaged.json").write_bytes(content)
    assert [known.source for known in library.remembered(HERE)] == [films]


def test_a_folder_with_a_name_that_is_no_text_is_remembered_too(tmp_path):
    strange = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff?films")
    library.remember(HERE, strange, "folder", 3)
    (one,) = library.remembered(HERE)
    assert one.source == strange
    library.forget(HERE, strange)
    assert library.remembered(HERE) == []


def test_where_it_cannot_be_written_a_sentence_says_so(runs):
    runs.mkdir(parents=True)
    (runs / "sources").write_text("in the way")
    with pytest.raises(UserError, match="cannot be remembered"):
        library.remember(HERE, "a", "folder", 1)


def test_the_same_by_command(films, call):
    code, out, _ = call("sources", "add", films, "--read", "patients=none")
    assert code == 0
    assert out.strip() == f"{films}?patients=none"
    code, out, _ = call("sources", "--json")
    (one,) = json.loads(out)
    assert (one["name"], one["source"], one["count"], one["whose"]) == ("knees/films", films, 2, "here")
    assert brought(choose(session(), "Remembered"))
    assert "knees/films" in call("sources")[1]
    code, out, _ = call("sources", "remove", one["id"])
    assert (code, out.strip()) == (0, "knees/films")
    assert json.loads(call("sources", "--json")[1]) == []
    code, _, err = call("sources", "remove", one["id"])
    assert code == 1
    assert "No remembered source" in err
    assert call("sources", "add", "digits")[0] == 1


def answered(cookie="", accept="text/html,*/*"):
    """The cookie that a page comes with."""
    sent = []

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    headers = [(b"accept", accept.encode()), (b"cookie", cookie.encode())]
    asyncio.run(ui_visitor.KnowsVisitors(page)({"type": "http", "headers": headers}, None, send))
    return dict(sent[0]["headers"]).get(b"set-cookie", b"").decode()


def test_a_browser_gets_a_key_on_a_host_alone_and_keeps_it(monkeypatch):
    assert answered() == ""
    monkeypatch.setenv(hosting.FOLDERS_ENV, "none")
    assert answered(accept="image/png") == ""
    first, second = answered(), answered()
    assert first.partition(";")[0] != second.partition(";")[0]
    assert "HttpOnly" in first
    assert "SameSite=Lax" in first
    key = first.partition(";")[0]
    assert answered(f"other=1; {key}").startswith(f"{key};")
    assert not answered(f"{ui_visitor.COOKIE}=../../etc").startswith(f"{ui_visitor.COOKIE}=..")
