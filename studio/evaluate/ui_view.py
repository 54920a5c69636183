"""One evaluation: while it is at work, how far it is; then its figures beside their floors, and what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from gan_core import images
from gan_core.errors import UserError
from gan_core.files import read_own
from gan_core.status import duration
from studio.evaluate import tables
from studio.evaluate import ui_charts as charts
from studio.evaluate.folder import EvaluationFolder, EvaluationRequest, command_line
from studio.evaluate.metrics import Line
from studio.evaluate.tables import Section
from studio.hosting import folders_offered
from studio.jobs import ui_view as job_view
from studio.text import plain
from studio.ui_charts import show
from studio.ui_html import figure, src
from studio.ui_visitor import may_change

HERE = Path(__file__).parent
MOST_BYTES = 50_000_000  # of a report or a sheet of images
GIVEN = {tables.FAKE: "asked for", tables.REAL: "given by readers"}


def watch(evaluation: EvaluationFolder) -> None:
    """Draws the evaluation; while it is at work, over and over."""
    alive = job_view.watch(evaluation, "evaluation", lambda: _report(evaluation))
    figures = evaluation.figures()
    if figures and not alive:
        try:
            _results(evaluation, figures)
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, OSError, SyntaxError) as error:
            raise UserError(
                f"The figures or pictures of {evaluation.name} are damaged or from another version: evaluate again."
            ) from error
    _command(evaluation.request())


def _report(evaluation: EvaluationFolder) -> None:
    """To take away from an evaluation that has come to its end, with the names of its images, by who may."""
    if not may_change(evaluation.owner()) or evaluation.status().state != "finished":
        return
    for label, path, kind in (
        ("Report (HTML)", evaluation.report_path, "text/html"),
        ("Figures (JSON)", evaluation.path / "evaluation.json", "application/json"),
    ):
        if path.is_file():
            name = f"{evaluation.name}{path.suffix}"
            read = partial(read_own, path, evaluation.path, MOST_BYTES)
            st.download_button(label, read, name, kind, icon=":material/download:", on_click="ignore")


def _command(request: EvaluationRequest) -> None:
    with st.expander("The same from the command line", icon=":material/terminal:"):
        st.code(command_line(request, places=folders_offered()), language="bash", wrap_lines=True)


# -- what came out ----------------------------------------------------------------------------------------------------


def _results(evaluation: EvaluationFolder, figures: dict[str, Any]) -> None:
    about = figures["about"]
    for_copies = figures.get("copying", {})
    with st.grid(4, min_column_width=150):
        for lead in tables.leads(figures)[:4]:
            st.metric(
                lead.title,
                lead.text(lead.value),
                f"{lead.floor_is} {lead.text(lead.floor)}",
                delta_color="off",
                delta_arrow="off",
                help=tables.BETTER[lead.better].capitalize() + ".",
                border=True,
            )
    if "verdict" in for_copies:
        show = st.success if for_copies["clean"] else st.warning
        show(plain(for_copies["verdict"]), icon=":material/content_copy:")
    _about(about)
    if said := tables.stand_ins(figures):
        st.info(said)
    _sheets(evaluation)
    sections = {section.title: section for section in tables.sections(figures)}
    titles = ["Figures", *sections]
    for tab, title in zip(st.tabs(titles, key=f"section-{evaluation.name}", on_change="rerun"), titles, strict=True):
        if tab.open:
            with tab:
                if title in sections:
                    _section(evaluation, sections[title], about)
                else:
                    _figures(figures)


def _about(about: dict[str, Any]) -> None:
    label = f"{about['fakes']:,} synthetic images by **{plain(about['model'])}** ({about['digest'][:12]})"
    side = about["resolution"]
    st.caption(
        f"{label}, {side} × {side} pixels, against {about['reals']:,} real ones: {plain(about['data'])}. "
        f"The floor: {about['others']:,} real ones of {plain(about['reference'])}. "
        f"Extractor {plain(about['extractor'])} ({about['extractor_digest'][:8]}). "
        f"Measured in {duration(about['seconds'])}."
        + (f" {about['skipped']:,} files could not be read and were left out." if about["skipped"] else "")
    )


def _sheets(evaluation: EvaluationFolder) -> None:
    columns = st.columns(2, gap="medium")
    for column, mark, name, how in (
        (columns[0], "Synthetic", "fakes", "the first seeds, none left out"),
        (columns[1], "Real", "reals", "drawn at random"),
    ):
        path = evaluation.path / f"{name}.png"
        if path.is_file():
            column.image(
                read_own(path, evaluation.path, MOST_BYTES),
                f"{mark}: {how}",
                width="stretch",
                output_format="PNG",
                alt=f"{mark} images",
            )


def _figures(figures: dict[str, Any]) -> None:
    for question, rows in tables.by_question(figures).items():
        st.markdown(f"#### {question}")
        st.table(
            [
                {
                    "Figure": _explained(line, meaning),
                    "Synthetic": line.value,
                    "Floor": line.floor,
                }
                for line, meaning in rows
            ],
            border="horizontal",
            hide_index=True,
        )
    if of_classes := tables.class_rows(figures):
        st.markdown(f"#### For each {plain(figures['about']['label_name'])}")
        st.caption("In brackets, the floor: real against other real patients.")
        st.dataframe(of_classes, hide_index=True)
        for gap in tables.class_gaps(figures):
            st.caption(plain(gap))


def _explained(line: Line, meaning: str) -> str:
    """Its title; below it which way is better, of how many images it is, and what it means, or why there is none."""
    said = [tables.BETTER[line.better].capitalize(), f"{line.n:,} images" if line.n else ""]
    words = ". ".join([part for part in said if part] + [meaning]) if not line.why else f"Not measured: {line.why}"
    return f"**{plain(line.title)}**  \n:gray[{plain(words)}]"


def _section(evaluation: EvaluationFolder, section: Section, about: dict[str, Any]) -> None:
    if section.said:
        st.caption(plain(section.said))
    if section.verdicts:
        st.markdown("\n".join(f"- {plain(verdict)}" for verdict in section.verdicts))
    for column, (mark, counts) in zip(st.columns(2, gap="large"), section.confusions.items(), strict=False):
        with column:
            st.markdown(f"**{mark.capitalize()}**")
            chart = charts.confusion(counts, about["class_names"], about["label_name"], GIVEN[mark])
            show(chart, f"Grades of {mark} images", 330)
    if section.charts:
        for column, drawing in zip(st.columns(len(section.charts), gap="large"), section.charts, strict=True):
            with column:
                st.markdown(f"**{plain(drawing.title)}**")
                charts.draw(drawing)
    if section.rows:
        st.dataframe(section.rows, hide_index=True)
    if section.pairs:
        _pairs(evaluation, section.pairs, about["resolution"])


def _pairs(evaluation: EvaluationFolder, pairs: Sequence[dict[str, Any]], side: int) -> None:
    path = evaluation.path / "worst.png"
    if not path.is_file():
        st.info("The images of the pairs have been removed.")
        return
    with Image.open(BytesIO(read_own(path, evaluation.path, MOST_BYTES))) as sheet:
        sheets = images.ungrid(np.asarray(sheet.convert("L")), side)
    if not may_change(evaluation.owner()):  # a file's name may be a patient's
        pairs = [pair | {"seen_name": f"training image {i}"} for i, pair in enumerate(pairs, 1)]
    pictures = [src(images.png(picture[0])) for picture in sheets]
    cards = [
        f'<div><div class="pair">{figure(of_fake, tables.FAKE, pair["fake_name"])}'
        f"{figure(of_seen, tables.REAL, pair['seen_name'])}</div><p>{tables.pair_in_words(pair)}</p></div>"
        for pair, of_fake, of_seen in zip(pairs, pictures[::2], pictures[1::2], strict=True)
    ]
    st.html(HERE / "evaluate.css")
    st.html(f'<div class="pairs">{"".join(cards)}</div>')
