"""What damaged and hostile files and links come to: configurations, weights, model folders, runs, zips, DICOM, links.

`python benchmarks/fuzz.py --seconds 60` gives each target of `fuzz_targets.py` a minute and prints a table: how many
examples it was given, how many of them were taken and how many refused in words, how much memory one cost at most, and
faults, each with the example that showed it. A fault is whatever is no refusal in words: any other error, a word for
programmers, something outside the house read or written, something unpickled, a process started, more than a gigabyte
or a minute taken. `--json` prints the same as JSON. It ends with 1 where there is a fault. `tests/project/test_fuzz.py`
is its short form.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from fuzz_house import Broken, House
from fuzz_targets import TARGETS, Target, examine
from hypothesis import HealthCheck, Phase, given, seed, settings

EXAMPLES = 50  # between two looks at the clock; after a fault the next ones begin
MOST_SECONDS = 60  # of one example, on a busy machine
MOST_FAULTS = 20  # of a target: then it is enough


@dataclass
class Result:
    """What came of one target."""

    target: str
    taken: int = 0
    refused: int = 0
    memory_mib: int = 0  # of one example, at most
    seconds: float = 0.0
    faults: dict[str, str] = field(default_factory=dict)  # where it was -> how it came to that


def run(target: Target, house: House, seconds: float, first_seed: int) -> Result:
    """As many examples as there is time for."""
    result = Result(target.name)
    house.most_memory = 0
    began = time.monotonic()

    def once(example: Any) -> None:
        if time.monotonic() - began > seconds:
            return
        start = time.monotonic()
        if examine(target, house, example):
            result.taken += 1
        else:
            result.refused += 1
        if time.monotonic() - start > MOST_SECONDS:
            raise Broken(f"It took {time.monotonic() - start:.0f} seconds.")

    number = first_seed
    while time.monotonic() - began < seconds and len(result.faults) < MOST_FAULTS:
        options = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        try:
            seed(number)(options(given(target.examples)(once)))()
        except Exception as e:
            frame = traceback.extract_tb(e.__traceback__)[-1]
            last = traceback.format_tb(e.__traceback__)[-3:]
            told = "\n".join([*last, f"{type(e).__name__}: {e}", *getattr(e, "__notes__", [])])
            result.faults.setdefault(f"{Path(frame.filename).name}:{frame.lineno} {type(e).__name__}", told)
        number += 1
    result.seconds = time.monotonic() - began
    result.memory_mib = round(house.most_memory / 2**20)
    return result


def markdown(results: list[Result]) -> str:
    """The table."""
    rows = ["| target | examples | taken | refused in words | faults | MiB at most | seconds |"]
    rows.append("|---|" + "--:|" * 6)
    for r in results:
        figures = (r.taken + r.refused, r.taken, r.refused, len(r.faults), r.memory_mib, round(r.seconds))
        rows.append(f"| {r.target} | {' | '.join(f'{figure:,}' for figure in figures)} |")
    return "\n".join(rows)


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="For each target.")] = 60.0,
    only: Annotated[str, typer.Option(help="Targets whose names begin so, such as zip or page.")] = "",
    first_seed: Annotated[int, typer.Option("--seed", min=0, help="Another one, other examples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Damage everything that comes from elsewhere, and see what is said."""
    chosen = [target for target in TARGETS if target.name.startswith(only)]
    if not chosen:
        raise typer.BadParameter(f"there is no target {only!r}; there are {', '.join(t.name for t in TARGETS)}")
    sys.dont_write_bytecode = True  # nothing but the house is written
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        results = []
        for target in chosen:
            print(f"{target.name}: {target.about}", file=sys.stderr)
            results.append(run(target, house, seconds, first_seed))
            for where, told in results[-1].faults.items():
                print(f"\nFAULT {where}\n{told}\n", file=sys.stderr)
    print(json.dumps([asdict(r) for r in results], indent=2) if as_json else markdown(results))
    if any(r.faults for r in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
