"""A reader study: which images, in which order, what is kept, what it comes to, and what the server gives away."""

import csv
import io
import json
import sqlite3
import threading

import numpy as np
import pytest
import torch
from made_studies import SIZE, bare, read
from PIL import Image
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.model import ModelConfig, load_model, save_model
from studio.study import store
from studio.study.clues import pick
from studio.study.make import even_png, make_set
from studio.study.results import FEWEST, agreement, change, readings, results, score, verdict
from studio.study.routes import study_routes
from studio.study.store import Answer, Answered
from studio.study.table import COLUMNS, defused, to_csv


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """model(*class names): a generator that has learnt nothing."""

    def make(*names):
        folder = tmp_path_factory.mktemp("model")
        conditioning = "embedding" if names else "none"
        net = NetConfig(
            role="generator",
            architecture="dcgan",
            resolution=SIZE,
            num_classes=len(names),
            conditioning=conditioning,
            channels=4,
            max_channels=8,
            z_dim=8,
        )
        shares = (1.0,) * len(names)
        config = ModelConfig(net=net, class_names=names, class_shares=shares, label_name="KL grade")
        torch.manual_seed(0)
        save_model(folder, networks.build(net), config, "card")
        return load_model(folder)

    return make


@pytest.fixture
def made(model):
    """made(**settings): a set of phantoms and fakes, its id."""
    return lambda **settings: make_set(model(*"01234"), "untrained", "phantom:150", **settings)


def said(choice, truth, question=0, confidence=3, study="s", keys=("k", None)):
    return Answered(study, 1, question, question, *keys, truth, choice, confidence, 1.0, "", "", None)


# The choice of images


@pytest.mark.parametrize("kind", ["single", "pair"])
def test_half_of_the_images_are_real_and_both_halves_have_the_same_grades(made, kind):
    images = store.shown(made(kind=kind))
    for round_ in (1, 2):
        real = [i for i in images if i.round == round_ and not i.synthetic]
        fake = [i for i in images if i.round == round_ and i.synthetic]
        assert len(real) == len(fake) == 10
        assert sorted(i.grade for i in real) == sorted(i.grade for i in fake)
        if kind == "pair":
            assert {i.question: i.grade for i in real} == {i.question: i.grade for i in fake}
        else:
            assert len({i.question for i in real + fake}) == 20


def test_nothing_but_the_pixels_tells_an_image(made):
    set_id = made()
    sizes, modes, positions = set(), set(), []
    for at, image in enumerate(sorted(store.shown(set_id), key=lambda image: image.key)):
        png = store.png(image.key)
        sizes.add(len(png))
        opened = Image.open(io.BytesIO(png))
        modes.add((opened.mode, opened.size, tuple(opened.info)))
        positions.append((at, image.synthetic))
    assert len(sizes) == 1, "the number of bytes tells"
    assert modes == {("L", (SIZE, SIZE), ())}
    with sqlite3.connect(store.path()) as db:
        stored = [s for (s,) in db.execute("SELECT synthetic FROM images WHERE set_id = ? AND round > 0", (set_id,))]
    assert stored != sorted(stored), "the order in which they are kept tells"


def test_a_png_keeps_every_pixel_and_its_length_tells_nothing():
    rng = np.random.default_rng(0)
    noise, flat = rng.integers(0, 256, (40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(even_png(noise)))), noise)
    assert len(even_png(noise)) == len(even_png(flat))


def test_each_choice_and_each_order_is_fresh(made):
    first, second = made(), made()
    assert {i.seed for i in store.shown(first) if i.synthetic}.isdisjoint(
        {i.seed for i in store.shown(second) if i.synthetic}
    )
    orders = [[keys[0] for keys in store.keys(store.begin(first), 0, 99)] for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_a_synthetic_image_comes_again_from_its_seed_and_grade(made, model):
    from gan_core.generate import class_index, generate

    image = next(i for i in store.shown(made()) if i.synthetic)
    labelled = model(*"01234")
    again = generate(labelled, [image.seed], [class_index(labelled, image.grade)])[0, 0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(store.png(image.key)))), again)


def test_no_patient_is_shown_twice(model, tmp_path):
    for i in range(20):
        for side in "LR":
            Image.fromarray(np.full((SIZE, SIZE), 5 * i + 100 * (side == "R"), np.uint8)).save(
                tmp_path / f"{i}{side}.png"
            )
    set_id = make_set(model(), "untrained", str(tmp_path))
    grays = [
        int(np.asarray(Image.open(io.BytesIO(store.png(i.key))))[0, 0]) % 100
        for i in store.shown(set_id)
        if not i.synthetic
    ]
    assert len(grays) == len(set(grays)) == 20


def test_with_few_real_images_there_is_no_second_round_and_with_fewer_no_study(model, tmp_path):
    for i in range(12):
        Image.fromarray(np.full((SIZE, SIZE), i, np.uint8)).save(tmp_path / f"film{i}.png")
    set_id = make_set(model(), "untrained", str(tmp_path))
    assert store.find_set(set_id).rounds == 1
    assert "too few real images for a second round" in store.find_set(set_id).note
    with pytest.raises(UserError, match="needs 20 real ones"):
        make_set(model(), "untrained", str(tmp_path), 40)


def test_phantoms_are_said_to_be_a_rehearsal_and_unmatched_grades_are_told(made, model):
    about = store.find_set(made())
    assert about.rehearsal
    assert "rehearsal" in about.note
    assert "same mix of KL grades" in about.note
    unlabelled = store.find_set(make_set(model(), "untrained", "phantom:150"))
    assert "may differ" in unlabelled.note
    digits = store.find_set(make_set(model("a", "b"), "untrained", "digits"))
    assert not digits.rehearsal
    assert "no class that the model knows" in digits.note


def test_clues_are_shown_by_the_pictures_that_have_them():
    rng = np.random.default_rng(0)
    base = np.add.outer(np.arange(32), np.arange(32)).astype(float) * 3
    images = np.stack([base + rng.normal(0, 6, base.shape) for _ in range(12)])
    images[3] = base
    images[5] = base + 40 * (np.indices(base.shape).sum(0) % 2)
    images[7] = 200 - images[7]
    images[9] = images[8] + 1
    picked = pick(np.clip(images, 0, 255).astype(np.uint8)[:, None], each=1)
    assert picked["smooth"] == [3]
    assert picked["rough"] == [5]
    assert picked["odd"] == [7]
    assert sorted(picked["alike"]) == [8, 9]


# What is kept


def test_a_study_goes_on_where_it_was_cut_off():
    study = store.begin(bare(), "  Anna\n\tB.  ")
    read(study, until=7)
    found = store.find_study(study)  # as after a restart: nothing is held in memory
    assert (found.reader, found.done, found.total, found.over) == ("Anna B.", 7, 20, False)
    store.answer(study, Answer(position=7, choice="real", confidence=1, seconds=0))
    assert store.find_study(study).done == 8


def test_an_answer_sent_twice_or_by_a_tab_that_is_behind_counts_once():
    set_id = bare()
    study = store.begin(set_id)
    for choice in ("real", "synthetic"):
        after = store.answer(study, Answer(position=0, choice=choice, confidence=2, seconds=1))
        assert after.done == 1
    store.answer(study, Answer(position=5, choice="real", confidence=2, seconds=1))  # ahead of its turn
    assert [(a.position, a.choice) for a in store.answers(set_id)] == [(0, "real")]


def test_two_tabs_at_once_write_each_answer_once():
    set_id = bare()
    study = store.begin(set_id)

    def tab():
        for position in range(20):
            store.answer(study, Answer(position=position, choice="real", confidence=1, seconds=0))

    tabs = [threading.Thread(target=tab) for _ in range(3)]
    for t in tabs:
        t.start()
    for t in tabs:
        t.join()
    assert [a.position for a in store.answers(set_id)] == list(range(20))


def test_undo_takes_back_the_last_answer_alone_and_none_after_the_end():
    study = read(store.begin(bare()), until=3)
    assert store.undo(study, 0).done == 3
    assert store.undo(study, 2).done == 2
    assert store.undo(study, 2).done == 2
    store.end(study)
    assert store.undo(study, 1).done == 2
    assert store.answer(study, Answer(position=2, choice="real", confidence=1, seconds=0)).done == 2


def test_only_fitting_answers_are_taken():
    study = store.begin(bare("pair"))
    with pytest.raises(UserError, match="left or right"):
        store.answer(study, Answer(position=0, choice="real", confidence=1, seconds=0))
    for wrong in (
        {"confidence": 6},
        {"confidence": 0},
        {"choice": "maybe"},
        {"seconds": -1},
        {"seconds": float("nan")},
    ):
        with pytest.raises(ValidationError):
            Answer(**{"position": 0, "choice": "left", "confidence": 1, "seconds": 0.0} | wrong)


def test_the_second_round_follows_the_first_once_with_other_images():
    set_id = bare()
    first = store.begin(set_id, "Anna")
    with pytest.raises(UserError):
        store.begin_second(first)
    read(first)
    second = store.begin_second(first)
    assert store.begin_second(first) == second == store.second_of(first)
    assert store.undo(first, 19).done == 20, "the first round is closed"
    assert store.find_study(second).first == first
    assert {k for q in store.keys(first, 0, 99) for k in q}.isdisjoint(k for q in store.keys(second, 0, 99) for k in q)
    with pytest.raises(UserError):
        store.begin_second(read(store.begin(bare(rounds=1))))


def test_what_does_not_exist_gets_words_and_no_file():
    for call in (
        store.find_study,
        store.find_set,
        store.begin,
        store.begin_second,
        store.end,
        store.delete_set,
        results,
    ):
        with pytest.raises(UserError, match="There is no such"):
            call("../../etc/passwd' OR 1=1 --")
    assert store.png("x") is None
    assert store.list_sets() == []


def test_reading_creates_no_file(runs):
    assert store.list_sets() == []
    assert not runs.exists()


def test_a_damaged_a_newer_and_a_read_only_file_get_words(runs):
    runs.mkdir()
    store.path().write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(UserError, match="damaged"):
        store.list_sets()
    store.path().unlink()
    bare()
    with sqlite3.connect(store.path()) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer version"):
        store.list_sets()
    store.path().unlink()
    store.path().mkdir()
    with pytest.raises(UserError, match="cannot be opened or written"):
        bare()


def test_a_file_of_another_program_is_left_alone(runs):
    runs.mkdir()
    with sqlite3.connect(store.path()) as db:
        db.execute("CREATE TABLE sets (mine TEXT)")
    with pytest.raises(UserError, match="damaged"):
        store.list_sets()
    with sqlite3.connect(store.path()) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("sets",)]


def test_deleting_a_set_leaves_the_others_whole():
    gone, kept = bare(), bare()
    read(store.begin(gone))
    read(store.begin(kept))
    store.delete_set(gone)
    assert [s.id for s in store.list_sets()] == [kept]
    with sqlite3.connect(store.path()) as db:
        counts = [
            db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("images", "studies", "questions", "answers")
        ]
    assert counts == [40, 1, 20, 20]


# What it comes to


def test_figures_are_those_of_the_textbook():
    # 7 of 10 fakes and 9 of 10 reals recognised, all with the same confidence.
    given = [said("synthetic" if i < 7 else "real", "synthetic", i) for i in range(10)]
    given += [said("real" if i < 9 else "synthetic", "real", 10 + i) for i in range(10)]
    s = score(given)
    assert (s.n, s.right) == (20, 16)
    # Wilson's interval of 16 of 20: Newcombe 1998, by hand (16 + 1.92) / (20 + 3.84) -+ ...
    assert (round(s.accuracy.low, 4), round(s.accuracy.high, 4)) == (0.584, 0.9193)
    # Two-sided exact binomial: 2 * sum C(20, k) for k >= 16, over 2^20.
    assert s.p == pytest.approx(2 * (4845 + 1140 + 190 + 20 + 1) / 2**20)
    assert (s.sensitivity.value, s.specificity.value) == (0.7, 0.9)
    # With one threshold the area is the mean of the two.
    assert s.auc.value == pytest.approx(0.8)
    assert s.auc.low < 0.8 < s.auc.high
    assert "better than guessing" in verdict(s)


def test_confidence_counts_in_the_area():
    unsure = [said("real", "synthetic", i, confidence=1) for i in range(5)]
    sure = [said("real", "real", 5 + i, confidence=5) for i in range(5)]
    assert score(unsure + sure).auc.value == 1
    assert score(unsure + sure).accuracy.value == 0.5


def test_less_than_guessing_is_told_from_guessing():
    wrong = [said("real", "synthetic", i) for i in range(10)] + [said("synthetic", "real", 10 + i) for i in range(10)]
    assert "worse than guessing" in verdict(score(wrong))
    assert "may be guessing" in verdict(score([*wrong[:10], *(said("real", "real", i) for i in range(10, 20))]))


def test_too_few_answers_give_words():
    s = score([said("real", "real", i) for i in range(FEWEST - 1)])
    assert s.accuracy is s.p is s.auc is None
    assert "too few" in verdict(s)
    assert score([]).n == 0
    one_sided = score([said("real", "real", i) for i in range(16)] + [said("real", "synthetic", 16)])
    assert one_sided.accuracy is not None
    assert one_sided.sensitivity is one_sided.auc is None
    assert "too few" in change(s, s)


def test_intervals_stay_within_bounds():
    for right in (0, 20):
        e = score([said("real" if i < right else "synthetic", "real", i) for i in range(20)]).accuracy
        assert 0 <= e.low <= e.value <= e.high <= 1
        assert e.high - e.low > 0.1


def test_kappa_is_of_what_was_said_not_of_what_was_right():
    set_id = bare()
    first, second = (read(store.begin(set_id), right=lambda position: True) for _ in range(2))
    a, b = readings(set_id)
    assert agreement(a, b).kappa == pytest.approx(1)
    assert agreement(a, b).n == 20
    third = store.begin(set_id)
    read(third, right=lambda position: False)
    assert agreement(a, readings(set_id)[2]).kappa == pytest.approx(-1)
    assert first != second


def test_kappa_of_pairs_does_not_depend_on_the_sides():
    set_id = bare("pair", 40)
    for _ in range(2):
        read(store.begin(set_id))
    assert agreement(*readings(set_id)).kappa == pytest.approx(1)


def test_kappa_is_not_given_where_it_is_not_defined():
    set_id = bare()
    for _ in range(2):
        study = store.begin(set_id)
        for i in range(20):
            store.answer(study, Answer(position=i, choice="real", confidence=1, seconds=0))
    assert agreement(*readings(set_id)).kappa is None


def test_what_a_reader_is_still_looking_at_is_not_in_the_results():
    set_id = bare()
    read(store.begin(set_id, "done"))
    at_it = read(store.begin(set_id, "at it"), until=12)
    assert [r.reader for r in results(set_id).readings] == ["done"]
    store.end(at_it)
    found = results(set_id)
    assert [(r.reader, r.score.n) for r in found.readings] == [("done", 20), ("at it", 12)]
    assert found.agreements[0].n == 12


def test_the_results_say_which_image_fooled_whom():
    set_id = bare()
    anna = read(store.begin(set_id, "Anna"), right=lambda position: position != 4)
    read(store.begin(set_id, "Anna"))
    read(store.begin(set_id))
    worst = results(set_id).verdicts[1][0]
    assert worst.wrong == ("Anna",)
    assert worst.right == ("Anna (2)", "Reader 3")
    assert worst.images[0].key == store.keys(anna, 4, 1)[0][0]


def test_a_reader_has_one_name_in_both_rounds():
    set_id = bare()
    first = read(store.begin(set_id))
    read(store.begin(set_id))
    read(store.begin_second(first))
    assert [(r.reader, r.study.round) for r in results(set_id).readings] == [
        ("Reader 1", 1),
        ("Reader 2", 1),
        ("Reader 1", 2),
    ]
    rows = list(csv.DictReader(io.StringIO(to_csv([set_id]))))
    assert {(row["reader_number"], row["round"]) for row in rows} == {("1", "1"), ("2", "1"), ("1", "2")}


def test_the_change_between_rounds_is_tested():
    few = score([said("real" if i < 10 else "synthetic", "real", i) for i in range(20)])
    many = score([said("real", "real", i) for i in range(20)])
    assert "50 points more, more than chance explains" in change(few, many)
    assert "as many right" in change(many, many)


# The table


def test_the_table_has_a_row_an_answer_and_no_formula():
    set_id = bare("pair")
    study = read(store.begin(set_id, '=cmd()|"x"!A1'), until=3, seconds=1.239)
    rows = list(csv.DictReader(io.StringIO(to_csv([set_id]))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 3
    assert rows[0]["reader"] == '\'=cmd()|"x"!A1'
    assert {rows[0]["image"], rows[0]["second_image"]} == set(store.keys(study, 0, 1)[0])
    assert [(r["right"], r["seconds"], r["position"]) for r in rows] == [("1", "1.24", str(n)) for n in (1, 2, 3)]
    assert study not in to_csv([set_id]), "a study's id is a secret"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_defused(text):
    assert defused(text) == "'" + text
    assert defused("a=b") == "a=b"
    assert defused(-1) == -1


# What the server gives


@pytest.fixture
def server():
    return TestClient(Starlette(routes=study_routes()))


def test_the_server_never_gives_the_truth(server):
    study = store.begin(bare())
    said = server.get(f"/api/study/{study}")
    assert said.json().keys() == {"done", "total", "ended", "now", "next"}
    assert said.headers["cache-control"] == "no-store"
    given = {"position": 0, "choice": "real", "confidence": 3, "seconds": 1.5}
    after = server.post(f"/api/study/{study}/answer", json=given).json()
    assert after.keys() == said.json().keys()
    assert after["now"] == said.json()["next"]
    image = server.get(f"/api/study-image/{after['now'][0]}")
    assert image.content == b"png"
    assert not {"content-disposition", "etag", "last-modified"} & set(image.headers)


def test_the_server_takes_answers_undo_and_the_end(server):
    study = store.begin(bare("pair"))
    given = {"position": 0, "choice": "left", "confidence": 3, "seconds": 1.5}
    assert server.post(f"/api/study/{study}/answer", json=given).json()["done"] == 1
    assert server.post(f"/api/study/{study}/answer", json=given).json()["done"] == 1
    assert server.post(f"/api/study/{study}/undo", json={"position": 0}).json()["done"] == 0
    ended = server.post(f"/api/study/{study}/end", json={}).json()
    assert ended["ended"]
    assert ended["now"] == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '{"position": 1e99, "choice": "real", "confidence": 3, "seconds": 1}',
        '"' + "x" * 5000 + '"',
        '{"position": 0, "choice": "real", "confidence": 3, "seconds": 1, "truth": "real"}',
    ],
)
def test_a_request_that_is_no_answer_gets_words_and_changes_nothing(server, body):
    study = store.begin(bare())
    said = server.post(f"/api/study/{study}/answer", content=body, headers={"content-type": "application/json"})
    assert said.status_code == 400
    assert said.json()["error"]
    assert store.find_study(study).done == 0


def test_another_site_cannot_answer_and_unknown_ids_get_words(server):
    study = store.begin(bare())
    given = json.dumps({"position": 0, "choice": "real", "confidence": 3, "seconds": 1})
    assert (
        server.post(f"/api/study/{study}/answer", content=given, headers={"content-type": "text/plain"}).status_code
        == 400
    )
    assert store.find_study(study).done == 0
    assert server.get("/api/study/nowhere").status_code == 404
    assert server.post("/api/study/nowhere/end", json={}).status_code == 409
    assert server.get("/api/study-image/nowhere").status_code == 404


# The command line


def test_the_command_line_makes_lists_counts_exports_and_deletes(call, model, tmp_path):
    code, out, _ = call("study", "new", "--model", model(*"01234").path, "--data", "phantom:150", "--pairs")
    assert code == 0
    set_id = out.strip()
    read(store.begin(set_id, "Anna"), right=lambda position: position > 2)
    (listed,) = json.loads(call("study", "list", "--json")[1])
    assert (listed["id"], listed["kind"], listed["at_the_end"]) == (set_id, "pair", 1)
    assert "1 of 1" in call("study", "list")[1]
    found = json.loads(call("study", "results", set_id, "--json")[1])
    assert [(r["reader"], r["right"], r["n"]) for r in found["readers"]] == [("Anna", 7, 10)]
    assert "7 of 10" in call("study", "results", set_id)[1]
    code, out, _ = call("study", "export", "--out", tmp_path / "answers.csv")
    assert code == 0
    assert len((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()) == 11
    assert call("study", "delete", set_id)[0] == 0
    assert store.list_sets() == []
    assert call("study", "results", set_id)[0] == 1
    assert call("study", "new", "--model", "x", "--images", "7")[0] == 2
