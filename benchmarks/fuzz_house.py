"""Where the fuzz of `fuzz_targets.py` lives: a house that nothing may leave, a secret outside, and a memory that is
watched."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gan_core import networks  # noqa: E402
from gan_core.config import NetConfig  # noqa: E402
from gan_core.errors import UserError  # noqa: E402
from gan_core.model import ModelConfig, save_model  # noqa: E402
from gan_core.presets import configure  # noqa: E402
from gan_core.train.run import Run, create_run  # noqa: E402

MOST_MEMORY = 2**30  # bytes that one damaged thing may cost
MOST_WORDS = 1000  # characters of an error for people
CLASSES = ("0", "1", "2")
SIDE = 16  # pixels of all images
RUN = "00001-digits-acgan"
SECRET = "The canary sings at dawn"  # what no answer may repeat
_CLASS_NAME = re.compile(r"Traceback|\b[A-Z]\w*(Error|Exception)\b|<class|object at 0x")


class Broken(AssertionError):
    """A promise that did not hold."""


# -- what is watched --------------------------------------------------------------------------------------------------

_WRITES = {"os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
_LOOKS = {"os.listdir", "os.scandir"}
_FORBIDDEN = {"subprocess.Popen", "os.system", "pickle.find_class", "os.exec", "os.posix_spawn"}
_CACHED = ("streamlit.", "numpy")  # what Streamlit's caches in memory are made of; no hostile pickle needs these alone
_guard: _Guard | None = None


@dataclass
class _Guard:
    """What an audit hook notes while something damaged is looked at."""

    house: Path
    outside: Path
    seen: list[str]

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _FORBIDDEN:
            if not (event == "pickle.find_class" and str(args[0]).startswith(_CACHED)):
                self.seen.append(f"{event} {args[:2]}")
        elif event == "open":
            path, mode, flags = args
            writes = bool(set(mode or "") & set("wax+")) or (mode is None and bool(flags & (os.O_WRONLY | os.O_RDWR)))
            if flags & getattr(os, "O_NOFOLLOW", 0) and not isinstance(path, int):
                path = Path(os.fsdecode(path)).parent  # a link in its place is not followed
            self._path(path, "written" if writes else "read")
        elif event in _LOOKS:
            self._path(args[0], "listed")
        elif event in _WRITES and not (event in ("os.remove", "os.rmdir") and args[-1] != -1):  # rmtree has told of it
            changed = {"os.rename": args[:2], "os.link": args[1:2], "os.symlink": args[1:2]}.get(event, args[:1])
            for path in changed:  # a link itself may be moved and removed: what changes is the folder that it is in
                self._path(Path(os.fsdecode(path)).parent, event)

    def _path(self, path: Any, what: str) -> None:
        if path is None or isinstance(path, int):
            return
        real = Path(os.path.realpath(os.fsdecode(path)))
        reads = what in ("read", "listed")
        if real.is_relative_to(self.outside) if reads else not self._may_write(real):
            self.seen.append(f"{what}: {path}")

    def _may_write(self, real: Path) -> bool:
        return real.is_relative_to(self.house) or real.is_relative_to("/dev") or real.is_relative_to("/proc/self")


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _guard is not None and (event == "open" or event in _WRITES | _LOOKS | _FORBIDDEN):
        _guard.note(event, args)


sys.addaudithook(_hook)  # can never be taken away again; while nothing is watched it does nothing


def peak_memory() -> int:
    """Bytes of memory that this process has held at most since `_forget_peak`; of now where the system does not say."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return psutil.Process().memory_info().rss


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


# -- the house --------------------------------------------------------------------------------------------------------


class House:
    """A folder of its own with samples of all that is going to be damaged."""

    def __init__(self, folder: Path) -> None:
        folder = folder.resolve()
        self.folder, self.outside = folder / "house", folder / "outside"
        self.runs, self.samples = self.folder / "runs", self.folder / "samples"
        for path in (self.runs, self.outside, self.folder / "tmp", self.samples):
            path.mkdir(parents=True)
        self.most_memory = 0  # bytes that one example cost at most
        with self.at_home():
            self.model = self.samples / "model"
            _save(self.model, "generator")
            _save(self.model / "discriminator", "discriminator")
            origin = {"source": "upload", "repo": "model", "commit": "0" * 40, "licence": "mit"}
            (self.model / "origin.json").write_text(json.dumps(origin))
            self.run = _trained(self.samples)
            self.jobs = _jobs(self.model)
            for name, path in self.jobs.items():
                self.jobs[name] = path.rename(self.samples / path.name)
        # What a link may lead to: things that would be taken if they were reached, and tell that they were.
        shutil.copytree(self.run.path, self.outside / "run")
        shutil.copytree(self.model, self.outside / "model")
        for path in self.jobs.values():
            shutil.copytree(path, self.outside / path.name)
        for told in ("run/log.txt", "model/README.md", "secret.txt"):
            (self.outside / told).write_text(SECRET)
        (self.outside / "run" / "status.json").write_text(json.dumps({"state": "stopped", "message": SECRET}))
        self._secret = _contents(self.outside)

    @contextmanager
    def at_home(self) -> Iterator[None]:
        """Runs, cache and temporary files lie in the house, and no Hub answers."""
        ours = {
            "KNEE_GAN_RUNS": self.runs,
            "KNEE_GAN_CACHE": self.folder / "cache",
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "KNEE_GAN_PREPARED": 1,
        }
        before, temporary = {name: os.environ.get(name) for name in ours}, tempfile.tempdir
        os.environ.update({name: str(value) for name, value in ours.items()})
        tempfile.tempdir = str(self.folder / "tmp")
        try:
            yield
        finally:
            tempfile.tempdir = temporary
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raises `Broken` where something outside was read or written, a process was started, something was unpickled,
        or much memory was taken."""
        global _guard
        _forget_peak()
        held = peak_memory()
        _guard = _Guard(self.folder, self.outside, [])
        try:
            with self.at_home():
                yield
        finally:
            seen, _guard = _guard.seen, None
        if seen:
            raise Broken(f"It went where it must not: {'; '.join(dict.fromkeys(seen))}")
        if _contents(self.outside) != self._secret:
            raise Broken("What lies outside has changed.")
        cost = peak_memory() - held
        self.most_memory = max(self.most_memory, cost)
        if cost > MOST_MEMORY:
            raise Broken(f"It took {cost / 2**20:,.0f} MiB of memory.")

    def empty(self) -> Path:
        """A fresh folder for one example; what the last one left is gone."""
        for path in (self.runs, self.folder / "work"):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        return self.folder / "work"


def _contents(folder: Path) -> list[tuple[str, int, int]]:
    found = ((path, path.stat()) for path in folder.rglob("*"))
    return sorted((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in found)


def _save(folder: Path, role: str) -> None:
    """A model folder with a network that has learnt nothing."""
    g, d = configure("acgan", **_SMALL).nets(len(CLASSES))
    net: NetConfig = g if role == "generator" else d
    shares = (0.5, 0.25, 0.25)
    config = ModelConfig(net=net, class_names=CLASSES, class_shares=shares, label_name="KL grade", preset="acgan")
    save_model(folder, networks.build(net).eval(), config, "---\nlicense: mit\n---\n\n# A card\n")


_SMALL: dict[str, Any] = {
    "data": "digits",
    "resolution": SIDE,
    "kimg": 0.1,
    "z_dim": 8,
    "g_channels": 4,
    "d_channels": 4,
    "max_channels": 8,
    "batch": 8,
    "tick_kimg": 0.025,
    "sample_kimg": 0.05,
    "samples": 10,
    "judge_kimg": 0,
    "precision": "float32",
    "device": "cpu",
    "threads": 1,
}


def _trained(root: Path) -> Run:
    """A short training that has come to its end, with all that a run directory may hold."""
    from gan_core.train.distributed import World
    from studio.train.session import train

    config = configure("acgan", **_SMALL)
    run = create_run(config, "digits", root)
    train(run, config, World())
    shutil.copytree(run.generator_path, run.best_path)
    run.write_best(0.5)
    run.log_path.write_text("All is well.\n")
    (run.path / "result.json").write_text('{"title": "A run", "figures": {"fd": {"name": "FD", "value": 1.5}}}')
    return run


def _jobs(model: Path) -> dict[str, Path]:
    """A finished evaluation and a finished export."""
    from studio.evaluate.folder import EvaluationRequest, create_evaluation
    from studio.export.folder import create_export
    from studio.export.plan import ExportRequest

    only = ("fd", "kd", "prdc", "variety", "spectrum")
    evaluation = create_evaluation(EvaluationRequest(model=str(model), data="phantom:60", n=50, only=only))
    export = create_export(ExportRequest(model=str(model), n=3, zip=True))
    evaluation.run(lambda what, done, of: None)
    export.run(lambda what, done, of: None)
    for job in (evaluation, export):
        job.log_path.write_text("All is well.\n")
    return {"evaluation": evaluation.path, "export": export.path}


# -- what a person is told --------------------------------------------------------------------------------------------


def in_words(text: str) -> str:
    """The text of an error. Raises `Broken` where it is no sentence or two for people."""
    if not text.strip() or len(text) > MOST_WORDS or not text.isprintable():
        raise Broken(f"No words for people: {text[:300]!r}")
    if found := _CLASS_NAME.search(text):
        raise Broken(f"A person is told of {found[0]!r}: {text[:300]!r}")
    if SECRET in text:
        raise Broken(f"A secret is told: {text[:300]!r}")
    return text


def works(*jobs: Callable[[], object]) -> bool:
    """Does each of the jobs; whether none was refused. What is refused must be so in words; no other error passes."""
    fine = True
    for job in jobs:
        try:
            job()
        except UserError as e:
            in_words(str(e))
            fine = False
    return fine
