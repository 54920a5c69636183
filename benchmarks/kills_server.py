"""Servers that are killed while a visitor asks them for something. The visitor speaks to them as a browser does, by
their WebSocket, and looks for a button by what stands on it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil
from filelock import FileLock
from kills_table import PATIENCE, Table, kill, progress, wait_until
from kills_training import small_training
from serving import serving
from websockets import Subprotocol
from websockets.sync.client import connect

from gan_core import data
from gan_core.job import Job
from gan_core.model import shipped_generators
from gan_core.train.run import Run, create_run, list_runs, runs_root
from studio.evaluate.folder import EvaluationFolder, EvaluationRequest, create_evaluation
from studio.export.folder import ExportFolder
from studio.jobs import launch

MOST_SECONDS = 1.5  # from a click to the kill; half of the kills come in the first eighth of it
ALBUM = "phantom:60"
EXPORTED = 400  # images


@dataclass(frozen=True)
class Wish:
    """What a visitor does: opens a page and clicks."""

    page: str
    query: dict[str, str | int]
    button: str


class Visitor:
    """One tab of a server."""

    def __init__(self, url: str) -> None:
        address = url.replace("http", "ws", 1) + "/_stcore/stream"
        self.line = connect(
            address,
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            open_timeout=PATIENCE,
            ping_interval=None,
        )
        self.errors: list[str] = []

    def open(self, page: str, query: dict[str, str | int]) -> dict[str, str]:
        """The buttons of the page, once it stands: what is written on each, and its id."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        self._ask(page, query)
        buttons = {}
        while True:
            told = ForwardMsg()
            told.ParseFromString(self.line.recv(PATIENCE))
            element = told.delta.new_element
            kind = element.WhichOneof("type")
            if kind == "button" and not element.button.disabled:
                buttons[element.button.label] = element.button.id
            if kind == "exception":
                self.errors.append(f"{page}: {element.exception.message}")
            if (
                told.WhichOneof("type") == "script_finished"
                and told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            ):
                return buttons

    def click(self, wish: Wish, button: str) -> None:
        self._ask(wish.page, wish.query, button)

    def _ask(self, page: str, query: dict[str, str | int], clicked: str = "") -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        message.rerun_script.query_string = urlencode(query)
        message.rerun_script.page_name = page
        if clicked:
            message.rerun_script.widget_states.widgets.add(id=clicked, trigger_value=True)
        self.line.send(message.SerializeToString())


def everything() -> list[Job]:
    return [*list_runs(), *EvaluationFolder.all(), *ExportFolder.all()]


def processes(path: Path) -> list[psutil.Process]:
    """Those at work on what is at `path`, or below it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "gan_core" in words and any(Path(word).is_relative_to(path.resolve()) for word in words):
            found.append(process)
    return found


def settle() -> list[str]:
    """Waits until each process stands in the status of what it works on; says what is wrong."""
    problems = []
    for job in everything():
        at_work = processes(job.path)
        if len(at_work) > 1:
            problems.append(f"{job.name} has {len(at_work)} processes")
        wait_until(lambda job=job: job.alive() == bool(processes(job.path)), f"{job.name} says how it stands")
    with FileLock(runs_root() / ".changing.lock", timeout=0):
        pass
    return problems


def _still() -> dict[Path, tuple[str, int]]:
    return {job.path: (job.status().state, job.status().pid) for job in everything()}


def kill_servers(kills: int, rng: random.Random, table: Table) -> None:
    """Kills servers so many times; then all that they were asked for comes to its end."""
    run = create_run(small_training(1000), "resumed")
    model = shipped_generators()[-1].name
    create_evaluation(EvaluationRequest(model=model, data=ALBUM, n=50))  # what the form goes on from
    for done in range(kills):
        cut_off = [e.name for e in ExportFolder.all() if e.status().state != "finished"]
        wish = rng.choice(
            [
                Wish("train", {}, "Start training"),
                Wish("train", {"run": run.name}, "Resume"),
                Wish("train", {"run": run.name}, "Stop"),
                Wish("export", {"n": EXPORTED}, "Export"),
                *(Wish("export", {"export": name}, "Go on") for name in cut_off[:1]),
                Wish("evaluate", {}, "Start evaluation"),
            ]
        )
        row = table.row("server", f"{wish.button} ({wish.page})")
        if wish.button == "Start training":
            data.load("phantom:2000", 64)  # what the form shows: made once, so that the visitor need not wait
        if wish.button == "Stop":
            launch.start(run)
            wait_until(lambda: run.status().state == "running", "the training runs")
        before = _still()
        with serving(runs_root()) as server:
            visitor = Visitor(server.url)
            buttons = visitor.open(wish.page, wish.query)
            row.problems += visitor.errors
            if wish.button in buttons:
                visitor.click(wish, buttons[wish.button])
                time.sleep(MOST_SECONDS * rng.random() ** 3)
            else:
                row.problems.append(f"kill {done}: the page has no button to click")
            server.process.kill()
            server.process.wait()
        row.kills += 1
        try:
            row.problems += [f"kill {done}: {text}" for text in settle()]
        except (RuntimeError, TimeoutError) as e:
            row.problems.append(f"kill {done}: {e}")
        row.begun += run.stop_path.exists() or not run.alive() if wish.button == "Stop" else _still() != before
        row.note = f"{row.begun} had begun"
        for process in processes(runs_root()):
            kill(process)
        row.problems += [f"kill {done}: {job.name} is said to be at work" for job in everything() if job.alive()]
        if (done + 1) % 5 == 0:
            progress(f"{done + 1} of {kills} kills of servers, {len(table.problems)} problems")
    _end(run, model, table)


def _end(run: Run, model: str, table: Table) -> None:
    """The pages show what was cut off, and it comes to its end."""
    row = table.row("server", "(not killed: all goes on)")
    cut_off = [e for e in ExportFolder.all() if e.status().state != "finished"][:1]
    shown = [("train", "run", run), *(("export", "export", e) for e in cut_off)]
    evaluations = EvaluationFolder.all()[:-1]  # the first was no visitor's
    shown += [("evaluate", "evaluation", e) for e in evaluations[:1]]
    with serving(runs_root()) as server:
        for page, key, job in shown:
            visitor = Visitor(server.url)
            buttons = visitor.open(page, {key: job.name})
            if not {"Resume", "Go on", "Start again"} & buttons.keys():
                row.problems.append(f"{job.name} cannot be gone on with")
            row.problems += visitor.errors
    run.stop_path.unlink(missing_ok=True)
    run.write_config(small_training(run.status().images_seen / 1000 + 0.3))
    launch.start(run)
    wait_until(lambda: not run.alive(), "the training ends")
    jobs: list[Job] = [run]
    for export in cut_off:
        launch.start(export)
        wait_until(lambda export=export: not export.alive(), "the export ends")
        jobs.append(export)
    if evaluations:
        request = EvaluationRequest(model=model, data=ALBUM, n=50, only=("spectrum",))
        jobs.append(launch.start_new(create_evaluation(request)))
        wait_until(lambda: not jobs[-1].alive(), "the evaluation ends")
    row.problems += [f"{j.name}: {j.status().message}" for j in jobs if j.status().state != "finished"]
    row.note = f"{len(jobs)} came to their end"
