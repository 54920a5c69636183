"""On a host what somebody has begun or brought is theirs: who sees it, who may change it, for how long it is kept."""

import os
import shutil
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import app_page
import pytest
from app_page import told
from made_evaluation import evaluation as made
from made_models import make as make_model
from made_studies import bare, read
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core import hub, registry
from gan_core.errors import UserError
from gan_core.job import STATUS
from gan_core.train.run import Run, Status, create_run
from studio import hosting, owners, retention, uploads
from studio.data import library
from studio.data.hub import _listing, _note
from studio.data.library import HERE, owner_of
from studio.evaluate.folder import EvaluationRequest, create_evaluation
from studio.export.folder import ExportStatus, create_export
from studio.export.plan import ExportRequest
from studio.export.routes import route
from studio.jobs import launch
from studio.jobs.work import JobStatus
from studio.models import store as models
from studio.models.store import Origin
from studio.models.upload import keep_zip
from studio.study import store
from studio.study.table import rows

ANNA, BEN = "anna" + "a" * 22, "ben" + "b" * 22  # keys of two browsers
DAY = 86_400
CHANGES = {"Stop", "Resume", "Start again", "Go on", "Delete for good"}
NAMED = "Mrs Smith left knee.zip"


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv(hosting.FOLDERS_ENV, "none")
    return tmp_path / "runs"


def training(tiny, **settings):
    run = create_run(tiny(**settings), "digits")
    run.write_status(Status(state="stopped", message="Stopped"))
    return run


def measured(tiny):
    evaluation = create_evaluation(EvaluationRequest(model="knee-64", data="phantom:60"))
    evaluation.write_pictures(made())
    evaluation.write_figures(made().as_json())
    evaluation.write_status(JobStatus(state="finished"))
    return evaluation


def exported(tiny):
    export = create_export(ExportRequest(model="knee-64", n=1, zip=True))
    export.write_status(ExportStatus(state="finished", images=1))
    return export


KINDS = [("train", "run", training), ("evaluate", "evaluation", measured), ("export", "export", exported)]
of_each_kind = pytest.mark.parametrize(("page", "key", "make"), KINDS, ids=[page for page, *_ in KINDS])


def labels(at):
    return {b.label for b in at.button} | {b.proto.label for b in at.get("download_button")}


def choices(at, key):
    return at.selectbox(key=key).options


def zipped(export):
    """The export with a zip to take away, under the name that it has by now."""
    export.zip_path.write_bytes(b"zip")
    return export


@of_each_kind
def test_its_owner_changes_what_they_have_begun(page, key, make, tiny):
    job = make(tiny).belonging_to(owner_of(ANNA))
    at = app_page.page(page, ANNA, **{key: job.name})
    assert not at.exception
    assert "Delete for good" in labels(at)
    assert "Somebody else" not in told(at)


@of_each_kind
def test_a_visitor_with_the_link_watches_and_changes_nothing(page, key, make, tiny):
    job = make(tiny).belonging_to(owner_of(ANNA))
    at = app_page.page(page, BEN, **{key: job.name})
    assert not at.exception
    assert job.name in choices(at, key)
    assert "Somebody else" in told(at)
    assert not labels(at) & (CHANGES | {"Report (HTML)", "Figures (JSON)"})
    assert "Log" not in [e.label for e in at.expander]


@of_each_kind
def test_a_visitor_without_the_link_does_not_find_it(page, key, make, tiny):
    job = make(tiny).belonging_to(owner_of(ANNA))
    assert job.name in choices(app_page.page(page, ANNA), key)
    at = app_page.page(page, BEN)
    assert not [box for box in at.selectbox if job.name in box.options]
    assert job.name.removesuffix(job.name.rpartition("-")[2]) not in told(at)


@of_each_kind
def test_what_is_the_hosts_everybody_sees_and_nobody_changes(page, key, make, tiny):
    job = make(tiny)
    at = app_page.page(page, ANNA, **{key: job.name})
    assert job.name in choices(at, key)
    assert not labels(at) & CHANGES


@of_each_kind
def test_the_host_deletes_anybodys(page, key, make, tiny):
    job = make(tiny).belonging_to(owner_of(ANNA))
    launch.delete(job)
    assert not job.path.exists()


@of_each_kind
def test_on_ones_own_computer_all_is_ones_own(page, key, make, tiny, monkeypatch):
    monkeypatch.delenv(hosting.FOLDERS_ENV)
    for job in (make(tiny), make(tiny).belonging_to(owner_of(ANNA))):
        at = app_page.page(page, **{key: job.name})
        assert "Delete for good" in labels(at)


def test_a_job_that_a_page_starts_is_its_owners_under_a_name_that_cannot_be_guessed(tiny, monkeypatch):
    monkeypatch.setattr(launch, "_start", lambda job, command: None)
    names = []
    for owner in (owner_of(ANNA), HERE):
        before = create_run(tiny(), "digits").name
        names.append((before, launch.start_new(Run(hosting.runs_root() / before), owner)))
    (before, theirs), (same, own) = names
    assert theirs.name.startswith(f"{before}-")
    assert len(theirs.name) == len(before) + 13
    assert theirs.owner() == owner_of(ANNA)
    assert ANNA not in (theirs.path / "owner").read_text()
    assert (own.name, own.owner()) == (same, "")


def test_a_busy_server_does_not_tell_whose_job_it_does(tiny, monkeypatch):
    job = training(tiny).belonging_to(owner_of(ANNA))
    assert launch.named(job, owner_of(ANNA)) == launch.named(job, HERE) == job.name
    assert job.name not in launch.named(job, owner_of(BEN))


def test_why_a_strangers_training_failed_stays_with_them(tiny):
    run = training(tiny).belonging_to(owner_of(ANNA))
    run.write_status(Status(state="failed", message=f"{NAMED} is damaged."))
    assert NAMED in told(app_page.page("train", ANNA, run=run.name))
    assert NAMED not in told(app_page.page("train", BEN, run=run.name))
    assert NAMED not in told(app_page.page("runs", BEN, runs=run.name))


def test_a_run_is_lined_up_for_its_owner_and_by_its_link(tiny):
    run = training(tiny).belonging_to(owner_of(ANNA))
    assert run.name in app_page.page("runs", ANNA).multiselect(key="runs").value
    assert run.name not in app_page.page("runs", BEN).multiselect(key="runs").value
    assert app_page.page("runs", BEN, runs=run.name).multiselect(key="runs").value == [run.name]


def test_a_model_is_listed_for_its_owner_and_by_its_link(untrained_run):
    run = untrained_run().belonging_to(owner_of(ANNA))
    assert run.name in choices(app_page.page("gallery", ANNA), "model")
    assert run.name not in choices(app_page.page("gallery", BEN), "model")
    at = app_page.page("gallery", BEN, model=run.name)
    assert at.selectbox(key="model").value == run.name
    assert run.name not in told(app_page.page("models", BEN))
    assert run.name in told(app_page.page("models", ANNA))


def test_an_uploaded_model_is_its_owners_and_one_of_the_hub_the_hosts(tmp_path, monkeypatch, clock):
    monkeypatch.setenv(hosting.FOLDERS_ENV, str(tmp_path / "films"))
    for module in ("studio.models.ui_models", "studio.models.inventory"):
        monkeypatch.setattr(f"{module}.shipped_generators", list)
    folder = make_model(tmp_path / "generator")
    archive = Path(shutil.make_archive(str(tmp_path / "smith"), "zip", tmp_path, "generator"))
    mine = keep_zip(archive, NAMED, owner_of(ANNA))
    shutil.copytree(folder, tmp_path / "pulled")
    pulled = models.keep(tmp_path / "pulled", Origin(source="hub", repo="lab/knees", commit="0" * 40))
    assert "smith" not in mine.name.lower()
    for key, names in ((ANNA, {mine.name, pulled.name}), (BEN, {pulled.name})):
        at = app_page.page("models", key)
        assert {name for name in (mine.name, pulled.name) if name in told(at)} == names
        assert [b.key for b in at.button if b.label == "Remove it"] == [f"remove-{mine.name}"] * (key == ANNA)
    clock(hosting.KEEP_DAYS + 1)
    retention.sweep()
    assert [stored.name for stored in models.stored()] == [pulled.name]


# -- exports ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "code"), [(ANNA, 200), (BEN, 403), ("", 403), ("../" * 10, 403)])
def test_only_its_owner_downloads_an_export(key, code, tiny):
    export = zipped(exported(tiny).belonging_to(owner_of(ANNA)))
    client = TestClient(Starlette(routes=[route]), cookies={owners.COOKIE: key} if key else {})
    assert client.get(f"/api/export/{export.name}.zip").status_code == code


def test_nobody_but_the_host_downloads_the_hosts_export(tiny, monkeypatch):
    export = zipped(exported(tiny))
    for key in (ANNA, ""):
        client = TestClient(Starlette(routes=[route]), cookies={owners.COOKIE: key} if key else {})
        assert client.get(f"/api/export/{export.name}.zip").status_code == 403
    monkeypatch.delenv(hosting.FOLDERS_ENV)
    assert client.get(f"/api/export/{export.name}.zip").status_code == 200


# -- studies ----------------------------------------------------------------------------------------------------------


def study_of(key):
    """A set of Anna's or Ben's."""
    set_id = bare()
    with sqlite3.connect(store.path()) as db:
        db.execute("UPDATE sets SET owner = ?, data = ?", (owner_of(key), "the films of Mrs Smith"))
    return set_id


def test_a_set_is_listed_and_its_results_are_shown_to_who_made_it():
    set_id = study_of(ANNA)
    read(store.begin(set_id, "Reader"))
    assert "Mrs Smith" in " ".join(map(str, [o for box in app_page.page("study", ANNA).selectbox for o in box.options]))
    at = app_page.page("study", ANNA, results=set_id)
    assert "Mrs Smith" in told(at)
    assert "Delete for good" in labels(at)


def test_who_has_the_link_to_read_gets_no_truth_before_their_end():
    set_id = study_of(ANNA)
    mine, others = store.begin(set_id, "Me"), store.begin(set_id, "Other")
    read(others)
    for link in ({}, {"set": set_id}, {"study": mine}, {"results": set_id}):
        at = app_page.page("study", BEN, **link)
        assert not at.exception
        assert "Mrs Smith" not in told(at)
        assert "All answers (CSV)" not in labels(at)
        assert not [e for e in at.get("html") if "study-image" in e.proto.body]
    assert "Only whoever made this study" in told(app_page.page("study", BEN, results=set_id))


def test_a_reader_sees_the_results_at_the_end_of_their_own_and_no_answer_of_who_still_reads():
    set_id = study_of(ANNA)
    mine, others = store.begin(set_id, "Me"), store.begin(set_id, "Other")
    read(mine)
    read(others, until=5)
    store.end(mine)
    assert "All answers (CSV)" in labels(app_page.page("study", BEN, study=mine))
    assert {row["reader"] for row in rows(set_id, ended=True)} == {"Me"}
    assert {row["reader"] for row in rows(set_id)} == {"Me", "Other"}


def test_a_file_of_studies_of_the_version_before_is_read_and_written_on():
    old = bare()
    with sqlite3.connect(store.path()) as db:
        db.execute("ALTER TABLE sets DROP COLUMN owner")
        db.execute("PRAGMA user_version = 1")
    assert store.find_set(old).owner == ""
    store.begin(old)
    assert len(store.studies_of(bare())) == 0
    assert {about.owner for about in store.list_sets()} == {""}


# -- names, folders, tokens -------------------------------------------------------------------------------------------


def test_the_name_of_an_upload_is_for_its_owner_alone():
    source = uploads.keep([(NAMED, b"zip")], neutral=True)
    assert "Smith" not in source
    library.remember(owner_of(ANNA), source, "upload", 1)
    assert [known.name for known in library.remembered(owner_of(ANNA))] == [NAMED]
    assert uploads.keep([("another.zip", b"zip")], neutral=True) != source
    assert NAMED in uploads.keep([(NAMED, b"zip")])


def test_the_names_of_its_images_are_not_shown_to_who_has_an_evaluations_link(tiny):
    evaluation = measured(tiny).belonging_to(owner_of(ANNA))
    seen = {}
    for key in (ANNA, BEN):
        at = app_page.page("evaluate", key, evaluation=evaluation.name)
        at.session_state[f"section-{evaluation.name}"] = "Memorisation"
        at.run()
        seen[key] = " ".join(e.proto.body for e in at.get("html"))
    assert "train/0/9000000L.png" in seen[ANNA]
    assert "9000000L" not in seen[BEN]
    assert "training image 1" in seen[BEN]


def test_no_form_begins_with_another_visitors_path(tmp_path, monkeypatch):
    monkeypatch.setenv(hosting.FOLDERS_ENV, str(tmp_path))
    films = str(tmp_path / "films-of-anna")
    create_evaluation(EvaluationRequest(model="knee-64", data=films, reference=films)).belonging_to(owner_of(ANNA))
    at = app_page.page("evaluate", BEN)
    assert not [box for box in at.text_input if box.value and films in box.value]


def test_what_others_have_brought_is_no_folder_to_name_though_it_lies_below_the_hosts(runs, monkeypatch):
    monkeypatch.setenv(hosting.FOLDERS_ENV, str(runs.parent))
    with pytest.raises(UserError, match="can only use folders below"):
        hosting.visitor_source(uploads.keep([("a.png", b"png")]))


@pytest.mark.parametrize(
    ("repo", "lent"), [("lab/named", True), ("LAB/named", True), ("firm/any", True), ("lab/other", False), ("", False)]
)
def test_the_hosts_token_is_for_what_the_host_names(repo, lent, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_MODEL", "lab/named@main")
    monkeypatch.setenv("KNEE_GAN_HUB", "firm/*, other/one")
    assert hub.lends_token(repo) is lent
    assert (hub.api(repo).token is False) is not lent
    if repo and not lent:
        with pytest.raises(UserError, match="public repositories only"):
            hub.check_public(repo, True)


def test_without_visitors_or_by_command_the_token_is_used_for_all(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(registry, "LENDS", "")  # as the command line does
        assert hub.lends_token("lab/private")
    assert not hub.lends_token("lab/private")
    monkeypatch.delenv(hosting.FOLDERS_ENV)
    assert hub.lends_token("lab/private")


@pytest.mark.parametrize(("private", "gated"), [(True, False), (False, "auto")])
def test_what_the_host_has_fetched_with_a_token_is_not_for_visitors(private, gated, tmp_path, monkeypatch):
    class Info:
        sha, siblings = "0" * 40, ()

    Info.private, Info.gated = private, gated
    _note("lab/closed", None, Info, tmp_path)
    monkeypatch.setattr("studio.data.hub._info", lambda repo, revision: pytest.fail("asked"))
    monkeypatch.setattr(registry, "LENDS", "")
    assert _listing("lab/closed", "0" * 40, tmp_path).commit == "0" * 40
    monkeypatch.setattr(registry, "LENDS", "studio.hosting:lends_token")
    monkeypatch.setattr("studio.data.hub._info", lambda repo, revision: hub.check_public(repo, True))
    with pytest.raises(UserError, match="public repositories only"):
        _listing("lab/closed", "0" * 40, tmp_path)


# -- for how long -----------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """clock(days): so many days later."""
    real = time.time

    def later(days):
        monkeypatch.setattr(time, "time", lambda: real() + days * DAY)

    return later


def test_all_that_visitors_leave_is_kept_as_long_as_the_host_says_and_what_is_the_hosts_for_ever(
    runs, tiny, clock, monkeypatch
):
    monkeypatch.setenv(hosting.KEEP_ENV, "3")
    anna = owner_of(ANNA)
    source = uploads.keep([(NAMED, b"zip")], neutral=True)
    library.remember(anna, source, "upload", 1)
    make = [training, measured, exported]
    theirs = [job(tiny).belonging_to(anna) for job in make] + [training(tiny, data=source).belonging_to(anna)]
    hosts = [job(tiny) for job in make]
    study_of(ANNA)
    own = bare()
    clock(2.9)
    retention.sweep()
    assert all(job.path.exists() for job in theirs)
    assert len(store.list_sets()) == 2
    assert Path(source).exists()
    clock(3.1)
    retention.sweep()
    assert not [job for job in theirs if job.path.exists()]
    assert [about.id for about in store.list_sets()] == [own]
    assert not Path(source).exists()
    assert not library.remembered(anna)
    clock(300)
    retention.sweep()
    assert all(job.path.exists() for job in hosts)
    assert [about.id for about in store.list_sets()] == [own]


def test_what_is_used_again_is_kept_anew(tiny, clock):
    run = training(tiny).belonging_to(owner_of(ANNA))
    study = store.begin(study_of(ANNA))
    for path in (run.path / STATUS, run.path / run.holds):
        os.utime(path, (time.time() + 5 * DAY,) * 2)
    later = datetime.fromtimestamp(time.time() + 5 * DAY, UTC).isoformat()
    with sqlite3.connect(store.path()) as db:
        db.execute("UPDATE studies SET created = ? WHERE id = ?", (later, study))
    clock(hosting.KEEP_DAYS + 1)
    retention.sweep()
    assert run.path.exists()
    assert store.list_sets()


def test_what_is_at_work_stays(tiny, clock):
    run = training(tiny).belonging_to(owner_of(ANNA))
    run.write_status(Status(state="running").with_process())
    clock(100)
    retention.sweep()
    assert run.path.exists()


@pytest.mark.parametrize("text", ["a week", "0", "-1", "nan", "inf"])
def test_with_a_setting_that_is_no_number_nothing_is_deleted(text, tiny, clock, monkeypatch):
    run = training(tiny).belonging_to(owner_of(ANNA))
    monkeypatch.setenv(hosting.KEEP_ENV, text)
    clock(100)
    with pytest.raises(UserError, match=hosting.KEEP_ENV):
        retention.sweep()
    assert run.path.exists()


@pytest.mark.parametrize(("days", "words"), [("", "7 days"), ("1", "1 day"), ("0.5", "12 hours")])
def test_whoever_uploads_is_told_for_how_long_it_is_kept(days, words, monkeypatch):
    monkeypatch.setenv(hosting.KEEP_ENV, days)
    at = app_page.page("train", ANNA)
    next(g for g in at.button_group if "Upload" in g.options).set_value("Upload").run()
    assert f"kept on this server for {words} after its last use" in told(at)
