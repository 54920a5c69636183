"""What an export of many images takes: seconds, and the most memory, of so many and of ten times fewer.

`python benchmarks/exporting.py` exports 1,000 and 10,000 images of a shipped model as PNG, in processes of their own,
one after the other. Memory is bounded where the larger takes no more of it than the smaller, but for a line of the
manifest an image. `--json` prints JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

ROOT = Path(__file__).resolve().parent.parent


def export(model: str, n: int, format: str, folder: Path) -> dict[str, Any]:
    """Seconds and MiB of one export."""
    words = ["export", "--model", model, "--n", str(n), "--format", format, "--out", str(folder / str(n))]
    start, most = time.monotonic(), 0
    process = psutil.Popen(
        [sys.executable, "-m", "gan_core", *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        try:
            most = max(most, process.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.05)
    if process.wait():
        raise SystemExit(f"The export of {n} images failed.")
    return {"images": n, "seconds": time.monotonic() - start, "memory_mib": most / 2**20}


def main(
    model: Annotated[str, typer.Option()] = "knee-128",
    n: Annotated[int, typer.Option("--n", min=10)] = 10_000,
    format: Annotated[str, typer.Option()] = "png",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure exports."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [export(model, count, format, Path(folder)) for count in (n // 10, n)]
    result = {"model": model, "format": format, "cores": os.cpu_count(), "exports": rows}
    if as_json:
        print(json.dumps(result, indent=2))
        return
    for row in rows:
        print(
            f"{row['images']:,} images of {model} as {format}: {row['seconds']:.0f} s "
            f"({row['images'] / row['seconds']:.0f} a second), at most {row['memory_mib']:,.0f} MiB"
        )


if __name__ == "__main__":
    typer.run(main)
