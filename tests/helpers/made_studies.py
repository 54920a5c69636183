"""Sets of a reader study made in no time, and readers who answer as told."""

from studio.study import store
from studio.study.store import Answer, Film, StudySet

SIZE = 16


def bare(kind="single", size=20, rounds=2):
    """A set whose images are flat, made in no time: its id."""
    about = StudySet(kind, size, rounds, 1, SIZE, "m", "d", "films", "KL grade", False, "")
    films = []
    for round_ in range(1, rounds + 1):
        for i in range(size):
            question = i if kind == "single" else i // 2
            films.append(Film(round_, question, bool(i % 2), str(i % 5), 7 if i % 2 else None, b"png"))
    return store.add_set(about, films)


def truths(set_id):
    return {image.key: image.synthetic for image in store.shown(set_id)}


def read(study, right=lambda position: True, until=None, confidence=3, seconds=2.0):
    """Answers a study to its end: rightly where `right` says so."""
    of = truths(store.find_study(study).set_id)
    for position, keys in enumerate(store.keys(study, 0, until or 99)):
        true = right(position)
        if len(keys) == 1:
            choice = "synthetic" if of[keys[0]] == true else "real"
        else:
            choice = "left" if of[keys[1]] == true else "right"
        store.answer(study, Answer(position=position, choice=choice, confidence=confidence, seconds=seconds))
    return study
