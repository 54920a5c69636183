"""Progress on stderr: a bar where a person looks, lines where it is a log."""

from __future__ import annotations

import re
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from gan_core.train.run import Status

LOG_SECONDS = 30.0


class Bar:
    """A bar for callbacks of (done, total)."""

    def __init__(self, what: str) -> None:
        self.bar = tqdm(desc=what, unit="img", file=sys.stderr, leave=False, disable=None)

    def __call__(self, done: int, total: int) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.bar.close()


class Stages:
    """A bar for each part of a job, for callbacks of (what, done, total); a line each where it is a log."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.what = ""

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self.what:
            self._close()
            self.what = what
            self.bar = tqdm(desc=what, total=total or None, file=sys.stderr, leave=False, disable=None)
            if self.bar.disable:
                self.bar.write(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr)
        assert self.bar is not None
        self.bar.total = total or None
        self.bar.update(done - self.bar.n)


class TrainingReport:
    """Shows the statuses of a training as they come; each warning once."""

    def __init__(self) -> None:
        self.bar = tqdm(unit="img", unit_scale=True, file=sys.stderr, disable=None)
        self.said: set[str] = set()
        self.last_line = 0.0

    def __enter__(self) -> TrainingReport:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.close()

    def __call__(self, status: Status) -> None:
        self._show(status)
        for remark in status.remarks:
            if remark not in self.said:
                self.said.add(remark)
                self._line(remark)
        for warning in status.warnings:
            gist = re.sub(r"\d+", "", warning)  # the same with another figure is no news
            if gist not in self.said:
                self.said.add(gist)
                self._line(warning)

    def _show(self, status: Status) -> None:
        if self.bar.disable:
            if time.monotonic() - self.last_line > LOG_SECONDS:
                self.last_line = time.monotonic()
                self._line(status.message or status.progress())
        elif status.state == "running":
            self.bar.total = status.images_total
            self.bar.update(status.images_seen - self.bar.n)
        else:
            self.bar.set_description(status.message)

    def _line(self, text: str) -> None:
        self.bar.write(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr)
