"""The views of the Runs page: curves, samples in step, the table and the settings of the runs."""

from __future__ import annotations

import shlex
from datetime import timedelta
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from studio import runs as lineup
from studio.runs import AXES, Axis, Column, Entry, Member
from gan_core.train import stats
from gan_core.train.run import Run
from gan_core.train.stats import Stat
from gan_core.status import ALIVE
from studio.runs import ui_samples as runs_samples
from studio.jobs.ui_view import LOOK
from studio.ui_links import follow, one_of
from studio.runs.ui_choice import Mark, legend, marks, said
from studio.text import plain

CURVES, SAMPLES, TABLE, SETTINGS = VIEWS = "Curves", "Samples", "Table", "Settings"
FEW = 3  # up to so many points each is marked: a single one would not show as a line
FEW_NAMES = 8  # more runs than that are called by their letters alone under the pointer
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
        members = [lineup.read(entry, _ticks) for entry in chosen]
        legend(members, marked)
        if lineup.mixed(members):
            st.caption(
                "These runs learn from different images: losses, distances and pictures only compare between runs on "
                "the same images at the same side."
            )
        _views(members, marked)
        said(members, marked)
        _take_away(members)

    live()


def _alive(chosen: list[Entry]) -> set[str]:
    return {entry.key for entry in chosen if entry.run.status().state in ALIVE}


@st.cache_resource(max_entries=64, show_spinner=False)
def _ticks_of(run: Run, stamp: tuple[int, int]) -> list[dict[str, Any]]:
    return run.stats()


def _ticks(run: Run) -> list[dict[str, Any]]:
    """The run's ticks, read again only when there are more; shared by all viewers and never changed."""
    try:
        stat = run.stats_path.stat()
    except OSError:
        return []
    return _ticks_of(run, (stat.st_mtime_ns, stat.st_size))


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
        st.info("There are no figures yet: the first come after a few thousand images.")
        return
    titles = list(known)
    asked = [FORMER.get(title, title) for title in st.query_params.get_all("figures")]
    if asked != st.query_params.get_all("figures"):
        del st.query_params["figures"]
        st.session_state.figures = [title for title in asked if title in known]
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        axis = _axis("Along", ["images", "epochs", "minutes"], "along")
        share = st.slider(
            "Smoothing",
            0,
            25,
            0,
            format="%d%%",
            key="smoothing",
            bind="query-params",
            width=220,
            help="A running mean. Going back by so much of the longest run, a point counts half.",
        )
        log = st.toggle(
            "Log scale", key="log", bind="query-params", help="Where all values are above zero and no shares."
        )
    picked = st.pills(
        "Figures", titles, default=titles[:AT_FIRST], selection_mode="multi", key="figures", bind="query-params"
    )
    if not picked:
        st.info("Choose a figure above, and its curves stand here.")
        return
    longest = lineup.reach(members, axis)
    shown = [known[title] for title in titles if title in picked]
    for i in range(0, len(shown), 2):
        pair = shown[i : i + 2]
        for column, (key, stat) in zip(st.columns(min(2, len(shown)), gap="medium"), pair, strict=False):
            with column:
                _chart(key, stat, members, marked, axis, share / 100 * longest, log)


def _chart(
    key: str, stat: Stat, members: list[Member], marked: Marks, axis: Axis, half_life: float, log: bool
) -> None:
    """The statistic's curves, each ending in its run's letter; a line under the pointer comes to the front."""
    scale = 100 if stat.share else 1
    series: list[dict[str, Any]] = []
    tables: list[dict[str, pd.DataFrame]] = []
    for m, (x, y) in zip(members, lineup.overlaid(members, key, axis, half_life), strict=True):
        if len(x):
            name = marked[m.key].letter if len(members) > FEW_NAMES else f"{marked[m.key].letter} {m.title}"
            series.append(_line(name, marked[m.key], len(tables), len(x)))
            tables.append({"source": pd.DataFrame({"x": x, "y": y * scale})})
    st.markdown(f"**{stat.title}**", help=plain(stat.meaning))
    if not series:
        st.info("None of these runs has it along this axis.")
        return
    logarithmic = log and not stat.share and all((t["source"].y > 0).all() for t in tables)
    if stat.level is not None and not (logarithmic and stat.level <= 0):
        series[0]["markLine"] = {
            "silent": True,
            "symbol": "none",
            "label": {"show": False},
            "lineStyle": {"color": "#889988", "type": [2, 4], "width": 1},
            "data": [{"yAxis": stat.level * scale}],
        }
    spec = {
        "animation": False,
        "dataset": tables,
        "grid": {"left": 8, "right": 26, "top": 12, "bottom": 30, "containLabel": True},
        "tooltip": {
            "trigger": "axis",
            "order": "valueDesc",
            "confine": True,
            "extraCssText": "column-count: 3" if len(series) > FEW_NAMES else "",
            "valueFormatter": "%.0f%%" if stat.share else "%.4g",
        },
        "xAxis": {"type": "value", "name": AXES[axis], "nameLocation": "middle", "nameGap": 28, "min": 0}
        | {
            "axisLabel": {"alignMaxLabel": "right"},
            "axisPointer": {"label": {"precision": 0 if axis == "images" else 1}},
        },
        "yAxis": {
            "type": "log" if logarithmic else "value",
            "scale": True,
            "boundaryGap": [0, 0] if stat.share or logarithmic else ["4%", "4%"],
            "axisLabel": {"formatter": "{value}%"} if stat.share else {},
        },
        "series": series,
    }
    names = ", ".join(f"{marked[m.key].letter} {m.title}" for m in members)
    alt = f"{stat.title} along {AXES[axis]} of {names}"
    st.echarts_chart(spec, height=300, key=f"curve-{key}", renderer="svg", alt=alt)
    if log and not logarithmic and not stat.share:
        st.caption("Not on a log scale: some values are not above zero.")


def _line(name: str, mark: Mark, index: int, points: int) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "datasetIndex": index,
        "encode": {"x": "x", "y": "y", "tooltip": ["y"]},
        "showSymbol": points <= FEW,
        "symbolSize": 5,
        "itemStyle": {"color": mark.colour},
        "lineStyle": {"color": mark.colour, "width": 2, "type": list(mark.dash) or "solid"},
        "endLabel": {"show": True, "formatter": mark.letter, "color": mark.colour, "fontWeight": "bold"},
        "labelLayout": {"moveOverlap": "shiftY"},
        "emphasis": {"focus": "series", "lineStyle": {"width": 3}},
        "triggerLineEvent": True,
    }


# -- samples ----------------------------------------------------------------------------------------------------------


def _samples(members: list[Member], marked: Marks) -> None:
    if not any(m.samples for m in members):
        st.info("There are no samples yet: the first come in a moment.")
        return
    with st.container(horizontal=True, gap="medium"):
        axis = _axis("In step by", ["share", "images", "epochs", "minutes"], "step")
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
        alt="A row for each run, a column for each figure",
    )
    st.caption(
        "A click on a column's head sorts. A floor is the same measured on real images against other real images: no "
        "model is expected to be better. “Reported” is what others have published of the same system."
    )


BETTER = {"lower": "Lower is better.", "higher": "Higher is better.", "near": "Near the floor is best."}


def _column(column: Column) -> Any:
    words = " ".join(filter(None, [column.help, BETTER.get(column.better)])) or None
    if column.digits is None:
        return st.column_config.TextColumn(help=words)
    shape = "percent" if column.share else "localized" if column.digits == 0 else f"%.{column.digits}f"
    if column.floor_of:
        return st.column_config.NumberColumn("floor", format=shape, help=f"Of: {column.floor_of}")
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
            else "Choose a second run above, and the settings in which the two differ stand here."
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
        "Marked: what is not as in most of the runs; of two values as frequent, the one that is not the default."
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
        words = ["python -m gan_core compare-runs", *(shlex.quote(m.key) for m in members), "--csv runs.csv"]
        st.code(" ".join(words), language="bash", wrap_lines=True)
