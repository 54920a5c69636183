"""Real images from the Hugging Face Hub: searched for, seen with size and licence, then fetched. Nobody is asked before
a button is pressed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import streamlit as st

from gan_core.errors import UserError
from gan_core.files import size_text
from studio.data import hub
from studio.data.downloads import Download, dismiss, downloads, start
from studio.data.options import ALL
from studio.models.ui_list import card
from studio.text import plain
from studio.ui_visitor import owner

MOST_ASKED = 200  # letters


def data_set(key: str) -> str:
    """Asks for a data set and fetches it: the source, pinned to its commit; "" while it is not here."""
    state: dict[str, Any] = st.session_state.setdefault(f"{key}-hub", {})
    with st.form(f"{key}-hub-form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search the Hub, or name a data set",
            placeholder="knee radiograph, or owner/name",
            max_chars=MOST_ASKED,
            key=f"{key}-hub-text",
            help="Also owner/name:split, owner/name@revision, or the address of its page. You see the details before "
            "anything is downloaded.",
        ).strip()
        asked = st.form_submit_button("Ask the Hub", icon=":material/search:")
    if asked and text:
        state.clear()
        _ask(state, text)
    if not state:
        _known(state, key)
    else:
        st.button(
            "Public sets", key=f"{key}-hub-back", icon=":material/arrow_back:", type="tertiary", on_click=state.clear
        )
    if "hits" in state:
        _hits(state, key)
    if error := state.get("error"):
        st.error(plain(error))
    if "offer" not in state:
        _watch(lambda: downloads(owner()))
        return ""
    return _offer(state["offer"], key)


def _ask(state: dict[str, Any], text: str) -> None:
    """Puts what the Hub says of a name, or has found for words, into `state`."""
    with st.spinner("Asking the Hub"):
        try:
            if hub.names_one(text):
                state["offer"] = hub.look(text)
            else:
                state["hits"] = hub.search(text)
        except UserError as error:
            state["error"] = str(error)


def _choose(state: dict[str, Any], text: str) -> None:
    for name in ("offer", "error"):
        state.pop(name, None)
    _ask(state, text)


def _known(state: dict[str, Any], key: str) -> None:
    """Public sets by name, with what is known of them before the Hub is asked."""
    st.caption("The Hub is not contacted until you press a button. Public sets of radiographs:")
    for known in hub.KNOWN:
        st.button(
            known.title,
            key=f"{key}-hub-{known.source}",
            icon=":material/travel_explore:",
            type="tertiary",
            on_click=_choose,
            args=(state, known.source),
        )
        st.caption(known.about)


def _hits(state: dict[str, Any], key: str) -> None:
    hits = {hit.repo: hit for hit in state["hits"]}
    if not hits:
        st.info("The Hub has no data set matching these words. Try fewer words, or name one as owner/name.")
        return

    def said(repo: str) -> str:
        hit = hits[repo]
        return " · ".join(filter(None, (repo, hit.licence or "no licence stated", hit.size)))

    chosen = st.selectbox(
        f"Found: {len(hits)}, most downloaded first",
        list(hits),
        index=None,
        format_func=said,
        placeholder="Choose one to see what it is",
        key=f"{key}-hub-hit",
    )
    if chosen and state.get("looked") != chosen:
        state["looked"] = chosen
        _choose(state, chosen)


def _offer(offer: hub.Offer, key: str) -> str:
    """What it is; then the button, how far it is, or the source."""
    with st.container(border=True):
        st.markdown(f"**{plain(offer.repo)}**  \nLicence: **{plain(offer.licence or 'not stated')}**")
        if not offer.licence:
            st.warning("Ask its owner before you use it.", icon=":material/gavel:")
        if offer.gated:
            st.caption(":material/lock: Gated: its owner must grant you access, and HF\\_TOKEN must hold your token.")
        elif offer.private:
            st.caption(":material/lock: Private: accessed with this computer's token.")
        with st.expander("Data card", icon=":material/description:"):
            card(offer.card)
        names = {"": "The training images, or all" if len(offer.parts) > 2 else "All of them", ALL: "All of them"}
        parts = [part for part in offer.parts if part != ALL or len(offer.parts) > 2]
        part = st.selectbox(
            "Images of",
            parts,
            index=parts.index(offer.asked),
            format_func=lambda p: f"{names.get(p, p)} · {size_text(offer.sizes[p])}",
            key=f"{key}-hub-part-{offer.repo}",
        )
        here = offer.is_here(part)

        def mine() -> list[Download]:
            return [d for d in downloads(owner()) if d.offer.source(d.part) == offer.source(part)]

        def begin() -> None:
            start(owner(), offer, part)

        def offered() -> None:
            if here or any(d.running for d in mine()):
                return
            files = len(offer.needed(part))
            said = f"{files:,} files" if files != 1 else "1 file"
            st.caption(f"{said} at commit {offer.commit[:12]}. Each file is checked, and none of its code is run.")
            too_large = offer.sizes[part] > hub.MAX_HUB_BYTES
            if too_large:
                st.warning(f"At most {size_text(hub.MAX_HUB_BYTES)} can be downloaded. Choose a part of it.")
            st.button(
                f"Fetch it ({size_text(offer.sizes[part])})",
                type="primary",
                icon=":material/download:",
                key=f"{key}-hub-fetch",
                disabled=too_large,
                # Not after the button: a click while the page is drawn anew would be lost.
                on_click=begin,
            )

        _watch(lambda: [d for d in mine() if not d.source], offered)
        if here:
            for download in mine():
                if download.source:  # it need not be told once more
                    dismiss(download)
            st.markdown(":material/check: It is on this computer.")
    return offer.source(part) if here else ""


def _watch(find: Callable[[], list[Download]], offer: Callable[[], None] = lambda: None) -> None:
    """The downloads that `find` finds, and how far they are; they go on when the page is left. Below them what `offer`
    draws."""

    def running() -> list[Download]:
        return [download for download in find() if download.running]

    before = running()

    @st.fragment(run_every=timedelta(seconds=1) if before else None)
    def live() -> None:
        for download in find():
            _download(download)
        offer()
        if running() != before:  # one has begun or ended: the rest of the page is told
            st.rerun(scope="app")

    live()


def _download(download: Download) -> None:
    name = plain(download.offer.repo)
    key = f"{download.offer.source(download.part)}-{download.ident}"
    if download.running:
        st.progress(min(1.0, download.done / max(1, download.total)), f"**{name}** · {plain(download.text())}")
        st.button("Cancel", icon=":material/close:", key=f"cancel-{key}", on_click=download.cancel)
        return
    if download.source:
        st.success(f"{name} is ready: find it under Remembered on every page.", icon=":material/check:")
    elif download.message:
        st.error(f"{name}: {plain(download.message)}")
    else:
        st.info(f"{name}: cancelled. Files that were complete will not be downloaded again.")
    st.button("Close", icon=":material/close:", key=f"close-{key}", on_click=dismiss, args=(download,))
