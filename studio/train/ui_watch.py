"""Watching a training: it is another process; here its run directory is read, every two seconds."""

from __future__ import annotations

import streamlit as st

from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.train.run import Run
from studio import runs as lineup
from studio.jobs import ui_view as job_view
from studio.runs import media
from studio.runs import ui_curves as curves
from studio.text import plain


def _gallery(run: Run) -> None:
    if run.generator_path.is_dir() and st.button("Open in gallery", icon=":material/grid_view:"):
        st.switch_page("../pages/gallery.py", query_params={"model": run.name})


def _samples(run: Run) -> None:
    samples = run.samples()
    if not samples:
        if run.alive():
            st.info("The first samples will appear in a moment.")
        return
    moments = list(samples)
    at = moments[-1]
    if len(moments) > 1:
        # A new picture moves the slider only while it stands at the end: whoever looks back is left in peace.
        key = f"moment-{run.name}"
        if st.session_state.get(f"{key}-last") == st.session_state.get(key):
            st.session_state[key] = at
        st.session_state[f"{key}-last"] = at
        at = st.select_slider("Samples after this many images", moments, key=key, format_func=lambda n: f"{n:,}")
    try:
        picture = _sheet(run, at, samples[at].stat().st_mtime_ns)
        st.image(picture, width="stretch", output_format="PNG", alt=f"Synthetic samples after {at:,} images")
    except (UserError, OSError) as error:
        st.warning(plain(str(error)))
    classes = run.config().conditioning != "none"
    st.caption("The seeds are the same throughout." + (" Each row is a seed, each column a class." if classes else ""))


@st.cache_data(max_entries=32, show_spinner=False)
def _sheet(run: Run, nimg: int, stamp: int) -> bytes:
    return lineup.sheet(run, nimg)


def _take_away(run: Run) -> None:
    st.subheader("Downloads")
    with st.container(horizontal=True):
        st.download_button("Animation (GIF)", lambda: media.animation_gif(run), f"{run.name}.gif", on_click="ignore")
        if media.has_ffmpeg():
            st.download_button("Video (MP4)", lambda: media.animation_mp4(run), f"{run.name}.mp4", on_click="ignore")
        st.download_button("Curves (PNG)", lambda: media.curves_png(run), f"{run.name}-curves.png", on_click="ignore")
        st.download_button("Curves (CSV)", lambda: media.curves_csv(run), f"{run.name}.csv", on_click="ignore")
    if st.toggle("Show the networks"):
        picture = _architecture(*media.run_nets(run))
        st.image(picture, alt="The generator and the discriminator, layer by layer")
        st.download_button("Networks (PNG)", picture, f"{run.name}-networks.png", on_click="ignore")


@st.cache_data(max_entries=8)
def _architecture(g: NetConfig, d: NetConfig) -> bytes:
    return media.architecture_png(g, d)


def watch(run: Run) -> None:
    """Draws the run; while it is at work, over and over."""
    job_view.watch(run, "run", lambda: _gallery(run), lambda: _progress(run), seconds=2)
    if run.samples():
        _take_away(run)


def _progress(run: Run) -> None:
    for warning in run.status().warnings:
        st.warning(plain(warning), icon=":material/warning:")
    left, right = st.columns([2, 3], gap="large")
    with left:
        _samples(run)
    with right:
        curves.of_run(run)
