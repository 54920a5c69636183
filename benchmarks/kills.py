"""What is left when a training, or the server, is killed at any moment; and whether all goes on as if it had not been.

`python benchmarks/kills.py` kills (SIGKILL) small trainings, started as the app starts them, at random moments and in
the midst of writing, reads back what the app would, and lets them go on; each that comes to its end must equal, bit for
bit, one that was never killed. Then it kills the server while a visitor starts, resumes or stops a training or starts
an export or an evaluation: what was asked for has begun or has not, no job has two processes, and nothing is in the way
of the next one. It prints what was killed in the midst of what, how much of a training's work was lost (images shown
since the last saved state, which are shown again), and what was wrong; the exit code is 1 where anything was. `--json`
prints the same as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["OMP_NUM_THREADS"] = "1"  # a process that forks has no other threads

from kills_server import kill_servers  # noqa: E402
from kills_table import Table  # noqa: E402
from kills_training import kill_trainings  # noqa: E402

SERVERS = 0.15  # of the kills, where both are killed


class Who(StrEnum):
    trainer = "trainer"
    server = "server"
    both = "both"


def main(
    kills: Annotated[int, typer.Option(min=1)] = 200,
    who: Annotated[Who, typer.Option(help="Who is killed; of both, the server at three of twenty times.")] = Who.both,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    kimg: Annotated[float, typer.Option(min=0.1, help="Length of a training, in thousands of images.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Kill trainings and servers, and see what is left."""
    rng, table = random.Random(seed), Table()
    servers = {Who.trainer: 0, Who.server: kills, Who.both: round(kills * SERVERS)}[who]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ |= {"KNEE_GAN_RUNS": f"{folder}/runs", "KNEE_GAN_CACHE": f"{folder}/cache"}
        if servers < kills:
            kill_trainings(kills - servers, rng, kimg, table)
        if servers:
            kill_servers(servers, rng, table)
    if as_json:
        print(json.dumps([asdict(row) for row in table.rows], indent=2))
    else:
        print(table.markdown())
        print(f"\n{table.kills} kills in {(time.monotonic() - start) / 60:.0f} minutes on {os.cpu_count()} cores.")
    for problem in table.problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(1 if table.problems else 0)


if __name__ == "__main__":
    typer.run(main)
