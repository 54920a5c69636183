"""HTML of our own on a page: components with their script and style, and marked pictures."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import streamlit as st

VIEWER = Path(__file__).parent / "viewer/viewer"


def component(
    folder: Path, name: str, html: str, *styles: str, viewer: bool = False
) -> st.components.v2.types.ComponentRenderer:
    """The component of `name.js` and `name.css` in `folder`; further `styles` come before its own, and before all of
    it, where that is asked for, the `viewer` of radiographs."""
    before = [VIEWER] if viewer else []
    css, js = (
        "\n".join(path.with_suffix(suffix).read_text(encoding="utf-8") for path in paths)
        for suffix, paths in (
            (".css", [*before, *(folder / style for style in (*styles, name))]),
            (".js", [*before, folder / name]),
        )
    )
    return st.components.v2.component(name, html=html, css=css, js=js)


def src(content: bytes, kind: str = "png") -> str:
    """A picture of this kind as the address of an `img`."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def figure(address: str, mark: str, said: str, look: str = "", note: str = "") -> str:
    """A picture with its mark, real or synthetic, what is said of it, and a note below; `look` is a class of styles."""
    styled = f' class="{look}"' if look else ""
    told = f"{escape(said)}<br>{escape(note)}" if note else escape(said)
    return (
        f'<figure{styled}><img src="{escape(address)}" alt="A {mark.lower()} image, {escape(said)}">'
        f'<figcaption><b class="{mark.lower()}">{mark}</b> {told}</figcaption></figure>'
    )
