"""One sitting of a training: its turn, its images, the loop, and how it ended. What somebody asks of it comes in here.

`gan_core.train.trainer` is the loop itself, which knows neither sources nor queues.
"""

from __future__ import annotations

import math
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from gan_core import data
from gan_core.config import TrainConfig
from gan_core.errors import UserError
from gan_core.files import check_parts, no_room
from gan_core.presets import configure
from gan_core.status import State, ended_by
from gan_core.train.distributed import World
from gan_core.train.run import LOCK, Run, Status, list_runs
from gan_core.train.trainer import STATUS_SECONDS, STOPPED, Judge, Trainer


def command_line(config: TrainConfig) -> str:
    """The command that makes this run: its preset, and what differs from it."""
    named = {"preset", "data", "resolution", "kimg", "seed"}
    base = configure(config.preset)
    short = {"init": data.short_source(config.init)}  # a card is made to be shown
    source = shlex.quote(data.short_source(config.data))
    parts = ["python -m gan_core train", f"--preset {config.preset}", f"--data {source}"]
    kimg = str(config.kimg).removesuffix(".0")
    parts += [f"--resolution {config.resolution}", f"--kimg {kimg}", f"--seed {config.seed}"]
    for name in TrainConfig.model_fields:
        value = getattr(config, name)
        if name not in named and value != getattr(base, name):
            text = short.get(name, ",".join(value) if isinstance(value, tuple) else str(value))
            parts.append(f"--set {shlex.quote(f'{name}={text}')}")
    return " ".join(parts)


class _StopRequest(Exception):
    """Somebody asked for an end before there was anything to save."""


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Within, SIGINT and SIGTERM only set a flag, which the yielded function reads."""
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)

    old = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(caught)
    finally:
        for s, handler in old.items():
            signal.signal(s, handler)


@contextmanager
def _turn(run: Run, stop: Callable[[], str], waiting: Callable[[], None]) -> Iterator[bool]:
    """Holds the turn among the runs beside `run`, waiting for it; yields False where `stop()` came first.

    The lock keeps those that wait in turn; whoever holds it still waits for runs that were started without a queue.
    """
    lock = FileLock(run.path.parent / ".turn.lock")
    while not stop():
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            waiting()
            continue
        try:
            while _others_at_work(run) and not stop():
                waiting()
                time.sleep(0.5)
            yield not stop()
        finally:
            lock.release()
        return
    yield False


def _forget_old_request(run: Run) -> None:
    """Removes a request to stop that an earlier session was killed before it could obey.

    A newer one counts: somebody may ask while this process is still starting.
    """
    try:
        asked = run.stop_path.stat().st_mtime
    except FileNotFoundError:
        return
    if asked < psutil.Process().create_time() - 2:
        run.stop_path.unlink(missing_ok=True)


def _others_at_work(run: Run) -> bool:
    others = (other for other in list_runs(run.path.parent) if other.name != run.name)
    return any(other.status().state in ("starting", "running") for other in others)


def _judge(dataset: data.Dataset) -> Judge:
    """Made when it is first asked for: it takes longer to load than all the rest of a training."""

    @cache
    def made() -> Judge:
        from studio.train.judge import KneeJudge

        return KneeJudge(dataset)

    return lambda make: made()(make)


def train(
    run: Run,
    config: TrainConfig,
    world: World,
    *,
    queue: bool = False,
    minutes: float | None = None,
    on_status: Callable[[Status], None] = lambda status: None,
) -> Status:
    """Trains `config` in `run` until its end, a stop, or `minutes` after its first step. With `queue` it waits for its
    turn among the runs beside it.

    Raises `UserError`, after writing it into the run's status, where data, settings or numbers are at fault.
    """
    writes = world.rank == 0
    fresh = {"images_total": round(config.kimg * 1000), "images_per_second": 0.0, "warnings": []}
    status = run.status().model_copy(update=fresh).with_process()  # what an earlier session has seen stays seen
    written = -math.inf

    def remember(new: Status) -> None:
        nonlocal status
        status = new
        on_status(new)

    def say(state: State, message: str, every: float = 0) -> Status:
        """What stays the same state is not written more often than `every` so many seconds."""
        nonlocal written
        if state == status.state and time.monotonic() - written < every:
            return status
        remember(status.model_copy(update={"state": state, "message": message}))
        if writes:
            run.write_status(status)
        written = time.monotonic()
        return status

    def reading(done: int, total: int) -> None:
        if world.size == 1 and stop():  # of many processes none may leave the others waiting
            raise _StopRequest
        say("starting", f"Reading the images: {done:,} of {total:,}", every=STATUS_SECONDS)

    def waiting() -> None:
        say("queued", "Waiting for an earlier training to end", every=STATUS_SECONDS)

    end = math.inf

    def stop() -> str:
        if time.monotonic() > end:
            return f"Stopped at the limit of {minutes:g} minutes. It can be resumed."
        return STOPPED if signalled() or (writes and run.stop_path.exists()) else ""

    with ExitStack() as stack:
        signalled = stack.enter_context(_stop_signals())
        if writes:
            check_parts(run.path)
            try:
                stack.enter_context(FileLock(run.path / LOCK).acquire(timeout=5))
            except Timeout as e:
                raise UserError(f"{run.name} is being trained by another process.") from e
            _forget_old_request(run)
        try:
            if queue and not stack.enter_context(_turn(run, stop, waiting)):
                raise _StopRequest
            say("starting", "Reading the images")
            dataset = data.load(config.data, config.resolution, fit=config.fit, progress=reading)
            judge, command = _judge(dataset), command_line(config)
            trainer = Trainer(run, config, dataset, world, judge=judge, command=command)
            status = status.model_copy(update={"remarks": trainer.remarks})
            say("starting", f"Read: {dataset.about}")
            if writes:
                run.write_config(config)
            if minutes is not None:
                end = time.monotonic() + 60 * minutes
            return trainer.train(stop, remember)
        except _StopRequest:
            run.stop_path.unlink(missing_ok=True)
            return say("stopped", STOPPED)
        except UserError as e:
            say("failed", str(e))
            raise
        except Exception as e:
            say("failed", ended_by("the training", e))
            if no_room(e):
                raise UserError(status.message) from e
            raise
