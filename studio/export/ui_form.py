"""The form that starts an export."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from gan_core import images
from gan_core.files import size_text
from gan_core.generate import generate
from gan_core.grades import KL_GRADE, short
from gan_core.model import ModelConfig, read_config
from gan_core.seeds import MAX_SEED
from studio import hosting
from studio.export.folder import create_export
from studio.export.plan import AS_TRAINED, BALANCED, FORMATS, ExportRequest, Plan, name_of, plan
from studio.jobs.ui_view import start_button
from studio.models import ui_models as models
from studio.text import plain
from studio.ui_links import one_of
from studio.viewer.ui_viewer import film, sheet

MOST = 10_000  # more are for the command line
MOST_COUNTED = 20  # classes
SHOWN = 10  # of the images to come
EVEN, OFTEN, ONE, EACH = "Balanced", "As in training", "One only", "So many of each"


def new_export() -> None:
    """Draws the form; on start, the page goes over to watching the new export."""
    offered = models.offered()
    left, right = st.columns([3, 2], gap="large")
    with left:
        name = st.selectbox(
            "Model", list(offered), key="model", bind="query-params", help="The shipped models, then your runs."
        )
        entry = offered[name]
        config = read_config(entry.folder)
        request = _request(name, config)
        if not request:
            return
        planned = plan(request, config, name_of(entry.name, entry.folder))
        st.markdown(_told(planned, config, request))
        start_button("Export", ":material/ios_share:", "export", lambda: create_export(request))
    with right:
        _preview(entry, config, planned, request.truncation)


def _request(name: str, config: ModelConfig) -> ExportRequest | None:
    """What the form asks for; None where that is nothing yet."""
    titles = {about.title: format for format, about in FORMATS.items()}
    format = titles[one_of("Purpose", list(titles), "Pictures", key="what")]
    st.caption(FORMATS[format].said)
    grades = EVEN
    if config.class_names:
        what = f"{config.label_name}s" if config.label_name == KL_GRADE else "Classes"
        grades = one_of(
            what,
            [EVEN, OFTEN, ONE, *([EACH] if _countable(config.class_names) else [])],
            EVEN,
            key="grades",
            help="Balanced: equal numbers. As in training: as frequent as in the training data.",
        )
    n, classes = _how_many(config, grades)
    with st.expander("More", icon=":material/tune:"):
        seed = st.number_input(
            "First seed", 0, MAX_SEED - MOST, 0, key="seed", bind="query-params", help="The others follow it."
        )
        truncation = models.variety()
    reference, drop = _reference()
    if not n:
        st.info("Enter how many of each to start the export.")
        return None
    return ExportRequest(
        model=name,
        n=n,
        format=format,
        classes=classes,
        seed=seed,
        truncation=truncation,
        reference=reference,
        drop_near=drop and bool(reference),
        zip=True,
    )


def _countable(names: tuple[str, ...]) -> bool:
    """Whether there is room for a number each, and `ExportRequest.classes` can say it."""
    return len(names) <= MOST_COUNTED and not any("," in name or name != name.strip() for name in names)


def _how_many(config: ModelConfig, grades: str) -> tuple[int, str]:
    """The number of images and what `ExportRequest.classes` says of them."""
    names = config.class_names
    if grades == EACH:
        asked: dict[str, int] = {}
        each = MOST // len(names)
        with st.grid(min(len(names), 5), min_column_width=76):
            for i, name in enumerate(names):
                asked[name] = st.number_input(
                    plain(f"{short(config.label_name)} {name}"), 0, each, 20 if each >= 20 else 1, key=f"count-{i}"
                )
        return sum(asked.values()), ",".join(f"{name}={count}" for name, count in asked.items() if count)
    classes = {EVEN: BALANCED, OFTEN: AS_TRAINED}.get(grades, "")
    if grades == ONE:
        classes = one_of(config.label_name, list(names), names[-1], key="grade")
    n = st.number_input(
        "How many",
        1,
        MOST,
        100,
        step=100,
        key="n",
        bind="query-params",
        help=f"For more than {MOST:,}, use the command line.",
    )
    return n, classes


def _reference() -> tuple[str, bool]:
    """The training images, "" for none; and whether what is near to one of them is left out."""
    if not hosting.folders_offered():
        return "", False
    with st.expander("Nearest-patient check", icon=":material/content_copy:"):
        st.write(
            "Is an image nearer to one patient's radiograph than likeness explains? Checking this needs the training "
            "images."
        )
        path = st.text_input(
            "Training images: a folder or zip on the computer that runs this",
            placeholder="/data/knees/train",
            key="reference",
            persist_state="page",
        )
        drop = st.toggle("Leave such images out", key="drop", disabled=not path.strip())
        if not path.strip():
            st.caption("Without it, the manifest says “not checked”.")
        return hosting.visitor_source(path), drop


@st.cache_data(max_entries=200, show_spinner="Making the first images")
def _png(folder: Path, stamp: int, seed: int, label: int, truncation: float) -> bytes:
    model = models.loaded(models.Entry("", folder, stamp))
    return images.png(generate(model, [seed], [label] if model.class_names else None, truncation)[0, 0])


def _preview(entry: models.Entry, config: ModelConfig, planned: Plan, truncation: float) -> None:
    films = []
    for i in range(min(SHOWN, len(planned))):
        seed, asked = planned.seeds[i], planned.class_name(i)
        caption = f"{short(config.label_name)} {asked} · seed {seed}" if asked else f"seed {seed}"
        png = _png(entry.folder, entry.stamp, seed, int(planned.classes[i]), truncation)
        name = Path(planned.path(i)).with_suffix(".png").name
        query = models.query(entry, seed, asked, truncation)
        films.append(film(png, seed=seed, caption=caption, file_name=name, query=query))
    sheet(films, key="preview")


def _told(planned: Plan, config: ModelConfig, request: ExportRequest) -> str:
    side = config.net.resolution
    size = len(planned) * (side**2 + 2000) * (1.0 if request.format == "dicom" else 0.7)
    counts = planned.count()
    each = f": {', '.join(f'{plain(name)} × {count:,}' for name, count in counts.items())}" if counts else ""
    return f"**{len(planned):,} synthetic images**, {side} × {side} pixels{each}. About {size_text(size)}."
