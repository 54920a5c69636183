"""The loop through the seeds, to take away as GIF or MP4."""

from __future__ import annotations

import streamlit as st

from gan_core.model import Model
from studio.explore.directions import Direction
from studio.explore.film import gif, loop_film, mp4
from studio.explore.latent import Latent
from studio.models.ui_models import Entry
from studio.runs.media import has_ffmpeg
from studio.ui_progress import progress


def offer(entry: Entry, model: Model, directions: list[Direction], latent: Latent) -> None:
    """A button that makes the film, then the film. It is kept until the seeds or the sliders change."""
    state = st.session_state
    what = (entry.name, entry.stamp, latent.model_copy(update={"at": 0.0}))
    with st.container(border=True):
        st.markdown("**Save the loop**")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            seconds = st.slider("Seconds from knee to knee", 0.5, 5.0, 2.0, 0.5, width=260)
            kinds = ["GIF", "MP4"] if has_ffmpeg() else ["GIF"]
            kind = st.segmented_control("File", kinds, default="GIF", required=True)
            wanted = st.button("Make the animation", icon=":material/movie:", type="primary")
        if wanted:
            place = st.empty()
            film = loop_film(latent, model, directions, seconds, progress("Frame {done} of {total}", place))
            place.progress(1.0, "Writing the file")
            state.explore_film = ((*what, seconds, kind), gif(film) if kind == "GIF" else mp4(film))
            place.empty()
        made = state.get("explore_film")
        if not made or made[0] != (*what, seconds, kind):
            return
        assert latent.seeds is not None
        name = f"synthetic_{entry.name.replace('/', '_')}_loop_{'-'.join(map(str, latent.seeds))}.{kind.lower()}"
        if kind == "GIF":
            st.image(made[1], width=260, output_format="auto", alt="The loop through the seeds, synthetic images")
        else:
            st.video(made[1], format="video/mp4", loop=True, muted=True, autoplay=True, width=260)
        st.download_button(f"Download {kind}", made[1], name, on_click="ignore", icon=":material/download:")
        st.code(_command(entry, latent, seconds, name), language=None, wrap_lines=True)


def _command(entry: Entry, latent: Latent, seconds: float, name: str) -> str:
    asked = latent.to_query()
    options = [f"--{key} {asked[key]}" for key in ("seeds", "path", "grade", "truncation") if key in asked]
    if "moves" in asked:
        options.append(f"--moves={asked['moves']}")  # may begin with a minus
    return (
        f'python -m gan_core interpolate --model "{entry.name}" {" ".join(options)} --seconds {seconds:g} --out {name}'
    )
