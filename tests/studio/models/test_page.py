"""The Models page: what a person sees of a model before it is fetched, gets, uploads, removes and shares."""

import threading
import time
from functools import partial

import app_page
import pytest
from app_page import told as texts
from hub_server import NAME, TOKEN, contents, hub_fixture, zipped  # noqa: F401
from made_models import make

from gan_core.hub import hub_name
from studio import hosting
from studio.jobs import launch
from studio.models.downloads import Download, create_download, forget
from studio.models.pull import look, pull
from studio.models.store import remove, stored
from studio.models.upload import keep_zip


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv(hosting.FOLDERS_ENV, raising=False)
    for module in ("studio.models.ui_models", "studio.models.inventory"):  # small models are quicker
        monkeypatch.setattr(f"{module}.shipped_generators", list)
    return tmp_path / "runs"


@pytest.fixture
def threads(monkeypatch):
    """A job is done in a thread of this process, which is there sooner than another process."""
    started = []

    def start(job):
        job.write_status(job.starting().with_process())
        started.append(threading.Thread(target=job.run, args=(lambda *_: None,)))
        started[-1].start()

    monkeypatch.setattr(launch, "start", start)
    yield started
    for thread in started:
        thread.join(30)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return contents(make(tmp_path_factory.mktemp("model") / "generator"))


@pytest.fixture
def trained(runs):
    make(runs / "00001-knees/generator")
    (runs / "00001-knees/config.json").write_text('{"data": "phantom"}')
    return "00001-knees"


page = partial(app_page.page, "models")


def button(at, label):
    return next(b for b in at.button if b.label.startswith(label))


def until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it never came")


def test_without_a_model_the_page_says_what_to_do():
    at = page()
    assert not at.exception
    assert "Train one" in texts(at)


def test_a_model_is_seen_before_it_is_fetched_then_got_listed_and_removed(hub, files, monkeypatch, threads):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add(NAME, files, private=True, card={"license": "cc-by-4.0"})
    at = page(view="get", hub=NAME)
    assert not at.exception
    said = texts(at)
    for words in ("Licence: **cc-by-4.0**", "class none, mild, severe", "Knees of the lab"):
        assert words in said
    assert "license:" not in said
    assert not stored()
    button(at, "Get it").click().run()
    until(lambda: Download.all()[0].status().state == "finished")
    at.run()
    (here,) = stored()
    assert f"{here.name} is ready to use" in texts(at)
    assert TOKEN not in str(at)
    button(at, "Close").click().run()
    assert not Download.all()
    at = page()
    assert here.name in texts(at)
    assert "licence cc-by-4.0" in texts(at)
    button(at, "Remove it").click().run()
    assert not stored()
    assert here.name not in texts(page())


def test_what_was_got_and_then_removed_can_be_got_again(hub, files, threads):
    hub.add(NAME, files)
    job = launch.start_new(create_download(look(hub_name(NAME))))
    until(lambda: not job.alive())
    at = page(view="get", hub=NAME)
    assert not [b for b in at.button if b.label.startswith("Get it")]
    remove(NAME)
    button(at.run(), "Get it").click().run()
    until(stored)


def test_a_damaged_download_can_be_closed_and_hides_nothing(hub, files):
    hub.add(NAME, files)
    for damaged in ("{}", "[", ""):
        job = create_download(look(hub_name(NAME)))
        (job.path / job.holds).write_text(damaged)
        at = page(view="get", hub=NAME)
        assert not at.exception
        assert not at.error
        assert button(at, "Get it")
        assert at.get("file_uploader")
        button(at, "Close").click().run()
        assert not Download.all()
    job = create_download(look(hub_name(NAME)))
    (job.path / job.holds).write_text("{}")
    forget()
    assert not Download.all()


def test_a_pulled_model_is_on_offer_in_the_gallery_with_its_pinned_name(hub, files):
    hub.add(NAME, files)
    here = pull(look(hub_name(NAME)))
    at = app_page.page(model=here.name)
    assert at.selectbox(key="model").value == here.name
    assert "24 synthetic images" in texts(at)
    assert "always shows the same images" in texts(at)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lab/nothing", "There is no public model"),
        ("../../etc/passwd", "names no model"),
        ("<script>alert(1)</script>", "names no model"),
        ("lab/gated", "is gated"),
        ("lab/pickle", "never opened"),
    ],
)
def test_what_cannot_be_got_is_said_in_words(hub, files, text, words):
    hub.add("lab/gated", files, gated=True)
    hub.add("lab/pickle", {"model.pkl": files["pytorch_model.bin"]})
    at = page(view="get", hub=text)
    assert not at.exception
    assert words in " ".join(e.value for e in at.error).replace("\\", "")
    assert not [b for b in at.button if b.label.startswith("Get it")]


def test_with_the_hub_down_what_was_fetched_is_said_to_work(hub, files):
    hub.add(NAME, files)
    here = pull(look(hub_name(NAME)))
    hub.stop()
    at = page(view="get", hub=NAME)
    assert "cannot be reached" in " ".join(e.value for e in at.error)
    assert f"{here.name} was downloaded earlier" in texts(at)


def test_progress_shows_after_a_reload_and_stop_keeps_nothing(hub, files, threads):
    hub.add(NAME, files, faults={"model.safetensors": "slow"}, pause=1)
    button(page(view="get", hub=NAME), "Get it").click().run()
    (job,) = Download.all()
    until(lambda: job.status().done)
    at = page(view="get")
    assert " of " in str(at.get("progress")[0].proto.text)
    button(at, "Stop").click().run()
    threads[0].join(20)
    assert not stored()
    at = page(view="get", hub=NAME)
    assert "Nothing was kept" in texts(at)
    assert button(at, "Try again")
    assert button(at, "Get it")


def test_a_strangers_card_loads_no_picture_and_runs_nothing(hub, files):
    card = b"# T\n\n![x](http://127.0.0.1:9/track.png)\n\n<img src=x onerror=alert(1)>\n\n:red[x] $x$\n"
    hub.add(NAME, files | {"README.md": card})
    at = page(view="get", hub=NAME)
    shown = [m for m in at.markdown if "track.png" in m.value]
    assert len(shown) == 1
    assert "![" not in shown[0].value
    assert not shown[0].allow_html


def test_a_zip_is_taken_and_an_evil_one_is_explained(files, tmp_path):
    at = page(view="get")
    at.file_uploader[0].upload("../knees.zip", zipped(tmp_path, files).read_bytes(), "application/zip").run()
    assert not at.exception
    (here,) = stored()
    assert f"{here.name} is ready to use" in texts(at)
    evil = zipped(tmp_path, {"config.json": b"{}", "../../x": b"x"})
    at = page(view="get")
    at.file_uploader[0].upload("evil.zip", evil.read_bytes(), "application/zip").run()
    assert "leads outside" in " ".join(e.value for e in at.error)
    assert len(stored()) == 1


def test_what_would_go_is_shown_and_then_goes(hub, trained, monkeypatch):
    at = page(view="share")
    assert "Nothing is sent" in texts(at)
    at.text_input(key="share_repo").set_value("lab/mine").run()
    assert "Nothing is sent" in texts(at)  # the licence is asked for
    at.selectbox(key="share_licence").set_value("cc-by-4.0").run()
    assert not at.exception
    said = texts(at)
    assert "license: cc-by-4.0" in said
    assert "What would be sent to lab/mine" in said
    assert "HF_TOKEN" in said  # there is none
    assert "push 00001-knees lab/mine --license cc-by-4.0" in said
    assert not hub.seen
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    at.run()
    assert button(at, "Send it").disabled
    at.checkbox[0].check().run()
    button(at, "Send it").click().run()
    assert "lab/mine is on the Hub" in texts(at)
    assert hub.repos["models/lab/mine"].private
    assert TOKEN not in texts(at)


def test_a_push_that_the_hub_refuses_is_told(hub, trained, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    at = page(view="share")
    at.text_input(key="share_repo").set_value("lab/mine").run()
    at.selectbox(key="share_licence").set_value("mit").run()
    at.checkbox[0].check().run()
    button(at, "Send it").click().run()
    assert not at.exception
    assert len(at.error) == 1
    assert "hf_wrong" not in texts(at)


def test_a_server_for_visitors_takes_shares_and_removes_nothing(hub, trained, files, tmp_path, monkeypatch):
    keep_zip(zipped(tmp_path, files))
    assert {b.label for b in page().button} >= {"Share", "Remove it"}
    monkeypatch.setenv(hosting.FOLDERS_ENV, hosting.NONE)
    for view, words in (("get", "takes no models from visitors"), ("share", "Only whoever runs this server")):
        at = page(view=view, hub=NAME)
        assert words in texts(at)
        assert not at.text_input
        assert not at.file_uploader
    assert {b.label for b in page().button} == {"See its images"}
    assert not hub.seen


@pytest.mark.parametrize("view", ["nowhere", "", "../x"])
def test_a_link_to_no_view_shows_the_list(trained, view):
    at = page(view=view)
    assert not at.exception
    assert trained in texts(at)


def test_a_damaged_model_is_named_and_the_rest_is_shown(trained, runs):
    make(runs / "00002-other/generator")
    (runs / "00002-other/config.json").write_text("{}")
    (runs / "00002-other/generator/model.safetensors").write_bytes(b"no tensors")
    at = page()
    assert not at.exception
    assert "damaged" in " ".join(e.value for e in at.error)
    assert trained in texts(at)
