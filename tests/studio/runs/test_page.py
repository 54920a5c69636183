"""The Runs page as Streamlit's own test harness sees it, and the route that gives its pictures."""

import io
import json
import shutil
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import app_page
import numpy as np
import plotly
import pytest
from app_page import component, told
from made_runs import SIDE, sheet, tick, write_run
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core.train.run import Status, runs_root
from studio import runs as lineup
from studio.runs import routes as runs_routes
from studio.runs.ui_choice import COLOURS, DASHES, marks


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """The folder of the shipped runs, empty; and an empty one for one's own."""
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("studio.runs.offer.SHIPPED", tmp_path / "seeds")
    return tmp_path / "seeds"


@pytest.fixture
def two(tiny):
    """Two finished runs of one's own that differ in their label smoothing and in how far they went."""
    first = write_run(runs_root() / "00001-plain", tiny(), d_loss=lambda n: n / 1000, kd_knee=lambda n: 1.0)
    smooth = tiny(label_smoothing=0.1)
    return first, write_run(runs_root() / "00002-smooth", smooth, total=2000, d_loss=lambda n: 2.0)


@pytest.fixture
def systems(shipped, tiny):
    """Three shipped runs in two groups."""
    fd = {"name": "Fréchet distance", "value": 61.2, "floor": 3.6, "digits": 1, "better": "lower"}
    about = {"source": "A paper", "figures": {"fd": fd}, "reported": {"D loss": "~0.8"}}
    for name, group in (("a", "Small"), ("b", "Large"), ("c", "Large")):
        made = about | {"title": f"System {name}", "group": group, "remarks": [f"Said of {name}."]}
        write_run(shipped / name, tiny(), d_loss=lambda n: 0.5, result=made)


page = partial(app_page.page, "runs")


def html(at):
    return " ".join(e.proto.body for e in at.get("html"))


def charts(at):
    return component(at)["panels"]


def chosen(at):
    return at.multiselect(key="runs").value


def test_with_nothing_to_compare_the_page_says_what_to_do():
    at = page()
    assert not at.exception
    assert "two recipes" in told(at)
    assert not at.multiselect


def test_the_first_start_shows_the_largest_shipped_group(systems):
    at = page()
    assert not at.exception
    assert chosen(at) == ["baselines/b", "baselines/c"]
    assert at.query_params["runs"] == "baselines/b,baselines/c"
    assert "System b" in html(at)
    assert "Said of b." in told(at)
    assert "train?run" not in html(at)  # a shipped run was trained elsewhere
    assert {o.split(" · ")[0] for o in at.multiselect(key="runs").options} == {"Small", "Large"}


def test_ones_own_runs_come_first_and_link_to_their_training(systems, two):
    at = page()
    assert chosen(at) == ["00002-smooth", "00001-plain"]
    assert 'href="train?run=00002-smooth"' in html(at)
    assert "Finished" in html(at)


@pytest.mark.parametrize("query", ["baselines/a,00001-plain", ["baselines/a", "00001-plain"], "seeds/a,00001-plain"])
def test_the_link_brings_back_the_choice(systems, two, query):
    assert chosen(page(runs=query)) == ["baselines/a", "00001-plain"]


def test_a_link_to_a_run_that_is_gone_says_so_and_shows_the_others(two):
    at = page(runs="00042-**gone**,00001-plain")
    assert "no run 00042-**gone** here" in told(at)
    assert chosen(at) == ["00001-plain"]
    at = page(runs="00042-gone")
    assert chosen(at) == ["00002-smooth", "00001-plain"]


@pytest.mark.parametrize(
    "query",
    [
        {"view": "Nowhere"},
        {"runs": "../../etc/passwd"},
        {"runs": ",,,"},
        {"smoothing": "9e99", "log": "perhaps", "along": "miles", "figures": "No figure"},
        {"view": "Samples", "at": "nan", "step": "x", "samples": "x"},
        {"view": "Samples", "at": "-7"},
        {"view": "Settings", "every": "x"},
    ],
)
def test_a_link_out_of_range_still_shows_the_runs(two, query):
    at = page(**query)
    assert not at.exception
    assert chosen(at) == ["00002-smooth", "00001-plain"]


def test_more_runs_than_stand_side_by_side_are_cut_with_a_word(tiny):
    names = [f"{i:05d}-own" for i in range(30)]
    for name in names:
        write_run(runs_root() / name, tiny(), samples=[])
    at = page(runs=",".join(names), view="Settings")
    assert chosen(at) == names[: lineup.MOST]
    assert "first of 30" in told(at)


def test_all_of_a_kind_are_shown_at_once(systems, two):
    at = page()
    next(b for b in at.button if b.label == "Large (2)").click().run()
    assert chosen(at) == ["baselines/b", "baselines/c"]
    next(b for b in at.button if b.label == "My runs (2)").click().run()
    assert chosen(at) == ["00002-smooth", "00001-plain"]


def test_a_run_deleted_meanwhile_leaves_the_choice(two):
    at = page()
    shutil.rmtree(two[0].path)
    at.run()
    assert not at.exception
    assert chosen(at) == ["00002-smooth"]


def test_with_nothing_chosen_the_page_says_what_to_do(two):
    at = page()
    at.multiselect(key="runs").set_value([]).run()
    assert not at.exception
    assert "Choose two or more runs" in told(at)


def test_a_mark_stays_with_its_run_when_another_is_taken_away():
    first = marks(["a", "b", "c"], {})
    later = marks(["c", "d", "b"], {key: mark.slot for key, mark in first.items()})
    assert (later["b"], later["c"], later["d"]) == (first["b"], first["c"], first["a"])


def test_each_of_the_most_runs_has_a_mark_of_its_own():
    every = marks([str(i) for i in range(lineup.MOST)], {}).values()
    assert len({(m.colour, m.dash) for m in every}) == len({m.letter for m in every}) == lineup.MOST
    assert len(COLOURS) * len(DASHES) == lineup.MOST


# -- the views --------------------------------------------------------------------------------------------------------


def test_curves_lie_over_each_other_each_with_its_letter(two):
    at = page()
    critic, distance = charts(at)[:2]
    assert [s["letter"] for s in critic["series"]] == ["A", "B"]
    assert [s["name"] for s in critic["series"]] == ["A 00002-smooth", "B 00001-plain"]
    assert [s["group"] for s in critic["series"]] == ["00002-smooth", "00001-plain"]
    assert len({s["colour"] for s in critic["series"]}) == 2
    assert [s["name"] for s in distance["series"]] == ["B 00001-plain"]  # the other has no such figure
    assert distance["level"] == 0.0
    assert "Kernel distance" in distance["title"]


def test_a_log_scale_is_for_figures_above_zero(two, tiny):
    write_run(runs_root() / "00003-c", tiny(), d_loss=lambda n: -1.0, kd_knee=lambda n: 0.5)
    at = page(log="true", runs="00001-plain,00003-c")
    assert [chart["log"] for chart in charts(at)] == [False, True]
    assert "Not on a log scale" in told(at)


def test_curves_are_asked_for_where_the_route_has_them(two, client):
    data = component(page(along="Minutes", smoothing="10"))
    assert list(data["runs"]) == ["00002-smooth", "00001-plain"]
    asked = dict(parse_qsl(urlsplit(data["runs"]["00001-plain"]).query))
    assert (asked["along"], float(asked["half"])) == ("minutes", pytest.approx(4 / 60, abs=0.001))
    found = client.get("/" + data["runs"]["00001-plain"]).json()
    assert [x for _, x, _ in found["curves"]["d_loss"]] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6], abs=1e-4)
    assert len(found["curves"]["kd_knee"]) == 4
    script = client.get("/" + data["plotly"])
    assert script.content == Path(plotly.__file__).with_name("package_data").joinpath("plotly.min.js").read_bytes()
    assert "immutable" in script.headers["cache-control"]
    assert data["plotly"].endswith(plotly.__version__)


def test_no_figures_yet_is_said(tiny):
    write_run(runs_root() / "00001-new", tiny(), seen=0, samples=[])
    assert "no curves yet" in told(page())
    assert "no samples yet" in told(page(view="Samples"))


def test_samples_are_asked_for_where_the_route_has_them(two):
    at = page(view="Samples", at="0.25")
    data = component(at)
    assert data["at"] == 0.25
    assert [run["title"] for run in data["runs"]] == ["00002-smooth", "00001-plain"]
    assert [[m["nimg"] for m in run["moments"]] for run in data["runs"]] == [[0, 2000], [0, 2000, 4000]]
    assert [m["at"] for m in data["runs"][1]["moments"]] == [0, 50, 100]
    assert "ynthetic" in told(at)
    client = TestClient(Starlette(routes=runs_routes.routes))
    run = data["runs"][1]
    answer = client.get(f"/{run['address']}&at=2000&v={run['moments'][1]['stamp']}")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), sheet(20)[:SIDE])


def test_samples_in_step_by_images_end_where_the_longest_run_ends(two):
    data = component(page(view="Samples", step="Images", samples="All"))
    assert (data["end"], data["unit"], data["strips"]) == (4000, "images", False)
    assert [m["at"] for m in data["runs"][0]["moments"]] == [0, 2000]


def test_the_table_holds_a_row_a_run_with_its_floor_and_what_was_reported(systems):
    at = page(view="Table")
    table = at.dataframe[0].value
    assert table["Run"].tolist() == ["System b", "System c"]
    assert table["State"].tolist() == ["Finished"] * 2
    assert table["Fréchet distance"].tolist() == [61.2] * 2
    assert table["Fréchet distance, floor"].tolist() == [3.6] * 2
    assert table["D loss, reported"].tolist() == ["~0.8"] * 2


def test_settings_that_differ_are_shown_and_marked_and_all_on_request(two):
    at = page(view="Settings", runs="00001-plain,00002-smooth")
    shown = html(at)
    assert '<th scope="row">label_smoothing</th><td class="">0</td><td class="odd">0.1</td>' in shown
    assert "g_lr" not in shown
    at.toggle(key="every").set_value(True).run()
    assert '<th scope="row">g_lr</th><td class="">0.0002</td><td class="">0.0002</td>' in html(at)


def test_one_run_alone_is_told_to_find_a_second(two):
    assert "Choose a second run" in told(page(view="Settings", runs="00001-plain"))


def test_runs_on_different_images_are_said_not_to_compare(two, tiny):
    write_run(runs_root() / "00003-c", tiny(resolution=32))
    assert "different images" in told(page())
    assert "different images" not in told(page(runs="00001-plain,00002-smooth"))


def test_warnings_and_how_a_run_ended_are_told(two):
    status = two[0].status()
    status.state, status.message, status.warnings = (
        "failed",
        "The numbers became infinite.",
        ["This looks like collapse"],
    )
    two[0].write_status(status)
    at = page()
    assert "The numbers became infinite." in told(at)
    assert "This looks like collapse" in told(at)
    assert "⚠ Failed" in html(at)


def test_a_run_at_work_shows_how_far_it_is(two, tiny):
    run = write_run(runs_root() / "00003-live", tiny(), total=4000, seen=1000, d_loss=float)
    run.write_status(Status(state="running", images_seen=1000, images_total=4000).with_process())
    at = page()
    assert "Training 25%" in html(at)
    run.add_stats(tick(2000, d_loss=2000.0))
    at.run()
    assert "Training 50%" in html(at)


def test_both_tables_can_be_taken_away(two):
    at = page()
    assert [b.proto.label for b in at.get("download_button")] == ["Table (CSV)", "Curves (CSV)"]
    assert "compare-runs 00002-smooth 00001-plain --csv" in at.code[0].value


def test_names_and_remarks_are_shown_as_they_are(shipped, tiny):
    name = "<img src=x onerror=alert(1)>**bold**"
    made = {"title": name, "group": name, "source": name, "remarks": [name], "reported": {name: name}}
    write_run(shipped / "a", tiny(), d_loss=float, result=made)
    write_run(shipped / "b", tiny(label_smoothing=0.1), result=made)
    for view in ("Curves", "Samples", "Table", "Settings"):
        at = page(view=view)
        assert not at.exception
        assert len(chosen(at)) == 2  # two of the same title are two
        assert "<img src=x" not in html(at)
        assert "**bold**" in told(at)


def test_a_run_with_nothing_readable_in_it_gets_words(two):
    for file in ("config.json", "status.json", "stats.jsonl"):
        (two[0].path / file).write_bytes(b"\xff{")
    for view in ("Curves", "Samples", "Table", "Settings"):
        at = page(view=view)
        assert not at.exception
        assert "cannot be read" in told(at)


# -- the route --------------------------------------------------------------------------------------------------------


@pytest.fixture
def client():
    return TestClient(Starlette(routes=runs_routes.routes))


def test_the_route_gives_pictures_of_shipped_runs_and_ones_own(client, systems, two):
    for key in ("baselines/a", "seeds/a", "00001-plain"):
        answer = client.get("/api/runs/samples", params={"run": key, "at": 4000})
        assert answer.headers["content-type"] == "image/png"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), sheet(40))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, 404),
        ({"run": "nowhere", "at": "0"}, 404),
        ({"run": "../runs/00001-plain", "at": "0"}, 404),
        ({"run": "00001-plain", "at": "7"}, 400),
        ({"run": "00001-plain", "at": "-1"}, 400),
        ({"run": "00001-plain", "at": "²"}, 400),
        ({"run": "00001-plain", "at": "0", "rows": "1e3"}, 400),
        ({"run": "00001-plain", "at": "9" * 5000}, 400),
    ],
)
def test_the_route_answers_a_wrong_question_in_words(client, two, query, code):
    answer = client.get("/api/runs/samples", params=query)
    assert answer.status_code == code
    assert answer.json()["error"]


def test_the_route_follows_no_path(client, two):
    answer = client.get("/api/runs/samples", params={"run": str(two[0].path), "at": 0})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, 404),
        ({"run": "nowhere"}, 404),
        ({"run": "../runs/00001-plain"}, 404),
        ({"run": "baselines/../00001-plain"}, 404),
        ({"run": "00001-plain", "along": "miles"}, 400),
        ({"run": "00001-plain", "since": "-1"}, 400),
        ({"run": "00001-plain", "width": "1e3"}, 400),
        ({"run": "00001-plain", "half": "nan"}, 400),
        ({"run": "00001-plain", "half": "inf"}, 400),
        ({"run": "00001-plain", "half": "-1"}, 400),
        ({"run": "00001-plain", "half": "x"}, 400),
    ],
)
def test_a_wrong_question_for_curves_is_answered_in_words(client, two, query, code):
    answer = client.get("/api/runs/curves", params=query)
    assert answer.status_code == code
    assert answer.json()["error"]
    assert client.get("/api/runs/curves", params={"run": str(two[0].path)}).status_code == 404


def test_the_route_gives_what_is_new_and_says_whether_more_may_come(client, two, shipped, tiny):
    asked = {"run": "00001-plain", "column": ["d_loss", "unheard_of"]}
    first = client.get("/api/runs/curves", params=asked).json()
    assert first["curves"] == {"d_loss": [[n, n, n / 1000] for n in (1000, 2000, 3000, 4000)], "unheard_of": []}
    assert (first["last"], first["alive"]) == (4000, False)
    two[0].write_status(Status(state="running").with_process())
    two[0].add_stats(tick(5000, d_loss=float("nan")))
    with two[0].stats_path.open("a") as lines:
        lines.write('{"nimg": 6000, "d_loss": 1e999}\n{"nimg": 6200, "d_loss": 7.0}\n')
    answer = client.get("/api/runs/curves", params=asked | {"since": first["last"], "width": first["width"]})
    second = json.loads(answer.text, parse_constant=pytest.fail)
    begin = second["from"]
    assert 0 < begin <= 4000
    assert [n for n, _, _ in second["curves"]["d_loss"]] == [n for n in (4000, 6200) if n >= begin]
    assert second["alive"]
    write_run(shipped / "a", tiny(), d_loss=lambda n: 0.5)
    assert client.get("/api/runs/curves", params={"run": "baselines/a", "column": "d_loss"}).json()["curves"]["d_loss"]


def test_figures_near_the_largest_number_are_no_error_when_smoothed(client, tiny):
    write_run(runs_root() / "00001-a", tiny(), d_loss=lambda n: 1.7e308)
    found = client.get("/api/runs/curves", params={"run": "00001-a", "column": "d_loss", "half": "1e6"}).json()
    assert found["curves"]["d_loss"] == [[1000, 1000, 1.7e308]]


def test_the_route_says_that_a_picture_is_damaged(client, two):
    two[0].sample_path(0).write_bytes(b"not a picture")
    answer = client.get("/api/runs/samples", params={"run": "00001-plain", "at": 0})
    assert (answer.status_code, "damaged" in answer.json()["error"]) == (400, True)
