"""The Reader study page: its start, a study in its course, the results, and links that lead nowhere."""

import json
import shutil
import sqlite3
from functools import partial

import app_page
import pytest
from app_page import button
from app_page import told as texts
from made_studies import bare, read

from gan_core.model import SHIPPED, shipped_generators
from gan_core.train.distributed import World
from gan_core.train.run import create_run
from studio.study import store
from studio.train.session import train


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


page = partial(app_page.page, "study")


def films(at):
    """What the viewer was given: the pictures, with who was deceived."""
    return json.loads(room(at))["films"]


def drawn(at):
    """The HTML of the clues."""
    return " ".join(e.proto.body for e in at.get("html"))


def room(at):
    """What the reading room, or the viewer, is told, word for word."""
    (component,) = at.main.get("bidi_component")
    return component.proto.mixed.json if component.proto.HasField("mixed") else component.proto.json


@pytest.mark.skipif(not (SHIPPED / "knee-64").is_dir(), reason="no model is shipped")
def test_one_button_starts_a_study_of_twenty_images(runs):
    at = page()
    assert "rehearsal" in texts(at)
    button(at, "Start").click().run()
    assert not at.exception
    (about,) = store.list_sets()
    assert (about.size, about.kind, about.model) == (20, "single", shipped_generators()[0].name)
    (study,) = store.studies_of(about.id)
    assert at.query_params["study"] in (study.id, [study.id])
    assert "Rehearsal" in texts(at)


def test_the_room_is_told_no_truth_and_no_image(runs):
    study = store.begin(bare())
    at = page(study=study)
    assert json.loads(room(at)) == {"study": study, "kind": "single", "total": 20, "done": 0}
    assert drawn(at) == ""


def test_a_reload_goes_on_where_the_study_was_left(runs):
    study = read(store.begin(bare("pair")), until=4)
    assert json.loads(room(page(study=study)))["done"] == 4


def test_a_finished_study_shows_its_figures_beside_published_ones(runs):
    study = read(store.begin(bare(), "Anna *B*"), right=lambda position: position >= 4)
    store.end(study)
    at = page(study=study)
    assert "16 of 20 right" in texts(at)
    assert "better than guessing" in texts(at)
    assert "PMC13067489" in texts(at)
    assert "36% to 88%" in texts(at)
    figures = at.table[0].value
    assert "80% (58% to 92%)" in figures.iloc[0, 0]
    assert any("sensitivity" in why for why in figures.iloc[:, 1])
    assert [f"{f['wrong']}{f['note']}".endswith(("by you", "right: you")) for f in films(at)] == [True] * 20
    assert not films(at)[0]["note"], "those that deceived come first"
    assert len(at.get("download_button")) == 1


def test_answers_alone_do_not_show_the_result_as_the_last_may_be_taken_back(runs):
    study = read(store.begin(bare()))
    at = page(study=study)
    assert "of 20 right" not in texts(at)
    assert json.loads(room(at))["done"] == 20


def test_a_study_ended_early_gets_words_for_figures(runs):
    study = read(store.begin(bare()), until=3)
    store.end(study)
    at = page(study=study)
    assert "3 of 3 right" in texts(at)
    assert "too few for statistics" in texts(at)
    assert "ended after 3 of 20" in texts(at)
    nothing = store.begin(bare())
    store.end(nothing)
    assert "No answers were given" in texts(page(study=nothing))


def test_pairs_are_not_given_a_sensitivity(runs):
    study = read(store.begin(bare("pair", 40)))
    store.end(study)
    at = page(study=study)
    assert "20 of 20 pairs right" in texts(at)
    assert not any("sensitivity" in why for why in at.table[0].value.iloc[:, 1])


def test_the_second_round_begins_with_clues_and_is_held_against_the_first(runs):
    first = read(store.begin(bare()), right=lambda position: position < 8)
    store.end(first)
    at = page(study=first)
    button(at, "Start the second round").click().run()
    second = store.second_of(first)
    assert "Too smooth" in drawn(at)
    assert second in room(at)
    assert "Go to the second round" in [b.label for b in page(study=first).button]
    read(second)
    store.end(second)
    at = page(study=second)
    assert "Without clues: 8 of 20 right" in texts(at)
    assert "60 points more" in texts(at)


def test_another_reader_takes_the_same_images_and_both_are_compared(runs):
    set_id = bare()
    store.end(read(store.begin(set_id, "Anna")))
    at = page(set=set_id)
    assert "20 images, one at a time" in texts(at)
    at.text_input[0].set_value("<b>Bo</b>").run()
    button(at, "Start").click().run()
    second = next(s for s in store.studies_of(set_id) if s.reader != "Anna")
    assert second.reader == "<b>Bo</b>"
    store.end(read(second.id, right=lambda position: position % 4 > 0))
    at = page(study=second.id)
    assert "Cohen's kappa of 0.50" in texts(at)
    at = page(results=set_id)
    assert list(at.dataframe[0].value["Reader"]) == ["Anna", "<b>Bo</b>"]
    assert any("<b>Bo</b>" in f["wrong"] for f in films(at)), "as text: the component writes no HTML"


def test_results_of_a_set_nobody_has_finished_show_no_truth(runs):
    set_id = bare()
    read(store.begin(set_id), until=5)
    at = page(results=set_id)
    assert "Nobody has finished yet" in texts(at)
    assert not at.main.get("bidi_component")


def test_a_set_is_found_again_and_deleted_only_when_asked_twice(runs):
    set_id = bare()
    at = page()
    button(at, "See the results").click().run()
    assert at.query_params["results"] in (set_id, [set_id])
    assert store.list_sets()
    button(at, "Delete for good").click().run()
    assert not store.list_sets()
    assert not at.exception


@pytest.mark.parametrize(
    "query", [{"study": "x"}, {"set": "../../etc"}, {"results": "' OR 1=1 --"}, {"study": "**b**"}]
)
def test_a_link_that_leads_nowhere_says_so_and_offers_a_start(runs, query):
    at = page(**query)
    assert any("There is no such" in w.value for w in at.warning)
    assert button(at, "Start")


def test_a_study_outlives_its_model(runs, tiny):
    config = tiny("acgan")
    run = create_run(config, "digits")
    train(run, config, World())
    at = page()
    at.selectbox[0].set_value(run.name).run()
    button(at, "Start").click().run()
    (about,) = store.list_sets()
    assert about.model == run.name
    (study,) = store.studies_of(about.id)
    shutil.rmtree(run.path)
    store.end(read(study.id))
    assert "20 of 20 right" in texts(page(study=study.id))


def test_a_damaged_file_gets_words(runs):
    bare()
    store.path().write_bytes(b"no database " * 1000)
    at = page(study="0" * 32)
    assert any("damaged" in w.value for w in [*at.warning, *at.error])


def test_a_newer_file_gets_words(runs):
    bare()
    with sqlite3.connect(store.path()) as db:
        db.execute("PRAGMA user_version = 99")
    at = page(study="0" * 32)
    assert any("newer version" in w.value for w in [*at.warning, *at.error])


def test_without_a_model_it_says_what_to_do(runs, monkeypatch):
    from studio.models import ui_models as models

    monkeypatch.setattr(models, "shipped_generators", list)
    bare()
    at = page()
    assert "Train one" in texts(at)
    assert button(at, "See the results"), "an earlier study is still to be seen"


def test_a_folder_that_is_not_there_is_explained(runs, tmp_path):
    at = page()
    at.segmented_control[0].set_value("Folder").run()
    assert button(at, "Start").disabled
    next(t for t in at.text_input if "Folder" in t.label).set_value(str(tmp_path / "nowhere")).run()
    assert any("no file or folder" in e.value for e in at.error)
    assert button(at, "Start").disabled
    assert not store.list_sets()
