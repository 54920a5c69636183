"""One knee of one film: "is this the right knee, is the box right?"."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from studio.data.crops import Film
from studio.knee import marks
from studio.knee.localizer.boxes import Knee, cut, framed, is_crop
from studio.knee.localizer.ui_boxes import boxes
from studio.text import plain

SHOWN = 144  # pixels of a crop on the page


def choose(film: Film, key: str) -> Knee | None:
    """Shows a film with its knees and lets a person put the boxes right: the knee to go on with, in the box that is
    shown; None where there is none."""
    pixels = film.pixels
    height, width = pixels.shape
    found = [framed(knee) for knee in film.knees]
    drawn = f"{key}-drawn-{film.name}"
    if not found and not st.session_state.get(drawn):
        st.error(
            "No knee was found on this picture, so there is nothing to search for: what is no knee would only be held "
            "against knees."
        )
        if not st.button("Draw a box yourself", icon=":material/select:", key=f"{key}-draw"):
            return None
        st.session_state[drawn] = True
        st.rerun()
    if not found:
        found = [Knee(width / 2, height / 2, min(width, height) * 0.9, mm=film.spacing)]
    crop = is_crop(pixels.shape, film.knees)
    with st.expander("The box", icon=":material/crop:") if crop else st.container():
        if not crop:
            st.markdown("**1. Is this the knee you mean, and does the box fit?**")
        left, right = st.columns([3, 2], gap="medium")
        with left:
            knees = boxes(pixels, found, film.name, key)
        with right:
            _scale(film, knees)
            knee = _which(pixels, knees, key)
    # A crop whose box is as it was found goes on whole, as it did before it had a box.
    if knee and crop and knees == found:
        return replace(knee, x=width / 2, y=height / 2, side_px=float(min(width, height)), angle=0.0)
    return knee


def _scale(film: Film, knees: list[Knee]) -> None:
    mm = next((knee.mm for knee in knees if knee.mm), None)
    st.caption(
        f"Scale: {mm:.3g} mm per pixel ({plain(film.spacing_from)})."
        if mm
        else "Scale: not known, so no lengths in mm."
    )
    if film.remark:
        st.warning(plain(film.remark))


def _which(film: NDArray[np.uint8], knees: list[Knee], key: str) -> Knee | None:
    """The knees' crops beside each other, for a person to choose one where there are several."""
    if not knees:
        st.info("No box is left. Add one where a knee is.")
        return None
    with st.container(horizontal=True, gap="small"):
        for i, knee in enumerate(knees, 1):
            said = marks.told(knee.side, knee.mm)
            st.image(picture(film, knee, SHOWN), caption=f"{i}. {said}", width=SHOWN, alt=f"Knee {i}: {said}")
    if len(knees) == 1:
        return knees[0]
    chosen = st.segmented_control(
        "Which knee",
        range(len(knees)),
        default=0,
        required=True,
        format_func=lambda i: f"{i + 1}. {marks.SIDES[knees[i].side]}",
        key=f"{key}-which-{len(knees)}",
    )
    return knees[chosen or 0]


def picture(film: NDArray[np.uint8], knee: Knee, side: int) -> str:
    """A knee's crop, marked, as the address of an `img`."""
    return marks.address(cut(film, knee, side), knee.side, knee.mm and knee.mm * knee.side_px / side)
