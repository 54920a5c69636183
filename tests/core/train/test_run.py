"""The run directory as others read it: names, order, states, ticks; one process a run, and turns."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from gan_core import files
from gan_core.errors import UserError
from gan_core.status import ALIVE
from gan_core.train.distributed import World
from gan_core.train.run import Run, Status, create_run, find_run, find_unfinished, list_runs
from studio.jobs.launch import delete
from studio.train.session import train


def made(root, config, state="finished", name="digits"):
    run = create_run(config, name, root)
    run.write_status(Status(state=state).with_process())
    return run


def dead_process():
    """A status that names a process that is gone."""
    status = Status(state="running").with_process()
    return status.model_copy(update={"process_started": status.process_started - 1000})


# Names and order


def test_runs_are_numbered_and_named(tiny, tmp_path):
    root = tmp_path / "runs"
    names = [create_run(tiny(p), d, root).name for p, d in [("dcgan", "Knees 2024!"), ("wgan-gp+smooth", "zip")]]
    assert names == ["00001-knees-2024-dcgan", "00002-zip-wgan-gp-smooth"]
    (root / "00007-other").mkdir()
    assert create_run(tiny(), "x/../y", root).name == "00008-x-y-dcgan"
    last = create_run(tiny(), "膝", root)
    assert last.name == "00009-data-dcgan"
    shutil.rmtree(last.path)
    assert create_run(tiny(), "膝", root).name == "00010-data-dcgan"  # an old link must not show another
    (root / ".last").write_text("no number")
    assert create_run(tiny(), "膝", root).name == "00011-data-dcgan"


def test_the_newest_comes_first(tiny, tmp_path):
    for _ in range(3):
        create_run(tiny(), "a", tmp_path)
    (tmp_path / "100000-b-dcgan").mkdir()
    Run(tmp_path / "100000-b-dcgan").write_config(tiny())
    (tmp_path / "no-run").mkdir()
    (tmp_path / "file").touch()
    assert [int(run.name.split("-")[0]) for run in list_runs(tmp_path)] == [100000, 3, 2, 1]
    assert list_runs(tmp_path / "nowhere") == []


def test_a_run_is_found_by_name_and_by_path(tiny, tmp_path):
    run = create_run(tiny(), "a", tmp_path)
    assert find_run(run.name, tmp_path).path == run.path
    assert find_run(str(run.path), tmp_path / "elsewhere").path == run.path
    with pytest.raises(UserError, match="no run '00009-a'"):
        find_run("00009-a", tmp_path)


def test_a_place_that_cannot_be_written_is_said(tiny, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="No training can be kept"):
        create_run(tiny(), "a", tmp_path / "file")


def test_the_configuration_comes_back_or_is_said_to_be_missing(tiny, tmp_path):
    run = create_run(tiny("wgan-gp", seed=5), "a", tmp_path)
    assert run.config() == tiny("wgan-gp", seed=5)
    (run.path / "config.json").write_text('{"preset": "dcgan", "unheard": 1}')
    with pytest.raises(UserError, match="not a run directory"):
        run.config()


def test_an_unfinished_run_of_the_same_settings_is_gone_on_with(tiny, tmp_path):
    assert find_unfinished(tiny(), tmp_path) is None
    made(tmp_path, tiny(), "finished")
    made(tmp_path, tiny(), "running")
    assert find_unfinished(tiny(), tmp_path) is None
    stopped = made(tmp_path, tiny(), "stopped")
    assert find_unfinished(tiny(kimg=9), tmp_path).path == stopped.path
    assert find_unfinished(tiny(seed=9), tmp_path) is None
    killed = made(tmp_path, tiny())
    killed.write_status(dead_process())
    assert find_unfinished(tiny(), tmp_path).path == killed.path


# States


@pytest.mark.parametrize("state", ["queued", "starting", "running", "stopped", "finished", "failed"])
def test_a_run_whose_process_is_gone_is_interrupted(tiny, tmp_path, state):
    run = made(tmp_path, tiny(), state)
    assert run.status().state == state
    assert run.alive() == (state in ALIVE)
    run.write_status(dead_process().model_copy(update={"state": state}))
    assert run.status().state == ("interrupted" if state in ALIVE else state)
    assert not run.alive()


def test_a_process_that_has_just_died_does_not_count(tiny, tmp_path):
    import psutil

    run = made(tmp_path, tiny())
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run.write_status(Status(state="running").with_process(psutil.Process(process.pid)))
    assert run.alive()
    process.kill()
    deadline = time.monotonic() + 10
    while run.alive():  # its parent, this test, has not yet asked after it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.communicate()
    assert run.status().state == "interrupted"


def test_another_machines_run_is_taken_for_dead_after_a_while(tiny, tmp_path):
    run = made(tmp_path, tiny())
    run.write_status(Status(state="running", host="elsewhere", pid=1))
    assert run.alive()
    status = json.loads((run.path / "status.json").read_text()) | {"updated": time.time() - 3600}
    (run.path / "status.json").write_text(json.dumps(status))
    assert run.status().state == "interrupted"


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"state": "dancing"}'])
def test_a_status_that_cannot_be_read(tiny, tmp_path, content):
    run = create_run(tiny(), "a", tmp_path)
    if content is not None:
        (run.path / "status.json").write_bytes(content)
    assert run.status().state == "interrupted"
    assert run.status().message


def test_time_left():
    assert Status(images_seen=100, images_total=400, images_per_second=50).seconds_left == 6
    assert Status(images_seen=100, images_total=400).seconds_left is None


# Ticks and samples


def test_half_a_line_is_no_tick(tiny, tmp_path):
    run = create_run(tiny(), "a", tmp_path)
    assert run.stats() == []
    for nimg in (100, 200):
        run.add_stats({"nimg": nimg, "d_loss": 0.5})
    with run.stats_path.open("a") as f:
        f.write('nonsense\n[1]\n{"d_loss": 1}\n{"nimg": 300, "d_lo')
    assert [t["nimg"] for t in run.stats()] == [100, 200]


def test_what_lies_beyond_the_state_is_taken_back(tiny, tmp_path):
    run = create_run(tiny(), "a", tmp_path)
    run.samples_path.mkdir()
    for nimg in (0, 100, 200, 300):
        run.add_stats({"nimg": nimg})
        run.sample_path(nimg).touch()
    half = run.path / "samples" / ".half-000000300-abc.png"
    half.touch()
    run.trim(200)
    assert [t["nimg"] for t in run.stats()] == [0, 100, 200]
    assert list(run.samples()) == [0, 100, 200]
    assert not half.exists()
    run.trim(-1)
    assert run.stats() == []
    assert run.samples() == {}


# Files


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    files.write_text(path, "old")

    def fail():
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    files.write_text(path, "new")
    assert path.read_text() == "new"


def test_a_reader_that_is_in_the_way_is_waited_for(tmp_path, monkeypatch):
    """As on Windows, where an open file cannot be replaced."""
    replace, refusals = type(tmp_path).replace, [PermissionError, PermissionError]

    def busy(self, target):
        if refusals:
            raise refusals.pop()
        return replace(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", busy)
    files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


# Deleting


def test_deleting(tiny, tmp_path):
    run = made(tmp_path, tiny(), "running")
    with pytest.raises(UserError, match="stop it first"):
        delete(run)
    assert run.path.exists()
    run.write_status(dead_process())
    delete(run)
    assert not run.path.exists()
    other = tmp_path / "photographs"
    other.mkdir()
    (other / "wedding.jpg").touch()
    with pytest.raises(UserError, match="not a run directory"):
        delete(Run(other))
    assert (other / "wedding.jpg").exists()


# Turns


@pytest.mark.slow
def test_two_processes_cannot_train_one_run(tiny, tmp_path):
    run = made(tmp_path, tiny(), "running")
    with FileLock(run.path / "lock"), pytest.raises(UserError, match="being trained by another process"):
        train(run, tiny(), World())
    assert run.status().state == "running"  # the other's word stands


def test_a_queued_run_waits_for_the_one_at_work(tiny, tmp_path):
    first, second = made(tmp_path, tiny(), "running"), made(tmp_path, tiny(seed=1))
    second.write_status(Status(state="stopped", images_seen=40))
    seen = []

    def watch(status):
        seen.append(status.state)
        if status.state in ("queued", "starting"):
            assert status.images_seen == 40  # what was seen before the pause is not forgotten
        if status.state == "queued":
            first.write_status(Status(state="finished").with_process())

    assert train(second, tiny(seed=1, kimg=0.1), World(), queue=True, on_status=watch).state == "finished"
    assert seen[0] == "queued"
    assert "running" in seen
    made(tmp_path, tiny(), "queued")  # one that waits is in nobody's way
    assert train(second, tiny(seed=1, kimg=0.1), World(), queue=True).state == "finished"


def test_without_the_queue_nobody_waits(tiny, tmp_path):
    made(tmp_path, tiny(), "running")
    second = made(tmp_path, tiny(kimg=0.1))
    assert train(second, tiny(kimg=0.1), World()).state == "finished"


def test_a_run_can_be_taken_out_of_the_queue(tiny, tmp_path):
    made(tmp_path, tiny(), "running")
    second = made(tmp_path, tiny(kimg=0.1))
    watch = lambda status: second.request_stop() if status.state == "queued" else None  # noqa: E731
    assert train(second, tiny(kimg=0.1), World(), queue=True, on_status=watch).state == "stopped"
    assert not second.samples()
    assert train(second, tiny(kimg=0.1), World()).state == "finished"  # the request was for the queue


def start(out, kimg):
    small = "resolution=16 g_channels=4 d_channels=4 max_channels=8 batch=16 z_dim=8 threads=1 device=cpu"
    small += " tick_kimg=0.1 judge_kimg=0"
    command = [sys.executable, "-m", "gan_core", "train", "--preset", "dcgan", "--data", "digits", "--queue"]
    command += ["--kimg", str(kimg), "--out", str(out), *(w for s in small.split() for w in ("--set", s))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))


@pytest.mark.slow
def test_two_queued_trainings_go_one_after_the_other(tmp_path):
    runs = [Run(tmp_path / "00001"), Run(tmp_path / "00002")]

    def reach(run, state):
        deadline = time.monotonic() + 200
        while run.status().state != state:
            assert time.monotonic() < deadline, f"{run.name} is {run.status()}"
            time.sleep(0.02)

    first = start(runs[0].path, 1000)
    reach(runs[0], "running")
    second = start(runs[1].path, 0.1)
    reach(runs[1], "queued")
    assert runs[0].status().state == "running"
    assert not runs[1].stats()
    runs[0].request_stop()
    assert first.wait(200) == 0
    assert second.wait(200) == 0
    assert [run.status().state for run in runs] == ["stopped", "finished"]
