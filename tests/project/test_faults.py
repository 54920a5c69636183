"""Faults of the machine: it is killed, its disk fills up, its clock jumps, its folder is shared or read-only.

The long form of the kills is `benchmarks/kills.py`.
"""

import ctypes
import errno
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from app_page import page
from paths import ROOT, needs_model

from gan_core import files
from gan_core import job as jobs
from gan_core.errors import UserError
from gan_core.model import load_model, save_model
from gan_core.train.distributed import World
from gan_core.train.run import Run, Status, create_run, list_runs
from studio import uploads
from studio.data import library
from studio.export.folder import create_export
from studio.export.plan import ExportRequest
from studio.jobs import launch
from studio.jobs.launch import delete
from studio.models import store
from studio.train.session import train

FULL = Path("/dev/full")
CLOCK = {"seconds", "images_per_second"}  # the figures of a tick that are times
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def outcome(run):
    """All that a training leaves and that is not a time."""
    folders = (run.generator_path, run.discriminator_path)
    found = [*(f / name for f in folders for name in ("config.json", "model.safetensors")), *run.samples().values()]
    ticks = [{k: v for k, v in t.items() if k not in CLOCK} for t in run.stats()]
    half = [p.name for p in run.path.rglob(".*")]
    return {str(f.relative_to(run.path)): f.read_bytes() for f in found} | {"ticks": ticks, "half": half}


def state_at(run):
    """Images seen in the saved state."""
    return torch.load(run.state_path, weights_only=True)["nimg"]


@pytest.fixture(scope="module")
def brief():
    """brief(**settings): three steps of a training, with a picture, a tick and a saved state at each."""
    from gan_core.presets import configure

    def make(**settings):
        small = {"resolution": 16, "batch": 8, "z_dim": 8, "g_channels": 4, "d_channels": 4, "max_channels": 8}
        often = {"kimg": 0.024, "tick_kimg": 0.008, "sample_kimg": 0.008, "samples": 4, "judge_kimg": 0}
        same = {"save_seconds": 1e-9, "precision": "float32", "device": "cpu", "threads": 1}
        return configure("dcgan", data="phantom:16", **(small | often | same | settings))

    return make


@pytest.fixture(scope="module")
def straight(brief, tmp_path_factory):
    """What comes of it where nothing goes wrong."""
    run = create_run(brief(), "straight", tmp_path_factory.mktemp("straight"))
    train(run, brief(), World())
    return run


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


# Killed


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the program forks")
@pytest.mark.parametrize(("who", "kills"), [("trainer", 2), pytest.param("server", 1, marks=needs_model)])
def test_what_is_killed_at_any_moment_leaves_all_whole_and_goes_on(who, kills):
    command = [sys.executable, "benchmarks/kills.py", "--who", who, "--kills", str(kills), "--kimg", "0.3", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert sum(row["kills"] for row in rows) == kills
    assert any(row["kills"] == 0 and row["note"] for row in rows)  # and then came to its end


def test_a_model_is_written_into_no_other_file_than_the_one_that_is_swept_after_a_kill(straight, tmp_path, monkeypatch):
    make, made = files.tempfile.mkstemp, set()

    def note(**options):
        handle, name = make(**options)
        made.add(os.fstat(handle).st_ino)
        return handle, name

    monkeypatch.setattr(files.tempfile, "mkstemp", note)
    model = load_model(straight.generator_path)
    save_model(tmp_path, model.net, model.config, "A card.")
    assert {p.stat().st_ino for p in tmp_path.iterdir()} == made


def test_a_deletion_that_is_cut_off_can_be_done_again(straight, tmp_path, monkeypatch):
    run = Run(tmp_path / "00001-run")

    def cut_off(steps, do):
        def instead(*args, **options):
            if next(steps, None) is None:
                raise KeyboardInterrupt
            do(*args, **options)

        return instead

    for n in range(sum(1 for _ in straight.path.iterdir())):
        shutil.copytree(straight.path, run.path)
        with monkeypatch.context() as patch:
            steps = iter(range(n))
            patch.setattr(Path, "unlink", cut_off(steps, Path.unlink))
            patch.setattr(shutil, "rmtree", cut_off(steps, shutil.rmtree))
            with pytest.raises(KeyboardInterrupt):
                delete(run)
        assert run in list_runs(tmp_path)
        delete(run)
        assert not run.path.exists()


# The disk is full


def fails_to_write(monkeypatch, fails):
    """Every file is refused for which `fails`, called with its temporary name, says so: by a real full device."""
    make = files.tempfile.mkstemp

    def refuse(**options):
        handle, name = make(**options)
        if fails(Path(name).name):
            Path(name).unlink()
            Path(name).symlink_to(FULL)
        return handle, name

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)


def check_and_resume(run, straight):
    """What a full disk has left is whole, and with room again it comes to the same end."""
    assert run in list_runs(run.path.parent)
    if run.state_path.exists():
        assert state_at(run) in (8, 16, 24)  # it can be read
    for folder, role in ((run.generator_path, "generator"), (run.discriminator_path, "discriminator")):
        if (folder / "model.safetensors").exists():
            load_model(folder, role)
    assert not list(run.path.rglob(".half-*"))
    assert train(run, run.config(), World()).state == "finished"
    assert outcome(run) == outcome(straight)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("what", ["state-", "model-", "config-", "README-", "000000008-"])
def test_a_full_disk_ends_a_training_in_words_and_with_room_it_goes_on(brief, straight, tmp_path, monkeypatch, what):
    run = create_run(brief(), "digits", tmp_path)
    with monkeypatch.context() as patch:
        fails_to_write(patch, lambda name: name.startswith(f".half-{what}") and run.samples())
        with pytest.raises(UserError, match=r"no room .*\(No space left on device\).*Make room"):
            train(run, brief(), World())
    status = run.status()
    assert status.state == "failed"
    assert "no room" in status.message
    check_and_resume(run, straight)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_how_it_stands_is_told_where_only_that_has_no_room(brief, straight, tmp_path, monkeypatch):
    run = create_run(brief(), "digits", tmp_path)
    run.write_status(Status(message="Starting"))
    fails_to_write(monkeypatch, lambda name: name.startswith(".half-status-"))
    assert train(run, brief(), World()).state == "finished"
    assert run.status().state == "finished"
    assert outcome(run) == outcome(straight)


def test_a_disk_that_is_full_at_any_write_leaves_the_old_state_whole(brief, tmp_path, monkeypatch):
    config = brief(kimg=0.008)
    wrong, count = -1, 0

    def write_through(handle):
        nonlocal count
        count += 1
        if count == wrong:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", write_through)
    straight = create_run(config, "straight", tmp_path)
    train(straight, config, World())
    writes, ends = count, set()
    assert writes > 20
    for n in range(1, writes + 1):
        run = create_run(config, "digits", tmp_path)
        wrong, count = n, 0
        with suppress(UserError):
            train(run, config, World())
        wrong, status = -1, run.status()
        ends.add(status.state)
        assert status.state == "finished" or "no room" in status.message
        check_and_resume(run, straight)
    assert ends == {"failed", "finished"}  # of how it stands an earlier word is written over


def test_a_tick_that_has_no_room_ends_the_training_in_words(brief, straight, tmp_path, monkeypatch):
    run = create_run(brief(), "digits", tmp_path)

    def half_a_line(self, tick):
        with self.stats_path.open("a") as f:
            f.write('{"nimg": 8, "d_lo')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Run, "add_stats", half_a_line)
        with pytest.raises(UserError, match="no room"):
            train(run, brief(), World())
    check_and_resume(run, straight)


def test_the_largest_file_that_an_account_may_write(brief, straight, tmp_path):
    """A real limit of the system: the state does not fit under it, all else does."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    sizes = [p.stat().st_size for p in straight.path.rglob("*") if p.is_file() and p != straight.state_path]
    assert max(sizes) < straight.state_path.stat().st_size / 2
    run = create_run(brief(), "digits", tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (straight.state_path.stat().st_size // 2, hard))
    try:
        with pytest.raises(UserError, match=r"no room .*\(File too large\)"):
            train(run, brief(), World())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.status().state == "failed"
    assert not run.state_path.exists()
    assert run.stats()
    check_and_resume(run, straight)


IN_A_SMALL_DISK = """
import json, sys, time
from pathlib import Path
from studio.jobs import launch
from gan_core.config import TrainConfig
from gan_core.train.run import create_run

disk = Path(sys.argv[1])
run = launch.start_new(create_run(TrainConfig.model_validate_json(sys.argv[2]), "digits"))
while not (run.state_path.exists() and len(run.stats()) > 2):
    assert run.alive(), run.log_path.read_text()
    time.sleep(0.01)
filler = disk / "filler"
with filler.open("wb", buffering=0) as f:
    for size in (65536, 4096, 1):
        try:
            while True:
                f.write(bytes(size))
        except OSError:
            pass
while run.alive():
    time.sleep(0.01)
full = run.status()
filler.unlink()
launch.start(run)
while run.alive():
    if run.status().images_seen > full.images_seen + 1000:
        run.request_stop()
    time.sleep(0.01)
print(json.dumps([full.model_dump(), run.status().model_dump()]))
"""


@pytest.mark.slow
def test_a_disk_that_is_really_full(brief, tmp_path):
    inside = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, str(tmp_path)]
    if sys.platform != "linux" or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no small disk can be made here")
    config = brief(kimg=1000, tick_kimg=0.1, sample_kimg=1000, save_seconds=0.1).model_dump_json()
    done = subprocess.run(
        [*alone, sys.executable, "-c", IN_A_SMALL_DISK, str(tmp_path), config],
        cwd=ROOT,
        env=os.environ | {"KNEE_GAN_RUNS": str(tmp_path / "runs")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    full, after = json.loads(done.stdout)
    assert full["state"] == "failed"
    assert "no room" in full["message"]
    assert after["state"] == "stopped"
    assert after["images_seen"] > full["images_seen"]


def test_what_cannot_be_written_down_is_not_started(brief, runs, monkeypatch):
    started = []
    monkeypatch.setattr(launch, "_detached", lambda *_: started.append(sleeper()) or psutil.Process(started[0].pid))

    def full(self, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Status, "write", full)
    with pytest.raises(UserError, match="cannot be started: No space left on device"):
        launch.start_new(create_run(brief(), "digits"))
    assert started[0].wait(20) != 0
    assert list_runs() == []


# The clock jumps


def sleeper():
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


@pytest.fixture
def jump(monkeypatch):
    """jump(seconds): from now on the clock is so far off, for this process and for what the system tells it."""
    real, off = time.time, 0.0

    def set_off(seconds):
        nonlocal off
        off = seconds

    monkeypatch.setattr(time, "time", lambda: real() + off)
    if psutil.LINUX:  # which moves the time of the boot when the clock is set
        from psutil import _pslinux

        boot = _pslinux.boot_time
        monkeypatch.setattr(_pslinux, "boot_time", lambda: boot() + off)
    return set_off


HOUR, DAY = 3600.0, 86400.0


def test_who_lives_and_who_is_dead_does_not_change_with_the_clock(brief, tmp_path, jump):
    process = sleeper()
    run = create_run(brief(), "digits", tmp_path)
    run.write_status(Status(state="running").with_process(psutil.Process(process.pid)))
    try:
        for seconds in (0, -HOUR, DAY, 0.5):
            jump(seconds)
            assert run.status().state == "running"
            with pytest.raises(UserError, match="stop it first"):
                delete(run)
    finally:
        process.kill()
        process.communicate()
    for seconds in (-HOUR, DAY, 0):
        jump(seconds)
        assert run.status().state == "interrupted"


def test_a_training_whose_clock_jumps_is_the_same_and_tells_no_nonsense(brief, straight, tmp_path, jump):
    seen, jumps = [], iter([-HOUR, DAY, 0.0, -DAY, HOUR] * 20)
    run = create_run(brief(), "digits", tmp_path)

    def watch(status):
        jump(next(jumps))
        seen.append(status)
        if status.state == "running":
            assert run.alive()

    assert train(run, brief(), World(), on_status=watch).state == "finished"
    assert outcome(run) == outcome(straight)
    running = [s for s in seen if s.state == "running"]
    assert len(running) >= 3
    for times in ([s.seconds for s in seen], [t["seconds"] for t in run.stats()]):
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] < 60
    assert all(t["images_per_second"] > 0 for t in run.stats())
    assert all(0 <= s.seconds_left < 60 for s in running if s.images_per_second)


def test_who_waits_goes_on_saying_so_when_the_clock_goes_back(brief, tmp_path, jump, monkeypatch):
    first, second = (create_run(brief(seed=n), "digits", tmp_path) for n in range(2))
    first.write_status(Status(state="running").with_process())
    told, write = [], Run.write_status

    def write_and_jump(self, status):
        write(self, status)
        jump(-HOUR * len(told))

    monkeypatch.setattr(Run, "write_status", write_and_jump)

    def watch(status):
        told.append(status.state)
        if told.count("queued") == 3:
            first.write_status(Status(state="finished").with_process())

    silent = threading.Timer(30, second.request_stop)
    silent.start()
    try:
        assert train(second, second.config(), World(), queue=True, on_status=watch).state == "finished"
    finally:
        silent.cancel()
    assert told.count("queued") == 3


@pytest.mark.parametrize("seconds", [HOUR, DAY])
def test_a_run_of_another_machine_does_not_live_on_for_having_been_written_in_the_future(
    brief, tmp_path, jump, seconds
):
    run = create_run(brief(), "digits", tmp_path)
    jump(seconds)
    run.write_status(Status(state="running", host="elsewhere", pid=1))
    assert run.alive()
    jump(0)
    assert run.status().state == "interrupted"


# Two servers on one folder


def at_once(*servers):
    """What each of these functions gives when all are called at once, each in a process of its own."""
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(len(servers)), context.Queue()

    def serve(i, do):
        barrier.wait(60)
        try:
            answers.put((i, do()))
        except UserError as e:
            answers.put((i, e))

    processes = [context.Process(target=serve, args=pair) for pair in enumerate(servers)]
    for process in processes:
        process.start()
    found = dict(answers.get(timeout=60) for _ in servers)
    for process in processes:
        process.join(60)
    return [found[i] for i in range(len(servers))]


@needs_fork
def test_two_servers_never_give_the_same_number(brief, runs, monkeypatch):
    def slow(name, real=jobs._slug):
        time.sleep(0.01)
        return real(name)

    def make(name):
        return [create_run(brief(), f"{name}{i}").name for i in range(15)]

    monkeypatch.setattr(jobs, "_slug", slow)  # between the look at the numbers and the next one

    found = at_once(*(lambda name=name: make(name) for name in ("left", "right", "third")))
    names = [name for part in found for name in part]
    assert sorted(int(name.split("-")[0]) for name in names) == list(range(1, 46))
    assert {run.name for run in list_runs()} == set(names)


@pytest.fixture
def fake_trainings(monkeypatch):
    """Instead of a training a process that sleeps, for as long as the test takes."""

    def sleep(arguments, log_path):
        with (log_path.parent / "started").open("a") as f:
            f.write(f"{os.getpid()}\n")
        # An own session, so that its starter need not wait for it.
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        return psutil.Process(process.pid)

    monkeypatch.setattr(launch, "_detached", sleep)
    yield
    for run in list_runs():
        if run.alive():
            psutil.Process(run.status().pid).kill()


@needs_fork
def test_two_servers_never_start_one_run_twice(brief, runs, fake_trainings):
    for i in range(5):
        run = create_run(brief(), f"digits{i}")
        answers = at_once(*[lambda run=run: launch.start(run)] * 3)
        refused = [str(a) for a in answers if a is not None]
        assert len(refused) == 2, answers
        assert all("already at work" in text for text in refused)
        assert len((run.path / "started").read_text().splitlines()) == 1
        assert run.alive()


@needs_fork
def test_what_one_server_starts_another_does_not_delete(brief, runs, fake_trainings):
    for i in range(8):
        run = create_run(brief(), f"digits{i}")
        started, deleted = at_once(lambda run=run: launch.start(run), lambda run=run: delete(run))
        assert (started is None) != (deleted is None), (started, deleted)
        if started is None:
            assert "stop it first" in str(deleted)
            assert run.alive()
            run.request_stop()
            assert run.stop_path.exists()
        else:
            assert not run.path.exists()


def test_a_request_to_stop_dies_with_the_process_that_was_asked(brief, runs, fake_trainings):
    run = create_run(brief(), "digits")
    export = create_export(ExportRequest(model="knee-64", n=1))
    for job in (run, export):
        job.request_stop()
        launch.start(job)
        assert not job.stop_path.exists()
        psutil.Process(job.status().pid).kill()


@needs_fork
def test_one_thing_at_a_time_holds_for_two_servers_too(brief, runs, fake_trainings, monkeypatch):
    monkeypatch.setenv(launch.BUSY_ENV, "refuse")
    answers = at_once(*[lambda: launch.start_new(create_run(brief(), "digits")).name] * 3)
    assert sum(isinstance(a, str) for a in answers) == 1, answers
    assert len(list_runs()) == 1


def test_a_run_that_a_process_holds_is_neither_started_nor_deleted_whatever_its_status_says(brief, runs):
    from filelock import FileLock

    run = create_run(brief(), "digits")
    with FileLock(run.path / "lock"):
        with pytest.raises(UserError, match="already at work"):
            launch.start(run)
        with pytest.raises(UserError, match="stop it first"):
            delete(run)
    delete(run)


# A folder that cannot be written


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Capabilities(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@pytest.fixture
def bound():
    """Permissions bind root too: for this thread, and those that it starts, root has no leave to pass them over."""
    if sys.platform == "win32":
        pytest.skip("Windows has other permissions")
    if os.geteuid():
        yield
        return
    if sys.platform != "linux":
        pytest.skip("no permission binds root here")
    libc = ctypes.CDLL(None, use_errno=True)
    header, held = _Header(0x20080522, 0), (_Capabilities * 2)()
    assert libc.capget(ctypes.byref(header), held) == 0
    before = held[0].effective
    held[0].effective &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(header), held) == 0
    yield
    held[0].effective = before
    assert libc.capset(ctypes.byref(header), held) == 0


@pytest.fixture
def read_only(straight, runs, bound):
    """A run in a folder that cannot be written."""
    shutil.copytree(straight.path, runs / "00001-phantom-dcgan")
    everything = [runs, *runs.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with pytest.raises(PermissionError):
        (runs / "file").touch()
    yield Run(runs / "00001-phantom-dcgan")
    for path in everything:
        path.chmod(0o755 if path.is_dir() else 0o644)


def press(at, label):
    next(b for b in at.button if b.label == label).click().run()
    assert not at.exception
    return " ".join(e.value for kind in ("error", "toast") for e in at.get(kind)).replace("\\", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "pages").glob("*.py")))
def test_every_page_opens_on_a_folder_that_cannot_be_written(read_only, name):
    at = page(name, model=read_only.name)
    assert not at.exception
    assert not at.error


def test_train_says_that_it_cannot_write_and_shows_what_is_there(read_only):
    assert "No training can be kept" in press(page("train"), "Start training")
    at = page("train", run=read_only.name)
    assert any("Finished" in m.value for m in at.markdown)
    assert "cannot be deleted: Permission denied" in press(at, "Delete for good")
    assert read_only.status().state == "finished"


def test_what_cannot_be_gone_on_with_or_stopped_says_so(straight, runs, bound):
    run = Run(runs / "00001-phantom-dcgan")
    shutil.copytree(straight.path, run.path)
    for state, label, said in (("stopped", "Resume", "cannot be started"), ("running", "Stop", "cannot be asked")):
        run.write_status(run.status().model_copy(update={"state": state}).with_process())
        run.path.chmod(0o555)
        runs.chmod(0o555)
        try:
            assert said in press(page("train", run=run.name), label)
        finally:
            runs.chmod(0o755)
            run.path.chmod(0o755)


@needs_model
def test_export_and_upload_say_that_they_cannot_write(read_only, runs):
    assert "No export can be kept" in press(page("export"), "Export")

    with pytest.raises(UserError, match=r"cannot be kept in .*Permission denied"):
        uploads.keep([("a.png", b"png")])


def test_what_was_brought_cannot_be_forgotten_where_nothing_can_be_written(runs, tmp_path, bound):
    library.remember(library.HERE, str(tmp_path), "folder", 1)
    folder = runs / library.SOURCES / library.HERE
    folder.chmod(0o555)
    try:
        at = page("train")
        next(group for group in at.segmented_control if "Remembered" in group.options).set_value("Remembered").run()
        assert "cannot be forgotten" in press(at, "Remove")
    finally:
        folder.chmod(0o755)
    assert library.remembered(library.HERE)


def test_a_model_that_is_here_needs_no_leave_to_write(tmp_path, runs, bound):
    (tmp_path / "model").mkdir()
    here = store.keep(tmp_path / "model", store.Origin(source="hub", repo="lab/knees", commit=40 * "a"))
    here.folder.chmod(0o555)
    try:
        assert store.asked_again(here, "main") == here
    finally:
        here.folder.chmod(0o755)


def test_a_place_that_is_no_folder_is_said(brief, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "file" / "runs"))
    assert list_runs() == []
    with pytest.raises(UserError, match="No training can be kept"):
        launch.start_new(create_run(brief(), "digits"))
    with pytest.raises(UserError, match="No export can be kept"):
        create_export(ExportRequest(model="knee-64", n=1))
    at = page("train")
    assert not at.exception
    assert "No training can be kept" in press(at, "Start training")
