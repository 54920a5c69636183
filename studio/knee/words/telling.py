"""What was asked for and what was reached, in words and figures, for the page and the command line."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gan_core import images
from gan_core.grades import short
from gan_core.model import Model
from studio.explore.directions import Direction
from studio.explore.measures import WORDS, Words
from studio.knee.words.choose import READ, SIGN, Chosen, Knee
from studio.knee.words.lexicon import Side, Span
from studio.knee.words.understand import SIDES, Request, Target, Understood

QUANTITIES: dict[str, Words] = WORDS | {
    "medial": Words("Medial joint space", "narrower", "wider"),
    "lateral": Words("Lateral joint space", "narrower", "wider"),
    "medial_less": Words("Medial side narrower than the lateral", "by less", "by more"),
    "lateral_less": Words("Lateral side narrower than the medial", "by less", "by more"),
}
_PIXELS = ("width", "joint_space", "joint_line", "medial", "lateral", "medial_less", "lateral_less")
_MOVED = 0.1  # steps along a direction that are worth a word

Wish = Span | Side | Target


@dataclass(frozen=True)
class Row:
    """A phrase, what was made of it, and what came of that."""

    phrase: str
    understood: str  # "" where it was not
    sure: str
    asked: tuple[str, ...]
    reached: tuple[str, ...]  # of each of those
    note: str


def wishes(asked: Request | Understood) -> list[Wish]:
    """What is asked of a knee, one by one."""
    return [wish for wish in (asked.grades, asked.side, *asked.targets) if wish is not None]


def told(wish: Wish) -> str:
    """A wish in words."""
    if isinstance(wish, tuple):
        low, high = wish
        return f"KL {low:g}" if low == high else f"KL {low:g} to {high:g}"
    if isinstance(wish, str):
        return SIDES[wish]
    words = QUANTITIES[wish.quantity]
    return f"{words.name}: {words.high if wish.more else words.low} than {wish.share:.0%} of this model’s images"


def meets(wish: Wish, knee: Knee, chosen: Chosen) -> bool | None:
    """Whether a knee is as wished, by what is measured of it; None where that cannot be measured here."""
    if isinstance(wish, tuple):
        read = knee.measures.get("grade")
        return None if read is None else wish[0] - READ <= read <= wish[1] + READ
    if isinstance(wish, str):
        return knee.measures["knee"] == SIGN[wish]
    value, mark = knee.measures[wish.quantity], chosen.ordinary.mark(wish)
    return value >= mark if wish.more else value <= mark


def reached(wish: Wish, knee: Knee, chosen: Chosen) -> str:
    """What became of a wish in one knee."""
    if isinstance(wish, tuple):
        return made(knee, chosen.model)
    if isinstance(wish, str):
        return {1.0: SIDES["L"], -1.0: SIDES["R"]}.get(knee.measures["knee"], "Side cannot be told")
    value = knee.measures[wish.quantity]
    if value != value:
        return "cannot be read"
    words, below = QUANTITIES[wish.quantity], chosen.ordinary.below(wish.quantity, value)
    unit = " px" if wish.quantity in _PIXELS else ""
    than = f"{words.high} than {below:.0%}" if wish.more else f"{words.low} than {1 - below:.0%}"
    return f"{value:.3g}{unit}, {than}"


def made(knee: Knee, model: Model) -> str:
    """The grade that a knee was made as and, where it was read, the encoder's reading; "" without classes."""
    if knee.latent.grade is None:
        return ""
    names, at = model.class_names, knee.latent.grade
    label = short(model.config.label_name)
    name = names[int(at)] if at == int(at) else f"{names[int(at)]} to {names[int(at) + 1]}"
    read = knee.measures.get("grade")
    return f"{label} {name}" + ("" if read is None else f", read as {read:.1f}")


def moved(knee: Knee, directions: Sequence[Direction]) -> str:
    """The steps that were made, in words."""
    steps = zip(knee.latent.moves, directions, strict=False)
    return ", ".join(f"{d.name} {step:+.1f}" for step, d in steps if abs(step) >= _MOVED)


def usual(wish: Span | Side, chosen: Chosen) -> float:
    """The share of the model's own images that are as wished; of grades, of the films that it learnt from."""
    if isinstance(wish, tuple):
        shares = chosen.model.config.class_shares
        pairs = zip(chosen.model.class_names, shares, strict=True)
        return sum(share for name, share in pairs if wish[0] <= float(name) <= wish[1]) / sum(shares)
    return float((chosen.ordinary.measures["knee"] == SIGN[wish]).mean())


def summary(wish: Wish, chosen: Chosen) -> str:
    """How many of the knees are as wished, and how many of the model's own images are."""
    met = [meets(wish, knee, chosen) for knee in chosen.knees]
    if not met:
        return ""
    if None in met:
        return "made so; there is no encoder to read it"
    told_so = f"{'read so in ' if isinstance(wish, tuple) else ''}{sum(map(bool, met))} of {len(met)}"
    return told_so if isinstance(wish, Target) else f"{told_so}, by chance {usual(wish, chosen):.0%}"


def how(phrase: Understood) -> str:
    """How sure it is what a phrase means."""
    if phrase.how == "exact":
        return "exact"
    if phrase.how == "spelling":
        return f"spelled like “{phrase.like}” ({phrase.sure:.2f})"
    near = f"“{phrase.like}” ({phrase.sure:.2f})"
    if phrase.how == "meaning":
        return f"like {near}"
    return f"not understood; nearest: {near}" if phrase.like else "not understood"


def rows(chosen: Chosen) -> list[Row]:
    """The mapping, phrase by phrase."""
    out = []
    for phrase in chosen.request.phrases:
        own = [wish for wish in wishes(phrase) if _asked(wish, chosen.asked)]
        came = tuple(summary(wish, chosen) for wish in own)
        out.append(Row(phrase.phrase, phrase.means, how(phrase), tuple(map(told, own)), came, phrase.note))
    return out


def _asked(wish: Wish, asked: Request) -> bool:
    """Whether a wish of a phrase is among those that the model was asked for."""
    if isinstance(wish, tuple):
        return asked.grades is not None and wish[0] <= asked.grades[0] and asked.grades[1] <= wish[1]
    if isinstance(wish, str):
        return wish == asked.side
    return any((t.quantity, t.more) == (wish.quantity, wish.more) for t in asked.targets)


def as_json(words: str, chosen: Chosen, directions: Sequence[Direction]) -> dict[str, Any]:
    """All of it, for JSON."""
    asked = wishes(chosen.asked)
    return {
        "words": words,
        "phrases": [asdict(row) for row in rows(chosen)],
        "notes": [*chosen.request.notes, *chosen.cannot],
        "asked": [{"wish": told(wish), "reached": summary(wish, chosen)} for wish in asked],
        "looked_at": chosen.looked_at,
        "knees": [
            {
                "seed": knee.latent.seed,
                "query": knee.latent.to_query(),
                "made": made(knee, chosen.model),
                "moved": moved(knee, directions),
                "off": round(knee.off, 3),
                "wishes": {
                    told(w): {"met": meets(w, knee, chosen), "reached": reached(w, knee, chosen)} for w in asked
                },
            }
            for knee in chosen.knees
        ],
    }


def files(chosen: Chosen, told: dict[str, Any]) -> dict[str, bytes]:
    """By name: a PNG for each knee, and `described.json` with what `as_json` told of them."""
    out = {f"seed{knee.latent.seed:04d}.png": images.png(knee.image) for knee in chosen.knees}
    return out | {"described.json": json.dumps(told, indent=2, ensure_ascii=False).encode()}


def zipped(contents: dict[str, bytes]) -> bytes:
    """Files as one zip file's content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()
