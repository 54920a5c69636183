"""The Explore page as Streamlit's test harness sees it, and the route that its sliders ask."""

import asyncio
import io
import json
import zipfile
from functools import partial
from pathlib import Path

import app_page
import numpy as np
import pytest
from app_page import button, told
from app_page import component as given
from PIL import Image
from starlette.requests import Request

from gan_core.images import png
from gan_core.model import load_model
from studio.explore import routes as explore_routes
from studio.explore import ui_find as explore_find
from studio.explore.latent import Latent, draw, dump, load_latent
from studio.knee.phantom import phantom
from studio.models import ui_models as models

page = partial(app_page.page, "explore")


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(models, "shipped_generators", list)  # the small models below are quicker
    monkeypatch.setattr(explore_find, "STEPS", 8)


def ask(what, **query):
    """The route's answer: status, and its body as an image or as JSON."""
    text = "&".join(f"{name}={value}" for name, value in query.items())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": text.encode()}
    response = asyncio.run(explore_routes.answer(Request(scope | {"path_params": {"what": what}})))
    if response.media_type == "image/png":
        return response.status_code, np.asarray(Image.open(io.BytesIO(response.body)))
    return response.status_code, json.loads(response.body)


def test_without_any_model_it_says_what_to_do():
    assert "Train one" in told(page())


def test_it_opens_on_a_knee_with_sliders_for_what_the_model_has(untrained_run):
    run = untrained_run()
    at = page()
    assert not at.exception
    data = given(at)
    assert data["model"] == run.name
    assert data["query"]["seed"] == "0"
    assert data["grade"] == {"label": "KL grade", "names": ["0", "1", "2"], "step": 0.05}
    assert data["directions"]
    assert not data["pending"]
    assert "vector" not in data["directions"][0]
    assert run.name in at.query_params["model"]


def test_a_model_without_classes_has_no_slider_for_a_grade_and_says_why(untrained_run):
    untrained_run("dcgan")
    at = page()
    assert given(at)["grade"] is None
    assert "without classes" in told(at)


@pytest.mark.parametrize(
    "query",
    [
        {"seed": "12", "grade": "1.25", "truncation": "0.7", "moves": "0.5,-1"},
        {"view": "Between knees", "seeds": "5,6,7", "path": "straight", "at": "2.5", "grade": "0"},
        {"view": "Plane", "seeds": "5,6,7,8", "x": "0.1", "y": "0.9", "grade": "2"},
    ],
)
def test_a_link_brings_back_the_view(untrained_run, query):
    run = untrained_run()
    at = page(model=run.name, **query)
    asked = {k: v for k, v in query.items() if k != "view"}
    assert given(at)["query"] == asked
    shown = {k: at.query_params[k] for k in query}
    assert {k: v if isinstance(v, str) else v[0] for k, v in shown.items()} == query


@pytest.mark.parametrize(
    "query",
    [
        {"seed": "-1"},
        {"seed": "1e99"},
        {"grade": "17"},
        {"moves": "9,9,9"},
        {"z": "AAAA"},
        {"truncation": "nan"},
        {"seeds": "1,2,3", "at": "1"},
        {"view": "Plane", "seeds": "1,2,3", "x": "0", "y": "0"},
        {"view": "Between knees", "at": "99"},
    ],
)
def test_a_link_out_of_range_says_so_and_shows_another_knee(untrained_run, query):
    untrained_run()
    at = page(**query)
    assert not at.exception
    assert "cannot be followed" in told(at)
    assert given(at)["query"]


def test_a_link_to_a_model_or_view_that_is_not_there_shows_another(untrained_run):
    run = untrained_run()
    at = page(model="../../etc", view="nowhere")
    assert "no model ../../etc" in told(at)
    assert given(at)["model"] == run.name


def test_a_knee_between_seeds_is_opened_for_itself(untrained_run):
    untrained_run()
    at = page(view="Plane", seeds="1,2,3,4", x="0.25", y="0.5", grade="1")
    button(at, "Edit this knee on its own").click().run()
    data = given(at)
    assert data["mode"] == "one"
    assert "z" in data["query"]
    assert "seeds" not in data["query"]


def test_the_loop_becomes_a_film_to_download(untrained_run):
    untrained_run()
    at = page(view="Between knees", seeds="1,2", at="0", grade="1")
    at.slider[0].set_value(0.5).run()
    button(at, "Make the animation").click().run()
    assert not at.exception
    assert [b.proto.label for b in at.get("download_button")] == ["Download GIF"]
    assert any("interpolate" in c.value for c in at.code)


def test_a_phantom_is_found_step_by_step_and_then_edited(untrained_run):
    untrained_run()
    at = page(view="Find a knee")
    button(at, "Or try a phantom, simulated by this program").click().run()
    button(at, "Find this knee").click().run()
    assert not at.exception
    assert "gray levels" in told(at)
    assert "made itself" in told(at)
    button(at, "Edit this knee").click().run()
    data = given(at)
    assert data["mode"] == "one"
    assert "z" in data["query"]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 100])
def test_an_upload_that_is_no_image_gets_words(untrained_run, content):
    untrained_run()
    at = page(view="Find a knee")
    at.file_uploader(key="explore_upload").upload("knee.png", content, "image/png").run()
    assert not at.exception
    assert len(at.error) == 1
    assert not [b for b in at.button if b.label == "Find this knee"]


def test_an_uploaded_image_is_shown_as_the_model_sees_it(untrained_run):
    untrained_run()
    at = page(view="Find a knee")
    at.file_uploader(key="explore_upload").upload("knee.png", png(phantom(1, 64)[0][0, 0]), "image/png").run()
    assert not at.error
    assert button(at, "Find this knee")


def test_what_was_found_for_an_upload_is_there_when_one_comes_back(untrained_run):
    untrained_run()
    at = page(view="Find a knee")
    at.file_uploader(key="explore_upload").upload("knee.png", png(phantom(1, 64)[0][0, 0]), "image/png").run()
    button(at, "Find this knee").click().run()
    button(at, "Edit this knee").click().run()
    at.segmented_control(key="explore_view").set_value("Find a knee").run()
    assert not at.exception
    assert "gray levels" in told(at)
    assert button(at, "Edit this knee")


def test_a_picture_without_a_knee_is_not_searched_until_a_person_draws_a_box(untrained_run):
    untrained_run()
    at = page(view="Find a knee")
    at.file_uploader(key="explore_upload").upload("knee.png", png(np.zeros((64, 64), np.uint8)), "image/png").run()
    assert "No knee was found" in told(at)
    assert not [b for b in at.button if b.label == "Find this knee"]
    button(at, "Draw a box yourself").click().run()
    button(at, "Find this knee").click().run()
    assert not at.exception
    assert "one gray level" in told(at)
    assert not [b for b in at.button if b.label in ("Stop", "Edit this knee")]


def test_a_saved_knee_is_opened_and_a_file_of_another_model_refused(untrained_run):
    run = untrained_run()
    model = load_model(run.generator_path)
    latent = Latent(model=model.digest, seed=77, grade=1.5)
    at = page(view="Find a knee")
    at.file_uploader(key="explore_latent").upload("knee.json", dump(latent).encode(), "application/json").run()
    button(at, "Open it").click().run()
    assert given(at)["query"] == {"seed": "77", "grade": "1.5"}

    at = page(view="Find a knee")
    other = Latent(model="0" * 64, seed=1)
    at.file_uploader(key="explore_latent").upload("knee.json", dump(other).encode(), "application/json").run()
    assert "another model" in told(at)


def test_the_route_gives_the_picture_the_strips_and_the_latent(untrained_run):
    run = untrained_run()
    model = load_model(run.generator_path)
    query = {"model": run.name, "seed": 3, "grade": 1.5}
    status, picture = ask("image", **query)
    assert status == 200
    assert np.array_equal(picture, draw(Latent(model=model.digest, seed=3, grade=1.5), model)[0, 0])
    status, kept = ask("latent", **query)
    assert np.array_equal(draw(load_latent(json.dumps(kept).encode(), model), model)[0, 0], picture)
    status, strips = ask("directions", **query)
    assert strips.shape[1] == 7 * 32
    status, loop = ask("loop", model=run.name, seeds="1,2", at="0")
    assert loop.shape == (32, explore_routes.LOOP_STOPS * 32)
    status, plane = ask("plane", model=run.name, seeds="1,2,3,4", x="0", y="0")
    assert plane.shape == (7 * 32, 7 * 32)


@pytest.mark.parametrize(
    ("what", "query", "status"),
    [
        ("image", {"model": "../../etc"}, 404),
        ("image", {"model": ""}, 404),
        ("passwords", {"model": "RUN"}, 404),
        ("image", {"model": "RUN", "seed": "x"}, 400),
        ("image", {"model": "RUN", "grade": "1e400"}, 400),
        ("image", {"model": "RUN", "moves": "1,1,1,1,1,1,1,1,1"}, 400),
        ("loop", {"model": "RUN", "seed": "1"}, 400),
        ("plane", {"model": "RUN", "seeds": "1,2,3", "at": "0"}, 400),
        ("image", {"model": "RUN", "z": "%00%ff"}, 400),
    ],
)
def test_the_route_refuses_in_words(untrained_run, what, query, status):
    run = untrained_run()
    got, answer = ask(what, **query | {"model": query["model"].replace("RUN", run.name)})
    assert got == status
    assert answer["error"].endswith(".")


def test_the_route_says_in_words_that_a_model_folder_is_damaged(untrained_run):
    run = untrained_run()
    (run.generator_path / "model.safetensors").write_bytes(b"not tensors")
    status, answer = ask("image", model=run.name)
    assert status == 400
    assert "damaged" in answer["error"]


def test_the_route_tells_the_anatomy_of_the_picture_that_it_draws(untrained_run):
    run = untrained_run()
    status, answer = ask("anatomy", model=run.name, seed=3)
    assert status == 400
    assert "64 pixels or more" in answer["error"]
    large = untrained_run("dcgan", resolution=64)
    status, answer = ask("anatomy", model=large.name, seed=3)
    assert status == 200
    assert not answer["found"]  # an untrained model draws no knee
    assert "No knee" in answer["told"]
    assert answer["rows"] == []


def test_the_anatomy_panel_is_off_at_first_and_a_link_turns_it_on(untrained_run):
    untrained_run()
    assert given(page())["anatomy"] is False
    at = page(anatomy="1", seed="4")
    assert given(at)["anatomy"] is True
    assert at.query_params["anatomy"] in ("1", ["1"])
    at.segmented_control(key="explore_view").set_value("Plane").run()
    assert given(at)["anatomy"] is True
    assert at.query_params["anatomy"] in ("1", ["1"])


def test_a_film_brought_in_is_outlined_beside_what_is_found(untrained_run):
    untrained_run("dcgan", resolution=64)
    at = page(view="Find a knee")
    button(at, "Or try a phantom, simulated by this program").click().run()
    assert not at.dataframe
    at.toggle(key="find_anatomy").set_value(True).run()
    assert not at.exception
    assert {"Medial joint space", "Lateral joint space"} <= set(at.dataframe[0].value[""])
    assert "not for diagnosis" in told(at)
    assert at.query_params["anatomy"] in ("1", ["1"])
    button(at, "Find this knee").click().run()
    assert not at.exception
    assert "Found, synthetic" in told(at)


def ask_zip(body, kind="application/json"):
    """The route's answer to this body: status, and the files of the zip or what is said."""

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", kind.encode())]}
    response = asyncio.run(explore_routes.answer_zip(Request(scope, receive)))
    if response.media_type == "application/zip":
        with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
            return response.status_code, {name: archive.read(name) for name in archive.namelist()}
    return response.status_code, json.loads(response.body)["error"]


def test_a_zip_holds_each_picture_and_the_latent_that_brings_it_back(untrained_run):
    run = untrained_run()
    queries = [{"model": run.name, "seed": "3", "grade": "1"}, {"model": run.name, "seed": "4", "truncation": "0.5"}]
    status, files = ask_zip(json.dumps({"films": queries}).encode())
    assert status == 200
    assert [Path(name).suffix for name in files] == [".png", ".json"] * 2
    assert all("synthetic" in name for name in files)
    model = load_model(run.generator_path)
    for query, picture, latent in zip(queries, list(files)[::2], list(files)[1::2], strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(files[picture])))
        assert np.array_equal(pixels, ask("image", **query)[1])
        assert np.array_equal(pixels, draw(load_latent(files[latent], model), model)[0, 0])
        assert Path(picture).stem == Path(latent).stem


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"films": []}', 400),
        (b'{"films": [{"model": 1}]}', 400),
        (json.dumps({"films": [{"model": "a"}] * 101}).encode(), 400),
        (b" " * 400_000, 400),
        (b'{"films": [{"model": "../../etc"}]}', 404),
        (b'{"films": [{"seed": "1"}]}', 404),
    ],
)
def test_what_cannot_be_zipped_is_said_in_words(body, status):
    found, said = ask_zip(body)
    assert found == status
    assert said.endswith(".")
    assert ask_zip(body, "text/plain") == (400, "Send JSON.")
