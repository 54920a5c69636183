"""The anatomy panel on the Explore page: whether it is on, and, of a film brought in, what it says."""

from __future__ import annotations

import streamlit as st

from gan_core.errors import UserError
from studio.explore.upload import Target
from studio.knee.readings.panel import NOT_FOR_DIAGNOSIS, Panel, panel
from studio.text import plain
from studio.ui_links import follow

HELP = "The joint's outline, its widths, and this knee's place among real ones."


def on(chosen: bool | None = None) -> bool:
    """Whether the panel is on, in all views: as the link says or, where a person has just chosen, as chosen."""
    follow("explore_anatomy", "anatomy", "")
    if chosen is not None:
        st.session_state.explore_anatomy = "1" if chosen else ""
    return st.session_state.explore_anatomy == "1"


def switch(key: str) -> bool:
    """A switch for the panel: whether it is on."""

    def chosen() -> None:
        on(st.session_state[key])

    st.session_state[key] = on()
    return st.toggle("Anatomy", key=key, on_change=chosen, help=HELP)


def of(target: Target) -> Panel | None:
    """The panel of a picture; None, and said why, where there can be none."""
    try:
        return panel(target.image, target.mm, target.side)
    except UserError as error:
        st.caption(plain(str(error)))
        return None


def tell(panels: dict[str, Panel]) -> None:
    """The figures of pictures beside each other, by what these are called, and the place of the first among real."""
    with st.container(border=True):
        made_out = {name: one for name, one in panels.items() if one.found}
        if first := next(iter(made_out.values()), None):
            rows = [
                {"": line.name}
                | {name: one.figures[i].value for name, one in made_out.items()}
                | dict(zip(first.columns[2:], first.rows[i][2:], strict=True))
                for i, line in enumerate(first.figures)
            ]
            st.dataframe(rows, hide_index=True)
        for name, one in panels.items():
            st.caption(f"**{name}.** {one.told}")
        if first:
            st.caption(f"{first.among} {NOT_FOR_DIAGNOSIS}")
