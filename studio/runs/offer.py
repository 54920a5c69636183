"""The runs that can be lined up, and what each says of itself.

They are the person's own and those that come with the program: `benchmarks/seeds/<name>/`, run directories without
networks, each with a `result.json`. All of them come from elsewhere, so nothing in their files is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gan_core.files import read_own
from gan_core.train.run import Run, find_run, list_runs

SHIPPED = Path(__file__).resolve().parents[2] / "benchmarks" / "seeds"
PREFIX = "baselines/"  # of a shipped run's key: no run of one's own has a slash in its name
FORMER = "seeds/"  # the same in older links
RESULT = "result.json"
MOST = 24  # runs side by side
FIRST = 6  # of one's own, shown before anything is chosen
MAX_RESULT_BYTES = 200_000


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
    """A run on offer. `key` names it in links: its own name, or `baselines/<name>` of a shipped one."""

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


def key_of(name: str) -> str:
    """The key of the run that a link or a command calls `name`: older ones say `seeds/<name>` of a shipped run."""
    return PREFIX + name.removeprefix(FORMER) if name.startswith(FORMER) else name


def find_entry(name: str) -> Entry:
    """By key, or a run anywhere by its directory, which is then its key. Raises `UserError` where there is none."""
    if found := entries().get(key_of(name)):
        return found
    run = find_run(name)
    return Entry(name, run, read_result(run, name))


def groups(offered: dict[str, Entry]) -> dict[str, list[str]]:
    """Keys of the shipped runs by their group, in order."""
    out: dict[str, list[str]] = {}
    for key, entry in offered.items():
        if entry.shipped:
            out.setdefault(entry.result.group or "Baselines", []).append(key)
    return out


def first_choice(offered: dict[str, Entry]) -> list[str]:
    """What is shown before anything is chosen: the newest of one's own; without any, the bare systems of the largest
    shipped group (a name with a plus has additions): thirteen curves in one chart are a thicket."""
    own = [key for key, entry in offered.items() if not entry.shipped]
    largest = max(groups(offered).values(), key=len, default=[])
    bare = [key for key in largest if "+" not in key]
    return own[:FIRST] or (bare or largest)[:MOST]
