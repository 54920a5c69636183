"""What a host allows its visitors."""

import pytest

from gan_core.errors import UserError
from gan_core.train.distributed import World
from gan_core.train.run import create_run, list_runs
from studio import hosting
from studio.jobs import launch
from studio.train.session import train

NAMES = ["phantom", "phantom:50", "digits", "mnist", ""]


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "open" / "films").mkdir(parents=True)
    (tmp_path / "closed").mkdir()
    monkeypatch.setenv("KNEE_GAN_FOLDERS", str(tmp_path / "open"))
    return tmp_path


def test_without_a_setting_every_folder_may_be_named(tmp_path, monkeypatch):
    monkeypatch.delenv("KNEE_GAN_FOLDERS", raising=False)
    assert hosting.folders_offered()
    for source in [*NAMES, "hf:owner/name", str(tmp_path)]:
        assert hosting.visitor_source(source) == source


def test_a_host_can_keep_visitors_to_one_folder(root):
    assert hosting.folders_offered()
    for source in [*NAMES, "hf:owner/name", str(root / "open"), str(root / "open/films")]:
        assert hosting.visitor_source(source) == source


@pytest.mark.parametrize("path", ["closed", "open/../closed", "open-other", "closed/nothing.zip", "open/link"])
def test_other_folders_are_refused_whether_they_exist_or_not(root, path):
    (root / "open/link").symlink_to(root / "closed")
    with pytest.raises(UserError, match="can only use folders below"):
        hosting.visitor_source(str(root / path))


@pytest.mark.parametrize("path", ["../closed", "~/films", "films/train", "./films", "train.zip", ".."])
def test_relative_paths_are_refused_where_they_lead_out(root, path):
    with pytest.raises(UserError, match="can only use folders below"):
        hosting.visitor_source(path)


def test_with_none_no_folder_and_no_download(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_FOLDERS", "none")
    assert not hosting.folders_offered()
    for source in NAMES:
        assert hosting.visitor_source(source) == source
    for source in (str(tmp_path), "/", "hf:owner/name", "HF:owner/name"):
        with pytest.raises(UserError, match="Upload your images"):
            hosting.visitor_source(source)


@pytest.mark.parametrize(("text", "minutes"), [("", None), ("0", 0), ("2.5", 2.5)])
def test_minutes(monkeypatch, text, minutes):
    monkeypatch.setenv("KNEE_GAN_TRAIN_MINUTES", text)
    assert hosting.train_minutes() == minutes


@pytest.mark.parametrize("text", ["ten", "-1", "nan", "inf"])
def test_a_setting_that_is_no_number_is_an_error_and_not_no_limit(monkeypatch, text):
    monkeypatch.setenv("KNEE_GAN_TRAIN_MINUTES", text)
    with pytest.raises(UserError, match="KNEE_GAN_TRAIN_MINUTES"):
        hosting.train_minutes()


def test_where_training_is_off_none_starts_and_nothing_is_left(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KNEE_GAN_TRAIN_MINUTES", "0")
    with pytest.raises(UserError, match="turned off"):
        launch.start_new(create_run(tiny(), "digits"))
    assert list_runs() == []
    run = create_run(tiny(), "digits")
    with pytest.raises(UserError, match="turned off"):
        launch.start(run)


def test_a_training_ends_after_its_minutes_and_can_be_resumed(tiny, tmp_path):
    config = tiny(kimg=1000)
    run = create_run(config, "digits", tmp_path)
    status = train(run, config, World(), minutes=0.005)
    assert status.state == "stopped"
    assert "0.005 minutes" in status.message
    seen = status.images_seen
    assert 0 < seen < 1_000_000
    assert train(run, config, World(), minutes=0.005).images_seen > seen


def test_the_start_of_a_visitor_passes_the_limit_on(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_TRAIN_MINUTES", "3")
    called = []

    def note(command, log):
        called.append(command)
        raise OSError("no process")

    monkeypatch.setattr(launch, "_detached", note)
    with pytest.raises(UserError):
        launch.start(create_run(tiny(), "digits", tmp_path))
    assert called[0][called[0].index("--minutes") + 1] == "3.0"
