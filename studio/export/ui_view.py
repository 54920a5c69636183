"""One export: while it is at work, how far it is; then its files to take away."""

from __future__ import annotations

import streamlit as st

from gan_core.files import read_own
from gan_core.grades import short
from studio import hosting
from studio.export.folder import ExportFolder, ExportStatus
from studio.export.plan import FORMATS, ExportRequest, command_line
from studio.export.routes import address
from studio.jobs import ui_view as job_view
from studio.models import ui_models as models
from studio.text import plain
from studio.ui_visitor import may_change
from studio.viewer.ui_viewer import film, sheet

FILMS = 15  # shown of an export
LINES = 200  # of its manifest


def watch(export: ExportFolder) -> None:
    """Draws the export; while it is at work, over and over."""
    request = export.request()

    def made() -> None:
        if (status := export.status()).state == "finished":
            _files(export, request, status)
        elif export.alive():
            _films(export)

    job_view.watch(export, "export", lambda: _download(export), made)
    with st.expander("The same from the command line", icon=":material/terminal:"):
        command = command_line(request, export.files_path.name, places=hosting.folders_offered())
        st.code(command, language="bash", wrap_lines=True)


def _download(export: ExportFolder) -> None:
    """To take away an export that has come to its end; nothing for who may not."""
    if may_change(export.owner()) and export.status().state == "finished" and export.zip_path.is_file():
        size = export.zip_path.stat().st_size / 1e6
        label = f"Download ({size:,.0f} MB)" if size >= 1 else "Download"
        st.link_button(label, address(export.name), icon=":material/download:", type="primary")


def _files(export: ExportFolder, request: ExportRequest, status: ExportStatus) -> None:
    rows = export.rows(LINES)
    st.caption(
        f"**{status.images:,} synthetic images** by **{plain(request.model)}**. {FORMATS[request.format].said} They "
        "come with a data card and a manifest, which lists each image with its seed and checksum."
    )
    if request.reference:
        told = (
            f"{status.left_out:,} lay nearer to a training image than likeness explains and were left out."
            if request.drop_near
            else f"{status.near:,} of {status.images:,} lie nearer to a training image than likeness explains; the "
            "manifest marks them."
        )
        st.info(f"{told} One or two in a hundred are expected by chance.", icon=":material/content_copy:")
    _films(export)
    if hosting.folders_offered() and may_change(export.owner()):
        st.caption(f"On the computer that runs the studio, they are in {plain(str(export.files_path.resolve()))}.")
    manifest, card = st.tabs(["Manifest", "Data card"])
    with manifest:
        st.dataframe(rows, hide_index=True)
        if status.images > len(rows):
            st.caption(f"The first {len(rows):,} of {status.images:,}.")
    with card:
        st.markdown(_card(export))


def _films(export: ExportFolder) -> None:
    """The first images, in the viewer; those of a model that is still the same can be opened in Explore."""
    label, request = export.label_name(), export.request()
    model = next((e for e in models.entries() if e.name == request.model and e.lasting), None)
    films = []
    for picture in export.pictures(FILMS):
        asked = f"{short(label)} {picture.class_name} · " if picture.class_name else ""
        caption = f"{asked}seed {picture.seed}"
        query = models.query(model, picture.seed, picture.class_name, request.truncation) if model else None
        films.append(
            film(picture.png, seed=picture.seed, caption=caption, file_name=f"{picture.stem}.png", query=query)
        )
    if films:
        sheet(films, key="films")


def _card(export: ExportFolder) -> str:
    """The data card, as Markdown without its front matter."""
    try:
        text = read_own(export.files_path / "README.md", export.path).decode("utf-8", "replace")
    except OSError:
        return "The data card is missing."
    return text.split("---\n", 2)[2] if text.startswith("---\n") else text
