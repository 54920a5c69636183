"""The models on this computer: what each makes, where it came from, and what can be done with it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Literal

import streamlit as st

from gan_core import images
from gan_core.errors import UserError
from gan_core.files import read_own, size_text
from gan_core.generate import generate
from gan_core.model import CARD, ModelConfig, load_model
from studio import hosting
from studio.models.inventory import Item, inventory, whose
from studio.models.pull import body
from studio.models.store import remove
from studio.text import plain
from studio.ui_visitor import listed, may_change

STRIP = 3  # images that show what a model makes
FIRST = 8  # models shown before "Show all"
MOST_OF_CARD = 20_000  # characters
Color = Literal["gray", "blue", "violet", "green"]
BADGES: dict[str, tuple[str, str, Color]] = {
    "shipped": ("Shipped", ":material/inventory_2:", "gray"),
    "hub": ("From the Hub", ":material/cloud_download:", "blue"),
    "upload": ("From a file", ":material/upload_file:", "violet"),
    "run": ("Trained here", ":material/model_training:", "green"),
}


def show() -> None:
    """Draws the list."""
    everything = {item.name: item for item in inventory()}
    found = [everything[name] for name in listed("model", everything, lambda name: whose(everything[name].folder))]
    if removed := st.session_state.pop("removed_model", None):
        st.toast(f"{plain(removed)} was removed from this computer.", icon=":material/delete:")
    if not found:
        st.info("There is no model yet. Train one, or get one from the Hub.", icon=":material/model_training:")
        st.page_link("../pages/train.py", label="Go to Train", icon=":material/arrow_forward:")
        return
    every = len(found) <= FIRST or st.toggle(f"Show all {len(found)}", key="every_model")
    for item in found if every else found[:FIRST]:
        with st.container(border=True):
            _one(item)


def _one(item: Item) -> None:
    word, icon, color = BADGES[item.kind]
    picture, text = st.columns([1, 2], vertical_alignment="center")
    with picture:
        try:
            strip = _strip(item.folder, item.when)
            st.image(strip, width="stretch", alt=f"{STRIP} synthetic images by {item.name}")
        except UserError as error:
            st.error(plain(str(error)))
    with text:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(item.name)}**", width="content")
            st.badge(word, icon=icon, color=color)
        size = sum(p.stat().st_size for p in item.folder.rglob("*") if p.is_file())
        said = [facts(item.config), size_text(size), time.strftime("%d %b %Y", time.localtime(item.when))]
        if item.kind == "hub" or item.licence:
            said.append(f"licence {plain(item.licence or 'not stated')}")
        st.caption(" · ".join(said))
        with st.container(horizontal=True, gap="small"):
            open_button(item.name)
            with st.popover("Card", icon=":material/description:"):
                card(_card(item.folder))
            if (
                not hosting.hosted()  # no visitor publishes in the host's name
                and item.kind in ("run", "upload")
                and st.button("Share", icon=":material/cloud_upload:", key=f"share-{item.name}")
            ):
                st.session_state.open_view, st.session_state.share_model = "share", item.name
                st.rerun()
            if item.kind in ("hub", "upload") and may_change(whose(item.folder)):
                _remove(item.name)


def open_button(name: str, place: str = "") -> None:
    """Goes to the gallery with this model. `place` tells apart several such buttons of a page."""
    if st.button("See its images", icon=":material/grid_view:", key=f"open-{name}-{place}"):
        st.switch_page("../pages/gallery.py", query_params={"model": name})


def _remove(name: str) -> None:
    """Asks, and removes."""
    with st.popover("Remove", icon=":material/delete:"):
        st.write(f"Remove {plain(name)} from this computer, for everybody who uses it?")
        if st.button("Remove it", type="primary", key=f"remove-{name}"):
            remove(name)
            st.session_state.removed_model = name
            st.rerun()


@st.cache_data(max_entries=200, show_spinner=False)
def _strip(folder: Path, when: float) -> bytes:
    """A PNG: what the first seeds make, side by side."""
    return images.png(images.grid(generate(load_model(folder), range(STRIP)), STRIP))


def _card(folder: Path) -> str:
    try:
        return body(read_own(folder / CARD, folder).decode("utf-8", "replace"))
    except OSError:
        return ""


def facts(config: ModelConfig) -> str:
    """What a model makes, in one line of Markdown."""
    names = ", ".join(config.class_names) if len(config.class_names) <= 8 else f"{len(config.class_names):,} classes"
    made = f"{plain(config.label_name)} {plain(names)[:200]}" if config.class_names else "no classes"
    side = config.net.resolution
    return f"{side} × {side} pixels · {made} · trained on {plain(config.data or 'unnamed data')}"


def card(text: str) -> None:
    """Draws a model's card, which may be a stranger's: no picture is fetched from anywhere, and no heading is larger
    than the page's own."""
    if not text:
        st.caption("It has no card.")
        return
    text = re.sub(r"^#{1,6}(?=\s)", "#####", text[:MOST_OF_CARD], flags=re.MULTILINE)
    text = re.sub(r"([$]|:(?=\w))", r"\\\1", text.replace("![", "["))
    with st.container(height=420):
        st.markdown(text)
