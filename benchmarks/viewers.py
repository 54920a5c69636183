"""Twenty viewers at once while a training runs: how long a page takes, what memory the server needs, and every error.

`python benchmarks/viewers.py` starts the app and a training of knees, and lets viewers come and look: each opens the
Gallery, looks at it for some seconds, asks for other knees, goes to another page, leaves and comes again. They speak
to the server as a browser does, by its WebSocket, each page by its link as in a tab of its own, but paint nothing:
twenty browsers would need the two cores for themselves. A page's time is from the wish for it to the last message of
its script, with all its pictures. `--views` says how many pages each looks at, `--no-train` leaves the training out,
`--json` prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import psutil
import typer
import websockets

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from serving import Server, serving  # noqa: E402

PATIENCE = 300.0  # seconds for a page
OTHER_PAGES = ("explore", "runs", "models", "learn", "study", "train")
MIB = 2**20


class Viewer:
    """One person with one tab."""

    def __init__(self, url: str, seed: int) -> None:
        self.address = url.replace("http", "ws", 1) + "/_stcore/stream"
        self.random = random.Random(seed)
        self.times: list[tuple[str, float]] = []  # page, seconds
        self.errors: list[str] = []

    async def look(self, views: int, pause: float) -> None:
        """`views` pages: the Gallery as it opens, then other knees in it, then another page, and again."""
        await asyncio.sleep(self.random.uniform(0, pause))
        for i in range(views):
            grade = self.random.choice(["0", "2", "4"])
            others = {"seed": self.random.randrange(1_000_000), "grade": grade}
            page, query = [("", {}), ("", others), (self.random.choice(OTHER_PAGES), {})][i % 3]
            start = time.monotonic()
            try:
                async with websockets.connect(
                    self.address, subprotocols=["streamlit"], max_size=None, open_timeout=PATIENCE, ping_interval=None
                ) as line:
                    await self._page(line, page, query)
                    kind = "gallery, others" if query else page or "gallery"
                    self.times.append((kind, time.monotonic() - start))
                    await asyncio.sleep(self.random.uniform(0.5, 1.5) * pause)
            except (OSError, TimeoutError, websockets.WebSocketException) as e:
                self.errors.append(f"{type(e).__name__}: {e}")

    async def _page(self, line: Any, page: str, query: dict[str, Any]) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        wish = BackMsg()
        wish.rerun_script.query_string = urlencode(query)
        wish.rerun_script.page_name = page
        await line.send(wish.SerializeToString())
        while True:
            told = ForwardMsg()
            told.ParseFromString(await asyncio.wait_for(line.recv(), PATIENCE))
            kind = told.WhichOneof("type")
            if kind == "delta" and told.delta.new_element.WhichOneof("type") in ("exception", "alert"):
                element = told.delta.new_element
                if element.WhichOneof("type") == "exception" or element.alert.format == element.alert.ERROR:
                    self.errors.append(f"{page or 'gallery'}: {element.exception.message or element.alert.body}")
            if kind == "script_finished" and told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return


async def _all(server: Server, viewers: int, views: int, pause: float) -> tuple[list[Viewer], list[float]]:
    """The viewers when they are done, and the server's memory in MiB at every second."""
    people = [Viewer(server.url, seed) for seed in range(viewers)]
    process, memory = psutil.Process(server.process.pid), []

    async def weigh() -> None:
        while True:
            memory.append(process.memory_info().rss / MIB)
            await asyncio.sleep(1)

    scale = asyncio.create_task(weigh())
    await asyncio.gather(*(person.look(views, pause) for person in people))
    scale.cancel()
    return people, memory


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)]


def main(
    viewers: Annotated[int, typer.Option(min=1, help="How many at once.")] = 20,
    views: Annotated[int, typer.Option(min=1, help="Pages that each looks at.")] = 15,
    pause: Annotated[float, typer.Option(min=0, help="Seconds that a page is looked at, about.")] = 10.0,
    train: Annotated[bool, typer.Option(help="While a training runs.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the app with many viewers."""
    from gan_core.presets import configure
    from gan_core.train.run import Run, create_run
    from studio.jobs import launch

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        runs = Path(folder) / "runs"
        os.environ["KNEE_GAN_RUNS"] = str(runs)
        run: Run | None = None
        log = Path(folder) / "server.log"
        try:
            with serving(runs, log) as server:
                if train:
                    config = configure("knee-64", data="phantom", judge_kimg=0)
                    run = launch.start_new(create_run(config, "phantom"))
                    while run.status().state == "starting":
                        time.sleep(0.5)
                start = time.monotonic()
                people, memory = asyncio.run(_all(server, viewers, views, pause))
                seconds = time.monotonic() - start
            trained = run.status() if run else None
        finally:
            if run and run.alive():
                run.request_stop()
                while run.alive():
                    time.sleep(0.5)
        told = log.read_text(encoding="utf-8", errors="replace")
    times = [t for person in people for t in person.times]
    errors = Counter(e for person in people for e in person.errors)
    pages = {}
    for page in ("gallery", "gallery, others", *OTHER_PAGES):
        of_page = [t for name, t in times if name == page]
        if of_page:
            pages[page] = {"n": len(of_page), "median": statistics.median(of_page), "p95": p95(of_page)}
    half = len(memory) // 2
    result: dict[str, Any] = {
        "viewers": viewers,
        "seconds": seconds,
        "cores": os.cpu_count(),
        "pages": pages,
        "errors": dict(errors),
        "tracebacks": told.count("Traceback (most recent call last)"),
        "memory_mib": {
            "first": memory[0],
            "most_of_first_half": max(memory[: half or 1]),
            "most": max(memory),
        },
        "training": {"state": trained.state, "images": trained.images_seen} if trained else None,
    }
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        _tell(result)
    if errors or result["tracebacks"] or (trained and trained.state != "running"):
        raise SystemExit(1)


def _tell(result: dict[str, Any]) -> None:
    beside = ", while a training runs" if result["training"] else ""
    print(f"{result['viewers']} viewers on {result['cores']} cores{beside}, {result['seconds']:.0f} s:")
    for page, t in result["pages"].items():
        print(f"  {page:15} {t['n']:4} views: median {t['median']:6.2f} s, 95th percentile {t['p95']:6.2f} s")
    memory = result["memory_mib"]
    print(
        f"  memory of the server: {memory['first']:,.0f} MiB before, at most {memory['most_of_first_half']:,.0f} in "
        f"the first half, {memory['most']:,.0f} in all"
    )
    if training := result["training"]:
        print(f"  the training: {training['state']}, {training['images']:,} images")
    for error, n in result["errors"].items():
        print(f"  {n} times: {error}")
    print(f"  errors: {sum(result['errors'].values())}; tracebacks in the server's log: {result['tracebacks']}")


if __name__ == "__main__":
    typer.run(main)
