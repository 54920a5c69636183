"""The form that starts an evaluation."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from gan_core.errors import UserError
from gan_core.grades import KL_GRADE
from gan_core.metrics.registry import Need
from gan_core.model import ModelConfig, read_config
from studio.evaluate.folder import EvaluationFolder, EvaluationRequest, create_evaluation
from studio.evaluate.metrics import METRICS, quick
from studio.jobs.ui_view import start_button
from studio.models import ui_models as models
from studio.text import plain
from studio.ui_sources import NONE, choose, image_source, understood
from studio.ui_visitor import may_change

MISSING: dict[Need, str] = {  # what a metric needs and there is not
    "knees": "Only for models of knees with KL grades",
    "classes": "Only for models with classes",
    "training images": "Only with the training images and others, as data and reference",
}


def _last() -> EvaluationRequest | None:
    """What whoever looks asked for the last time, to go on from."""
    for evaluation in EvaluationFolder.all():
        if may_change(evaluation.owner()):
            try:
                return evaluation.request()
            except UserError:
                return None
    return None


def _measures(model: ModelConfig, reference: str) -> tuple[str, ...] | None:
    """Names of measures, () for all of the quick ones; None while none is chosen."""
    lacking: dict[Need, bool] = {
        "knees": model.label_name != KL_GRADE,
        "classes": len(model.class_names) < 2,
        "training images": not reference,
    }
    left_out = {
        name: MISSING[need]
        for name, metric in METRICS.items()
        if (need := next((n for n in metric.needs if lacking[n]), None))
    }
    offered = [name for name in METRICS if name not in left_out]
    chosen = st.pills(
        "Measures",
        offered,
        selection_mode="multi",
        default=[name for name in offered if name in quick()],
        format_func=lambda name: METRICS[name].short,
        key=f"measures-{'-'.join(offered)}",
        wrap=True,
        help=" ".join(f"**{METRICS[name].short}**: {METRICS[name].title}." for name in offered),
    )
    for why in dict.fromkeys(left_out.values()):
        st.caption(f"{why}: {', '.join(METRICS[name].short for name in left_out if left_out[name] == why)}.")
    for name in chosen:
        if slow := METRICS[name].slow:
            st.caption(slow)
    return () if set(chosen) == set(quick()) else tuple(name for name in offered if name in chosen) or None


def _images() -> tuple[str, str]:
    """The real images, and others for the floor."""
    last = _last()
    st.subheader("2. Real images")
    data = image_source("Compare with", "data", before=last.data if last else "")
    none = {NONE: ("", "")}  # what was brought last are the real images, and these must be others
    reference = choose("Reference", "reference", none, before=last.reference if last else "", again=False)
    reference = understood(reference, "reference")
    st.caption(
        "The reference shows different patients from the real images: the distance between the two is the floor of "
        "every figure. If one of them holds the training images, copies can be detected. Without a reference, the "
        "real images are split in two by patient."
    )
    return data, reference


def _seen(learnt: str, reference: str) -> Literal["", "data", "reference"]:
    """Which of the two the model has learnt from."""
    if not reference:
        return ""
    roles: dict[str, Literal["", "data", "reference"]] = {
        f"whichever is {learnt}": "",
        "the real images": "data",
        "the reference": "reference",
    }
    chosen = st.selectbox("The model was trained on", list(roles), help="These are searched for copies.")
    return roles[chosen]


def new_evaluation() -> None:
    """Draws the form; on start, the page goes over to watching the new evaluation."""
    offered = models.offered()
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("1. Model")
        entry = models.choose(offered)
        model = read_config(entry.folder)
        learnt = plain(model.data or "unnamed data")
        st.caption(f"{model.net.resolution} × {model.net.resolution} pixels, trained on {learnt}.")
        data, reference = _images()
        seen = _seen(learnt, reference)
    with right:
        st.subheader("3. What to measure")
        only = _measures(model, reference)
        n = st.number_input(
            "Synthetic images",
            50,
            50_000,
            2000,
            step=500,
            help="More images make each figure more precise, and take longer.",
        )
        truncation = st.slider(
            "Variety", 0.0, 1.0, 1.0, 0.05, help="Below 1, images come closer to the average one (truncation)."
        )
        st.caption(
            "Measured in the features of the knee encoder, a small network of this project that was trained to "
            "grade knees."
        )
        st.subheader("4. Start")
        if not data:
            st.info("Choose the real images to start the evaluation.")
        elif only is None:
            st.info("Choose a measure to start the evaluation.")
        else:
            asked: dict[str, Any] = {"model": entry.name, "data": data, "reference": reference, "seen": seen}
            request = EvaluationRequest(**asked, n=n, truncation=truncation, only=only)
            start_button("Start evaluation", ":material/play_arrow:", "evaluation", lambda: create_evaluation(request))
