"""Getting a model: from the Hub, seen before it is fetched; or from a zip."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.hub import Unreachable, hub_name
from studio import hosting
from studio.jobs import launch
from studio.jobs import ui_view as job_view
from studio.models.downloads import Download, create_download
from studio.models.pull import Found, look
from studio.models.store import find_stored
from studio.models.ui_list import card, facts, open_button
from studio.models.upload import keep_zip
from studio.text import plain
from studio.ui_visitor import may_change, owner


def show() -> None:
    """Draws both ways to get a model."""
    if not hosting.folders_offered():
        st.info("This server takes no models from visitors. Run the studio on your own computer to get one.")
        return
    st.subheader("From the Hugging Face Hub")
    text = st.text_input(
        "Name of the model",
        st.query_params.get("hub", "")[:300],
        placeholder="owner/name",
        help="Also owner/name@revision, or the address of its page. You see the details before anything is downloaded.",
    ).strip()
    if text:
        st.query_params["hub"] = text
        _look(text)
    else:
        st.query_params.pop("hub", None)
        st.caption("A model folder as this program shares it; its page on the Hub shows samples and figures.")
    looked = st.session_state.get("looked") if text else None
    for job in Download.all():
        if may_change(job.owner()) and not _is_of(job, looked):
            _watch(job)
    st.subheader("From a file")
    _upload()


def _look(text: str) -> None:
    """What the Hub says of it, asked once."""
    state = st.session_state
    if state.get("looked_for") != text:
        state.looked_for, state.looked = text, None
        with st.spinner("Asking the Hub"):
            try:
                state.looked = look(hub_name(text))
            except UserError as error:
                state.looked = error
    found = state.looked
    if isinstance(found, Found):
        _found(found)
        return
    st.error(plain(str(found)))
    if isinstance(found, Unreachable) and (here := find_stored(text)):
        st.info(f"{plain(here.name)} was downloaded earlier and still works.", icon=":material/check:")
        open_button(here.name)
    if st.button("Ask again", icon=":material/refresh:"):
        del state.looked_for
        st.rerun()


def _found(found: Found) -> None:
    with st.container(border=True):
        left, right = st.columns([2, 3], gap="large")
        with left:
            st.markdown(f"**{plain(str(found.name))}**")
            st.caption(f"{facts(found.config)} · {found.config.images_seen:,} images seen")
            st.markdown(f"Licence: **{plain(found.licence or 'not stated')}**  \nCommit: `{found.commit[:12]}`")
            if not found.licence:
                st.warning("Ask its owner before you use what it makes.", icon=":material/gavel:")
            if found.private:
                st.caption(":material/lock: Private: opened with the token of this computer.")
            st.dataframe(
                [{"file": file.name, "size": size_text(file.size)} for file in found.files],
                hide_index=True,
                alt="The files that will be fetched",
            )
            st.caption("Nothing else is downloaded. Each file is checked, and none of its code is run.")
            _get(found)
        with right:
            card(found.card)


def _get(found: Found) -> None:
    """The button, and in its place how far it is."""
    mine = [job for job in Download.all() if _is_of(job, found)]
    for job in mine:
        _watch(job)
    if any(job.alive() or job.result() for job in mine):
        return
    if here := find_stored(f"{found.name.repo}@{found.commit}"):
        st.markdown(":material/check: It is on this computer.")
        open_button(here.name)
    elif st.button(f"Get it ({size_text(found.size)})", type="primary", icon=":material/download:"):
        launch.start_new(create_download(found), owner())
        st.rerun()


def _is_of(job: Download, found: object) -> bool:
    if not isinstance(found, Found):
        return False
    try:
        request = job.request()
    except UserError:
        return False
    return (request.repo, request.commit) == (found.name.repo, found.commit)


def _watch(job: Download) -> None:
    """A download: it goes on when the page is left."""

    def here() -> None:
        if job.status().state == "finished" and (result := job.result()):
            st.success(f"{plain(result.name)} is ready to use on every page.", icon=":material/check:")
            open_button(result.name, job.name)

    try:
        name = job.request().repo
    except UserError:  # damaged: it can still be closed
        name = job.name
    with st.container(border=True):
        st.markdown(f"**{plain(name)}**")
        job_view.watch(job, "download", below=here)


def _upload() -> None:
    file = st.file_uploader("A zip of a model folder", type="zip", key="model_zip")
    if file is None:
        st.caption("It holds config.json and model.safetensors. Pickled files, such as .pt or .pkl, are never opened.")
        if hosting.hosted():
            st.caption(f"What you upload is kept for {hosting.kept_for()}. Others find it only with your link.")
        return
    state = st.session_state
    if state.get("zip_of") != file.file_id:
        state.zip_of = file.file_id
        with st.spinner("Checking the model"), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload.zip"
            path.write_bytes(file.getvalue())
            try:
                state.zip_kept = keep_zip(path, file.name, owner() if hosting.hosted() else "").name
            except UserError as error:
                state.zip_kept = error
    if isinstance(state.zip_kept, UserError):
        st.error(plain(str(state.zip_kept)))
        return
    st.success(f"{plain(state.zip_kept)} is ready to use on every page.", icon=":material/check:")
    open_button(state.zip_kept, "zip")
