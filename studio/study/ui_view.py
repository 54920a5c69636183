"""What a reader study has come to: one's own figures, those of others and of published studies, and the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from gan_core.errors import UserError
from gan_core.grades import short
from gan_core.metrics.estimate import Estimate
from gan_core.model import digest
from studio.hosting import hosted
from studio.models import ui_models as models
from studio.models.ui_models import Entry
from studio.study import store
from studio.study.clues import CLUES
from studio.study.published import PUBLISHED
from studio.study.results import FEWEST, Reading, Results, Score, Verdicts, change, results, verdict
from studio.study.store import Film, Study
from studio.study.table import to_csv
from studio.study.ui_start import go_to, link, title_of
from studio.text import plain
from studio.ui_charts import ACCENT, PLAIN, show
from studio.ui_visitor import may_change
from studio.viewer.ui_viewer import sheet

HERE = Path(__file__).parent


def of_study(study: Study) -> None:
    """A reader's own results, once the study is ended."""
    found = results(study.set_id)
    own = next(r for r in found.readings if r.study.id == study.id)
    _own(own, found)
    _second_round(own, found)
    _chart(found, own)
    _others(found, own)
    _pictures(found, study.round, own)
    _take_away(study.set_id)


def of_set(set_id: str) -> None:
    """The results of all readers of a set, for who has made it: its link for readers, which others have, is much the
    same. Raises `UserError` for anybody else."""
    found = results(set_id)
    if not may_change(found.about.owner):
        raise UserError(
            "Only whoever made this study sees its results here. A reader sees them at the end of their own."
        )
    st.subheader(plain(title_of(found.about)))
    if not found.readings:
        st.info("Nobody has finished yet. Send the link below to a reader.", icon=":material/hourglass_empty:")
    else:
        st.caption(plain(found.about.note))
        _chart(found, None)
    _others(found, None)
    for round_ in found.verdicts:
        _pictures(found, round_, None)
    _take_away(set_id)
    with st.popover("Delete", icon=":material/delete:"):
        st.write("This deletes the images with all their studies and answers.")
        if st.button("Delete for good", type="primary"):
            store.delete_set(set_id)
            go_to()


def _figure(e: Estimate | None, form: str = ".0%") -> str:
    return f"{e.value:{form}} ({e.low:{form}} to {e.high:{form}})" if e else "too few answers"


def _own(own: Reading, found: Results) -> None:
    s, single = own.score, found.about.kind == "single"
    unit = "" if single else " pairs"
    part = "" if own.study.done == own.study.total else f" The study was ended after {s.n} of {own.study.total}."
    st.header(f"{s.right} of {s.n}{unit} right" if s.n else "No answers were given")
    st.markdown(f"{plain(verdict(s))}{part}")
    if found.about.rehearsal:
        st.warning(plain(found.about.note), icon=":material/science:")
    else:
        st.caption(plain(found.about.note))
    if s.n < FEWEST:
        return
    rows = [("Right overall", _figure(s.accuracy), "Guessing would get half of them right. The interval is Wilson's.")]
    if single:
        rows += [
            (
                "Synthetic images recognised",
                _figure(s.sensitivity),
                "Share of synthetic images called synthetic: sensitivity.",
            ),
            ("Real images recognised", _figure(s.specificity), "Share of real images called real: specificity."),
            (
                "Separation by confidence",
                _figure(s.auc, ".2f"),
                "AUC: the probability that a synthetic image looked more suspicious than a real one. 0.5 is guessing.",
            ),
        ]
    else:
        rows[0] = (
            *rows[0][:2],
            f"{rows[0][2]} In pairs, the share of right answers is itself the area under the curve (AUC).",
        )
    rows.append(("Time", f"{s.seconds:.1f} s", f"The median for {'an image' if single else 'a pair'}, without pauses."))
    st.table(pd.DataFrame(rows, columns=["", "You (95% interval)", "Meaning"]).set_index(""))


def _second_round(own: Reading, found: Results) -> None:
    if own.study.first:
        first = next(r for r in found.readings if r.study.id == own.study.first)
        st.info(
            f"Without clues: {first.score.right} of {first.score.n} right. {plain(change(first.score, own.score))} "
            "The two rounds have different images.",
            icon=":material/compare_arrows:",
        )
        if st.button("See the first round"):
            go_to(study=own.study.first)
    elif found.about.rounds > 1:
        begun = store.second_of(own.study.id)
        with st.container(border=True):
            st.markdown("**A second round, with clues.** See what gives such images away, then judge new ones.")
            label = "Go to the second round" if begun else "Start the second round"
            if st.button(label, type="primary", icon=":material/school:"):
                go_to(study=begun or store.begin_second(own.study.id))


def _chart(found: Results, own: Reading | None) -> None:
    """Everybody's share right with its interval, over the published ranges."""
    rounds = {1: "", 2: ", with clues"}
    rows = []
    for r in found.readings:
        if e := r.score.accuracy:
            mine = own is not None and r.reader == own.reader
            who = f"{'You' if mine else r.reader}{rounds[r.study.round]}"
            rows.append({"who": who, "value": e.value, "low": e.low, "high": e.high, "colour": ACCENT})
    for p in PUBLISHED:
        if p.low is not None and p.high is not None:
            value = p.low if p.low == p.high else None
            rows.append({"who": p.who, "value": value, "low": p.low, "high": p.high, "colour": PLAIN})
    st.subheader("Compared with published studies")
    figure = go.Figure(layout={"showlegend": False})
    figure.add_vline(0.5, line={"dash": "dash", "color": PLAIN, "width": 1})
    for row in rows:
        ends = (row["low"], row["high"])
        said = f"{row['who']}: " + (f"{row['value']:.0%}, " if row["value"] is not None else "") + "{:.0%} to {:.0%}"
        figure.add_scatter(
            x=[ends[0], row["value"], ends[1]],
            y=[row["who"]] * 3,
            text=said.format(*ends),
            hoverinfo="text",
            connectgaps=True,
            mode="lines+markers",
            line={"color": row["colour"], "width": 4},
            marker={"size": [0, 11, 0], "opacity": 1},
        )
    figure.update_xaxes(title="share judged correctly", range=[0, 1.02], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, fixedrange=True)
    said = "The share judged correctly by each reader and in published studies; half is guessing"
    show(figure, said, 34 * len(rows) + 76)
    st.caption(
        "Dashed: guessing. Here: the share of right answers and its 95% interval; published: as the authors report it. "
        + " ".join(f"{p.what} ([{plain(p.source)}]({p.link}))" for p in PUBLISHED)
    )


def _others(found: Results, own: Reading | None) -> None:
    others = [r for r in found.readings if own is None or r.study.id != own.study.id]
    if others and (own is None or len(found.readings) > 1):
        st.subheader("All readers")
        st.dataframe(pd.DataFrame([_row(r, found) for r in found.readings]), hide_index=True)
        for a in found.agreements:
            st.markdown(f"- {_agreement(a.readers, a.kappa, a.n)}{' Second round.' if a.round == 2 else ''}")
    st.markdown("**Another reader?** This link lets them judge the same images, each in a different order.")
    st.code(link(set=found.about.id), language=None, wrap_lines=True)


def _row(r: Reading, found: Results) -> dict[str, str]:
    s: Score = r.score
    row = {
        "Reader": r.reader,
        "Round": str(r.study.round),
        "Right": f"{s.right} of {s.n}",
        "Accuracy": _figure(s.accuracy),
    }
    if found.about.kind == "single":
        row |= {
            "Sensitivity": _figure(s.sensitivity),
            "Specificity": _figure(s.specificity),
            "AUC": _figure(s.auc, ".2f"),
        }
    seconds = "" if s.seconds is None else f"{s.seconds:.1f} s"
    return row | {"p against guessing": "" if s.p is None else f"{s.p:.3f}", "Median time": seconds}


def _agreement(readers: tuple[str, str], kappa: float | None, n: int) -> str:
    both = f"{plain(readers[0])} and {plain(readers[1])}"
    if kappa is None:
        why = f"they have {n} answers in common" if n < FEWEST else "they gave the same answer throughout"
        return f"The agreement of {both} cannot be computed: {why}."
    return f"{both} agree with a Cohen's kappa of {kappa:.2f} over {n} answers (0 is chance, 1 is perfect)."


def _film(image: Film, found: Results, model: Entry | None) -> dict[str, Any]:
    """As the viewer takes it; what `model` has made can be opened in Explore."""
    label = short(found.about.label_name)
    mark = "Synthetic" if image.synthetic else "Real"
    grade = f"{label} {image.grade}" if image.grade else ""
    seed = f"seed {image.seed}" if image.seed is not None else ""
    told: dict[str, Any] = {
        "src": f"api/study-image/{image.key}",
        "mark": mark,
        "caption": ", ".join(filter(None, (grade, seed))),
        "alt": ", ".join(filter(None, (f"A {mark.lower()} image", grade))),
        "file_name": f"{mark.lower()}_{image.key}.png",
    }
    if model and image.synthetic and image.seed is not None:
        told["query"] = models.query(model, image.seed, image.grade, 1.0)
    return told


def _card(v: Verdicts, found: Results, model: Entry | None, own: Reading | None) -> dict[str, Any]:
    """An image, or a pair of which the second lies `beside` the first, and who was deceived."""

    def names(readers: Sequence[str]) -> str:
        return ", ".join("you" if own and r == own.reader else r for r in readers)

    taken = (
        "the wrong one chosen by"
        if len(v.images) > 1
        else f"taken for {'real' if v.images[0].synthetic else 'synthetic'} by"
    )
    first, *others = (_film(image, found, model) for image in v.images)
    first["wrong"] = f"{taken} {names(v.wrong)}" if v.wrong else ""
    first["note"] = f"right: {names(v.right)}" if v.right else "" if v.wrong else "not answered"
    return first | ({"beside": others[0]} if others else {})


def _made_by(found: Results) -> Entry | None:
    """The model of a study, where it is here and still the same."""
    entry = next((e for e in models.entries() if e.name == found.about.model), None)
    return entry if entry and digest(entry.folder) == found.about.digest else None


def _pictures(found: Results, round_: int, own: Reading | None) -> None:
    verdicts = found.verdicts.get(round_, ())
    fooled = sum(bool(v.wrong) for v in verdicts if v.images[-1].synthetic)
    st.subheader("Which ones fooled whom" + (", second round" if round_ == 2 else ""))
    fakes = sum(v.images[-1].synthetic for v in verdicts)
    st.caption(
        f"{fooled} of {fakes} synthetic images were taken for real at least once. Those that fooled the most "
        "readers come first."
    )
    model = _made_by(found)
    sheet([_card(v, found, model, own) for v in verdicts], key=f"pictures-{round_}")


def clues(study: Study) -> None:
    """What to look for, before the second round."""
    st.subheader("What gives them away")
    st.caption(
        "All images here are synthetic, made by the model that you are judging, and are in neither round. They were "
        "chosen by measurement, not by a person, so not every one shows its clue well."
    )
    pictures = [image for image in store.shown(study.set_id) if image.clue]
    cards = []
    for clue in CLUES:
        films = "".join(
            f'<figure><img src="api/study-image/{image.key}" alt="A synthetic image"></figure>'
            for image in pictures
            if image.clue == clue.name
        )
        shown = f'<div class="films">{films}</div><small>Synthetic: {escape(clue.chosen)}.</small>' if films else ""
        cards.append(f"<div><h3>{escape(clue.title)}</h3><p>{escape(clue.text)}</p>{shown}</div>")
    st.html(HERE / "study_results.css")
    st.html(f'<div class="clues">{"".join(cards)}</div>')


def _take_away(set_id: str) -> None:
    st.download_button(
        "All answers (CSV)",
        lambda: to_csv([set_id], ended=hosted()).encode("utf-8-sig"),  # the mark tells a spreadsheet that it is UTF-8
        file_name=f"reader-study-{set_id}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption("One row for each answer of each reader, without the file names of the real images.")
