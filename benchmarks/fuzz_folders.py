"""Damage in what lies on the disk: configurations, weights, model folders, runs, evaluations and exports."""

from __future__ import annotations

import io
import json
import shutil
import struct
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from fuzz_damage import PLACES, Damage, Edit, edited, edits, odd, of_bytes, of_places
from fuzz_house import CLASSES, RUN, SECRET, Broken, House, in_words, works
from fuzz_links import visit
from hypothesis import strategies as st

from gan_core.errors import UserError
from gan_core.generate import generate, own_classes
from gan_core.model import CONFIG, TENSORS, find_generator, load_model, read_config
from gan_core.train.run import Run, find_unfinished
from studio import cli
from studio import runs as lineup
from studio.evaluate.folder import EvaluationFolder
from studio.export.folder import ExportFolder
from studio.jobs.launch import delete
from studio.models.check import TAKEN, check_model
from studio.models.inventory import inventory
from studio.models.store import ORIGIN
from studio.runs import media

# -- config.json ------------------------------------------------------------------------------------------------------


def _written(content: bytes, change: list[Edit] | Damage) -> bytes:
    """A JSON file's content after edits, or damage of its bytes."""
    return change.bytes(content) if isinstance(change, Damage) else edited(json.loads(content), change)


_NUMBERS = [0, 1, 2, 3, 4, 5, 16, 17, 33, 64, 128, 255, 1023, 1024, 0.5, 1e-9, 1e300]
_WORDS = ["dcgan", "residual", "style", "none", "batch", "layer", "pixel", "projection", "classifier", "wasserstein"]
_fitting = st.lists(
    st.builds(Edit, st.just("set"), PLACES, st.sampled_from([*_NUMBERS, *_WORDS, ["a", "a", ""]])),
    min_size=1,
    max_size=3,
)
of_config = st.tuples(st.sampled_from(["model", "critic", "run"]), st.one_of(_fitting, _fitting, edits, of_bytes))


def check_config(house: House, example: tuple[str, Any]) -> bool:
    which, change = example
    work = house.empty()
    if which == "run":
        run = Run(work)
        (work / CONFIG).write_bytes(_written((house.run.path / CONFIG).read_bytes(), change))
        return works(lambda: [media.architecture(net) for net in run.config().nets(len(CLASSES))])
    shutil.copytree(house.model, work / "m")
    folder, role = (work / "m", "generator") if which == "model" else (work / "m" / "discriminator", "discriminator")
    (folder / CONFIG).write_bytes(_written((folder / CONFIG).read_bytes(), change))
    taken = works(lambda: media.architecture(read_config(folder).net), lambda: check_model(work / "m"))
    return works(lambda: _use(folder, role)) and taken


def _use(folder: Path, role: str = "generator") -> None:
    """What the pages do with a model."""
    model = load_model(folder, role)
    if role == "generator":
        images, names = generate(model, range(2)), own_classes(model, range(2))
        side = model.config.net.resolution
        if images.shape != (2, 1, side, side) or len(names) != 2:
            raise Broken(f"{images.shape} is no two images of {side} x {side} pixels.")


# -- model.safetensors ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header:
    """Changes of a safetensors file: of its header's JSON, of the length that it declares, and of the bytes."""

    changes: list[Edit]
    longer: int  # added to the header's declared length
    padding: int  # bytes after the data
    damage: Damage | None

    def bytes(self, content: bytes) -> bytes:
        (length,) = struct.unpack("<Q", content[:8])
        header = content[8 : 8 + length]
        if self.changes:
            header = edited(json.loads(header), self.changes)
        declared = struct.pack("<Q", (len(header) + self.longer) % 2**64)
        out = declared + header + content[8 + length :] + bytes(self.padding)
        return self.damage.bytes(out) if self.damage else out


_dtypes = st.sampled_from(["F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F4", "C64", "U64", "X"])
_sizes = st.one_of(st.integers(0, 600), st.sampled_from([-1, 2**31, 2**32, 2**62, 2**63, 2**64 - 1, 2**64]))
_of_header = st.lists(
    st.builds(Edit, st.sampled_from(["set", "set", "out", "rename", "join"]), PLACES, st.one_of(odd, _dtypes, _sizes)),
    max_size=3,
)
of_tensors = st.builds(
    Header,
    _of_header,
    st.one_of(st.just(0), st.just(0), st.integers(-3, 3), st.sampled_from([-(2**10), 2**20, 2**40, 2**63, 2**64 - 9])),
    st.sampled_from([0, 0, 0, 1, 8]),
    st.one_of(st.none(), st.none(), of_bytes),
)


def check_tensors(house: House, example: Header) -> bool:
    work = house.empty()
    shutil.copy(house.model / CONFIG, work)
    (work / TENSORS).write_bytes(example.bytes((house.model / TENSORS).read_bytes()))
    return works(lambda: check_model(work), lambda: _use(work))


# -- a model folder ---------------------------------------------------------------------------------------------------

Changes = list[tuple[str, Any]]  # (name of a file, what becomes of it)


def _of_folder(*names: str) -> st.SearchStrategy[Changes]:
    change = st.one_of(of_bytes, of_bytes, of_places, edits)
    return st.lists(st.tuples(st.sampled_from(names), change), min_size=1, max_size=2)


def _harm(folder: Path, changes: Changes, outside: Path) -> set[str]:
    """Damages files of a folder, of which `outside` is a copy; the names of those that are now links to that."""
    for name, change in changes:
        path = folder / name
        if path.is_symlink() or not (path.is_file() or path.is_dir()):  # an earlier change has taken it
            continue
        if isinstance(change, Damage):
            if not (change.how == "link" and path.is_dir() and name != "samples"):  # a whole model may lie elsewhere
                change.do(path, outside / name)
        elif path.is_file():
            with suppress(ValueError, RecursionError):  # no JSON, or none any more
                path.write_bytes(_edited_lines(path.read_bytes(), change))
    return {name for name, _ in changes if (folder / name).is_symlink() and (folder / name).exists()}


def _edited_lines(content: bytes, changes: list[Edit]) -> bytes:
    """A JSON file after edits; of a file with a document in each line the one that the first of them names."""
    try:
        return edited(json.loads(content), changes)
    except ValueError:
        lines = content.splitlines() or [b"{}"]
        at = changes[0].at % len(lines)
        return b"\n".join([*lines[:at], edited(json.loads(lines[at]), changes), *lines[at + 1 :]]) + b"\n"


def _verb(*words: object) -> None:
    """`python -m gan_core ...`. Raises `UserError` with the last line of what it says where it refuses."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), mock.patch("sys.argv", ["gan_core", *map(str, words)]):
        try:
            cli.main()
        except SystemExit as done:
            if done.code:
                raise UserError(err.getvalue().strip().rpartition("\n")[2]) from None
        finally:
            if SECRET in out.getvalue() + err.getvalue():
                raise Broken("A verb prints what lies outside.")


_NAME = "model@0123456"
_MODEL_THEN: dict[str, Callable[[Path], object]] = {
    "load": lambda folder: _use(find_generator(_NAME)),
    "check": check_model,
    "models": lambda folder: _verb("models"),
    "generate": lambda folder: _verb("generate", "--model", _NAME, "--seeds", 0, "--out", folder.parent / "images"),
    "page models": lambda folder: visit("models"),
    "page gallery": lambda folder: visit("gallery", model=_NAME),
}
of_model = st.tuples(_of_folder(*TAKEN, CONFIG, TENSORS, ORIGIN), st.sampled_from([*_MODEL_THEN, "load", "check"]))


def check_model_folder(house: House, example: tuple[Changes, str]) -> bool:
    changes, then = example
    house.empty()
    folder = house.runs / "models" / "uploads" / _NAME
    shutil.copytree(house.model, folder)
    links = _harm(folder, changes, house.outside / "model")
    taken = works(lambda: _MODEL_THEN[then](folder))
    if taken and then == "check" and any(name.endswith((CONFIG, TENSORS)) for name in links):
        raise Broken("A link that leads outside was followed.")
    return taken


# -- a run directory --------------------------------------------------------------------------------------------------

_RUN_FILES = (
    *("config.json", "status.json", "status.json", "stats.jsonl", "stats.jsonl", "best.json", "result.json", "log.txt"),
    *("state.pt", "state.pt", "lock", "samples", "samples/000000100.png", "generator", "discriminator"),
    *("generator/config.json", "generator/model.safetensors", "generator-best/config.json"),
)


def _lined_up(run: Run) -> None:
    member = lineup.read(lineup.find_entry(run.name))
    lineup.table_csv([member])
    lineup.curves_csv([member])
    lineup.news(member, ["d_loss"], "minutes", 0.1)
    for axis in lineup.AXES:
        lineup.moments(member, axis)
    for nimg in member.samples:
        lineup.sheet(run, nimg, 1)


def _resume(run: Run) -> None:
    """Asked to stop at once, so that settings which were changed to large ones take no time."""
    config = run.config()
    if config.data == "digits" and config.resolution <= 32:
        run.request_stop()
        _verb("train", "--resume", "--out", run.path)
    in_words(run.status().message or "Fine.")


_RUN_THEN: dict[str, Callable[[Run], object]] = {
    "line up": _lined_up,
    "look": lambda run: [inventory(), find_unfinished(run.config()), _use(find_generator(run.name))],
    "runs": lambda run: [_verb("runs"), _verb("runs", "--json")],
    "compare-runs": lambda run: _verb("compare-runs", run.path),
    "media": lambda run: [media.curves_csv(run), media.animation_gif(run), media.run_nets(run)],
    "curves": media.curves_png,
    "resume": _resume,
    "delete": delete,
    "page train": lambda run: visit("train", run=run.name),
    **{
        f"page runs: {v}": lambda run, v=v: visit("runs", runs=run.name, view=v) for v in ("Curves", "Samples", "Table")
    },
}
of_run = st.tuples(_of_folder(*_RUN_FILES), st.sampled_from([*_RUN_THEN, "resume", "page train"]))


def check_run(house: House, example: tuple[Changes, str]) -> bool:
    changes, then = example
    house.empty()
    run = Run(house.runs / RUN)
    shutil.copytree(house.run.path, run.path)
    links = _harm(run.path, changes, house.outside / "run")
    taken = works(lambda: _RUN_THEN[then](run))
    if taken and then == "resume" and any("/" not in name for name in links):
        raise Broken("A training writes to where a link leads.")
    return taken


# -- evaluations and exports ------------------------------------------------------------------------------------------

_OF_EVERY_JOB = ("request.json", "status.json", "log.txt")
_JOB_FILES = {
    "evaluation": ("evaluation.json", "evaluation.json", "fakes.png", "report.html"),
    "export": ("export.json", "manifest.csv", "README.md", "0", "0/*.png"),
}


def check_job(house: House, example: tuple[str, Changes, str]) -> bool:
    kind, changes, then = example
    house.empty()
    folder = house.runs / f"{kind}s" / house.jobs[kind].name
    shutil.copytree(house.jobs[kind], folder)
    inside = "" if kind == "evaluation" else f"synthetic-{folder.name}/"
    named = [(name if name in _OF_EVERY_JOB else f"{inside}{name}", change) for name, change in changes]
    found = [(str(path.relative_to(folder)), change) for name, change in named for path in folder.glob(name)]
    _harm(folder, found, house.outside / folder.name)
    job = EvaluationFolder(folder) if kind == "evaluation" else ExportFolder(folder)
    if then == "delete":
        return works(lambda: delete(job))
    if then == "go on" and kind == "export":
        return works(lambda: _go_on(job))
    return works(lambda: visit("evaluate" if kind == "evaluation" else "export", **{kind: folder.name}))


def _go_on(job: ExportFolder) -> None:
    if job.request().n <= 10:
        _verb("export", "--again", job.path)


def _of_job(kind: str) -> st.SearchStrategy[tuple[str, Changes, str]]:
    names = (*_OF_EVERY_JOB, *_JOB_FILES[kind])
    return st.tuples(st.just(kind), _of_folder(*names), st.sampled_from(["page", "page", "delete", "go on"]))


of_job = st.one_of(*map(_of_job, _JOB_FILES))
