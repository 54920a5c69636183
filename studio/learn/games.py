"""Films of toy games for whoever asks: each is computed once, by another process, and streamed while it grows.

What the page opens with is recorded, in `films/`, and moves at once.

GET api/toy?game=dcgan&game=knee-64&target=grid&seed=0    a line of JSON a frame, as of `gan_core toy --out -`

A class of thirty that watches the same games costs one computation. There is never more than one at a time: a game in
the server's own process would take the interpreter from everybody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import lzma
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gan_core.errors import UserError
from studio.learn.toy.record import FRAMES, check

ROOT = Path(__file__).resolve().parents[2]
FILMS = Path(__file__).parent / "films"
MAX_GAMES = 2  # side by side
SECONDS = 900  # a computation that takes longer is ended
POLL = 0.1  # seconds


class Key(NamedTuple):
    game: str
    target: str
    seed: int


@dataclass
class Film:
    """What there is of a game so far. Only the thread that computes writes to it."""

    lines: list[str] = field(default_factory=list)
    failed: bool = False

    @property
    def over(self) -> bool:
        return self.failed or len(self.lines) > FRAMES


def compute(keys: Sequence[Key]) -> Iterable[str]:
    """Lines of JSON of games with one target and seed, from a process of their own, ended after `SECONDS`."""
    words = [word for key in keys for word in ("--game", key.game)]
    words += ["--target", keys[0].target, "--seed", str(keys[0].seed), "--out", "-"]
    command = [sys.executable, "-m", "gan_core", "toy", *words]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        guard = threading.Timer(SECONDS, process.kill)
        guard.start()
        try:
            yield from process.stdout
        finally:
            guard.cancel()
            process.kill()


def recorded(key: Key) -> list[str]:
    """The lines of a film that comes with the program, as `compute` gives them; none of another."""
    try:
        with lzma.open(FILMS / f"{key.game}-{key.target}-{key.seed}.jsonl.xz", "rt", encoding="utf-8") as film:
            return list(film)
    except (OSError, lzma.LZMAError):
        return []


class Library:
    """All films asked for. What can be asked for is a short list (`check`), and so nothing is ever thrown away: 0.5 MB
    a film, 36 MB if somebody watches everything."""

    def __init__(
        self,
        compute: Callable[[Sequence[Key]], Iterable[str]] = compute,
        recorded: Callable[[Key], list[str]] = recorded,
    ) -> None:
        self._compute, self._recorded = compute, recorded
        self._films: dict[Key, Film] = {}
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def films(self, keys: Sequence[Key]) -> list[Film]:
        """Their films; those not begun are begun, together."""
        with self._lock:
            missing = [key for key in keys if key not in self._films or self._films[key].failed]
            self._films |= {key: Film(self._recorded(key)) for key in missing}
            missing = [key for key in missing if not self._films[key].over]
            if missing:
                threading.Thread(target=self._make, args=(missing,), daemon=True, name="toy games").start()
            return [self._films[key] for key in keys]

    def _make(self, keys: Sequence[Key]) -> None:
        films = {key.game: self._films[key] for key in keys}
        with self._one_at_a_time:
            try:
                for line in self._compute(keys):
                    films[json.loads(line)["game"]].lines.append(line)
            except Exception:
                logging.getLogger(__name__).exception("A toy game broke off")
            for film in films.values():
                film.failed = not film.over


library = Library()


def _asked(request: Request) -> list[Key]:
    """What the address asks for. Raises `UserError` where that is not on offer."""
    query = request.query_params
    games = list(dict.fromkeys(query.getlist("game")))
    seed = query.get("seed", "0")
    if not 1 <= len(games) <= MAX_GAMES:
        raise UserError(f"Ask for one to {MAX_GAMES} games.")
    number = int(seed) if seed.isascii() and seed.isdecimal() and len(seed) < 10 else -1
    for game in games:
        check(game, query.get("target", ""), number)
    return [Key(game, query["target"], number) for game in games]


async def _stream(films: Sequence[Film]) -> AsyncIterator[str]:
    """The frames in step, each as soon as all films have it; a line in words where there will be no more."""
    for i in range(FRAMES + 1):
        while any(len(film.lines) <= i for film in films):
            if any(film.failed for film in films):
                yield json.dumps({"error": "This game could not be computed. The server's log says why."}) + "\n"
                return
            await asyncio.sleep(POLL)
        for film in films:
            yield film.lines[i]


async def games(request: Request) -> Response:
    try:
        keys = _asked(request)
    except UserError as e:
        return JSONResponse({"error": str(e)}, 400)
    # Identity: a compressor would hold frames back until it has enough of them.
    headers = {"Cache-Control": "no-store", "Content-Encoding": "identity"}
    return StreamingResponse(_stream(library.films(keys)), media_type="application/x-ndjson", headers=headers)


route = Route("/api/toy", games)
