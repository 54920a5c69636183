"""The form that starts a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from gan_core import launch
from gan_core.config import TrainConfig
from gan_core.data.pixels import Fit
from gan_core.errors import UserError
from gan_core.presets import ADDITIONS, PRESETS, configure, parse_settings
from gan_core.runs import create_run, runs_root
from studio import sources

NAMED = {
    "Phantom knees": ("phantom:2000", "Drawn from physics by this program: no download, no patient. A good first try."),
    "Digits": ("digits", "1,797 handwritten digits that come with scikit-learn. Learns in a minute or two."),
    "Fashion-MNIST": ("fashion-mnist", "70,000 small pictures of clothing; fetched once from the internet."),
}
FOLDER, UPLOAD = "Folder", "Upload"
FITS: dict[str, Fit] = {"Cut the edges": "crop", "Add black": "pad"}
RESOLUTIONS = (28, 32, 64, 96, 126, 128, 256)


def _source() -> tuple[str, str] | None:
    """What the person chose to train on, and a name for it; None while nothing is."""
    kind = st.segmented_control("Images", [*NAMED, FOLDER, UPLOAD], default="Phantom knees", required=True, wrap=True)
    if kind in NAMED:
        source, note = NAMED[kind]
        st.caption(note)
        return source, source.split(":")[0]
    if kind == FOLDER:
        path = st.text_input(
            "Folder, zip or DICOM file on the computer that runs this",
            placeholder="/data/knees/train",
            help="A folder of images, or one folder for each class. PNG, JPEG, TIFF and DICOM, also in a zip.",
        ).strip()
        return (path, Path(path).stem) if path else None
    files = st.file_uploader(
        "A zip, or images", accept_multiple_files=True, help="PNG, JPEG, DICOM; in a zip, one folder for each class."
    )
    return (sources.keep_upload(files, runs_root()), "upload") if files else None


def _show(found: sources.Summary) -> None:
    with st.container(border=True):
        st.markdown(f"**{found.count:,} images**, as the networks will see them")
        st.image(found.pngs, caption=found.captions, width=88)
        if found.classes:
            st.caption("Classes: " + ", ".join(f"{name} ({n:,})" for name, n in found.classes.items()))
        else:
            st.caption("No classes: for those, put the images in one folder for each.")
        if found.skipped:
            with st.expander(f"{len(found.skipped)} files were left out"):
                st.dataframe([{"file": s.file, "why": s.reason} for s in found.skipped[:200]])


def _recipe(classes: int) -> str:
    """The chosen preset's name, with its additions."""
    base = st.selectbox(
        "Recipe", list(PRESETS), help="What the two networks look like and by which rule they play against each other."
    )
    st.caption(PRESETS[base].summary)
    if base == "acgan" and classes < 2:
        st.warning("This recipe needs images with classes.")
    fits = list(ADDITIONS) if PRESETS[base].settings.get("loss") != "relativistic" else ["augment"]
    added = st.pills(
        "Additions",
        fits,
        selection_mode="multi",
        help=" ".join(f"**{name}**: {ADDITIONS[name].summary}." for name in fits),
    )
    return "+".join([base, *(name for name in fits if name in (added or []))])


def _settings(preset: str, source: str, resolution: int, fit: Fit, count: int, classes: int) -> TrainConfig:
    """The settings of the run, from the form. Raises `UserError` where they do not fit."""
    unlabelled = {"conditioning": "none"} if classes < 2 and not preset.startswith("acgan") else {}
    base = configure(preset, **unlabelled)
    kimg = st.number_input(
        "Length, in thousands of images shown",
        0.1,
        1e6,
        base.kimg,
        help="How many real images the critic sees in all, each many times.",
        key=f"kimg-{preset}",
    )
    st.caption(f"{kimg * 1000 / count:,.1f} passes over the {count:,} images (epochs).")
    with st.expander("More settings", icon=":material/tune:"):
        left, right = st.columns(2)
        key = preset
        changes: dict[str, Any] = {
            "batch": left.number_input("Images at a time (batch)", 2, 4096, base.batch, key=f"batch-{key}"),
            "seed": right.number_input("Seed", 0, 2**31 - 1, base.seed, key=f"seed-{key}"),
            "g_lr": left.number_input("Generator's rate", 1e-6, 1.0, base.g_lr, format="%g", key=f"g_lr-{key}"),
            "d_lr": right.number_input("Critic's rate", 1e-6, 1.0, base.d_lr, format="%g", key=f"d_lr-{key}"),
            "sample_kimg": left.number_input(
                "A picture each so many thousand images",
                0.1,
                1e5,
                min(base.sample_kimg, max(0.1, kimg / 50)),
                key=f"sample-{key}",
            ),
            "tick_kimg": right.number_input(
                "A point on the curves each so many thousand",
                0.1,
                1e5,
                min(base.tick_kimg, max(0.1, kimg / 50)),
                key=f"tick-{key}",
            ),
        }
        if classes >= 2:
            name = "KL grade" if source.startswith("phantom") else base.label_name
            changes["label_name"] = st.text_input("What a class is called", name, key=f"label-{key}-{source}")
        other = st.text_area("Any other setting, as key=value, one a line", placeholder="r1_gamma=2\nmirror=true")
        with st.popover("Which settings are there?"):
            st.dataframe([{"setting": k, "value": str(v)} for k, v in base.model_dump().items()], height=400)
    chosen = {"data": source, "resolution": resolution, "fit": fit, "kimg": kimg}
    return configure(preset, **(unlabelled | changes | parse_settings(filter(None, other.splitlines())) | chosen))


def new_training() -> None:
    """Draws the form; on start, the page goes over to watching the new run."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("1. Images")
        source = _source()
        with st.container(horizontal=True):
            resolution = st.selectbox("Side in pixels", RESOLUTIONS, index=RESOLUTIONS.index(64), width=140)
            shape = st.segmented_control("If not square", list(FITS), default="Cut the edges", required=True)
            fit = FITS[shape]
        if source is None:
            st.info("Say where the images are, and you will see them here before anything starts.")
            return
        try:
            found = sources.summary(source[0], resolution, fit)
        except UserError as error:
            st.error(str(error))
            return
        _show(found)
    with right:
        st.subheader("2. Recipe")
        preset = _recipe(len(found.classes))
        try:
            config = _settings(preset, source[0], resolution, fit, found.count, len(found.classes))
        except UserError as error:
            st.error(str(error))
            return
        st.subheader("3. Start")
        other = launch.busy()
        if other and launch.refuses_when_busy():
            st.info(f"{other.name} is training, and this server trains one at a time.")
        elif other:
            st.info(f"{other.name} is training. Yours will wait for its turn.")
        if st.button("Start training", type="primary", icon=":material/play_arrow:", width="stretch"):
            run = create_run(config, source[1])
            launch.start(run)
            st.query_params["run"] = run.name
            st.rerun()
