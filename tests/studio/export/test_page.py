"""The Export page: what a person chooses, how an export stands, and its zip."""

import io
import json
import zipfile
from functools import partial

import app_page
import numpy as np
import pytest
import torch
from app_page import button, told
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.model import ModelConfig, save_model
from studio.export import routes as export_routes
from studio.export.folder import ExportFolder, ExportStatus, create_export
from studio.export.plan import ExportRequest
from studio.jobs import launch
from studio.models import ui_models as models


def put_model(folder, names=("0", "1", "4"), label_name="KL grade"):
    net = NetConfig(
        role="generator",
        architecture="dcgan",
        resolution=16,
        num_classes=len(names),
        conditioning="embedding" if names else "none",
        channels=4,
        max_channels=8,
        norm="batch",
        z_dim=8,
    )
    shares = (1.0,) * len(names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ModelConfig(net=net, class_names=names, class_shares=shares, label_name=label_name)
        save_model(folder, networks.build(net), config, "# A model\n")
    return folder


@pytest.fixture(autouse=True)
def offered(tmp_path, monkeypatch):
    """The folders of the models on offer, by name: one of knees, and one without classes; no runs."""
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    found = {name: put_model(tmp_path / name, classes) for name, classes in (("knee-16", ("0", "1", "4")), ("any", ()))}
    monkeypatch.setattr(models, "entries", lambda: [models.Entry(str(path), path, 1) for path in found.values()])
    return found


@pytest.fixture
def at_once(monkeypatch):
    """An export is done by the time that it is started."""
    monkeypatch.setattr(launch, "start", lambda folder: folder.run(lambda *_: None))


page = partial(app_page.page, "export")


def films(at):
    components = at.main.get("bidi_component")
    if not components:
        return []
    proto = components[0].proto
    return json.loads(proto.mixed.json if proto.HasField("mixed") else proto.json)["films"]


def links(at):
    return [e.proto.url for e in at.get("link_button")]


def test_without_a_model_the_page_says_what_to_do(monkeypatch):
    monkeypatch.setattr(models, "entries", list)
    at = page()
    assert not at.exception
    assert "Train one" in told(at)


def test_the_page_shows_what_is_to_come():
    at = page()
    assert not at.exception
    assert "100 synthetic images" in told(at)
    assert [f["caption"] for f in films(at)[:4]] == ["KL 0 · seed 0", "KL 1 · seed 1", "KL 4 · seed 2", "KL 0 · seed 3"]
    assert all(f["file_name"].startswith("synthetic_") for f in films(at))
    assert button(at, "Export")


def test_the_link_brings_back_what_was_chosen():
    at = page(what="DICOM", grades="One only", grade="4", n="7", seed="50", variety="0.5")
    assert "7 synthetic images" in told(at)
    assert "4 × 7" in told(at)
    assert [f["seed"] for f in films(at)] == list(range(50, 57))


@pytest.mark.parametrize(
    "query",
    [
        {"what": "<script>", "grades": "none", "n": "0", "seed": "-1", "variety": "7"},
        {"n": "9" * 30, "seed": "9" * 30, "variety": "nan", "model": "../../etc"},
        {"grades": "One only", "grade": "7"},
        {"export": "../../etc/passwd"},
    ],
)
def test_a_link_out_of_range_still_opens_the_form(query):
    at = page(**query)
    assert not at.exception
    assert button(at, "Export")


def test_a_model_without_classes_is_not_asked_for_any(offered, at_once):
    at = page(model=str(offered["any"]), n="3")
    assert "KL" not in " ".join(f["caption"] for f in films(at))
    assert not [c for c in at.get("button_group") if c.label == "KL grades"]
    button(at, "Export").click().run()
    assert not at.exception
    assert "3 synthetic images" in told(at)


def test_so_many_of_each(at_once):
    at = page(grades="So many of each")
    for i, count in enumerate((2, 0, 3)):
        at.number_input(key=f"count-{i}").set_value(count)
    at.run()
    assert "5 synthetic images" in told(at)
    button(at, "Export").click().run()
    assert ExportFolder.all()[0].request().classes == "0=2,4=3"
    assert ExportFolder.all()[0].status().images == 5


@pytest.mark.parametrize("names", [("a, b", "c=d", " e"), tuple(map(str, range(40)))])
def test_classes_of_any_name_and_number_can_be_exported(offered, at_once, names):
    put_model(offered["any"], names, label_name="what <b>*it*</b> shows")
    at = page(model=str(offered["any"]), grades="So many of each", n="5")
    assert not at.exception
    button(at, "Export").click().run()
    assert not at.exception
    assert ExportFolder.all()[0].status().images == 5


def test_of_none_nothing_is_exported():
    at = page(grades="So many of each")
    for i in range(3):
        at.number_input(key=f"count-{i}").set_value(0)
    at.run()
    assert not at.exception
    assert "Enter how many" in told(at)
    assert not [b for b in at.button if b.label == "Export"]


@pytest.mark.parametrize(("what", "form"), [("Pictures", "png"), ("Training set", "datasets"), ("DICOM", "dicom")])
def test_an_export_is_made_shown_and_offered(at_once, what, form):
    at = page(what=what, n="6")
    button(at, "Export").click().run()
    assert not at.exception
    (export,) = ExportFolder.all()
    assert export.request().format == form
    assert at.query_params["export"] == export.name
    assert "Finished" in told(at)
    assert "6 synthetic images" in told(at)
    assert len(films(at)) == 6
    assert links(at) == [f"api/export/{export.name}.zip"]
    assert len(at.dataframe[0].value) == 6
    assert "not for diagnosis" in told(at)
    assert "python -m gan_core export" in at.code[-1].value


def put(state="finished", message="", **status):
    """An export's folder, as a job leaves it."""
    folder = create_export(ExportRequest(model="knee-16", n=100, zip=True))
    folder.write_status(ExportStatus(state=state, message=message, **status).with_process())
    return folder


def test_an_export_at_work_shows_how_far_it_is_and_can_be_cancelled():
    folder = put("running", "Making images", done=25, total=100, seconds_left=125)
    at = page(export=folder.name)
    assert "Making images" in told(at)
    assert "25 of 100 · 2 min left" in at.get("progress")[0].proto.text
    button(at, "Stop").click().run()
    assert folder.stop_path.exists()
    assert button(at, "Stopping …").disabled


@pytest.mark.parametrize(
    ("state", "message"), [("stopped", "Stopped on request."), ("failed", "The disk is full at 16 of 100.")]
)
def test_what_ended_early_says_why_and_goes_on(monkeypatch, state, message):
    folder = put(state, message)
    started = []
    monkeypatch.setattr(launch, "start", lambda e: started.append(e.name))
    at = page(export=folder.name)
    assert message in told(at)
    assert not links(at)
    button(at, "Go on").click().run()
    assert started == [folder.name]


def test_an_export_whose_process_is_gone_can_go_on():
    folder = put("running")
    status = folder.status()
    status.pid = 2**22 - 1
    folder.write_status(status)
    at = page(export=folder.name)
    assert "what is there is kept" in told(at)
    assert button(at, "Go on")


def test_an_export_is_deleted():
    folder = put()
    at = page(export=folder.name)
    button(at, "Delete for good").click().run()
    assert not at.exception
    assert not folder.path.exists()
    assert button(at, "Export")


def test_an_export_that_is_gone_says_so():
    assert "no export 00042-gone here" in told(page(export="00042-gone"))


def test_one_thing_at_a_time_where_the_server_says_so(monkeypatch):
    monkeypatch.setenv("KNEE_GAN_WHEN_BUSY", "refuse")
    folder = put("running", "Making images")
    at = page()
    assert f"{folder.name} is at work" in told(at)
    assert button(at, "Export").disabled
    with pytest.raises(UserError, match="does one thing at a time"):
        launch.start(create_export(ExportRequest(model="knee-16", n=1)))


def test_visitors_of_a_host_that_shows_no_folders_are_asked_for_none(monkeypatch, at_once):
    monkeypatch.setenv("KNEE_GAN_FOLDERS", "none")
    at = page(n="2")
    assert not [t for t in at.text_input if "Training images" in t.label]
    button(at, "Export").click().run()
    assert str(ExportFolder.all()[0].path.parent) not in told(at)


def test_training_images_outside_the_hosts_folder_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("KNEE_GAN_FOLDERS", str(tmp_path / "films"))
    at = page()
    at.text_input(key="reference").set_value("/etc").run()
    assert not at.exception
    assert "can only use folders below" in told(at)


def test_a_damaged_export_gets_words(at_once):
    at = page(n="6")
    button(at, "Export").click().run()
    (export,) = ExportFolder.all()
    (export.files_path / "README.md").unlink()
    manifest = export.files_path / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("0/synthetic", "../../../../0/synthetic") + "x,y\n1\n")
    next(export.files_path.glob("1/*.png")).write_bytes(b"")
    at = page(export=export.name)
    assert not at.exception
    assert "data card is missing" in told(at)
    assert all("KL 0" not in f["caption"] for f in films(at))  # nothing is read outside the export
    (export.path / "request.json").write_text("{")
    at = page(export=export.name)
    assert not at.exception
    assert "is not an export" in told(at)


# -- the route --------------------------------------------------------------------------------------------------------


@pytest.fixture
def client():
    return TestClient(Starlette(routes=[export_routes.route]))


def test_the_route_gives_the_zip_and_a_part_of_it(client, offered):
    folder = create_export(ExportRequest(model=str(offered["knee-16"]), n=4, zip=True))
    folder.run(lambda *_: None)
    answer = client.get("/" + export_routes.address(folder.name))
    assert answer.headers["content-type"] == "application/zip"
    assert folder.zip_path.name in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        picture = next(n for n in packed.namelist() if n.endswith(".png"))
        assert np.asarray(Image.open(io.BytesIO(packed.read(picture)))).shape == (16, 16)
    part = client.get("/" + export_routes.address(folder.name), headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, answer.content[10:20])


def test_the_route_gives_nothing_else(client, tmp_path):
    folder = put("running")
    folder.zip_path.write_bytes(b"half")
    (tmp_path / "secret.zip").write_bytes(b"secret")
    for name in (
        folder.name,
        "nowhere",
        "..%2F..%2Fsecret",
        "..",
        "%2e%2e%2f%2e%2e%2fsecret",
        str(tmp_path / "secret"),
    ):
        answer = client.get(f"/api/export/{name}.zip")
        assert answer.status_code == 404
        assert b"secret" not in answer.content
