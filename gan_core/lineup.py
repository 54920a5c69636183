"""Several runs beside each other: curves, samples in step, a table, and the settings in which they differ.

The runs are the person's own and those that come with the program: `benchmarks/seeds/<name>/`, run directories without
networks, each with a `result.json`. All of them come from elsewhere, so nothing in their files is trusted.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gan_core import images, media, networks
from gan_core.config import NetConfig, TrainConfig
from gan_core.data import short_source
from gan_core.errors import UserError
from gan_core.files import read_own
from gan_core.media.curves import PANELS
from gan_core.runs import Run, Status, find_run, list_runs, number
from gan_core.study.table import defused

SHIPPED = Path(__file__).resolve().parent.parent / "benchmarks" / "seeds"
PREFIX = "seeds/"  # of a shipped run's key: no run of one's own has a slash in its name
RESULT = "result.json"
MOST = 24  # runs side by side
FIRST = 6  # of one's own, shown before anything is chosen
POINTS = 400  # of curves as they are drawn
MAX_RESULT_BYTES = 200_000
MAX_SHEET = 1600  # pixels of the longer side of a picture of samples as it is shown

Axis = Literal["images", "epochs", "minutes", "share"]
AXES: dict[Axis, str] = {
    "images": "images",
    "epochs": "epochs",
    "minutes": "minutes",
    "share": "share of the run",
}


# -- what a run says of itself ----------------------------------------------------------------------------------------


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class Measured(_Lenient):
    """A figure of a finished run, beside that of reals against other reals."""

    name: _Word
    value: float | None = None
    floor: float | None = None
    digits: int = Field(3, ge=0, le=6)
    better: Literal["lower", "higher", "near", ""] = ""  # "near" the floor


class Result(_Lenient):
    """A `result.json`: what a program has measured of a run, and what others have reported of the same system."""

    title: _Word
    source: str = Field("", max_length=200)
    group: str = Field("", max_length=100)
    figures: dict[_Word, Measured] = Field(default_factory=dict, max_length=40)
    reported: dict[_Word, _Text] = Field(default_factory=dict, max_length=40)
    remarks: tuple[_Text, ...] = Field((), max_length=40)
    columns: int = Field(0, ge=0, le=144)  # of the grid of samples; 0: as its size and the resolution say


def read_result(run: Run, name: str = "") -> Result:
    """What `result.json` says; without one `name`, by default the run's; where it is not valid a remark says so."""
    path = run.path / RESULT
    unnamed = Result(title=(name or run.name)[-100:].strip() or "unnamed")
    try:
        return Result.model_validate_json(read_own(path, run.path, MAX_RESULT_BYTES))
    except FileNotFoundError:
        return unnamed
    except OSError as e:
        return unnamed.model_copy(update={"remarks": (f"Its {RESULT} cannot be read ({e.strerror}).",)})
    except ValidationError as e:
        where = ".".join(map(str, e.errors()[0]["loc"]))[:100]
        return unnamed.model_copy(update={"remarks": (f"Its {RESULT} is not valid ({where or 'the file'}).",)})


@dataclass(frozen=True)
class Entry:
    """A run on offer. `key` names it in links: its own name, or `seeds/<name>` of a shipped one."""

    key: str
    run: Run
    result: Result

    @property
    def shipped(self) -> bool:
        return self.key.startswith(PREFIX)


def shipped_runs() -> list[Run]:
    """The runs that come with the program, by group, then by title."""
    if not SHIPPED.is_dir():
        return []
    runs = [Run(p) for p in sorted(SHIPPED.iterdir()) if (p / "config.json").is_file()]
    results = {run: read_result(run) for run in runs}
    return sorted(runs, key=lambda r: (results[r].group.casefold(), results[r].title.casefold()))


def entries() -> dict[str, Entry]:
    """All runs on offer by key: one's own, the newest first, then the shipped ones."""
    own = {run.name: run for run in list_runs()}
    everything = own | {PREFIX + run.name: run for run in shipped_runs()}
    return {key: Entry(key, run, read_result(run)) for key, run in everything.items()}


def find_entry(name: str) -> Entry:
    """By key, or a run anywhere by its directory, which is then its key. Raises `UserError` where there is none."""
    if found := entries().get(name):
        return found
    run = find_run(name)
    return Entry(name, run, read_result(run, name))


def groups(offered: dict[str, Entry]) -> dict[str, list[str]]:
    """Keys of the shipped runs by their group, in order."""
    out: dict[str, list[str]] = {}
    for key, entry in offered.items():
        if entry.shipped:
            out.setdefault(entry.result.group or "Shipped", []).append(key)
    return out


def first_choice(offered: dict[str, Entry]) -> list[str]:
    """What is shown before anything is chosen: the newest of one's own; without any, the largest shipped group."""
    own = [key for key, entry in offered.items() if not entry.shipped]
    return own[:FIRST] or max(groups(offered).values(), key=len, default=[])[:MOST]


# -- a run, read ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """A run of the line-up as it stands. `config` is None where its file cannot be read."""

    entry: Entry
    config: TrainConfig | None
    status: Status
    ticks: list[dict[str, Any]] = field(repr=False)  # in order of images seen
    samples: dict[int, Path] = field(repr=False)  # images seen -> picture, in order

    @property
    def key(self) -> str:
        return self.entry.key

    @property
    def title(self) -> str:
        return self.entry.result.title

    @property
    def seen(self) -> int:
        """Images shown so far, by whatever file tells of the most."""
        return max([self.status.images_seen, *list(self.samples)[-1:], *(t["nimg"] for t in self.ticks[-1:])])

    @cached_property
    def clock(self) -> tuple[NDArray, NDArray]:
        """Images seen, and the seconds of training by then; both begin at 0."""
        known = [(t["nimg"], s) for t in self.ticks if (s := number(t.get("seconds"))) is not None]
        if (end := number(self.status.seconds)) and self.status.images_seen > (known[-1][0] if known else 0):
            known.append((self.status.images_seen, end))
        x, y = np.array([(0, 0.0), *known], float).T
        return x, np.maximum.accumulate(y)

    @property
    def images_an_epoch(self) -> float:
        """NaN where neither the status nor a tick tells."""
        if self.status.dataset_size > 0:
            return self.status.dataset_size
        epochs = [(t["nimg"], e) for t in self.ticks if (e := number(t.get("epoch")))]
        return epochs[-1][0] / epochs[-1][1] if epochs else math.nan

    def along(self, nimg: Sequence[int] | NDArray, axis: Axis) -> NDArray[np.float64]:
        """Where points of the run lie on an axis [N]; NaN where that is not known."""
        x = np.asarray(nimg, float)
        if axis == "images":
            return x
        if axis == "epochs":
            return x / self.images_an_epoch
        if axis == "share":
            return x / max(self.status.images_total, self.seen, 1)
        seen, seconds = self.clock
        return np.interp(x, seen, seconds) / 60 if len(seen) > 1 else np.full(x.shape, math.nan)


def read(entry: Entry, ticks: Callable[[Run], list[dict[str, Any]]] = Run.stats) -> Member:
    """The run as it stands now; `ticks` reads its statistics."""
    try:
        config = entry.run.config()
    except UserError:
        config = None
    in_order = sorted(ticks(entry.run), key=lambda t: t["nimg"])
    return Member(entry, config, entry.run.status(), in_order, entry.run.samples())


def mixed(members: Sequence[Member]) -> bool:
    """Whether the runs learn from different images, so that their figures do not compare."""
    return len({(m.config.data, m.config.resolution) for m in members if m.config}) > 1


# -- curves -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A figure that ticks have. `share`: from 0 to 1. `level`: what to hold it against."""

    column: str
    title: str
    meaning: str
    share: bool = False
    level: float | None = None


_SHORT = {
    "d_loss": "Critic's loss",
    "g_loss": "Generator's loss",
    "d_accuracy_real": "Right on reals",
    "d_accuracy_fake": "Right on fakes",
    "class_accuracy": "Right on the class",
    "kd_knee": "Distance from the reals",
    "diversity": "Variety",
    "wasserstein": "Wasserstein estimate",
    "penalty": "Penalty",
}
_FIGURES = [
    Figure(c.column, _SHORT.get(c.column, p.title), f"{p.title}: {c.label}" if c.label else p.title, p.share, p.level)
    for p in PANELS
    for c in p.curves
] + [Figure("images_per_second", "Images a second", "Images shown to the critic in a second of training")]
FIGURES = {f.column: f for f in _FIGURES}


def known_figures(members: Sequence[Member]) -> list[Figure]:
    """Those that at least one of the runs has."""
    return [f for f in FIGURES.values() if any(number(t.get(f.column)) is not None for m in members for t in m.ticks)]


def smoothed(x: NDArray, y: NDArray, half_life: float) -> NDArray:
    """A running mean of `y` [N] in which a point counts half for each `half_life` that it lies back in `x` [N].

    As TensorBoard's, without its pull to zero at the start, but for points at any distance: runs of which one has
    twice the ticks of the other are smoothed alike.
    """
    out = np.empty(len(y))
    total = weight = 0.0
    for i, kept in enumerate(0.5 ** (np.diff(x, prepend=x[:1]) / half_life)):
        total, weight = kept * total + y[i], kept * weight + 1
        out[i] = total / weight
    return out


def curve(member: Member, column: str, axis: Axis, half_life: float = 0.0) -> tuple[NDArray, NDArray]:
    """A figure along an axis: x [N], ascending, and y [N], smoothed where `half_life` is above 0."""
    points = [(t["nimg"], v) for t in member.ticks if (v := number(t.get(column))) is not None]
    nimg, y = np.array(points, float).reshape(-1, 2).T
    x = member.along(nimg, axis)
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    return x, smoothed(x, y, half_life) if half_life > 0 else y


def overlaid(
    members: Sequence[Member], column: str, axis: Axis, half_life: float = 0.0
) -> list[tuple[NDArray, NDArray]]:
    """Each run's `curve` at places that all runs share, so that values can be read side by side.

    These are the ticks of all runs, or where there are more than `POINTS` so many at equal distances; between ticks a
    value is interpolated. Of its ends each run keeps its own.
    """
    curves = [curve(m, column, axis, half_life) for m in members]
    shared = np.unique(np.concatenate([np.empty(0), *(x for x, _ in curves)]))
    if len(shared) > POINTS:
        shared = np.linspace(shared[0], shared[-1], POINTS)
    return [_at(shared, x, y) if len(x) else (x, y) for x, y in curves]


def _at(places: NDArray, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    own = np.unique([x[0], *places[(places > x[0]) & (places < x[-1])], x[-1]])
    return own, np.interp(own, x, y)


def reach(members: Sequence[Member], axis: Axis) -> float:
    """How far the run that has come furthest on the axis has come; 1 where none has come anywhere."""
    ends = [m.along([m.seen], axis)[0] for m in members]
    return max((float(e) for e in ends if e > 0), default=1.0)


# -- samples in step --------------------------------------------------------------------------------------------------


def moments(member: Member, axis: Axis) -> list[tuple[int, float | None]]:
    """(images seen, place on the axis) of each picture of samples, in order; None where the place is not known."""
    places = member.along(list(member.samples), axis)
    return [(nimg, number(float(at))) for nimg, at in zip(member.samples, places, strict=True)]


def sheet(run: Run, nimg: int, rows: int = 0) -> bytes:
    """The samples after so many images as a PNG: the first `rows` rows of their grid, or with 0 all of it.

    Raises `UserError` where there is no such picture, or it is damaged or too large.
    """
    path = run.samples().get(nimg)
    if path is None:
        raise UserError(f"{run.name} has no samples after {nimg:,} images.")
    try:
        picture = images.read_png(path, run.path)
    except ValueError as e:
        raise UserError(f"{path.name} of {run.name} {e}.") from e
    if rows and (side := _side(run, picture.width)):
        picture = picture.crop((0, 0, picture.width, min(rows * side, picture.height)))
    picture.thumbnail((MAX_SHEET, MAX_SHEET))
    return images.png(np.asarray(picture))


def _side(run: Run, width: int) -> int:
    """Pixels of one image in a grid of `width` pixels; 0 where neither the result nor the settings tell."""
    if columns := read_result(run).columns:
        return width // columns
    try:
        side = run.config().resolution
    except UserError:
        return 0
    return side if width % side == 0 else 0


# -- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A column of the table. `digits` is None for text; `floor_of` names the column whose floor this one is."""

    title: str
    digits: int | None = None
    share: bool = False
    better: str = ""
    floor_of: str = ""
    help: str = ""

    def text(self, value: Any) -> str:
        if value is None:
            return "–"
        if self.digits is None:
            return str(value)
        return f"{value:z.{self.digits}%}" if self.share else f"{value:z,.{self.digits}f}"


Row = dict[str, Any]  # a column's title -> text, number or None


@dataclass(frozen=True)
class Table:
    """A row a run. Columns that no run fills are left out."""

    columns: list[Column]
    rows: list[Row]


_LAST = "At the last tick."
_OWN = (
    Column("Run"),
    Column("State"),
    Column("Recipe"),
    Column("Images of"),
    Column("Side", 0, help="Pixels."),
    Column("Images", 0, help="Shown to the critic."),
    Column("Epochs", 1),
    Column("Minutes", 1, help="Of training."),
    Column("Images/s", 1, help="On average over the run."),
    Column("Parameters", 0, help="Of generator and critic."),
    Column("D loss", 3, help=f"The critic's. {_LAST}"),
    Column("G loss", 3, help=f"The generator's. {_LAST}"),
    Column("D accuracy", 0, share=True, help=f"How often the critic is right, over reals and fakes. {_LAST}"),
    Column("D accuracy, reals", 0, share=True, help=_LAST),
    Column("D accuracy, fakes", 0, share=True, help=_LAST),
    Column("Class accuracy", 0, share=True, help=f"How often the critic names a real's class. {_LAST}"),
    Column("Variety", 2, help=f"Of the samples; that of the reals is 1. {_LAST}"),
    Column("Distance", 3, better="lower", help=f"Kernel distance, knee features; 0 is real to real. {_LAST}"),
    Column("Best distance", 3, better="lower", help="The least on the way."),
)


def table(members: Sequence[Member]) -> Table:
    """What there is to say of each run; what was reported of it elsewhere stands right of our own."""
    columns = {c.title: c for c in _OWN}
    rows = [_own_row(m) for m in members]
    for m, row in zip(members, rows, strict=True):
        for found in m.entry.result.figures.values():
            floor = f"{found.name}, floor"
            columns.setdefault(found.name, Column(found.name, found.digits, better=found.better))
            columns.setdefault(floor, Column(floor, found.digits, floor_of=found.name))
            if columns[found.name].digits is not None:  # a figure that is called as a column of words stays out
                row |= {k: v for k, v in ((found.name, found.value), (floor, found.floor)) if v is not None}
    ordered = list(columns.values())
    for title in dict.fromkeys(t for m in members for t in m.entry.result.reported):
        ours = max((i for i, c in enumerate(ordered) if _same(c.title, title)), default=len(ordered))
        ordered.insert(ours + 1, Column(f"{title}, reported", help="By others, of the same system."))
        for m, row in zip(members, rows, strict=True):
            row[f"{title}, reported"] = m.entry.result.reported.get(title)
    shown = [c for c in ordered if any(row.get(c.title) is not None for row in rows)]
    return Table(shown, [{c.title: row.get(c.title) for c in shown} for row in rows])


def _same(ours: str, reported: str) -> bool:
    """Whether a column of ours is of what was reported: "D loss" and "D loss, last tenth" are of "D loss"."""
    return f"{ours.casefold()},".startswith(f"{reported.casefold()},")


def _own_row(m: Member) -> Row:
    last = {f: _last(m, f) for f in FIGURES}
    real, fake = last["d_accuracy_real"], last["d_accuracy_fake"]
    seconds = number(m.status.seconds) or float(m.clock[1][-1])
    distances = [d for t in m.ticks if (d := number(t.get("kd_knee"))) is not None]
    return {
        "Run": m.title,
        "State": m.status.state,
        "Recipe": m.config.preset if m.config else None,
        "Images of": short_source(m.config.data) if m.config else None,
        "Side": m.config.resolution if m.config else None,
        "Images": m.seen,
        "Epochs": number(float(m.along([m.seen], "epochs")[0])),
        "Minutes": seconds / 60 if seconds else None,
        "Images/s": m.seen / seconds if seconds else None,
        "Parameters": _parameters(m.entry.run),
        "D loss": last["d_loss"],
        "G loss": last["g_loss"],
        "D accuracy": (real + fake) / 2 if real is not None and fake is not None else None,
        "D accuracy, reals": real,
        "D accuracy, fakes": fake,
        "Class accuracy": last["class_accuracy"],
        "Variety": last["diversity"],
        "Distance": last["kd_knee"],
        "Best distance": number(min([*distances, m.entry.run.best_distance()])),
    }


def _last(m: Member, column: str) -> float | None:
    return next((v for t in reversed(m.ticks) if (v := number(t.get(column))) is not None), None)


def _parameters(run: Run) -> int | None:
    """Of both networks together; None until they are written."""
    try:
        return sum(map(_count, media.run_nets(run)))
    except UserError:
        return None


@lru_cache(maxsize=256)
def _count(config: NetConfig) -> int:
    with torch.device("meta"):
        return networks.count_parameters(networks.build(config))


# -- settings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """A setting's value in each run, as text; None where the settings cannot be read. `odd`: not the usual one."""

    name: str
    values: tuple[str | None, ...]
    odd: tuple[bool, ...]

    @property
    def differs(self) -> bool:
        return any(self.odd)


def settings(members: Sequence[Member]) -> list[Setting]:
    """Every setting, in the order of `TrainConfig`.

    The usual value is that of most runs; of several as frequent the default. Where none of these is the default there
    is no usual one, and all are odd.
    """
    return [_setting(name, [m.config for m in members]) for name in TrainConfig.model_fields]


def _setting(name: str, configs: list[TrainConfig | None]) -> Setting:
    counts = Counter(getattr(c, name) for c in configs if c)
    most = [value for value, n in counts.items() if n == max(counts.values())]
    default = TrainConfig.model_fields[name].default
    usual = most[0] if len(most) == 1 else default if default in most else None
    values = tuple(_setting_text(name, getattr(c, name)) if c else None for c in configs)
    return Setting(name, values, tuple(bool(c) and getattr(c, name) != usual for c in configs))


def _setting_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return (short_source(value) if name in ("data", "init") else str(value)) or "none"


# -- to take away -----------------------------------------------------------------------------------------------------


def table_csv(members: Sequence[Member]) -> str:
    """The table and, after it, all settings, as CSV: a row a run, numbers in full."""
    found, every = table(members), settings(members)
    rows = [
        {"key": m.key}
        | row
        | {f"setting: {s.name}": s.values[i] for s in every}
        | {"warnings": " ".join(m.status.warnings), "remarks": " ".join(m.entry.result.remarks)}
        for i, (m, row) in enumerate(zip(members, found.rows, strict=True))
    ]
    return _csv(rows)


def curves_csv(members: Sequence[Member]) -> str:
    """Every figure of every tick as CSV, a line each."""
    return _csv(list(_curve_rows(members)), ("key", "run", "images", "epoch", "seconds", "figure", "value"))


def _curve_rows(members: Sequence[Member]) -> Iterator[Row]:
    for m in members:
        for tick in m.ticks:
            at = {"key": m.key, "run": m.title, "images": tick["nimg"]}
            at |= {name: number(tick.get(name)) for name in ("epoch", "seconds")}
            for name, value in tick.items():
                if name not in ("nimg", "epoch", "seconds") and (found := number(value)) is not None:
                    yield at | {"figure": name, "value": found}


def _csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: defused(v) for k, v in row.items()} for row in rows)
    return out.getvalue()
