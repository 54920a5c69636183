"""Which runs stand beside each other on the Runs page, and how each is marked: the same letter and line everywhere."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from html import escape
from itertools import count
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from gan_core.status import ALIVE
from studio.jobs.ui_view import LOOK
from studio.runs import MOST, Entry, Member, first_choice, groups, key_of
from studio.text import plain
from studio.ui_links import says_anew
from studio.ui_visitor import listed, may_change

KEY = "runs"  # of the choice in the session, and its name in the link
# Told apart by at least 30 CIE76 units, to normal sight and with each kind of colour blindness (Machado 2009), and by a
# contrast of at least 3 from the ground of both themes.
COLOURS = ("#0099ff", "#cc8800", "#bb2299", "#889988", "#7733ff", "#cc1133")
DASHES: tuple[tuple[int, ...], ...] = ((), (7, 4), (2, 3), (9, 3, 2, 3))  # of a line, in pixels; () is unbroken


@dataclass(frozen=True)
class Mark:
    """How a run is told from the others; `slot` is from 0 to MOST - 1."""

    slot: int

    @property
    def letter(self) -> str:
        return chr(ord("A") + self.slot)

    @property
    def colour(self) -> str:
        return COLOURS[self.slot % len(COLOURS)]

    @property
    def dash(self) -> tuple[int, ...]:
        return DASHES[self.slot // len(COLOURS) % len(DASHES)]

    def src(self) -> str:
        """The line and the letter, 40 x 18 pixels, as a data URL."""
        dash = f' stroke-dasharray="{" ".join(map(str, self.dash))}"' if self.dash else ""
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="18" viewBox="0 0 40 18">'
            f'<path d="M1 9H23" stroke="{self.colour}" stroke-width="3"{dash}/>'
            f'<text x="26" y="14" font-family="sans-serif" font-size="14" font-weight="700" fill="{self.colour}">'
            f"{self.letter}</text></svg>"
        )
        return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()

    def img(self) -> str:
        return f'<img src="{self.src()}" alt="{self.letter}" width="40" height="18">'


def marks(chosen: list[str], before: dict[str, int]) -> dict[str, Mark]:
    """A mark for each key. Who had one `before` keeps it, so that taking one run away changes no other's colour."""
    kept = {key: before[key] for key in chosen if key in before}
    free = (slot for slot in count() if slot not in kept.values())
    return {key: Mark(kept[key] if key in kept else next(free)) for key in chosen}


def _from_link(offered: dict[str, Entry]) -> tuple[list[str], list[str]]:
    """The runs that the link names, and names in it that are no run's: `runs=a,b` or `runs=a&runs=b`."""
    values = st.query_params.get_all(KEY)
    split = [[value] if value in offered else value.split(",") for value in values]
    named = [key_of(name) for names in split for name in names if name]
    known = [name for name in dict.fromkeys(named) if name in offered]
    return known, [name for name in named if name not in offered]


def _names(offered: dict[str, Entry]) -> dict[str, str]:
    """What each is called in the list, all different: Streamlit tells options apart by what is shown."""

    def name(entry: Entry) -> str:
        group = entry.result.group or "Baselines"
        return f"{group} · {entry.result.title}" if entry.shipped else entry.result.title

    names = {key: name(entry) for key, entry in offered.items()}
    often = Counter(names.values())
    return {key: f"{shown} ({key})" if often[shown] > 1 else shown for key, shown in names.items()}


def listed_of(everything: dict[str, Entry]) -> dict[str, Entry]:
    """Of all runs those that are listed for whoever looks, and those that the link names."""

    def whose(key: str) -> str:
        return "" if everything[key].shipped or key in named else everything[key].run.owner()

    named = _from_link(everything)[0]
    return {key: everything[key] for key in listed("run", everything, whose)}


def _show(keys: list[str]) -> None:
    st.session_state[KEY] = keys


def choose(offered: dict[str, Entry]) -> list[str]:
    """Keys of the runs to show, at most `MOST`; the choice stands in the link."""
    state = st.session_state
    if says_anew(KEY):
        known, unknown = _from_link(offered)
        if unknown:
            st.warning(f"There is no run {plain(unknown[0][:80])} here. It may have been deleted.")
        if len(known) > MOST:
            st.warning(f"At most {MOST} runs can be compared: these are the first of {len(known)}.")
        state[KEY] = known[:MOST] or first_choice(offered)
    elif not offered.keys() >= set(state[KEY]):  # one was deleted meanwhile
        state[KEY] = [key for key in state[KEY] if key in offered]
    names = _names(offered)
    with st.popover("Choose runs", icon=":material/checklist:"):
        chosen = st.multiselect(
            "Runs",
            list(offered),
            format_func=names.__getitem__,
            key=KEY,
            max_selections=MOST,
            placeholder="Type part of a name",
            persist_state="page",
            help=f"Your own, newest first, then the baselines that come with the program. At most {MOST}.",
        )
        own = [key for key, entry in offered.items() if not entry.shipped]
        sets = ({"My runs": own} if own else {}) | groups(offered)
        st.caption("Or a whole group")
        for title, keys in sets.items():
            st.button(f"{plain(title)} ({len(keys)})", key=f"all-{title}", on_click=_show, args=[keys[:MOST]])
    if chosen:
        st.query_params[KEY] = ",".join(chosen) if not any("," in key for key in chosen) else chosen
    else:
        st.query_params.pop(KEY, None)
    return chosen


def _standing(m: Member) -> str:
    """How a run stands, in a few words; of a shipped one that came to its end, where it comes from."""
    words = ["⚠"] if m.status.warnings else []
    ended = m.entry.shipped and m.status.state == "finished"
    words.append(m.entry.result.source if ended else LOOK[m.status.state][2])
    if m.status.state in ALIVE and m.status.images_total:
        words.append(f"{min(1.0, m.seen / m.status.images_total):.0%}")
    return " ".join(words)


def legend(members: list[Member], marked: dict[str, Mark]) -> None:
    """The runs with their marks and how they stand; one's own link to the page that watches them."""
    items = []
    for m in members:
        title, about = escape(m.title), escape(_standing(m))
        shown = title if m.entry.shipped else f'<a href="train?run={quote(m.key, safe="")}">{title}</a>'
        items.append(
            f'<li>{marked[m.key].img()}<span title="{title}">{shown}</span><small title="{about}">{about}</small></li>'
        )
    st.html(Path(__file__).with_name("runs.css"))
    st.html(f'<ul class="runs-key" tabindex="0" aria-label="The runs and their marks">{"".join(items)}</ul>')


def _line(text: str) -> str:
    """On one line, since a new one would end the list that it stands in."""
    return plain(" ".join(text.split()))


def said(members: list[Member], marked: dict[str, Mark]) -> None:
    """What is to be said of the runs: how they ended, their warnings, and remarks."""
    lines = []
    for m in members:
        texts = [f":material/warning: {_line(w)}" for w in m.status.warnings]
        silent = m.status.state == "failed" and not m.entry.shipped and not may_change(m.entry.run.owner())
        message = "" if silent else m.status.message  # why one failed may name its owner's files
        texts += [_line(text) for text in (message, *m.entry.result.remarks) if text]
        if texts:
            lines.append(f"- **{marked[m.key].letter}** {_line(m.title)}: " + " ".join(texts))
    if lines:
        with st.expander(f"Warnings and remarks on {len(lines)} of the runs", icon=":material/notes:"):
            st.markdown("\n".join(lines))
