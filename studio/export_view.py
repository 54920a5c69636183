"""One export: while it is at work, how far it is; then its files to take away."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from gan_core import hosting, launch
from gan_core.errors import UserError
from gan_core.export.folder import ExportFolder, ExportStatus, delete_export
from gan_core.export.plan import ExportRequest, command_line
from gan_core.status import ALIVE
from studio.export_routes import address
from studio.lightbox import film, sheet
from studio.text import plain
from studio.train_watch import LOG_TAIL, LOOK

FILMS = 15  # shown of an export
LINES = 200  # of its manifest
FORMATS = {
    "png": "Pictures (PNG), a folder for each class.",
    "datasets": "A training set in the layout of Hugging Face datasets.",
    "dicom": "DICOM Secondary Capture, marked as synthetic: no patient, no date.",
}


def watch(export: ExportFolder) -> None:
    """Draws the export; while it is at work, over and over."""
    alive = export.alive()
    request = export.request()

    @st.fragment(run_every=timedelta(seconds=1) if alive else None)
    def live() -> None:
        status = export.status()
        if alive != (status.state in ALIVE):
            st.rerun(scope="app")
        try:
            _stand(export, status)
        except UserError as error:  # a fragment's own runs do not pass through the frame
            st.error(plain(str(error)))

    live()
    if not alive and (status := export.status()).state == "finished":
        _files(export, request, status)
    with st.expander("The same from the command line", icon=":material/terminal:"):
        st.code(command_line(request, export.files_path.name), language="bash", wrap_lines=True)


def _stand(export: ExportFolder, status: ExportStatus) -> None:
    color, icon, word = LOOK[status.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge("Exporting" if status.state == "running" else word, icon=icon, color=color)
        if status.state in ALIVE:
            if export.stop_path.exists():
                st.button("Stopping …", icon=":material/stop:", disabled=True)
            else:
                st.button("Cancel", icon=":material/stop:", on_click=export.request_stop)
        else:
            _after(export, status)
    if status.state in ALIVE:
        with st.container(border=True):
            st.markdown(f"**{plain(status.message)}**")
            if status.total:
                st.progress(min(1.0, status.done / status.total), status.progress())
        _films(export)
    elif status.message:
        (st.error if status.state == "failed" else st.info)(plain(status.message))
    if status.state in ("failed", "interrupted"):
        with st.expander("Log", icon=":material/notes:"):
            st.code(_log(export) or "Nothing was logged.", language=None, height=240)


def _after(export: ExportFolder, status: ExportStatus) -> None:
    """What can be done with an export that has come to an end."""
    if status.state == "finished":
        if export.zip_path.is_file():
            size = export.zip_path.stat().st_size / 1e6
            label = f"Download ({size:,.0f} MB)" if size >= 1 else "Download"
            st.link_button(label, address(export.name), icon=":material/download:", type="primary")
    else:
        st.button("Go on", icon=":material/play_arrow:", type="primary", on_click=_go_on, args=(export,))
    with st.popover("Delete", icon=":material/delete:"):
        st.write(f"Delete {plain(export.name)} with its files? What was downloaded stays.")
        if st.button("Delete for good", type="primary", key=f"delete-{export.name}"):
            delete_export(export)
            st.session_state.deleted_export = export.name
            st.rerun(scope="app")


def _go_on(export: ExportFolder) -> None:
    try:
        launch.start_export(export)
    except UserError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def _log(export: ExportFolder) -> str:
    try:
        return export.log_path.read_bytes()[-LOG_TAIL:].decode("utf-8", "replace")
    except OSError:
        return ""


def _files(export: ExportFolder, request: ExportRequest, status: ExportStatus) -> None:
    rows = export.rows(LINES)
    st.caption(
        f"**{status.images:,} synthetic images** by **{plain(request.model)}**. {FORMATS[request.format]} With "
        "them come a manifest, which has a line for each image with its seed and checksum, and a data card."
    )
    if request.reference:
        told = (
            f"{status.left_out:,} lay nearer to a training image than likeness explains and were left out."
            if request.drop_near
            else f"{status.near:,} of {status.images:,} lie nearer to a training image than likeness explains; the "
            "manifest marks them."
        )
        st.info(f"{told} About one or two in a hundred are by chance.", icon=":material/content_copy:")
    _films(export)
    if hosting.folders_offered():
        st.caption(f"On the computer that runs this, they lie in {plain(str(export.files_path.resolve()))}.")
    manifest, card = st.tabs(["Manifest", "Data card"])
    with manifest:
        st.dataframe(rows, hide_index=True)
        if status.images > len(rows):
            st.caption(f"The first {len(rows):,} of {status.images:,}.")
    with card:
        st.markdown(_card(export))


def _films(export: ExportFolder) -> None:
    """The first images on the light box."""
    label = export.label_name()
    short = {"KL grade": "KL"}.get(label, label)
    films = []
    for picture in export.pictures(FILMS):
        asked = f"{short} {picture.class_name} · " if picture.class_name else ""
        caption = f"{asked}seed {picture.seed}"
        films.append(
            film(
                picture.png,
                seed=picture.seed,
                caption=caption,
                alt=f"Synthetic image, {caption}",
                file_name=f"{picture.stem}.png",
            )
        )
    if films:
        sheet(films, key="films")


def _card(export: ExportFolder) -> str:
    """The data card, as Markdown without its front matter."""
    try:
        text = (export.files_path / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "The data card is gone."
    return text.split("---\n", 2)[2] if text.startswith("---\n") else text
