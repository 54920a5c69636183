"""Reader studies in SQLite: the images, who reads them in which order, and every answer, written as it is given.

A *set* is the images of both rounds, kept as PNG, so that it outlives its model and its data. A *study* is one reader's
way through one round of a set. Its id is a secret: who has it can go on with it. An image's key says nothing of it.

Each call opens the file anew, so that threads, tabs and several servers can share it. Every function raises `UserError`
where the file is damaged, newer than this program, or cannot be written, and where there is no such set or study.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from gan_core.config import Settings
from gan_core.errors import UserError
from gan_core.train.run import runs_root

FILE = "studies.sqlite"
VERSION = 2
WAIT = 15.0  # seconds for another server's write to end
MAX_NAME = 60  # letters of a reader's name
CLUES = 0  # the "round" of the pictures that are shown between the rounds

Kind = Literal["single", "pair"]
Choice = Literal["real", "synthetic", "left", "right"]
_T = TypeVar("_T")
CHOICES: dict[str, tuple[Choice, Choice]] = {"single": ("real", "synthetic"), "pair": ("left", "right")}

_SCHEMA = """
CREATE TABLE sets (
    kind TEXT NOT NULL CHECK (kind IN ('single', 'pair')), size INTEGER NOT NULL, rounds INTEGER NOT NULL,
    seed INTEGER NOT NULL, resolution INTEGER NOT NULL, model TEXT NOT NULL, digest TEXT NOT NULL, data TEXT NOT NULL,
    label_name TEXT NOT NULL, rehearsal INTEGER NOT NULL, note TEXT NOT NULL, id TEXT PRIMARY KEY,
    created TEXT NOT NULL, owner TEXT NOT NULL DEFAULT ''
);
CREATE TABLE images (
    round INTEGER NOT NULL, question INTEGER NOT NULL, synthetic INTEGER NOT NULL, grade TEXT NOT NULL, seed INTEGER,
    png BLOB NOT NULL, clue TEXT NOT NULL, key TEXT PRIMARY KEY,
    set_id TEXT NOT NULL REFERENCES sets ON DELETE CASCADE
);
CREATE INDEX images_of_set ON images (set_id, round);
CREATE TABLE studies (
    id TEXT PRIMARY KEY, set_id TEXT NOT NULL REFERENCES sets ON DELETE CASCADE, reader TEXT NOT NULL,
    round INTEGER NOT NULL, first TEXT UNIQUE REFERENCES studies ON DELETE CASCADE, seed INTEGER NOT NULL,
    created TEXT NOT NULL, ended TEXT
);
CREATE TABLE questions (
    study TEXT NOT NULL REFERENCES studies ON DELETE CASCADE, position INTEGER NOT NULL,
    image TEXT NOT NULL REFERENCES images ON DELETE CASCADE, second TEXT REFERENCES images ON DELETE CASCADE,
    PRIMARY KEY (study, position)
);
CREATE TABLE answers (
    study TEXT NOT NULL, position INTEGER NOT NULL, choice TEXT NOT NULL,
    confidence INTEGER NOT NULL CHECK (confidence BETWEEN 1 AND 5), seconds REAL NOT NULL, given TEXT NOT NULL,
    PRIMARY KEY (study, position), FOREIGN KEY (study, position) REFERENCES questions ON DELETE CASCADE
);
"""


@dataclass(frozen=True)
class Film:
    """An image of a set, with the truth."""

    round: int  # 1 or 2; `CLUES` for a picture that teaches
    question: int  # the two of a pair have the same
    synthetic: bool
    grade: str  # "" where there is none
    seed: int | None  # of a synthetic one
    png: bytes = b""  # on its way into the set; afterwards `png` gives it
    clue: str = ""  # which clue it shows
    key: str = ""


@dataclass(frozen=True)
class StudySet:
    """The images that readers are shown, without the pixels."""

    kind: Kind
    size: int  # images in a round
    rounds: int  # 1 where there are too few reals for a second
    seed: int  # what the choice was drawn from
    resolution: int
    model: str
    digest: str
    data: str
    label_name: str
    rehearsal: bool  # the "reals" are phantoms
    note: str  # what a reader of the results must know of the choice
    id: str = ""
    created: str = ""
    owner: str = ""  # who has made it, on a host

    @property
    def questions(self) -> int:
        return self.size if self.kind == "single" else self.size // 2


@dataclass(frozen=True)
class Study:
    """How one reader's round stands."""

    id: str
    set_id: str
    kind: Kind
    reader: str  # as typed; "" where nothing was
    round: int
    first: str | None  # the study of the first round
    created: str
    ended: bool
    done: int
    total: int

    @property
    def over(self) -> bool:
        """No answer is to come."""
        return self.ended or self.done == self.total


class Answer(Settings):
    """What a reader says of a question."""

    position: int = Field(ge=0, le=1000)
    choice: Choice
    confidence: int = Field(ge=1, le=5)
    seconds: float = Field(ge=0)


@dataclass(frozen=True)
class Answered:
    """An answer beside the truth. Of a pair, truth and choice are the side of the real one."""

    study: str
    round: int
    position: int
    question: int  # the same for all readers
    image: str  # the key; of a pair that of the left one
    second: str | None  # of the right one
    truth: Choice
    choice: Choice
    confidence: int
    seconds: float
    given: str
    grade: str
    seed: int | None  # of the synthetic image

    @property
    def right(self) -> bool:
        return self.choice == self.truth


def path() -> Path:
    """Where everything is kept."""
    return runs_root() / FILE


@contextmanager
def _open(write: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection inside one transaction. Where there is no file yet, reading finds it empty and creates none."""
    file = path()
    try:
        if write:
            file.parent.mkdir(parents=True, exist_ok=True)
        where = str(file) if write or file.exists() else ":memory:"
        with closing(sqlite3.connect(where, timeout=WAIT, isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            if _version(db) == 0:
                _create(db)
            elif write:
                _bring_up(db)
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield db
            db.execute("COMMIT")  # an exception closes the connection, which takes the transaction back
    except (sqlite3.Error, OSError, ValidationError) as e:
        raise UserError(_why(e)) from e


def _version(db: sqlite3.Connection) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise UserError(f"The studies in {path()} were written by a newer version of this program; use that one.")
    return version


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if _version(db) == 0:  # nobody else has, meanwhile
        for statement in filter(str.strip, _SCHEMA.split(";")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def _bring_up(db: sqlite3.Connection) -> None:
    """Makes a file of an earlier version one of this; whoever only reads it does without."""
    if _version(db) == 1:
        db.execute("BEGIN IMMEDIATE")
        if _version(db) == 1:  # nobody else has, meanwhile
            db.execute("ALTER TABLE sets ADD COLUMN owner TEXT NOT NULL DEFAULT ''")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")


def _why(e: Exception) -> str:
    code = getattr(e, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "Somebody else is writing to the studies just now: try again in a moment."
    damaged = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    if code in damaged or isinstance(e, ValidationError):
        return f"The studies in {path()} are damaged: restore a copy, or move the file away to start afresh."
    return f"The studies in {path()} cannot be opened or written ({e}): check the permissions and the room on the disk."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def clean_name(text: str) -> str:
    """A reader's name as it is kept: one line of at most 60 letters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_NAME].strip()


def add_set(about: StudySet, films: Sequence[Film]) -> str:
    """Keeps the images, in no order that tells anything, and gives the set's id."""
    about = replace(about, id=secrets.token_hex(8), created=_now())
    rng = np.random.default_rng(about.seed)
    with _open(write=True) as db:
        db.execute(f"INSERT INTO sets VALUES ({','.join('?' * 14)})", astuple(about))
        for i in rng.permutation(len(films)):
            row = astuple(replace(films[i], key=secrets.token_hex(12)))
            db.execute(f"INSERT INTO images VALUES ({','.join('?' * 9)})", (*row, about.id))
    return about.id


def _all(db: sqlite3.Connection, kind: type[_T], query: str, *values: str) -> list[_T]:
    """Each row that is found as a dataclass, whose fields the columns are named as."""
    rows = db.execute(query, values)
    names = [column[0] for column in rows.description]
    return TypeAdapter(list[kind]).validate_python([dict(zip(names, row, strict=True)) for row in rows])  # type: ignore[valid-type]


def _set(db: sqlite3.Connection, set_id: str) -> StudySet:
    found = _all(db, StudySet, "SELECT * FROM sets WHERE id = ?", set_id)
    if not found:
        raise UserError("There is no such set of images here. Check the link, or start a study of your own.")
    return found[0]


def find_set(set_id: str) -> StudySet:
    with _open() as db:
        return _set(db, set_id)


def list_sets() -> list[StudySet]:
    """All sets, the newest first."""
    with _open() as db:
        return _all(db, StudySet, "SELECT * FROM sets ORDER BY created DESC, rowid DESC")


def delete_set(set_id: str) -> None:
    """Removes the images, with every study and answer of them."""
    with _open(write=True) as db:
        _set(db, set_id)
        db.execute("DELETE FROM sets WHERE id = ?", (set_id,))


def expire(before: datetime) -> None:
    """Removes the sets of visitors in which nobody has begun or answered anything since."""
    with _open() as db:
        old = [s.id for s in _all(db, StudySet, "SELECT * FROM sets") if s.owner and _last(db, s) < before]
    for set_id in old:
        with suppress(UserError):  # gone meanwhile
            delete_set(set_id)


def _last(db: sqlite3.Connection, about: StudySet) -> datetime:
    """When somebody has last done something with a set."""
    last = db.execute(
        "SELECT max(coalesce(max(given), ''), coalesce(max(ended), ''), coalesce(max(created), '')) FROM studies "
        "LEFT JOIN answers ON study = studies.id WHERE set_id = ?",
        (about.id,),
    ).fetchone()[0]
    return datetime.fromisoformat(max(last, about.created))


def _begin(db: sqlite3.Connection, about: StudySet, reader: str, round_: int, first: str | None) -> str:
    study = secrets.token_hex(16)
    seed = secrets.randbits(62)
    rng = np.random.default_rng(seed)
    by_question: dict[int, list[str]] = {}
    for question, key in db.execute(
        "SELECT question, key FROM images WHERE set_id = ? AND round = ? ORDER BY question, key", (about.id, round_)
    ):
        by_question.setdefault(question, []).append(key)
    asked = list(by_question.values())
    row = (study, about.id, clean_name(reader), round_, first, seed, _now(), None)
    db.execute("INSERT INTO studies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    for position, i in enumerate(rng.permutation(len(asked))):
        sides = rng.permutation(asked[i]).tolist()
        db.execute("INSERT INTO questions VALUES (?, ?, ?, ?)", (study, position, sides[0], (*sides, None)[1]))
    return study


def begin(set_id: str, reader: str = "") -> str:
    """A reader's first round of a set, in an order of its own: the study's id."""
    with _open(write=True) as db:
        return _begin(db, _set(db, set_id), reader, 1, None)


def begin_second(first: str) -> str:
    """The second round that follows a first one; the same however often it is asked for."""
    with _open(write=True) as db:
        study = _study(db, first)
        about = _set(db, study.set_id)
        if study.round != 1 or about.rounds < 2 or not study.over:
            raise UserError("A second round needs a first round that is finished, and images of its own.")
        _end(db, first)  # nothing of it is taken back any more
        found = db.execute("SELECT id FROM studies WHERE first = ?", (first,)).fetchone()
        return found[0] if found else _begin(db, about, study.reader, 2, first)


def second_of(first: str) -> str | None:
    """The study of the second round, where it has been begun."""
    with _open() as db:
        found = db.execute("SELECT id FROM studies WHERE first = ?", (first,)).fetchone()
    return found[0] if found else None


_STUDY = """
SELECT studies.id, set_id, kind, reader, round, first, studies.created, ended IS NOT NULL AS ended,
    (SELECT count(*) FROM answers WHERE study = studies.id) AS done,
    (SELECT count(*) FROM questions WHERE study = studies.id) AS total
FROM studies JOIN sets ON sets.id = set_id
"""


def _study(db: sqlite3.Connection, study: str) -> Study:
    found = _all(db, Study, f"{_STUDY} WHERE studies.id = ?", study)
    if not found:
        raise UserError("There is no such study here. Check the link, or start a new one.")
    return found[0]


def find_study(study: str) -> Study:
    with _open() as db:
        return _study(db, study)


def studies_of(set_id: str) -> list[Study]:
    """The studies of a set in the order they were begun."""
    with _open() as db:
        _set(db, set_id)
        return _all(db, Study, f"{_STUDY} WHERE set_id = ? ORDER BY studies.rowid", set_id)


def keys(study: str, position: int, count: int = 2) -> list[tuple[str, ...]]:
    """The keys of the images of up to `count` questions from `position` on; of a pair the left one first."""
    with _open() as db:
        rows = db.execute(
            "SELECT image, second FROM questions WHERE study = ? AND position >= ? ORDER BY position LIMIT ?",
            (study, position, count),
        )
        return [tuple(filter(None, row)) for row in rows]


def answer(study: str, given: Answer) -> Study:
    """Writes an answer and gives how the study then stands.

    Only the next question's is taken: one that comes twice, or from another tab that is behind, changes nothing.
    """
    with _open(write=True) as db:
        found = _study(db, study)
        if given.choice not in CHOICES[found.kind]:
            raise UserError(f"The answer must be {' or '.join(CHOICES[found.kind])}, not {given.choice}.")
        if not found.over and given.position == found.done:
            row = (study, given.position, given.choice, given.confidence, min(given.seconds, 86_400.0), _now())
            db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
        return _study(db, study)


def undo(study: str, position: int) -> Study:
    """Takes back the last answer, if it is the one at `position`."""
    with _open(write=True) as db:
        found = _study(db, study)
        if not found.ended and position == found.done - 1:
            db.execute("DELETE FROM answers WHERE study = ? AND position = ?", (study, position))
        return _study(db, study)


def _end(db: sqlite3.Connection, study: str) -> None:
    db.execute("UPDATE studies SET ended = coalesce(ended, ?) WHERE id = ?", (_now(), study))


def end(study: str) -> Study:
    """Ends a study where it stands: from here on its truth may be seen, so no answer is taken or undone any more."""
    with _open(write=True) as db:
        _study(db, study)
        _end(db, study)
        return _study(db, study)


def png(key: str) -> bytes | None:
    """The image with this key, if there is one."""
    with _open() as db:
        found = db.execute("SELECT png FROM images WHERE key = ?", (key,)).fetchone()
    return found[0] if found else None


def shown(set_id: str) -> list[Film]:
    """The images of a set without their pixels, question by question, the real one of a pair first."""
    columns = "round, question, synthetic, grade, seed, clue, key"
    with _open() as db:
        query = f"SELECT {columns} FROM images WHERE set_id = ? ORDER BY round, question, synthetic"
        return _all(db, Film, query, set_id)


_ANSWERED = """
SELECT a.study, s.round, a.position, i.question, q.image, q.second,
    CASE WHEN q.second IS NULL THEN iif(i.synthetic, 'synthetic', 'real') ELSE iif(i.synthetic, 'right', 'left') END
        AS truth,
    a.choice, a.confidence, a.seconds, a.given, i.grade, coalesce(i.seed, j.seed) AS seed
FROM answers a
JOIN studies s ON s.id = a.study
JOIN questions q ON q.study = a.study AND q.position = a.position
JOIN images i ON i.key = q.image
LEFT JOIN images j ON j.key = q.second
WHERE s.set_id = ? ORDER BY s.rowid, a.position
"""


def answers(set_id: str) -> list[Answered]:
    """All answers to a set, study by study in the order given."""
    with _open() as db:
        return _all(db, Answered, _ANSWERED, set_id)
