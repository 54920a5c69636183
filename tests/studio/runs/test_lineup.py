"""Several runs beside each other: what is computed of them, and the verb that prints it."""

import csv
import io
import json

import numpy as np
import pytest
from made_runs import SIDE, sheet, tick, write_run
from PIL import Image

from gan_core import images, model
from gan_core.data.decode import MAX_PIXELS
from gan_core.errors import UserError
from gan_core.networks import count_parameters
from gan_core.train import stats
from gan_core.train.distributed import World
from gan_core.train.run import create_run, number, runs_root
from studio import runs as lineup
from studio.runs import AXES, POINTS, PREFIX
from studio.train.session import train


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """The folder of the shipped runs, empty; and an empty one for one's own."""
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("studio.runs.offer.SHIPPED", tmp_path / "seeds")
    return tmp_path / "seeds"


@pytest.fixture
def member(tmp_path, tiny):
    """member(name, **what write_run takes): a run of one's own, read."""

    def make(name="00001-a", config=None, **what):
        run = write_run(runs_root() / name, config or tiny(), **what)
        return lineup.read(lineup.find_entry(run.name))

    return make


def result(title, **more):
    return {"title": title, "source": "A paper", "group": "Small", **more}


def parsed(text):
    return list(csv.DictReader(io.StringIO(text)))


# -- what is on offer -------------------------------------------------------------------------------------------------


def test_shipped_runs_come_by_group_and_title_and_never_clash_with_ones_own(shipped, tiny):
    write_run(shipped / "z", tiny(), result=result("Beta", group="Knees"))
    write_run(shipped / "a", tiny(), result=result("gamma"))
    write_run(shipped / "m", tiny(), result=result("Alpha"))
    write_run(runs_root() / "m", tiny())
    assert [r.name for r in lineup.shipped_runs()] == ["z", "m", "a"]
    offered = lineup.entries()
    assert list(offered) == ["m", "baselines/z", "baselines/m", "baselines/a"]
    assert [e.result.title for e in offered.values()] == ["m", "Beta", "Alpha", "gamma"]
    assert lineup.find_entry("seeds/z") == offered["baselines/z"]  # as older links and commands say
    assert lineup.groups(offered) == {"Knees": ["baselines/z"], "Small": ["baselines/m", "baselines/a"]}


def test_without_any_run_nothing_is_on_offer_and_nothing_is_chosen():
    assert lineup.entries() == {}
    assert lineup.first_choice({}) == []


def test_ones_own_newest_are_shown_first_else_the_bare_systems_of_the_largest_shipped_group(shipped, tiny):
    for name, group in (("a", "Big"), ("a+noise", "Big"), ("b", "Big"), ("c", "A small one")):
        write_run(shipped / name, tiny(), result=result(name, group=group))
    assert lineup.first_choice(lineup.entries()) == ["baselines/a", "baselines/b"]
    for i in range(8):
        write_run(runs_root() / f"{i:05d}-own", tiny())
    assert lineup.first_choice(lineup.entries()) == [f"{i:05d}-own" for i in (7, 6, 5, 4, 3, 2)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"title": ""}',
        b'{"title": "%s"}' % (b"x" * 101),
        b'{"title": "x", "figures": {"fd": {"name": "d", "value": NaN}}}',
        b'{"title": "x", "figures": {"fd": {"name": "d", "value": 1e999}}}',
        b'{"title": "x", "figures": {"fd": {"name": "d", "digits": 99}}}',
        b'{"title": "x", "columns": -1}',
        b'{"title": "x", "remarks": "not a list"}',
        b'{"title": "x", "reported": {"a": {"b": 1}}}',
        b'{"title": "x", "remarks": ["' + b"y" * 300_000 + b'"]}',
    ],
)
def test_a_result_that_is_not_valid_leaves_the_run_with_its_name_and_a_word_about_it(shipped, tiny, content):
    run = write_run(shipped / "system", tiny())
    (run.path / "result.json").write_bytes(content)
    (entry,) = lineup.entries().values()
    assert entry.result.title == "system"
    assert "result.json" in entry.result.remarks[0]
    assert lineup.table([lineup.read(entry)]).rows[0]["Run"] == "system"


def test_a_result_may_hold_more_than_is_known_here(shipped, tiny):
    write_run(shipped / "system", tiny(), result=result("A system", colour="blue"))
    (entry,) = lineup.entries().values()
    assert (entry.result.title, entry.result.remarks) == ("A system", ())


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), 10**400, [1]])
def test_what_is_no_finite_number_is_none(value):
    assert number(value) is None


# -- curves -----------------------------------------------------------------------------------------------------------


def test_a_curve_lies_along_images_epochs_minutes_and_the_share_of_the_run(member):
    m = member(total=4000, seen=3000, state="stopped", d_loss=lambda n: n / 1000)
    x = {axis: lineup.curve(m, "d_loss", axis)[1].tolist() for axis in AXES}
    assert x["images"] == [1000, 2000, 3000]
    assert x["epochs"] == [1, 2, 3]
    assert x["minutes"] == pytest.approx([10 / 60, 20 / 60, 30 / 60])
    assert x["share"] == [0.25, 0.5, 0.75]
    assert lineup.curve(m, "d_loss", "images")[2].tolist() == [1, 2, 3]


def test_epochs_and_minutes_are_known_from_ticks_alone_and_left_out_where_nothing_tells(tmp_path, member):
    m = member(d_loss=float)
    (m.entry.run.path / "status.json").unlink()
    told = lineup.read(m.entry)
    assert lineup.curve(told, "d_loss", "epochs")[1].tolist() == [1, 2, 3, 4]
    assert lineup.curve(told, "d_loss", "minutes")[1][-1] == pytest.approx(40 / 60)
    m.entry.run.stats_path.write_text('{"nimg": 500, "d_loss": 1}\n')
    untold = lineup.read(m.entry)
    assert lineup.curve(untold, "d_loss", "epochs")[1].size == 0
    assert lineup.curve(untold, "d_loss", "minutes")[1].size == 0
    assert lineup.curve(untold, "d_loss", "images")[1].tolist() == [500]


def test_what_is_no_number_in_a_tick_is_left_out_of_the_curve(member):
    m = member()
    lines = [tick(100, d_loss=1.0), tick(200, d_loss="high"), tick(300, d_loss=float("nan")), tick(400, d_loss=10**400)]
    lines += [tick(500), tick(10**30, d_loss=2.0), tick(-5, d_loss=3.0), tick(600, d_loss=4.0)]
    m.entry.run.stats_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, x, y = lineup.curve(lineup.read(m.entry), "d_loss", "images")
    assert (x.tolist(), y.tolist()) == ([100, 600], [1, 4])


def test_smoothing_halves_the_weight_at_each_half_life():
    x, y = np.array([0.0, 3.0, 6.0]), np.array([0.0, 0.0, 7.0])
    assert lineup.smoothed(x, y, 3.0).tolist() == pytest.approx([0, 0, 7 / (1 + 0.5 + 0.25)])


def test_smoothing_keeps_a_constant_and_is_the_same_for_twice_the_ticks():
    fine, coarse = np.linspace(0, 1000, 401), np.linspace(0, 1000, 201)
    assert lineup.smoothed(fine, np.full(401, 3.0), 50.0) == pytest.approx(3.0)
    wave = [lineup.smoothed(x, np.sin(x / 100), 50.0)[-1] for x in (fine, coarse)]
    assert wave[0] == pytest.approx(wave[1], abs=0.01)
    assert abs(wave[0] - np.sin(10)) > 0.1  # the mean lags: it is not the curve itself


def drawn(had, found):
    """What a drawing has of a column once it has taken in what is new."""
    return {
        column: [*(p for p in had.get(column, []) if p[0] < found["from"]), *points]
        for column, points in found["curves"].items()
    }


def test_long_runs_are_drawn_with_a_bounded_number_of_points_the_last_among_them(member):
    m = member(d_loss=float)
    m.ticks[:] = [tick(n, d_loss=n / 7) | ({"kd_knee": 1.0} if n % 50 == 0 else {}) for n in range(1, 5002)]
    found = lineup.news(m, ["d_loss", "kd_knee", "unheard_of"], "images")
    nimg, x, y = np.array(found["curves"]["d_loss"]).T
    assert POINTS / 2 <= len(x) <= POINTS
    assert x[-1] == found["last"] == 5001
    assert len(set(np.diff(x)[:-1])) == 1  # evenly
    assert y == pytest.approx(x / 7, rel=1e-5)
    assert nimg.tolist() == x.tolist()
    assert len(found["curves"]["kd_knee"]) == 100  # a seldom figure loses nothing
    assert found["curves"]["unheard_of"] == []


@pytest.mark.parametrize("half_life", [0.0, 30.0])
def test_what_is_new_makes_the_drawing_what_it_would_be_if_drawn_anew(member, half_life):
    m = member(d_loss=float)
    ticks = [tick(7 * n, d_loss=float(np.sin(n))) | ({"kd_knee": n} if n % 30 == 0 else {}) for n in range(1, 1501)]
    had, since, width, answered = {}, 0, 0, 0
    for end in (0, 1, 2, 30, 31, 400, 401, 700, 1500):
        m.ticks[:] = ticks[:end]
        columns = ["d_loss", "kd_knee"]
        found = lineup.news(m, columns, "epochs", half_life, since, width)
        had, since, width = drawn(had, found), found["last"], found["width"]
        answered += len(found["curves"]["d_loss"])
        assert had == lineup.news(m, columns, "epochs", half_life)["curves"]
    assert answered < 1300  # and not all again at each step


def test_a_run_taken_back_is_drawn_anew(member):
    m = member(d_loss=float)
    later = lineup.news(m, ["d_loss"], "images")
    del m.ticks[2:]
    found = lineup.news(m, ["d_loss"], "images", 0, later["last"], later["width"])
    assert found["from"] == 0
    assert found["curves"]["d_loss"] == [(1000, 1000.0, 1000.0), (2000, 2000.0, 2000.0)]


def test_only_figures_that_a_run_has_are_offered_each_with_a_name(member):
    a, b = member("00001-a", d_loss=float), member("00002-b", kd_knee=float, unheard_of=float)
    assert list(stats.known(a.ticks, b.ticks)) == ["d_loss", "kd_knee"]
    assert len({stat.title for stat in stats.STATS.values()}) == len(stats.STATS)


def test_a_discriminator_is_called_a_critic_where_all_runs_have_one(member):
    wgan, other = member("00001-a", d_loss=float, wasserstein=float), member("00002-b", d_loss=float)
    assert stats.known(wgan.ticks)["d_loss"].meaning == "Losses: critic"
    assert stats.known(wgan.ticks, other.ticks)["d_loss"].meaning == "Losses: discriminator"


def test_how_far_the_furthest_run_has_come(member):
    short, long = member("00001-a", total=2000), member("00002-b", total=8000, seen=6000, state="stopped")
    assert lineup.reach([short, long], "images") == 6000
    assert lineup.reach([short, long], "epochs") == 6
    assert lineup.reach([short, long], "share") == 1
    assert lineup.reach([], "images") == 1


# -- samples ----------------------------------------------------------------------------------------------------------


def test_moments_say_where_each_picture_lies(member):
    m = member(total=8000, seen=4000, state="stopped")
    assert lineup.moments(m, "images") == [(0, 0), (2000, 2000), (4000, 4000)]
    assert lineup.moments(m, "share") == [(0, 0), (2000, 0.25), (4000, 0.5)]
    assert lineup.moments(m, "minutes") == [(0, 0), (2000, pytest.approx(1 / 3)), (4000, pytest.approx(2 / 3))]


def test_a_picture_whose_time_is_not_known_has_no_place(member):
    m = member(samples=[0, 2000])
    m.entry.run.stats_path.unlink()
    (m.entry.run.path / "status.json").unlink()
    assert lineup.moments(lineup.read(m.entry), "minutes") == [(0, None), (2000, None)]


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_strip_is_the_first_row_of_the_grid_and_all_is_all_of_it(member):
    run = member().entry.run
    whole = sheet(20)
    assert np.array_equal(opened(lineup.sheet(run, 2000)), whole)
    assert np.array_equal(opened(lineup.sheet(run, 2000, rows=1)), whole[:SIDE])
    assert np.array_equal(opened(lineup.sheet(run, 2000, rows=99)), whole)


def test_the_result_says_how_many_columns_a_picture_of_another_scale_has(shipped, tiny):
    run = write_run(shipped / "system", tiny(resolution=128), samples=[], result=result("A system", columns=3))
    images.save_png(run.sample_path(0), sheet(7))
    assert np.array_equal(opened(lineup.sheet(run, 0, rows=1)), sheet(7)[:SIDE])


def test_a_large_picture_is_sent_smaller(member):
    run = member().entry.run
    images.save_png(run.sample_path(0), np.zeros((500, 4000), np.uint8))
    assert opened(lineup.sheet(run, 0)).shape == (200, 1600)


def test_a_picture_that_is_none_gets_words(member, monkeypatch):
    run = member().entry.run
    with pytest.raises(UserError, match="no samples after 17"):
        lineup.sheet(run, 17)
    run.sample_path(0).write_bytes(run.sample_path(0).read_bytes()[:60])
    with pytest.raises(UserError, match="damaged"):
        lineup.sheet(run, 0)
    Image.new("L", (4, 4)).save(run.sample_path(0), "GIF")
    with pytest.raises(UserError, match="damaged"):
        lineup.sheet(run, 0)
    Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)).save(run.sample_path(0), "PNG")
    with pytest.raises(UserError, match="too large"):
        lineup.sheet(run, 0)


# -- the table --------------------------------------------------------------------------------------------------------


def test_the_table_holds_a_runs_last_figures(member):
    m = member(
        d_loss=lambda n: n / 1000,
        d_accuracy_real=lambda n: 0.8,
        d_accuracy_fake=lambda n: 0.6,
        kd_knee=lambda n: abs(n - 2000) / 1000,
    )
    (row,) = lineup.table([m]).rows
    expected = {
        "Run": "00001-a",
        "State": "finished",
        "Recipe": "dcgan",
        "Images of": "digits",
        "Side": 16,
        "Images": 4000,
        "Epochs": 4,
        "Minutes": pytest.approx(40 / 60),
        "Images/s": 100,
        "D loss": 4,
        "D accuracy": pytest.approx(0.7),
        "Kernel distance": 2,
        "Best kernel distance": 0,
    }
    assert {k: row[k] for k in expected} == expected
    assert "G loss" not in row  # no run has it
    assert "Parameters" not in row


def test_figures_stand_beside_their_floor_and_what_others_report_beside_ours(shipped, tiny):
    fd = {"name": "Fréchet distance", "value": 61.2, "floor": 3.6, "digits": 1, "better": "lower"}
    write_run(
        shipped / "a",
        tiny(),
        d_loss=lambda n: 0.5,
        result=result(
            "A", figures={"fd": fd}, reported={"d LOSS": "~0.8", "Quality": "Blurry", "fréchet distance": "50"}
        ),
    )
    write_run(shipped / "b", tiny(), result=result("B", figures={"fd": fd | {"value": None, "floor": None}}))
    table = lineup.table([lineup.read(e) for e in lineup.entries().values()])
    titles = [c.title for c in table.columns]
    assert titles[titles.index("D loss") + 1] == "d LOSS, reported"
    assert titles[-4:] == [
        "Fréchet distance",
        "Fréchet distance, floor",
        "fréchet distance, reported",
        "Quality, reported",
    ]
    assert [row["Fréchet distance"] for row in table.rows] == [61.2, None]
    assert [row["d LOSS, reported"] for row in table.rows] == ["~0.8", None]
    column = table.columns[titles.index("Fréchet distance")]
    assert (column.text(61.24), column.text(None)) == ("61.2", "–")


def test_figures_of_two_extractors_are_never_in_one_column(shipped, tiny):
    for name in ("knee", "inception"):
        figures = {"fd": {"name": f"Fréchet distance ({name})", "value": 1.0}}
        write_run(shipped / name, tiny(), result=result(name, figures=figures))
    table = lineup.table([lineup.read(e) for e in lineup.entries().values()])
    assert [c.title for c in table.columns][-2:] == ["Fréchet distance (inception)", "Fréchet distance (knee)"]


def test_a_figure_may_fill_a_column_of_ours_but_not_one_of_words(shipped, tiny):
    figures = {
        "parameters": {"name": "Parameters", "value": 1234, "digits": 0},
        "state": {"name": "State", "value": 7},
    }
    write_run(shipped / "a", tiny(), result=result("A", figures=figures))
    (row,) = lineup.table([lineup.read(e) for e in lineup.entries().values()]).rows
    assert (row["Parameters"], row["State"]) == (1234, "finished")


def test_a_real_training_has_all_that_the_table_and_the_strips_need(tiny):
    config = tiny("acgan", samples=20)
    run = create_run(config, "digits")
    train(run, config, World())
    m = lineup.read(lineup.find_entry(run.name))
    (row,) = lineup.table([m]).rows
    folders = {"generator": run.generator_path, "discriminator": run.discriminator_path}
    assert row["Parameters"] == sum(count_parameters(model.load_model(p, role).net) for role, p in folders.items())
    assert all(
        row[k] is not None for k in ("D loss", "G loss", "D accuracy", "Class accuracy", "Diversity", "Images/s")
    )
    assert opened(lineup.sheet(run, 400, rows=1)).shape == (16, 160)  # a column a digit


def test_runs_on_different_images_do_not_compare(member, tiny):
    a, b = member("00001-a"), member("00002-b", config=tiny(g_lr=0.1))
    other = member("00003-c", config=tiny(resolution=32))
    assert not lineup.mixed([a, b])
    assert lineup.mixed([a, other])


# -- settings ---------------------------------------------------------------------------------------------------------


def odd(members, name):
    found = next(s for s in lineup.settings(members) if s.name == name)
    return found.values, found.odd


def test_what_is_not_as_in_most_runs_is_odd(member, tiny):
    members = [member(f"0000{i}-a", config=tiny(g_lr=lr)) for i, lr in enumerate((0.1, 0.1, 0.2))]
    assert odd(members, "g_lr") == (("0.1", "0.1", "0.2"), (False, False, True))
    assert odd(members, "d_lr")[1] == (False, False, False)
    assert [s.name for s in lineup.settings(members) if s.differs] == ["g_lr"]


def test_of_two_values_as_frequent_the_default_is_the_usual_one(member, tiny):
    members = [member("00001-a", config=tiny("wgan-gp")), member("00002-b", config=tiny("dcgan"))]
    assert odd(members, "loss") == (("wasserstein", "non-saturating"), (True, False))
    both = [member("00003-c", config=tiny(kimg=1)), member("00004-d", config=tiny(kimg=2))]
    assert odd(both, "kimg") == (("1", "2"), (True, True))
    often = [member(name, config=tiny(judge_kimg=value)) for name, value in (("e", 1), ("f", 2))]
    assert odd(often, "judge_kimg") == (("1", "2"), (False, False))  # nothing that is learnt depends on it


def test_settings_are_written_for_people_and_one_run_alone_has_none_that_differ(member, tiny):
    m = member(config=tiny("dcgan+augment", data="/some/where/knees/train", mirror=True))
    assert not any(s.differs for s in lineup.settings([m]))
    text = {s.name: s.values[0] for s in lineup.settings([m])}
    assert text["data"] == "knees/train"
    assert (text["mirror"], text["class_on_fakes"], text["init"]) == ("yes", "no", "none")
    assert text["augment"] == "brightness, contrast, translation, cutout"


def test_a_run_whose_settings_cannot_be_read_still_stands_in_line(member, tiny):
    good, bad = member("00001-a"), member("00002-b", d_loss=float)
    (bad.entry.run.path / "config.json").write_text("{")
    bad = lineup.read(bad.entry)
    assert odd([good, bad], "g_lr") == (("0.0002", None), (False, False))
    assert lineup.table([good, bad]).rows[1]["Recipe"] is None
    assert lineup.table_csv([good, bad])


# -- to take away -----------------------------------------------------------------------------------------------------


def test_the_csv_holds_the_table_in_full_and_no_formula(shipped, tiny):
    made = result("=HYPERLINK(1)", reported={"Quality": "+1"}, remarks=["@once"])
    write_run(shipped / "a", tiny(), d_loss=lambda n: 1 / 3, result=made)
    (row,) = parsed(lineup.table_csv([lineup.read(e) for e in lineup.entries().values()]))
    assert float(row["D loss"]) == 1 / 3
    assert (row["key"], row["setting: g_lr"]) == ("baselines/a", "0.0002")
    assert [row[k][0] for k in ("Run", "Quality, reported", "remarks")] == ["'"] * 3


def test_the_curves_csv_has_a_line_for_each_figure_of_each_tick(member):
    a, b = member("00001-a", total=2000, d_loss=lambda n: n / 3), member("00002-b", total=1000, novel=float)
    rows = parsed(lineup.curves_csv([a, b]))
    assert [(r["key"], int(r["images"]), r["figure"], float(r["value"])) for r in rows] == [
        ("00001-a", 1000, "d_loss", 1000 / 3),
        ("00001-a", 2000, "d_loss", 2000 / 3),
        ("00002-b", 1000, "novel", 1000.0),
    ]
    assert (float(rows[1]["epoch"]), float(rows[1]["seconds"])) == (2, 20)


# -- the verb ---------------------------------------------------------------------------------------------------------


def test_the_verb_prints_the_table_and_the_settings_that_differ(call, member, tiny):
    member("00001-a", d_loss=lambda n: 0.25)
    member("00002-b", config=tiny(label_smoothing=0.1))
    code, out, _ = call("compare-runs", "00001-a", "00002-b")
    assert code == 0
    assert "0.250" in out
    assert "label_smoothing" in out
    assert "g_lr" not in out


def test_the_verb_writes_what_the_page_exports(call, member, tmp_path):
    members = [member("00001-a", d_loss=float), member("00002-b", g_loss=float)]
    code, _, _ = call("compare-runs", "00001-a", "00002-b", "--csv", tmp_path / "out" / "x.csv")
    assert code == 0
    assert (tmp_path / "out" / "x.csv").read_text(encoding="utf-8") == lineup.table_csv(members)
    assert (tmp_path / "out" / "x-curves.csv").read_text(encoding="utf-8") == lineup.curves_csv(members)


def test_the_verb_gives_json_takes_shipped_runs_and_runs_anywhere(call, shipped, tmp_path, tiny):
    write_run(shipped / "a", tiny(), result=result("[red]A[/b]", remarks=["Look."]))
    for folder in ("one", "two"):  # two directories of the same name are two runs
        write_run(tmp_path / folder / "run", tiny(resolution=32))
    words = ("compare-runs", f"{PREFIX}a", tmp_path / "one" / "run", tmp_path / "two" / "run", tmp_path / "two" / "run")
    code, out, _ = call(*words, "--json")
    found = json.loads(out)
    assert (code, [r["key"] for r in found["runs"]]) == (0, ["baselines/a", *map(str, words[2:4])])
    assert found["runs"][0]["remarks"] == ["Look."]
    assert found["comparable"] is False
    assert found["settings"]["resolution"] == dict(
        zip((r["key"] for r in found["runs"]), ("16", "32", "32"), strict=True)
    )
    code, out, _ = call(*words)
    assert (code, "[red]A[/b]: Look." in out) == (0, True)


@pytest.mark.parametrize("words", [("nowhere",), ("baselines/nowhere",), ("seeds/nowhere",), ("baselines/../seeds",)])
def test_the_verb_says_which_run_there_is_not(call, words):
    code, _, err = call("compare-runs", *words)
    assert code == 1
    assert words[0] in err
