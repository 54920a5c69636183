"""All evaluations side by side. Figures of other images, or seen through another extractor, are never in one table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from studio.evaluate import tables
from studio.evaluate.folder import EvaluationFolder
from studio.jobs.ui_view import delete_button
from studio.text import plain

ALIKE = ("data", "reference", "extractor", "extractor_digest", "fakes", "resolution")  # of figures that compare
ALL = "All"
Members = list[tuple[EvaluationFolder, dict[str, Any]]]  # each with its figures


def _title(members: Members) -> str:
    about = members[0][1]["about"]
    return (
        f"{about['fakes']:,} synthetic images of {about['resolution']} pixels against {about['data']}; "
        f"floor {about['reference']}; extractor {about['extractor']} {about['extractor_digest'][:8]}"
    )


def _groups(evaluations: list[EvaluationFolder]) -> list[Members]:
    """Those that compare with each other, the largest group first."""
    out: dict[tuple[Any, ...], Members] = {}
    for evaluation in evaluations:
        figures = evaluation.figures()
        try:
            out.setdefault(tuple(figures["about"][name] for name in ALIKE), []).append((evaluation, figures))
        except (KeyError, TypeError):  # not finished, or of another version
            continue
    return sorted(out.values(), key=len, reverse=True)


def compare(evaluations: list[EvaluationFolder]) -> None:
    """A table for each group of evaluations whose figures compare."""
    groups = _groups(evaluations)
    if not groups:
        st.info("There is nothing to compare yet. Evaluate two models with the same images to compare them here.")
        return
    if len(groups) > 1:
        titles = {_title(members): members for members in groups}
        chosen = st.selectbox("Show comparable evaluations", [ALL, *titles])
        if chosen != ALL:
            groups = [titles[chosen]]
    st.caption("Compare figures only within one table. Click a column heading to sort; the floor is real against real.")
    for members in groups:
        st.markdown(f"**{plain(_title(members))}**")
        _table(members, key="-".join(str(members[0][1]["about"][name]) for name in ALIKE))


def _table(members: Members, key: str) -> None:
    rows: list[dict[str, Any]] = []
    columns: dict[str, Any] = {
        "evaluation": st.column_config.TextColumn(pinned=True),
        "images seen": st.column_config.NumberColumn(
            format="localized", help="Images that the discriminator had seen."
        ),
        "variety": st.column_config.NumberColumn(help="Below 1, images come closer to the average one (truncation)."),
        "made": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
    }
    for evaluation, figures in members:
        about = figures["about"]
        row: dict[str, Any] = {"evaluation": evaluation.name, "model": about["model"]}
        for lead in tables.leads(figures):
            row |= {lead.title: lead.value, f"{lead.title}, floor": lead.floor}
            shape = "percent" if lead.form.endswith("%") else f"%{lead.form.replace('z', '')}"
            columns[lead.title] = st.column_config.NumberColumn(format=shape, help=tables.BETTER[lead.better])
            columns[f"{lead.title}, floor"] = st.column_config.NumberColumn("floor", format=shape, help=lead.title)
        made = datetime.fromtimestamp(evaluation.status().updated, UTC)
        rows.append(row | {"images seen": about["images_seen"], "variety": about["truncation"], "made": made})
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"table-{key}",
        column_config=columns,
    )
    for i in event.selection.rows:
        chosen = members[i][0]
        with st.container(horizontal=True):
            st.button(
                f"Open {chosen.name}",
                icon=":material/open_in_new:",
                on_click=_open,
                args=(chosen.name,),
                key=f"open-{key}",
            )
            delete_button(chosen, "evaluation")


def _open(name: str) -> None:
    st.session_state.open_evaluation = name
