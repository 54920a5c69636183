"""Progress on stderr: a bar where a person looks, lines where it is a log."""

from __future__ import annotations

import re
import sys
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from gan_core.train.run import Status

LOG_SECONDS = 30.0


class Bar(AbstractContextManager):
    """A bar for callbacks of (done, total); a context where the work may be cut off."""

    def __init__(self, what: str = "", unit: str = "img") -> None:
        self.bar = tqdm(desc=what, unit=unit, file=sys.stderr, leave=False, disable=None)

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, done: int, total: int) -> None:
        self.bar.total = total or None
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.bar.close()


class Stages(AbstractContextManager):
    """A bar for each part of a job, for callbacks of (what, done, total); a line each where it is a log."""

    def __init__(self) -> None:
        self.what, self.bar = "", Bar()

    def __exit__(self, *_: object) -> None:
        self.bar.bar.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self.what:
            self.bar.bar.close()
            self.what, self.bar = what, Bar(what, "it")
            if self.bar.bar.disable:
                _line(self.bar.bar, what)
        self.bar(done, total)


def _line(bar: tqdm, text: str) -> None:
    bar.write(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr)


class TrainingReport(AbstractContextManager):
    """Shows the statuses of a training as they come; each warning once."""

    def __init__(self) -> None:
        self.bar = tqdm(unit="img", unit_scale=True, file=sys.stderr, disable=None)
        self.said: set[str] = set()
        self.last_line = 0.0

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, status: Status) -> None:
        self._show(status)
        warned = [(re.sub(r"\d+", "", w), w) for w in status.warnings]  # the same with another figure is no news
        for gist, text in [*((remark, remark) for remark in status.remarks), *warned]:
            if gist not in self.said:
                self.said.add(gist)
                _line(self.bar, text)

    def _show(self, status: Status) -> None:
        if self.bar.disable:
            if time.monotonic() - self.last_line > LOG_SECONDS:
                self.last_line = time.monotonic()
                _line(self.bar, status.message or status.progress())
        elif status.state == "running":
            self.bar.total = status.images_total
            self.bar.update(status.images_seen - self.bar.n)
        else:
            self.bar.set_description(status.message)
