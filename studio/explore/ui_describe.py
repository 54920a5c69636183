"""Describe: words -> knees, with what was made of each phrase and how far it was reached."""

from __future__ import annotations

import shlex

import streamlit as st

from gan_core import images
from gan_core.errors import UserError
from gan_core.model import Model
from gan_core.seeds import MAX_SEED
from studio.explore import ui_models as explore_models
from studio.explore.directions import Direction
from studio.explore.ui_view import edit
from studio.knee.words.choose import Chosen, choose
from studio.knee.words.lexicon import lexicon
from studio.knee.words.phrases import MOST_CHARACTERS
from studio.knee.words.sentences import MISSING, available, open_encoder
from studio.knee.words.telling import Row, as_json, files, made, moved, reached, rows, told, wishes, zipped
from studio.knee.words.understand import understand
from studio.models.ui_models import Entry
from studio.text import plain
from studio.ui_links import says_anew
from studio.ui_progress import progress
from studio.viewer.ui_viewer import WINDOW, film, sheet

KNEES = 12
EXAMPLES = (
    "Severe medial narrowing, osteophytes, left knee",
    "Normal right knee",
    "Mild osteoarthritis, underexposed film",
    "KL 3, lateral narrowing, right",
)
ENCODERS = {"minilm": "MiniLM", "clip": "CLIP"}


def describe(view: str, entry: Entry, model: Model) -> None:
    """Draws the whole view."""
    words = _words()
    encoder = _encoder()
    shown = st.query_params.get("show", "")
    looked = st.query_params.get(WINDOW, "")
    st.query_params.from_dict(
        {"model": entry.name, "view": view}
        | ({"words": words} if words else {})
        | ({"show": shown, WINDOW: looked} if shown and words == st.query_params.get("words") else {})
    )
    if not words:
        _vocabulary()
        return
    measured = explore_models.measured(entry)
    directions = explore_models.directions(entry) if measured else []
    try:
        chosen = _answer(entry, model, words, encoder, directions)
    except UserError as error:
        st.warning(plain(str(error)))
        _vocabulary()
        return
    st.markdown(" ".join(_chip(row) for row in rows(chosen)))
    left, right = st.columns([3, 2], gap="large")
    with left:
        _knees(entry, chosen, shown)
    with right:
        _mapping(chosen)
    if chosen.knees:
        _details(entry, words, encoder, chosen, directions)
    _vocabulary()
    if not measured and chosen.asked.targets:
        explore_models.measure(entry)


def _words() -> str:
    state = st.session_state
    linked = st.query_params.get("words", "")
    if says_anew("describe_words"):
        if len(linked) > MOST_CHARACTERS:
            st.warning(
                f"The link's description is longer than {MOST_CHARACTERS} characters: only the beginning is used."
            )
        state.describe_words = linked[:MOST_CHARACTERS]
    words = st.text_input(
        "Describe the knee in English",
        key="describe_words",
        placeholder=EXAMPLES[0],
        icon=":material/edit_note:",
        persist_state="page",
    )
    with st.container(horizontal=True, gap="small"):
        for example in EXAMPLES:
            st.button(example, on_click=_say, args=(example,), type="tertiary", icon=":material/north_west:")
    return (words or "").strip()


def _say(words: str) -> None:
    st.session_state.describe_words = words


def _encoder() -> str:
    """The name of what compares meanings; "none" where there is nothing."""
    names = available()
    if not names:
        st.caption(f":material/info: Only known words are understood. {plain(MISSING['minilm'])}")
        return "none"
    if len(names) == 1:
        return names[0]
    return st.segmented_control(
        "Sentence encoder",
        names,
        format_func=lambda name: ENCODERS[name],
        default=names[0],
        required=True,
        key="describe_encoder",
        persist_state="page",
    )


def _answer(entry: Entry, model: Model, words: str, encoder: str, directions: list[Direction]) -> Chosen:
    """What was found; kept until another description is asked for."""
    key = (model.digest, words, encoder, str(len(directions)))
    held, chosen = st.session_state.get("describe_answer", (None, None))
    if held == key:
        return chosen
    place = st.empty()
    with place, st.spinner("Reading the description"):
        request = understand(words, None if encoder == "none" else open_encoder(encoder))
    show = progress("Measuring this model’s knees: {done} of {total} (only once)", place)
    chosen = choose(request, model, KNEES, directions, show)
    place.empty()
    st.session_state.describe_answer = key, chosen
    return chosen


def _mapping(chosen: Chosen) -> None:
    st.markdown("**What was understood, and what was found**")
    for row in rows(chosen):
        st.markdown(_told(row))
    for note in (*chosen.request.notes, *chosen.cannot):
        st.info(plain(note), icon=":material/info:")


def _colour(row: Row) -> str:
    return "green" if row.asked else "gray" if row.understood else "orange"


def _chip(row: Row) -> str:
    text = f"{row.phrase} → {row.understood}" if row.understood else f"{row.phrase}: not understood"
    return f":{_colour(row)}-badge[{plain(text)}]"


def _told(row: Row) -> str:
    """A phrase's lines, in Markdown."""
    sure = f":{_colour(row)}-badge[{plain(row.sure)}]"
    means = f"→ {plain(row.understood)} " if row.understood else ""
    small = [
        f"{'' if asked == row.understood else f'{plain(asked)} — '}**{plain(came)}**"
        for asked, came in zip(row.asked, row.reached, strict=True)
    ]
    small += [plain(row.note)] if row.note else []
    return "  \n".join([f"“{plain(row.phrase)}” {means}{sure}", *(f":small[{line}]" for line in small)])


def _knees(entry: Entry, chosen: Chosen, shown: str) -> None:
    if not chosen.knees:
        st.info(
            "This model cannot be asked for any of this. See below what it can be asked for.",
            icon=":material/search_off:",
        )
        return
    asked = wishes(chosen.asked)
    films = []
    for i, knee in enumerate(chosen.knees, 1):
        caption = f"{i} · {made(knee, chosen.model) or f'seed {knee.latent.seed}'}"
        what = "; ".join(reached(wish, knee, chosen) for wish in asked)
        films.append(
            film(
                images.png(knee.image),
                seed=knee.latent.seed or 0,
                caption=caption,
                alt=f"Synthetic image {i}: {what}",
                file_name=f"synthetic_{entry.name.replace('/', '_')}_described_seed{knee.latent.seed:04d}.png",
                query={"model": entry.name} | knee.latent.to_query(),
            )
        )
    number = int(shown) if shown.isdecimal() and len(shown) < 12 and int(shown) <= MAX_SEED else None
    sheet(films, shown=number, key="describe_sheet")
    st.caption(
        f"{len(films)} synthetic images by **{plain(entry.name)}**, chosen from {chosen.looked_at} by measurement. No "
        "reader has looked at them: not for diagnosis."
    )
    st.markdown("Open one in Explore to change it further:")
    with st.container(horizontal=True, gap="small"):
        for i, knee in enumerate(chosen.knees, 1):
            st.button(str(i), key=f"describe_open_{i}", on_click=edit, args=(entry, knee.latent), help=f"Knee {i}")


def _details(entry: Entry, words: str, encoder: str, chosen: Chosen, directions: list[Direction]) -> None:
    asked = wishes(chosen.asked)
    with st.expander("What was found, knee by knee", icon=":material/straighten:"):
        table = []
        for i, knee in enumerate(chosen.knees, 1):
            told_of = {told(wish): reached(wish, knee, chosen) for wish in asked}
            table.append({"knee": i, "seed": knee.latent.seed} | told_of | {"moved": moved(knee, directions)})
        st.dataframe(table, hide_index=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        name = f"synthetic_{entry.name.replace('/', '_')}_described.zip"
        everything = as_json(words, chosen, directions) | {"encoder": encoder}
        st.download_button(
            "Download all",
            lambda: zipped(files(chosen, everything)),
            name,
            "application/zip",
            on_click="ignore",
            icon=":material/download:",
        )
    command = (
        f"python -m gan_core describe {shlex.quote(words)} --model {shlex.quote(entry.name)} --n {KNEES} --out knees"
    )
    st.code(command + (" --encoder clip" if encoder == "clip" else ""), language=None, wrap_lines=True)


def _vocabulary() -> None:
    with st.expander("What can be asked for", icon=":material/menu_book:"):
        can, cannot = (
            ", ".join(plain(c.name[0].lower() + c.name[1:]) for c in lexicon().concept if bool(c.cannot) == no)
            for no in (False, True)
        )
        st.markdown(
            f"**Grade** from KL 0 to KL 4 (“KL 2–3”, “at least grade 3”, or in words), **side** (left, right), {can}. "
            "Medial and lateral can be combined with the joint space; doubtful, mild, moderate and severe with most "
            "findings."
        )
        st.markdown(
            "A finding such as osteophytes is requested through the grades in which it occurs. What the training "
            f"images are not labelled with cannot be requested: {cannot}."
        )
