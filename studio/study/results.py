"""What the answers of a study come to. Figures come with their 95% interval, and with words where there are too few."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from scipy.stats import binomtest, fisher_exact
from sklearn.metrics import cohen_kappa_score

from gan_core.metrics.estimate import Estimate, auc, wilson
from studio.study.store import Answered, Film, Study, StudySet, answers, find_set, shown, studies_of

FEWEST = 10  # answers, for a share of all, or of two readers in common
FEWEST_OF_A_KIND = 5  # of real, and of synthetic images
LEVEL = 0.05


@dataclass(frozen=True)
class Score:
    """How well one reader told real from synthetic in one round. None where there are too few answers to say."""

    n: int
    right: int
    seconds: float | None  # the median for an image, or a pair
    accuracy: Estimate | None = None  # share right
    p: float | None = None  # of as much or more, either way, by guessing
    sensitivity: Estimate | None = None  # share of the synthetic images called synthetic; None in pairs
    specificity: Estimate | None = None  # share of the real images called real; None in pairs
    auc: Estimate | None = None  # from the confidences; None in pairs, where the share right is one itself


@dataclass(frozen=True)
class Reading:
    """A reader's round and what it came to."""

    study: Study
    number: int  # of the reader, from 1 on
    reader: str  # the name shown: as typed, or "Reader 2"
    score: Score
    answers: tuple[Answered, ...]


@dataclass(frozen=True)
class Agreement:
    """Cohen's kappa between two readers of the same images; None where it is not defined or they share too few."""

    readers: tuple[str, str]
    round: int
    n: int
    kappa: float | None


@dataclass(frozen=True)
class Verdicts:
    """An image, or a pair, with who was right of it."""

    images: tuple[Film, ...]  # of a pair the real one first
    right: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """All that a set of images has come to."""

    about: StudySet
    readings: tuple[Reading, ...]
    agreements: tuple[Agreement, ...]
    verdicts: dict[int, tuple[Verdicts, ...]]  # by round; those that fooled most come first


def score(given: Sequence[Answered]) -> Score:
    """The figures of one reader's round.

    Sensitivity is of the synthetic images, specificity of the real ones. The AUC ranks the images from "surely real" to
    "surely synthetic", by the answer and its confidence 1 to 5; its interval is DeLong's. The test against guessing is
    the exact binomial one, two-sided.
    """
    n, right = len(given), sum(a.right for a in given)
    seconds = median(a.seconds for a in given) if given else None
    if n < FEWEST:
        return Score(n, right, seconds)
    kinds: dict[str, list[Answered]] = defaultdict(list)
    for a in given:
        kinds[a.truth].append(a)
    fakes, reals = kinds["synthetic"], kinds["real"]
    told = n_told = area = None
    if len(fakes) >= FEWEST_OF_A_KIND:
        told = _right(fakes)
    if len(reals) >= FEWEST_OF_A_KIND:
        n_told = _right(reals)
    if told and n_told:
        area = auc([_suspicion(a) for a in fakes], [_suspicion(a) for a in reals])
    p = float(binomtest(right, n, 0.5).pvalue)
    return Score(n, right, seconds, _right(given), p, told, n_told, area)


def _right(given: Sequence[Answered]) -> Estimate:
    """The share that is right, with Wilson's interval."""
    return wilson(sum(a.right for a in given) / len(given), len(given))


def _suspicion(a: Answered) -> int:
    """From -5, surely real, to 5, surely synthetic."""
    return a.confidence if a.choice == "synthetic" else -a.confidence


def verdict(s: Score) -> str:
    """Whether this is more than guessing, in words."""
    if s.p is None or s.accuracy is None:
        return f"{s.n} answers are too few for statistics; at least {FEWEST} are needed."
    p = f"p = {s.p:.3f}" if s.p >= 0.001 else "p < 0.001"
    if s.p >= LEVEL:
        return f"As far as {s.n} answers can tell, this may be guessing ({p})."
    if s.accuracy.value > 0.5:
        return f"This is better than guessing ({p}): the two can be told apart."
    return f"This is worse than guessing ({p}): the synthetic ones were taken for the real ones."


def change(first: Score, second: Score) -> str:
    """What the clues did, in words: the second round against the first, by Fisher's exact test (other images)."""
    if first.accuracy is None or second.accuracy is None:
        return "There are too few answers to compare the two rounds."
    points = round(100 * (second.accuracy.value - first.accuracy.value))
    table = [[s.right, s.n - s.right] for s in (first, second)]
    p = float(fisher_exact(table).pvalue)
    what = "as many right as without" if points == 0 else f"{abs(points)} points {'more' if points > 0 else 'less'}"
    end = "more than chance explains" if p < LEVEL else "which may be chance"
    return f"With clues: {what}{'' if points == 0 else f', {end} (p = {max(p, 0.001):.3f})'}."


def agreement(first: Reading, second: Reading) -> Agreement:
    """Cohen's kappa over what both have answered."""
    said = [{a.question: _said(a) for a in reading.answers} for reading in (first, second)]
    both = sorted(said[0].keys() & said[1].keys())
    readers = (first.reader, second.reader)
    kappa = math.nan
    pairs = [[side[q] for q in both] for side in said]
    if len(both) >= FEWEST and len({*pairs[0], *pairs[1]}) > 1:
        kappa = float(cohen_kappa_score(*pairs))
    return Agreement(readers, first.study.round, len(both), None if math.isnan(kappa) else kappa)


def _said(a: Answered) -> str:
    """What was said of a question, whichever side an image was shown on."""
    return a.choice if a.second is None else a.second if a.choice == "right" else a.image


def readings(set_id: str) -> list[Reading]:
    """Every reader's rounds, also those that are still going on; names that are alike are told apart."""
    by_study: dict[str, list[Answered]] = defaultdict(list)
    for a in answers(set_id):
        by_study[a.study].append(a)
    found: dict[str, Reading] = {}  # by study, the first round of a reader before the second
    for s in studies_of(set_id):
        first = found.get(s.first or "")
        number = first.number if first else 1 + sum(r.study.first is None for r in found.values())
        name = first.reader if first else s.reader or f"Reader {number}"
        if not first and any(name == r.reader for r in found.values()):
            name = f"{name} ({number})"
        found[s.id] = Reading(s, number, name, score(by_study[s.id]), tuple(by_study[s.id]))
    return list(found.values())


def results(set_id: str) -> Results:
    """What the readers who have come to an end have told. What others are still looking at is left out."""
    about = find_set(set_id)
    over = [r for r in readings(set_id) if r.study.over]
    agreements = [agreement(a, b) for a, b in combinations(over, 2) if a.study.round == b.study.round]
    verdicts = {round_: _verdicts(set_id, round_, over) for round_ in sorted({r.study.round for r in over})}
    return Results(about, tuple(over), tuple(agreements), verdicts)


def _verdicts(set_id: str, round_: int, over: Sequence[Reading]) -> tuple[Verdicts, ...]:
    images: dict[int, list[Film]] = defaultdict(list)
    for image in shown(set_id):
        if image.round == round_:
            images[image.question].append(image)
    who: dict[tuple[int, bool], list[str]] = defaultdict(list)
    for reading in over:
        if reading.study.round == round_:
            for a in reading.answers:
                who[a.question, a.right].append(reading.reader)
    found = [Verdicts(tuple(of), tuple(who[q, True]), tuple(who[q, False])) for q, of in images.items()]
    return tuple(sorted(found, key=lambda v: (-len(v.wrong), not v.images[-1].synthetic)))
