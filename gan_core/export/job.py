"""An export as a job: reads its request, writes its files and how it stands."""

from __future__ import annotations

import time

from gan_core.errors import UserError
from gan_core.export.folder import ExportFolder, ExportStatus
from gan_core.export.write import Export, Progress, Tally
from gan_core.status import State

STATUS_SECONDS = 0.5
SURE_AFTER = 2.0  # seconds of a step, before its end is foretold


class _StopRequest(Exception):
    """Somebody asked for an end."""


class _Pace:
    """How long a step will take, at the pace since it began."""

    def __init__(self) -> None:
        self.what, self.since, self.first = "", 0.0, 0

    def left(self, what: str, done: int, of: int) -> float | None:
        """Seconds, or None while it is too early to say."""
        if what != self.what:
            self.what, self.since, self.first = what, time.monotonic(), done
        seconds, made = time.monotonic() - self.since, done - self.first
        return (of - done) * seconds / made if made > 0 and seconds > SURE_AFTER else None


def run_export(folder: ExportFolder, show: Progress) -> Tally | None:
    """Exports what `folder` asks for; None where somebody asked it to stop. `show` gets the progress too.

    Raises `UserError`, after writing it into the folder's status, where something is wrong.
    """
    last, before, pace = 0.0, "", _Pace()

    def say(state: State, message: str, done: int = 0, total: int = 0, **more: float | None) -> None:
        status = ExportStatus.model_validate({"state": state, "message": message, "done": done, "total": total, **more})
        folder.write_status(status.with_process())

    def progress(what: str, done: int, of: int) -> None:
        nonlocal last, before
        show(what, done, of)
        left = pace.left(what, done, of)
        if what != before or time.monotonic() - last > STATUS_SECONDS:
            last, before = time.monotonic(), what
            if folder.stop_path.exists():
                raise _StopRequest
            say("running", what, done, of, seconds_left=left)

    try:
        say("running", "Loading the model")
        tally = Export(folder.request(), folder.files_path).run(progress)
        say("finished", "", images=tally.images, near=tally.near, left_out=tally.left_out)
        return tally
    except (_StopRequest, KeyboardInterrupt):
        folder.stop_path.unlink(missing_ok=True)
        say("stopped", "Stopped on request. What is made so far is kept.")
        return None
    except UserError as e:
        say("failed", str(e))
        raise
    except Exception as e:
        say("failed", f"An unexpected error ended the export ({type(e).__name__}: {e}). The log has more.")
        raise
