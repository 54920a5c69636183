"""The models a person can choose among, and their images, cached for all viewers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from gan_core.model import SHIPPED, TENSORS, Model, ModelConfig, load_model, read_config, shipped_generators
from gan_core.seeds import own_classes
from studio.models.inventory import places, whose
from studio.models.store import models_root
from studio.text import plain
from studio.ui_visitor import listed


@dataclass(frozen=True)
class Entry:
    """A model on offer. `stamp` changes when its files do: a run's generator is replaced while it trains."""

    name: str
    folder: Path
    stamp: int

    @property
    def lasting(self) -> bool:
        """Whether it stays what it is: shipped, or pinned from elsewhere."""
        return self.folder.is_relative_to(SHIPPED) or self.folder.is_relative_to(models_root())


def _entry(name: str, folder: Path) -> Entry | None:
    try:
        return Entry(name, folder, (folder / TENSORS).stat().st_mtime_ns)
    except OSError:
        return None


def entries() -> list[Entry]:
    """The shipped models, then those from the Hub and from files, then the runs', each the newest first."""
    return [e for name, _, folder, _ in places(shipped_generators()) if (e := _entry(name, folder))]


def offered() -> dict[str, Entry]:
    """The models listed for whoever looks, by name. Tells where the link asks for one that is not here; ends the
    page where there is none."""
    out = {entry.name: entry for entry in entries()}
    if not out:
        st.info(
            "There is no model yet. Train one: a first result takes a few minutes.", icon=":material/model_training:"
        )
        st.page_link("../pages/train.py", label="Go to Train", icon=":material/arrow_forward:")
        st.stop()
    if (linked := st.query_params.get("model", "")) and linked not in out:
        st.warning(f"There is no model {plain(linked[:80])} here, so another one is shown. It may have been deleted.")
    return {name: out[name] for name in listed("model", out, lambda name: whose(out[name].folder), linked)}


@st.cache_resource(max_entries=4, show_spinner="Loading the model")
def _load(folder: Path, stamp: int) -> Model:
    return load_model(folder)


def loaded(entry: Entry) -> Model:
    """The model; shared by all viewers, so never to be changed."""
    return _load(entry.folder, entry.stamp)


@st.cache_resource(max_entries=40, show_spinner=False)
def _config(folder: Path, stamp: int) -> ModelConfig:
    return read_config(folder)


def configured(entry: Entry) -> ModelConfig:
    """What the model is, without loading it."""
    return _config(entry.folder, entry.stamp)


def query(entry: Entry, seed: int, class_name: str, truncation: float) -> dict[str, str]:
    """What brings an image of a model back, as a link into Explore has it."""
    said = {"model": entry.name, "seed": str(seed)}
    if class_name:
        said["grade"] = str(configured(entry).class_names.index(class_name))
    return said | ({"truncation": f"{truncation:g}"} if truncation != 1 else {})


def classes(entry: Entry, seeds: range, class_name: str | None) -> list[str]:
    """The class of each image, the seed's own where none is asked for; "" where the model has none."""
    config = configured(entry)
    if class_name is not None or not config.class_names:
        return [class_name or ""] * len(seeds)
    return [config.class_names[c] for c in own_classes(seeds, config.class_shares)]


def choose(offered: dict[str, Entry], **how: Any) -> Entry:
    """Asks for one of the models; `how` is what else the selectbox takes."""
    name = st.selectbox("Model", list(offered), help="The shipped models, then your runs.", **how)
    return offered[name]


def one_class(label_name: str, names: Sequence[str], said: str) -> str | None:
    """Asks for a class, or none; in the link as `grade`. `said` tells what none means."""
    title = label_name.capitalize() if label_name.islower() else label_name
    return st.segmented_control(title, list(names), key="grade", bind="query-params", help=said)


def variety() -> float:
    """Asks for the truncation; in the link as `variety`."""
    return st.slider(
        "Variety",
        0.0,
        1.0,
        1.0,
        0.05,
        key="variety",
        bind="query-params",
        help="Below 1, images come closer to the average one: less varied, more typical (truncation).",
    )
