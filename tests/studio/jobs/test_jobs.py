"""A job says how far it is and how long it will take, ends when asked, and says in words what went wrong."""

import re

import pytest

from gan_core.errors import UserError
from studio.evaluate.folder import EvaluationFolder, EvaluationRequest, create_evaluation
from studio.jobs import work as jobs


@pytest.fixture
def folder(tmp_path, monkeypatch) -> EvaluationFolder:
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path))
    return create_evaluation(EvaluationRequest(model="m", data="d"))


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [0.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now[0])
    return now


def quiet(what, done, of):
    pass


class Made(EvaluationFolder):
    """An evaluation that does what a test says."""

    def work(self, progress):
        return self.does(progress)


def run(folder, work):
    Made.does = staticmethod(work)
    return Made(folder.path).run(quiet)


def test_the_end_of_a_step_is_foretold_from_its_own_pace(folder, clock):
    seen = []

    def work(progress):
        for at, what, done in ((0, "Reading", 0), (100, "Making", 500), (101, "Making", 550), (105, "Making", 1000)):
            clock[0] = at
            progress(what, done, 2000)
            seen.append(folder.status())

    run(folder, work)
    assert [s.seconds_left for s in seen] == [None, None, None, pytest.approx(10)]
    assert seen[-1].progress() == "1,000 of 2,000 · 10 s left"
    assert seen[-1].seconds == 105
    assert folder.status().state == "finished"


def test_one_that_is_stopped_says_so_and_can_be_run_again(folder, clock):
    def work(progress):
        folder.request_stop()
        progress("Making", 832, 3000)

    assert run(folder, work) is None
    assert folder.status().state == "stopped"
    assert "at 832 of 3,000" in folder.status().message
    assert run(folder, lambda progress: progress("Making", 1, 2) or "made") == "made"


@pytest.mark.parametrize(
    ("error", "words"), [(UserError("No room."), "No room."), (ZeroDivisionError("by 0"), "unexpected.*log")]
)
def test_a_failure_stays_in_the_status(folder, error, words):
    def work(progress):
        raise error

    with pytest.raises(type(error)):
        run(folder, work)
    status = folder.status()
    assert status.state == "failed"
    assert re.search(words, status.message)


def test_jobs_are_listed_the_newest_first_by_number_not_by_letter(folder):
    for _ in range(10):
        create_evaluation(EvaluationRequest(model="m", data="d"))
    assert [f.name for f in EvaluationFolder.all()][:3] == ["00011-m-d", "00010-m-d", "00009-m-d"]
