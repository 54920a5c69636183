"""The views of the Runs page: curves, samples in step, the table and the settings of the runs."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from gan_core.status import ALIVE
from gan_core.train import stats
from gan_core.train.run import number
from gan_core.train.stats import Stat
from studio import runs as lineup
from studio.command import command_line
from studio.jobs.ui_view import LOOK
from studio.runs import AXES, Axis, Column, Entry, Member
from studio.runs import ui_curves as curves
from studio.runs import ui_samples as runs_samples
from studio.runs.ui_choice import Mark, legend, marks, said
from studio.ui_links import follow, one_of

CURVES, SAMPLES, TABLE, SETTINGS = VIEWS = "Curves", "Samples", "Table", "Settings"
AT_FIRST = 4  # figures
FORMER = {  # titles in older links
    "Critic's loss": "D loss",
    "Generator's loss": "G loss",
    "Right on reals": "D accuracy, reals",
    "Right on fakes": "D accuracy, fakes",
    "Right on the class": "Class accuracy",
    "Features: right on reals": "Feature D accuracy, reals",
    "Features: right on fakes": "Feature D accuracy, fakes",
    "Distance from the reals": "Kernel distance",
    "Variety": "Diversity",
    "Penalty": "Gradient penalty",
}
SECONDS = 2  # between two looks at a run that is training

Marks = dict[str, Mark]


def show(chosen: list[Entry]) -> None:
    """All that is said of the runs; while one of them is at work, over and over."""
    state = st.session_state
    marked = marks([entry.key for entry in chosen], state.get("runs_slots", {}))
    state.runs_slots = {key: mark.slot for key, mark in marked.items()}
    alive = _alive(chosen)

    @st.fragment(run_every=timedelta(seconds=SECONDS) if alive else None)
    def live() -> None:
        if alive != _alive(chosen):
            st.rerun(scope="app")  # one has begun or ended
        members = [lineup.read(entry) for entry in chosen]
        legend(members, marked)
        if lineup.mixed(members):
            st.caption(
                "These runs learn from different images: losses, distances and samples can only be compared between "
                "runs on the same images at the same resolution."
            )
        _views(members, marked)
        said(members, marked)
        _take_away(members)

    live()


def _alive(chosen: list[Entry]) -> set[str]:
    return {entry.key for entry in chosen if entry.run.status().state in ALIVE}


def _views(members: list[Member], marked: Marks) -> None:
    state, link = st.session_state, st.query_params
    follow("runs_view", "view", CURVES)
    if state.runs_view not in VIEWS:
        state.runs_view = CURVES
    if state.runs_view == CURVES:
        link.pop("view", None)
    else:
        link["view"] = state.runs_view
    draw = {CURVES: _curves, SAMPLES: _samples, TABLE: _table, SETTINGS: _settings}
    for tab, view in zip(st.tabs(VIEWS, key="runs_view", on_change="rerun"), VIEWS, strict=True):
        if tab.open:
            with tab:
                draw[view](members, marked)


def _axis(label: str, choices: list[Axis], key: str) -> Axis:
    shown = {axis: AXES[axis].capitalize() for axis in choices}
    return one_of(label, choices, choices[0], key=key, format_func=shown.__getitem__)


# -- curves -----------------------------------------------------------------------------------------------------------


def _curves(members: list[Member], marked: Marks) -> None:
    known = {stat.title: (key, stat) for key, stat in stats.known(*(m.ticks for m in members)).items()}
    if not known:
        st.info("There are no curves yet: the first points appear after a few thousand images.")
        return
    titles = list(known)
    asked = [FORMER.get(title, title) for title in st.query_params.get_all("figures")]
    if asked != st.query_params.get_all("figures"):
        del st.query_params["figures"]
        st.session_state.figures = [title for title in asked if title in known]
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        axis = _axis("Axis", ["images", "epochs", "minutes"], "along")
        share = st.slider(
            "Smoothing",
            0,
            25,
            0,
            format="%d%%",
            key="smoothing",
            bind="query-params",
            width=220,
            help="A running mean. A point this far back, as a share of the longest run, counts half.",
        )
        log = st.toggle(
            "Log scale", key="log", bind="query-params", help="For statistics that are positive and not percentages."
        )
    picked = st.pills(
        "Statistics", titles, default=titles[:AT_FIRST], selection_mode="multi", key="figures", bind="query-params"
    )
    if not picked:
        st.info("Choose a statistic above to see its curves.")
        return
    shown = [known[title] for title in titles if title in picked]
    panels = [_panel(key, stat, members, marked, log) for key, stat in shown]
    half_life = share / 100 * lineup.reach(members, axis)
    none = "None of these runs has this statistic on this axis."
    curves.draw("runs_curves", [m.key for m in members], panels, axis, half_life, none)
    if flat := [s.title for (_, s), p in zip(shown, panels, strict=True) if log and not (p["log"] or s.share)]:
        st.caption(f"Not on a log scale, since some values are not positive: {', '.join(flat)}.")


def _panel(key: str, stat: Stat, members: list[Member], marked: Marks, log: bool) -> dict[str, Any]:
    """The statistic's curves, each ending in its run's letter."""
    values = {m.key: [v for t in m.ticks if (v := number(t.get(key))) is not None] for m in members}
    lines = []
    for m in members:
        mark = marked[m.key]
        if values[m.key]:
            name = f"{mark.letter} {m.title}"
            lines.append(curves.series(m.key, key, name, mark.colour, m.key, mark.letter, mark.dash))
    logarithmic = log and not stat.share and all(v > 0 for known in values.values() for v in known)
    return curves.panel(stat.title, stat.meaning, lines, stat.share, stat.level, logarithmic)


# -- samples ----------------------------------------------------------------------------------------------------------


def _samples(members: list[Member], marked: Marks) -> None:
    if not any(m.samples for m in members):
        st.info("There are no samples yet: the first will appear in a moment.")
        return
    with st.container(horizontal=True, gap="medium"):
        axis = _axis("Align by", ["share", "images", "epochs", "minutes"], "step")
        rows = one_of("Show", ["A strip", "All"], "A strip", key="samples")
    runs_samples.draw(members, marked, axis, 1 if rows == "A strip" else 0)


# -- the table --------------------------------------------------------------------------------------------------------


def _table(members: list[Member], marked: Marks) -> None:
    found = lineup.table(members)
    words = {state: word for state, (_, _, word) in LOOK.items()}
    rows = [
        {"": marked[m.key].src(), **row} | {"State": words[row["State"]]}
        for m, row in zip(members, found.rows, strict=True)
    ]
    config = {c.title: _column(c) for c in found.columns}
    config[""] = st.column_config.ImageColumn(width=60, pinned=True)
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config=config,
        key="runs_table",
        alt="One row per run, one column per statistic",
    )
    st.caption(
        "Click a column heading to sort. A floor is the same measure between real images and other real images: no "
        "model is expected to be better. “Reported” is what others have published for the same system."
    )


BETTER = {"lower": "Lower is better.", "higher": "Higher is better.", "near": "Near the floor is best."}


def _column(column: Column) -> Any:
    words = " ".join(filter(None, [column.help, BETTER.get(column.better)])) or None
    if column.digits is None:
        return st.column_config.TextColumn(help=words)
    shape = "percent" if column.share else "localized" if column.digits == 0 else f"%.{column.digits}f"
    if column.floor_of:
        return st.column_config.NumberColumn("floor", format=shape, help=f"Floor of: {column.floor_of}")
    return st.column_config.NumberColumn(format=shape, help=words)


# -- settings ---------------------------------------------------------------------------------------------------------


def _settings(members: list[Member], marked: Marks) -> None:
    every = lineup.settings(members)
    show_all = st.toggle("Show all settings", key="every", bind="query-params")
    shown = [s for s in every if s.differs or show_all]
    if not shown:
        st.info(
            "These runs have the same settings."
            if len(members) > 1
            else "Choose a second run above to see the settings in which the two differ."
        )
        return
    head = "".join(f'<th scope="col">{marked[m.key].img()}<span>{escape(m.title)}</span></th>' for m in members)
    body = "".join(
        f'<tr><th scope="row">{s.name}</th>'
        + "".join(
            f'<td class="{"odd" if odd else ""}">{escape("–" if value is None else value)}</td>'
            for value, odd in zip(s.values, s.odd, strict=True)
        )
        + "</tr>"
        for s in shown
    )
    st.html(
        '<div class="runs-settings" tabindex="0" role="region" aria-label="Settings of the runs"><table>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    st.caption(
        "Marked: values that differ from those of most runs; of two equally frequent values, the one that is not "
        "the default."
    )


# -- to take away -----------------------------------------------------------------------------------------------------


def _take_away(members: list[Member]) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "Table (CSV)",
            lambda: lineup.table_csv(members).encode("utf-8-sig"),  # the mark tells a spreadsheet that it is UTF-8
            "runs.csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Curves (CSV)",
            lambda: lineup.curves_csv(members).encode("utf-8-sig"),
            "runs-curves.csv",
            icon=":material/download:",
            on_click="ignore",
        )
    with st.expander("The same from the command line", icon=":material/terminal:"):
        command = command_line("compare-runs", *(m.key for m in members), csv="runs.csv")
        st.code(command, language="bash", wrap_lines=True)
