"""HTML of our own on a page: components with their script and style, and marked pictures."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import streamlit as st


def component(folder: Path, name: str, html: str, *styles: str) -> st.components.v2.types.ComponentRenderer:
    """The component of `name.js` and `name.css` in `folder`; further `styles` come before its own."""
    css = "\n".join((folder / f"{style}.css").read_text(encoding="utf-8") for style in (*styles, name))
    return st.components.v2.component(name, html=html, css=css, js=(folder / f"{name}.js").read_text(encoding="utf-8"))


def src(png: bytes) -> str:
    """A PNG as the address of an `img`."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def figure(address: str, mark: str, said: str, look: str = "", note: str = "") -> str:
    """A picture with its mark, real or synthetic, what is said of it, and a note below; `look` is a class of styles."""
    styled = f' class="{look}"' if look else ""
    told = f"{escape(said)}<br>{escape(note)}" if note else escape(said)
    return (
        f'<figure{styled}><img src="{escape(address)}" alt="A {mark.lower()} image, {escape(said)}">'
        f'<figcaption><b class="{mark.lower()}">{mark}</b> {told}</figcaption></figure>'
    )
