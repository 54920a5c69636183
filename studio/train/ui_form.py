"""The form that starts a training."""

from __future__ import annotations

from typing import Any

import streamlit as st

from gan_core.config import TrainConfig, check_data, remarks
from gan_core.data.decode import Fit
from gan_core.errors import UserError
from gan_core.grades import called
from gan_core.losses import LOSSES
from gan_core.presets import ADDITIONS, PRESETS, configure, fitting, parse_settings
from gan_core.train.run import create_run
from studio import ui_sources as sources
from studio import uploads
from studio.data.options import Question
from studio.data.sources import is_named, stem
from studio.hosting import OFF, train_minutes, visitor_source
from studio.jobs.ui_view import start_button
from studio.text import plain

NAMED = {
    "Phantom knees": ("phantom:2000", "Simulated by this program: no download, no patient. Good for a first try."),
    "Digits": ("digits", "1,797 handwritten digits that come with scikit-learn. Learns in a minute or two."),
    "Fashion-MNIST": ("fashion-mnist", "70,000 small pictures of clothing, downloaded once."),
}
FITS: dict[str, Fit] = {"Cut the edges": "crop", "Add black": "pad"}
CLASSES = 20  # named at most
RESOLUTIONS = (28, 32, 64, 96, 126, 128, 256, 800)


def _name(source: str) -> str:
    """A short name for a run that learns from a source."""
    if uploads.holds(source):
        return "upload"
    if source.startswith("hf:"):
        return stem(source.partition("@")[0])
    return source.partition(":")[0] if is_named(source) else stem(source)


def _show(found: sources.Summary, source: str) -> Any:
    """What the networks will see; returns the place for what is odd about it."""
    with st.container(border=True):
        st.markdown(f"**{found.count:,} images**, as the networks will see them")
        with st.container(horizontal=True, gap="small"):
            for png, caption in zip(found.pngs, found.captions, strict=True):
                st.image(png, caption=plain(caption) or None, width=88, output_format="PNG", alt="A training image")
        if found.classes:
            listed = ", ".join(f"{plain(name)} ({n:,})" for name, n in list(found.classes.items())[:CLASSES])
            more = f" and {len(found.classes) - CLASSES:,} more" if len(found.classes) > CLASSES else ""
            st.caption(f"Classes: {listed}{more}")
        else:
            st.caption("No classes. For classes, put the images in one folder for each, or add a labels.csv.")
        sources.told(found.said)
        sources.left_out(found.skipped)
        place = st.container()
        if not is_named(source):
            sources.set_right(source, "train", found.splits)
    return place


def _take_side() -> None:
    """A recipe made for a side of its own brings it along."""
    if own := PRESETS[st.session_state.recipe].settings.get("resolution"):
        st.session_state.side = own


def _recipe() -> str:
    """The chosen preset's name, with its additions."""
    base = st.selectbox(
        "Recipe",
        list(PRESETS),
        key="recipe",
        on_change=_take_side,
        help="How the two networks are built and the loss by which they compete.",
    )
    st.caption(PRESETS[base].summary)
    fits = fitting(base)
    added = st.pills(
        "Additions",
        fits,
        selection_mode="multi",
        help=" ".join(f"**{name}**: {ADDITIONS[name].summary}." for name in fits),
    )
    return "+".join([base, *(name for name in fits if name in (added or []))])


def _settings(preset: str, source: str, resolution: int, fit: Fit, found: sources.Summary) -> TrainConfig:
    """The settings of the run, from the form. Raises `UserError` where they do not fit."""
    count, classes = found.count, len(found.classes)
    recipe = preset.split("+")[0]  # what was typed stays when an addition is chosen
    unlabelled = {"conditioning": "none"} if classes < 2 and not recipe.startswith("acgan") else {}
    base = configure(preset, **unlabelled)
    kimg = st.number_input(
        "Length, in thousands of images seen",
        0.1,
        1e6,
        base.kimg,
        step=10.0,
        help="How many real images the discriminator sees in total, each of them many times.",
        key=f"kimg-{recipe}",
    )
    st.caption(f"{kimg * 1000 / count:,.1f} passes over the {count:,} images (epochs).")
    judge = LOSSES[base.loss].d_name.capitalize()
    with st.expander("More settings", icon=":material/tune:"):
        left, right = st.columns(2)
        fields: dict[str, Any] = {
            "batch": left.number_input("Images at a time (batch)", 2, 4096, base.batch, key=f"batch-{recipe}"),
            "seed": right.number_input("Seed", 0, 2**31 - 1, base.seed, key=f"seed-{recipe}"),
            "g_lr": left.number_input(
                "Generator's learning rate", 1e-6, 1.0, base.g_lr, format="%g", key=f"g_lr-{recipe}"
            ),
            "d_lr": right.number_input(
                f"{judge}'s learning rate", 1e-6, 1.0, base.d_lr, format="%g", key=f"d_lr-{recipe}"
            ),
        }
        if classes >= 2:
            name = called(found.label_name, base.label_name)
            fields["label_name"] = st.text_input(
                "Name of the label, such as KL grade", name, key=f"label-{recipe}-{source}"
            )
        other = st.text_area(
            "Any other setting, as key=value, one per line",
            placeholder="r1_gamma=2\nmirror=true",
            help="sample_kimg and tick_kimg, the intervals between sample pictures and between points on the curves, "
            "follow from the length.",
        )
        with st.popover("Which settings are there?"):
            st.dataframe([{"setting": k, "value": str(v)} for k, v in base.model_dump().items()], height=400)
    fields |= {"data": source, "resolution": resolution, "fit": fit, "kimg": kimg}
    written = parse_settings(line for line in other.splitlines() if line.strip())
    if twice := sorted(fields.keys() & written.keys()):
        raise UserError(f"{twice[0]} has a field of its own in this form.")
    paced = {name: min(getattr(base, name), max(0.1, kimg / 50)) for name in ("sample_kimg", "tick_kimg")}
    config = configure(preset, **(unlabelled | paced | written | fields))
    visitor_source(config.init)
    check_data(config, count, classes)
    for remark in remarks(config, list(found.classes), found.label_name):
        st.caption(f":material/info: {plain(remark)}")
    return config


def _may_start() -> bool:
    """Says how long a training may take on this server; whether it trains at all."""
    minutes = train_minutes()
    if minutes == 0:
        st.info(OFF)
    elif minutes:
        st.caption(f"On this server a training ends after {minutes:g} minutes. What it has made by then is kept.")
    return minutes != 0


def new_training() -> None:
    """Draws the form; on start, the page goes over to watching the new run."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("1. Images")
        source = sources.choose("Images", "train", NAMED, first="Phantom knees")
        with st.container(horizontal=True):
            resolution = st.selectbox("Side in pixels", RESOLUTIONS, index=RESOLUTIONS.index(64), key="side", width=140)
            shape = st.segmented_control("If not square", list(FITS), default="Cut the edges", required=True)
            fit = FITS[shape]
        if not source:
            st.info("Choose images to see them here before anything starts.")
            return
        try:
            read = sources.answered(source, "train")
            found = sources.summary(read, resolution, fit)
        except Question as error:
            sources.question(error, source, "train")
            return
        except UserError as error:
            uploads.forget([source])
            st.error(plain(str(error)))
            sources.forget_answers(source, "train")
            return
        place = _show(found, source)
        sources.remember(source, read, "train", found.count)
    with right:
        _recipe_and_start(read, _name(source), resolution, fit, found)
    if not is_named(source):
        with place:  # last: the form need not wait for it
            sources.odd(read)


def _recipe_and_start(source: str, name: str, resolution: int, fit: Fit, found: sources.Summary) -> None:
    """The right half of the form."""
    st.subheader("2. Recipe")
    preset = _recipe()
    try:
        config = _settings(preset, source, resolution, fit, found)
    except UserError as error:
        st.error(plain(str(error)))
        return
    st.subheader("3. Start")
    off = not _may_start()
    start_button("Start training", ":material/play_arrow:", "run", lambda: create_run(config, name), off=off)
