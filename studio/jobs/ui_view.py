"""How a job in the background stands: how far it is, its log, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import streamlit as st

from gan_core.errors import UserError
from gan_core.files import check_own
from gan_core.status import ALIVE, State, duration
from studio.jobs.folder import REQUEST, JobFolder
from studio.text import plain

LOOK: dict[State, tuple[Literal["blue", "green", "gray", "red", "orange"], str, str]] = {
    "queued": ("blue", ":material/hourglass_top:", "Waiting"),
    "starting": ("blue", ":material/hourglass_top:", "Starting"),
    "running": ("green", ":material/play_arrow:", "Training"),
    "stopped": ("gray", ":material/pause:", "Stopped"),
    "finished": ("green", ":material/check:", "Finished"),
    "failed": ("red", ":material/error:", "Failed"),
    "interrupted": ("orange", ":material/power_off:", "Interrupted"),
}
LOG_TAIL = 20_000


def nothing() -> None:
    """Draws nothing."""


def watch(job: JobFolder, at_work: str, ended: Callable[[], None], below: Callable[[], None] = nothing) -> bool:
    """Draws how the job stands, over and over while it is at work, and says whether it is.

    `at_work` is what it does then, in a word; `ended` draws the buttons of one that has come to an end, `below` what
    there is to see meanwhile.
    """
    alive = job.alive()

    @st.fragment(run_every=timedelta(seconds=1) if alive else None)
    def live() -> None:
        if alive != job.alive() or not (job.path / REQUEST).is_file():  # begun, ended or deleted
            st.rerun(scope="app")
        try:
            _stand(job, at_work, ended, below)
        except UserError as error:  # a fragment's own runs do not pass through the frame
            st.error(plain(str(error)))

    live()
    return alive


def _stand(job: JobFolder, at_work: str, ended: Callable[[], None], below: Callable[[], None]) -> None:
    status = job.status()
    color, icon, word = LOOK[status.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(at_work if status.state == "running" else word, icon=icon, color=color)
        if status.state not in ALIVE:
            ended()
        elif job.stop_path.exists():
            st.button("Stopping …", icon=":material/stop:", disabled=True)
        else:
            st.button("Stop", icon=":material/stop:", on_click=attempt, args=(job.request_stop,))
    if status.state in ALIVE:
        with st.container(border=True):
            st.markdown(f"**{plain(status.message)}** · {duration(status.seconds)} so far")
            if status.total:
                st.progress(min(1.0, status.done / status.total), status.progress())
        below()
    elif status.message:
        (st.error if status.state == "failed" else st.info)(plain(status.message))
    if status.state != "finished":
        with st.expander("Log", icon=":material/notes:"):
            st.code(log_tail(job.log_path) or "Nothing was logged.", language=None, height=240)


def attempt(do: Callable[[], None]) -> None:
    """Does what a button is for, or says why it cannot be done."""
    try:
        do()
    except UserError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def log_tail(path: Path) -> str:
    """The end of a log; "" where there is none."""
    try:
        check_own(path, path.parent)
        with path.open("rb") as f:
            f.seek(max(0, path.stat().st_size - LOG_TAIL))
            return f.read(LOG_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""


def delete_button(job: JobFolder, warning: str, delete: Callable[[], None]) -> None:
    """Asks, and deletes; the page finds the name in the session's state, as "deleted_evaluation"."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write(f"Delete {plain(job.name)} {warning}")
        if st.button("Delete for good", type="primary", key=f"delete-{job.name}"):
            delete()
            st.session_state[f"deleted_{job.kind}"] = job.name
            st.rerun(scope="app")
