"""What the tabs of the Compare page say about two sides."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from gan_core.errors import UserError
from studio.compare import ui_films as compare
from studio.compare.sides import Sides
from studio.compare.space import Nearness, methods, of_100
from studio.compare.tones import finest_in_words, histograms, spectra
from studio.evaluate import ui_charts as charts
from studio.evaluate.tables import grays, power
from studio.text import plain

WHAT_TO_LOOK_FOR = {
    "spectrum": "Left is coarse, such as the shape of the knee; right is fine, such as bone texture. Networks give "
    "themselves away at the right end: a drop means too smooth, a rise means grain or a checkerboard, a single "
    "bump a repeating pattern.",
    "brightness": "The curves should coincide. A missing peak on the left means no black background, a narrow curve "
    "too little contrast, a spike a gray level that the network favours.",
}
ENOUGH = 50  # real images to call one in twenty unusual
MEASURES = {"spectrum": spectra, "brightness": histograms}


def tones(found: Sides) -> None:
    """Histograms and spectra, each with what to look for and its gap beside the floor."""
    for column, (name, measure) in zip(st.columns(2, gap="large"), MEASURES.items(), strict=True):
        with column:
            try:
                what = measure(found)
            except UserError as error:
                st.info(plain(str(error)))
                continue
            fake, real = what.fake.tolist(), what.real.tolist()
            chart = power(what.x.tolist(), fake, real) if name == "spectrum" else grays(fake, real)
            st.markdown(f"**{chart.title}**")
            charts.draw(chart)
            floor = f"Real to other real patients: {what.floor:.2f} {what.unit}." if what.floor is not None else ""
            st.markdown(f"**Synthetic to real: {what.gap:.2f} {what.unit}.** {floor} {what.words}")
            st.caption(WHAT_TO_LOOK_FOR[name])
            if name == "spectrum":
                st.markdown(finest_in_words(what))
    st.caption(
        "The gap between spectra is in decibels: 3 dB is twice the power. The gap in brightness is the number of "
        "gray levels, of 256, by which a pixel would have to change on average."
    )


def fakes_by_nearness(found: Sides, near: Nearness) -> list[int]:
    """The seeds, that of the fake nearest to a real first."""
    return [found.first_seed + int(i) for i in near.distance[:, 0].argsort(kind="stable")]


def one_fake(found: Sides, near: Nearness, fake: int, query: compare.Query) -> None:
    """A fake wiped over its nearest real, and its nearest reals with how near that is."""
    index, distance = near.index[fake].tolist(), near.distance[fake].tolist()
    left, right = st.columns([2, 3], gap="large")
    with left:
        compare.slider(found, fake, index[0])
        st.caption("Drag across the image, or focus it and use the arrow keys.")
    with right:
        closest = near.nearer_than_closest(distance[0])
        if closest is None:
            st.info("The real images are all of one patient: how far real patients are from each other is not known.")
        else:
            st.markdown(
                f"Its nearest real image is at a distance of **{distance[0]:.3g}**. Real images whose nearest image "
                f"of another patient is farther away than that: **{of_100(closest)}**."
            )
            if len(found.real) < ENOUGH:
                st.caption("There are too few real images to tell what is unusual.")
            elif closest > 0.95:
                st.caption("That is unusually close. Are they the same knee? Drag across the image to compare.")
            elif closest < 0.05:
                st.caption("That is unusually far: no real image here looks much like it.")
        reals = zip(index, distance, strict=True)
        compare.row(
            [
                compare.film(found.fake, fake, query),
                *(compare.film(found.real, i, note=_distance(near, d)) for i, d in reals),
            ]
        )
    st.info(f"{found.about_copies} Distances are in the features of the knee encoder.", icon=":material/content_copy:")
    st.page_link("../pages/evaluate.py", label="Look for copies in Evaluate", icon=":material/straighten:")


def _distance(near: Nearness, distance: float) -> str:
    share = near.nearer_than_pairs(distance)
    if share is None:
        return f"Distance {distance:.3g}"
    pairs = of_100(share).replace("none", "no")
    return f"Distance {distance:.3g}: {pairs} pairs of different real patients are farther apart"


def atlas(choice: compare.Choice, found: Sides, chosen: str, on_chosen: Callable[[], None]) -> None:
    """The map of both sides."""
    offered = methods()
    method = (
        st.segmented_control("Laid out by", offered, default=offered[0], required=True, key="method")
        if len(offered) > 1
        else offered[0]
    )
    at = compare.places(choice, method, compare.seen(choice, found))
    compare.atlas(choice, found, at, chosen, on_chosen)
    share = (
        f" These two directions hold {at.shown:.0%} of the differences: points that are close here may differ in "
        "others."
        if at.shown is not None
        else ""
    )
    st.caption(
        "Images that the knee encoder finds alike lie close together. Diamonds far from any circle are knees unlike "
        f"any patient's; circles far from any diamond are knees that the model leaves out.{share}"
    )
