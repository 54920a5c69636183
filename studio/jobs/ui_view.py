"""Starting a job, finding it again, and how it stands: how far it is, its log, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import streamlit as st

from gan_core.errors import UserError
from gan_core.files import check_own
from gan_core.job import Job
from gan_core.status import ALIVE, ProcessStatus, State, duration
from gan_core.train.run import Run
from studio.jobs import launch
from studio.text import plain
from studio.ui_links import follow
from studio.ui_visitor import listed, may_change, owner

LOOK: dict[State, tuple[Literal["blue", "green", "gray", "red", "orange"], str, str]] = {
    "queued": ("blue", ":material/hourglass_top:", "Waiting"),
    "starting": ("blue", ":material/hourglass_top:", "Starting"),
    "running": ("green", ":material/play_arrow:", "Training"),
    "stopped": ("gray", ":material/pause:", "Stopped"),
    "finished": ("green", ":material/check:", "Finished"),
    "failed": ("red", ":material/error:", "Failed"),
    "interrupted": ("orange", ":material/power_off:", "Interrupted"),
}


class Words(NamedTuple):
    """What a kind of job is called on its page."""

    running: str  # what it does
    again: str  # to go on with one that ended early
    loses: str  # what goes with it; "": nothing that needs a question


WORDS = {
    "training": Words("Training", "Resume", "its model, samples and curves"),
    "evaluation": Words("Measuring", "Start again", "its figures and its report"),
    "export": Words("Exporting", "Go on", "its files"),
    "download": Words("Downloading", "Try again", ""),
}
LOG_TAIL = 20_000
_J = TypeVar("_J", bound=Job)


def nothing() -> None:
    """Draws nothing."""


def offered(kind: type[_J], new: str, key: str) -> dict[str, _J]:
    """The jobs of a kind that are listed for whoever looks, by name. `st.session_state[key]` becomes the one that the
    link, or a button, asks for, or `new`; the link follows it."""
    jobs = {job.name: job for job in kind.all()}
    state = st.session_state
    follow(key, key, new)
    state[key] = state.pop(f"open_{key}", state[key])
    gone = state.pop(f"deleted_{key}", None)
    if state[key] not in (new, *jobs):
        if state[key] != gone:
            st.warning(f"There is no {kind.kind} {plain(state[key][:80])} here. It may have been deleted.")
        state[key] = new
    if state[key] == new:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = state[key]
    return {name: jobs[name] for name in listed(key, jobs, lambda name: jobs[name].owner(), state[key])}


def start_button(label: str, icon: str, key: str, make: Callable[[], Job], *, off: bool = False) -> None:
    """The button that starts the job that `make` gives, and what else is at work; then the page goes over to it."""
    other = launch.at_work()
    refused = bool(other) and launch.refuses_when_busy()
    if other and not off:
        waits = key == "run" and isinstance(other, Run)
        end = "Yours will wait for its turn." if waits else "Two at once take longer."
        at_work = f"{plain(launch.named(other, owner()))} is at work"
        st.info(f"{at_work}, and this server does one thing at a time." if refused else f"{at_work}. {end}")
    if st.button(label, type="primary", icon=icon, width="stretch", disabled=refused or off):
        try:
            job = launch.start_new(make(), owner())
        except UserError as error:
            st.error(plain(str(error)))
            return
        st.session_state[f"open_{key}"] = job.name
        st.rerun()


def watch(
    job: Job, key: str, more: Callable[[], None] = nothing, below: Callable[[], None] = nothing, seconds: int = 1
) -> bool:
    """Draws how the job stands, over and over while it is at work, and says whether it is.

    `more` draws further buttons, `below` what there is to see besides. `key` is that of `offered`.
    """
    alive = job.alive()

    @st.fragment(run_every=timedelta(seconds=seconds) if alive else None)
    def live() -> None:
        if alive != job.alive() or not (job.path / job.holds).is_file():  # begun, ended or deleted
            st.rerun(scope="app")
        try:
            _stand(job, key, more)
            below()
        except UserError as error:  # a fragment's own runs do not pass through the frame
            st.error(plain(str(error)))
        if may_change(job.owner()) and (isinstance(job, Run) or job.status().state != "finished"):
            with st.expander("Log", icon=":material/notes:"):
                st.code(_log_tail(job.log_path) or "Nothing was logged.", language=None, height=240)

    live()
    return alive


def _stand(job: Job, key: str, more: Callable[[], None]) -> None:
    status = job.status()
    alive = status.state in ALIVE
    with st.container(horizontal=True, vertical_alignment="center"):
        _badge(job, status)
        _buttons(job, status)
        more()
        if not alive:
            delete_button(job, key)
    if not may_change(job.owner()):
        st.caption(f":material/lock: Somebody else's {job.kind}: you can watch it, and only they can change it.")
        if status.state == "failed":  # in words that may name their files
            status = status.model_copy(update={"message": f"The {job.kind} could not be finished."})
    if status.message and alive:
        so_far = f" · {duration(status.seconds)} so far" if status.seconds else ""
        st.markdown(f"**{plain(status.message)}**{so_far}")
    elif status.message:
        (st.error if status.state == "failed" else st.info)(plain(status.message))
    if status.share is not None:
        st.progress(status.share, status.progress())


def _badge(job: Job, status: ProcessStatus) -> None:
    color, icon, word = LOOK[status.state]
    st.badge(WORDS[job.kind].running if status.state == "running" else word, icon=icon, color=color)


def _buttons(job: Job, status: ProcessStatus) -> None:
    """Stop, or go on; none for who may not."""
    if not may_change(job.owner()):
        return
    where = f"{job.kind}-{job.name}"
    if status.state in ALIVE:
        if job.stop_path.exists():
            st.button("Stopping …", icon=":material/stop:", disabled=True, key=f"stopping-{where}")
        else:
            _attempt("Stop", ":material/stop:", f"stop-{where}", job.request_stop)
    elif status.state != "finished":
        kind: Literal["primary", "secondary"] = "secondary" if status.state == "failed" else "primary"
        again = WORDS[job.kind].again
        _attempt(again, ":material/play_arrow:", f"again-{where}", lambda: launch.start(job), kind)


def _attempt(
    label: str, icon: str, key: str, do: Callable[[], None], kind: Literal["primary", "secondary"] = "secondary"
) -> None:
    """A button that does something, or says why it cannot be done."""

    def attempt() -> None:
        try:
            do()
        except UserError as error:
            st.toast(plain(str(error)), icon=":material/error:")

    st.button(label, icon=icon, key=key, type=kind, on_click=attempt)


def _log_tail(path: Path) -> str:
    """The end of a log; "" where there is none."""
    try:
        check_own(path, path.parent)
        with path.open("rb") as f:
            f.seek(max(0, path.stat().st_size - LOG_TAIL))
            return f.read(LOG_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""


def delete_button(job: Job, key: str) -> None:
    """Asks where there is something to lose, and deletes; `offered` then looks for it no more. Draws nothing for who
    may not."""
    if not may_change(job.owner()):
        return
    loses = WORDS[job.kind].loses
    if not loses:
        _attempt("Close", ":material/close:", f"close-{job.kind}-{job.name}", lambda: launch.delete(job))
        return
    with st.popover("Delete", icon=":material/delete:"):
        st.write(f"Delete {plain(job.name)} with {loses}? This cannot be undone.")
        if st.button("Delete for good", type="primary", key=f"delete-{job.name}"):
            launch.delete(job)
            st.session_state[f"deleted_{key}"] = job.name
            st.rerun(scope="app")
