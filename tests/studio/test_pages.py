"""Each page as Streamlit's own test harness sees it: what a person finds, chooses and is told."""

import asyncio
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from app_page import component, page
from app_page import told as texts
from paths import ROOT
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core import data
from gan_core.errors import UserError
from gan_core.images import png
from gan_core.model import SHIPPED
from gan_core.train.distributed import World
from gan_core.train.run import Run, Status, create_run, list_runs
from studio import uploads
from studio.jobs.launch import delete
from studio.runs import routes as runs_routes
from studio.train.session import train
from studio.ui_start import _sweep

SHIPPED_MODELS = [p.name for p in SHIPPED.glob("*") if (p / "config.json").is_file()]
SMALL = {"model": "knee-64"}  # the quickest of them, where it does not matter which
needs_model = pytest.mark.skipif(not SHIPPED_MODELS, reason="no model is shipped")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def finished(runs, tiny):
    """A short training that has come to its end."""
    config = tiny("acgan", samples=20)
    run = create_run(config, "digits")
    train(run, config, World())
    return run


def films(at):
    """What the viewer was given."""
    return component(at)["films"]


@pytest.mark.parametrize("name", ["gallery", "train", "evaluate"])
def test_every_page_says_what_the_images_are(runs, name):
    at = page(name)
    assert not at.exception
    assert "not for diagnosis" in texts(at)


@needs_model
def test_gallery_opens_on_the_shipped_model_without_a_choice(runs):
    at = page()
    assert at.selectbox(key="model").value in SHIPPED_MODELS
    assert "24 synthetic images" in texts(at)
    assert len(films(at)) == 24


@needs_model
def test_a_link_brings_back_the_same_images(runs):
    query = SMALL | {"seed": "100", "variety": "0.5", "pages": "2"}
    first, second = films(page(**query)), films(page(**query))
    assert [f["seed"] for f in first] == list(range(100, 148))
    assert first == second
    assert first != films(page(**SMALL, seed="100", pages="2"))


@needs_model
@pytest.mark.parametrize(
    "query",
    [
        {"seed": "-5"},
        {"seed": "99999999999999999999"},
        {"pages": "1e9"},
        {"pages": "-1"},
        {"model": "../../etc"},
        {"grade": "seventeen"},
        {"variety": "nan"},
        {"show": "x"},
    ],
)
def test_a_link_out_of_range_still_shows_images(runs, query):
    at = page(**SMALL | query)
    assert not at.exception
    assert len(films(at)) == 24


@needs_model
def test_more_and_other_knees(runs):
    at = page(**SMALL)
    before = films(at)
    more = next(b for b in at.button if "more" in b.label)
    more.click().run()
    assert len(films(at)) == 48
    assert films(at)[:24] == before
    next(b for b in at.button if b.label == "Other knees").click().run()
    assert not {f["seed"] for f in films(at)} & {f["seed"] for f in before}


def test_gallery_filters_by_class_where_the_model_has_classes(finished):
    at = page(model=finished.name)
    at.segmented_control(key="grade").set_value("3").run()
    assert all("digit 3" in f["caption"] for f in films(at))


def test_gallery_shows_no_dead_filter_for_an_unlabelled_model(runs, tiny):
    config = tiny("dcgan")
    run = create_run(config, "digits")
    train(run, config, World())
    at = page(model=run.name)
    assert not at.exception
    assert not at.segmented_control
    assert all("class" not in f["caption"] for f in films(at))


def test_gallery_says_in_words_that_a_model_folder_is_damaged(finished):
    (finished.generator_path / "model.safetensors").write_bytes(b"not tensors")
    at = page(model=finished.name)
    assert any("damaged" in e.value for e in at.error)
    assert "Traceback" not in texts(at)


def test_gallery_without_any_model_says_what_to_do(runs, monkeypatch, tmp_path):
    from studio.models import ui_models as models

    monkeypatch.setattr(models, "shipped_generators", list)
    at = page()
    assert not at.exception
    assert "Train one" in texts(at)


def test_the_form_shows_the_data_before_anything_starts(runs):
    at = page("train")
    at.segmented_control[0].set_value("Digits").run()
    at.selectbox(key="side").set_value(28).run()
    assert "1,797 images" in texts(at)
    assert not list_runs()


def test_the_form_explains_a_folder_that_is_not_there(runs, tmp_path):
    at = page("train")
    at.segmented_control[0].set_value("Folder").run()
    assert not [b for b in at.button if b.label == "Start training"]
    at.text_input[0].set_value(str(tmp_path / "nowhere")).run()
    assert len(at.error) == 1
    assert not [b for b in at.button if b.label == "Start training"]


def test_the_form_names_files_that_were_left_out(runs, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(np.full((40, 40), 60 * i, np.uint8)).save(folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"no image")
    at = page("train")
    at.segmented_control[0].set_value("Folder").run()
    at.text_input[0].set_value(str(folder)).run()
    assert "3 images" in texts(at)
    assert any("Left out: 1 of the files" in e.label for e in at.expander)


def test_an_upload_of_a_zip_is_shown_and_kept_under_its_content(runs):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        for i in range(4):
            image = io.BytesIO()
            Image.fromarray(np.full((32, 32), 50 * i, np.uint8)).save(image, "PNG")
            z.writestr(f"{'ab'[i % 2]}/{i}.png", image.getvalue())
    at = page("train")
    at.segmented_control[0].set_value("Upload").run()
    at.file_uploader[0].upload("../../evil.zip", packed.getvalue(), "application/zip").run()
    assert "4 images" in texts(at)
    kept = list(runs.rglob("*.zip"))
    assert [p.name for p in kept] == ["evil.zip"]


def test_start_writes_the_settings_asked_for_and_launches_once(runs, monkeypatch):
    from studio.jobs import launch

    started = []
    monkeypatch.setattr(launch, "start", started.append)
    at = page("train")
    at.segmented_control[0].set_value("Digits").run()
    at.selectbox(key="side").set_value(28).run()
    at.selectbox(key="recipe").set_value("dcgan").run()
    at.number_input[0].set_value(3.0).run()
    at.text_area[0].set_value("ema_kimg=2").run()
    next(b for b in at.button if b.label == "Start training").click().run()
    (run,) = list_runs()
    assert started == [run]
    config = run.config()
    assert (config.preset, config.data, config.resolution, config.kimg, config.ema_kimg) == (
        "dcgan",
        "digits",
        28,
        3,
        2,
    )
    assert run.name in at.query_params["run"]


def test_a_wrong_setting_is_explained_before_the_start(runs):
    at = page("train")
    at.segmented_control[0].set_value("Digits").run()
    at.text_area[0].set_value("no_such_setting=1").run()
    assert "no_such_setting" in texts(at)
    assert not [b for b in at.button if b.label == "Start training"]


def test_a_setting_that_has_a_field_is_not_taken_from_the_text(runs):
    at = page("train")
    at.text_area[0].set_value("kimg=1\n  \n").run()
    assert "kimg has a field of its own" in texts(at)
    assert not [b for b in at.button if b.label == "Start training"]


def test_what_was_typed_stays_when_an_addition_is_chosen(runs):
    at = page("train")
    at.number_input[0].set_value(7.0).run()
    at.button_group[-1].set_value(["augment"]).run()
    assert at.number_input[0].value == 7.0


def test_a_recipe_that_needs_classes_cannot_start_without_them(runs, tmp_path):
    for i in range(3):
        Image.fromarray(np.full((40, 40), 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
    at = page("train")
    at.segmented_control[0].set_value("Folder").run()
    at.text_input[0].set_value(str(tmp_path)).run()
    assert [b for b in at.button if b.label == "Start training"]
    at.selectbox(key="recipe").set_value("acgan").run()
    assert "learns from classes" in texts(at)
    assert not [b for b in at.button if b.label == "Start training"]


def test_a_refused_start_leaves_no_run_behind(runs, tiny, monkeypatch):
    from studio.jobs import launch

    run = create_run(tiny(), "digits")
    run.write_status(Status(state="running", images_total=10).with_process())
    monkeypatch.setenv("KNEE_GAN_WHEN_BUSY", "refuse")
    with pytest.raises(UserError, match="one thing at a time"):
        launch.start_new(create_run(tiny(), "digits"))
    assert [r.name for r in list_runs()] == [run.name]
    assert next(b for b in page("train").button if b.label == "Start training").disabled


def test_an_upload_goes_with_the_last_run_that_uses_it_and_what_was_decoded_of_it_too(runs, tiny, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(runs / "cache"))
    source = uploads.keep([(f"{i}.png", png(np.full((32, 32), 50 * i, np.uint8))) for i in range(4)])
    first, second = (create_run(tiny(data=source), "upload") for _ in range(2))
    assert data.load(source, 16).files == tuple(f"{i}.png" for i in range(4))
    decoded = list(runs.rglob("*.npy"))
    assert decoded
    delete(first)
    assert data.load(source, 16).files
    delete(second)
    assert not list((runs / "uploads").iterdir())
    assert not any(p.exists() for p in decoded)
    assert not list(runs.rglob("*.npy"))


def test_the_first_page_need_not_wait_for_pytorch():
    """Whatever the server begins at once does without."""
    script = (
        "import asyncio, sys\n"
        "from studio import ui_start\n"
        "async def begun():\n"
        "    async with ui_start.lifespan(None):\n"
        "        await asyncio.sleep(ui_start.HEAD_START / 2)\n"
        "    print('torch' in sys.modules, flush=True)\n"
        "    import os; os._exit(0)\n"
        "asyncio.run(begun())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_upload_that_nothing_uses_goes_after_a_day(runs, tiny, monkeypatch):
    monkeypatch.setattr("studio.ui_start.HEAD_START", 0.0)
    unused, used = (uploads.keep([(name, png(np.zeros((32, 32), np.uint8)))]) for name in ("a.png", "b.png"))
    create_run(tiny(data=used), "upload")
    uploads.sweep(7 * 86_400)
    assert Path(unused).exists()
    for source in (unused, used):
        os.utime(Path(source).parent, (time.time() - 86_500,) * 2)
    with pytest.raises(TimeoutError):  # the server does so as long as it runs
        asyncio.run(asyncio.wait_for(_sweep(), 2))
    assert not Path(unused).exists()
    assert Path(used).exists()


def test_an_upload_keeps_the_names_it_came_with_and_none_leads_out(runs):
    names = [
        "knee.png",
        "KNEE.PNG",
        "../../knee.png",
        ".hidden.png",
        "..",
        "a\\b:c?.png",
        "n\0ul.png",
        "膝" * 300 + ".png",
    ]
    folder = Path(uploads.keep([(name, str(i).encode()) for i, name in enumerate(names)]))
    kept = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert kept["knee.png"] == b"0"
    assert kept["hidden.png"] == b"3"
    assert kept["b_c_.png"] == b"5"
    assert len(kept) == len(names)
    assert {p for p in runs.rglob("*") if p.is_file()} == {folder / name for name in kept}
    with pytest.raises(UserError, match="one zip, or images"):
        uploads.keep([("a.zip", b""), ("b.png", b"")])


@pytest.mark.parametrize("name", ["evaluate", "compare", "study", "train"])
def test_an_upload_without_an_image_is_told_of_by_its_name_and_not_kept(runs, name):
    at = page(name, **SMALL)
    next(c for c in at.segmented_control if "Upload" in c.options).set_value("Upload").run()
    at.file_uploader[0].upload("t.png", b"words", "image/png").run()
    assert not at.exception
    assert "t.png: not an image" in " ".join(e.value for e in at.error).replace("\\", "")
    assert not list((runs / "uploads").iterdir())


def test_a_link_to_a_run_that_is_gone_says_so(runs):
    at = page("train", run="00042-gone")
    assert "no training 00042-gone" in texts(at)


def test_names_are_shown_as_they_are(runs):
    at = page("train", run="**bold** $x$")
    assert "**bold** $x$" in texts(at)
    assert "**bold**" not in at.warning[0].value


def test_a_second_start_waits_or_is_refused_in_words(runs, tiny, monkeypatch):
    run = create_run(tiny(), "digits")
    run.write_status(Status(state="running", images_total=10).with_process())
    assert "wait for its turn" in texts(page("train"))
    monkeypatch.setenv("KNEE_GAN_WHEN_BUSY", "refuse")
    assert "one thing at a time" in texts(page("train"))


def test_watching_shows_progress_curves_samples_and_what_to_take_away(finished):
    at = page("train", run=finished.name)
    assert not at.exception
    assert "400 of 400 images" in str(at.get("progress")[0].proto.text)
    (curves,) = (json.loads(c.proto.mixed.json or c.proto.json) for c in at.main.get("bidi_component"))
    client = TestClient(Starlette(routes=runs_routes.routes))
    found = client.get("/" + curves["runs"][finished.name]).json()["curves"]
    assert len([p for p in curves["panels"] if any(found[s["column"]] for s in p["series"])]) >= 3
    assert at.select_slider[0].value == 400
    labels = {b.proto.label for b in at.get("download_button")}
    assert {"Animation (GIF)", "Curves (PNG)", "Curves (CSV)"} <= labels


def test_looking_back_in_time_stays_where_one_looks(finished):
    at = page("train", run=finished.name)
    at.select_slider[0].set_value(200).run()
    assert at.select_slider[0].value == 200


def test_an_interrupted_run_says_so_and_offers_to_resume(finished):
    finished.write_status(Status(state="running", images_total=400, pid=2**22 + 1, process_started=1.0).with_process())
    dead = finished.status().model_copy(update={"process_started": 1.0})
    finished.write_status(dead)
    at = page("train", run=finished.name)
    assert "can be resumed" in texts(at)
    assert any(b.label == "Resume" for b in at.button)


def test_a_failed_run_gives_its_reason_and_a_warning_is_shown(finished):
    status = finished.status()
    status.state, status.message, status.warnings = (
        "failed",
        "The numbers became infinite.",
        ["This looks like mode collapse"],
    )
    finished.write_status(status)
    at = page("train", run=finished.name)
    assert any("infinite" in e.value for e in at.error)
    assert any("mode collapse" in w.value for w in at.warning)


def test_delete_asks_first_and_removes_the_run(finished):
    at = page("train", run=finished.name)
    assert finished.path.exists()
    next(b for b in at.button if b.label == "Delete for good").click().run()
    assert not finished.path.exists()
    assert not at.exception


def test_stop_leaves_a_request_for_the_trainer(runs, tiny):
    run = create_run(tiny(), "digits")
    run.write_status(Status(state="running", images_total=10).with_process())
    at = page("train", run=run.name)
    next(b for b in at.button if b.label == "Stop").click().run()
    assert run.stop_path.exists()


def test_a_run_with_nothing_readable_in_it_gets_words(runs):
    folder = runs / "00001-broken"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")
    at = page("train", run="00001-broken")
    assert not at.exception
    assert Run(folder).status().state == "interrupted"
