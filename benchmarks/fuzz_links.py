"""Links to pages with anything in their parameters, and questions to what the server answers beside the pages."""

from __future__ import annotations

import shutil
from typing import Any
from unittest import mock
from urllib.parse import quote

from fuzz_damage import edited, numbers, odd, words
from fuzz_house import CLASSES, ROOT, RUN, SECRET, Broken, House, in_words
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gan_core.model import load_model
from studio.study import store
from studio.study.make import make_set

# -- pages ------------------------------------------------------------------------------------------------------------

_seeds = ["0", "7", "2147483647", "2147483648", "-1"]
_unit = ["0", "1", "0.5", "0.123", "-0", "1.01", "2"]
_model = {"model": [RUN, f"{RUN}/generator-best", "knee-64", "lab/knees@main"]}
_seen = _model | {"grade": list(CLASSES), "seed": _seeds, "variety": _unit}
_latent = {
    "seed": _seeds,
    "seeds": ["0,1,2,3", "5,6", "1,2,3,4,5,6,7,8,9", ",", "1,,2"],
    "path": ["straight", "spherical"],
    "at": ["0", "1.5", "4", "9"],
    "x": _unit,
    "y": _unit,
    "z": ["AAAAAAAAAAAAAAAAAAAAAA==", "AHwAfAB8AHwAfAB8AHwAfA==", "AAAA", "A", "====", "AH4AfgB-AH4AfgB-AH4Afg=="],
    "offset": ["AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"],
    "grade": ["0", "1.25", "2", "3", "0.5"],
    "truncation": _unit,
    "moves": ["0.5", "1,-1", "0,0,3", ",", "9,9,9,9,9,9,9,9,9"],
}
# What each page reads from its link, with values that it would write itself.
PAGES: dict[str, dict[str, list[str]]] = {
    "gallery": _seen | {"pages": ["1", "2", "20", "21"], "show": ["0", "23", "99"]},
    "explore": _model
    | _latent
    | {
        "view": ["One knee", "Between knees", "Plane", "Find a knee", "Describe"],
        "words": ["mild, left"],
        "show": ["7"],
    },
    "compare": _seen
    | {
        "n": ["20", "400", "0"],
        "light": ["100-100-1", "0-9999-0"],
        "window": ["150-80-1", "9-9-9-9-9-9-9"],
        "pair": ["3", "99"],
        "fake": ["0", "19"],
        "pages": ["2", "99", "0"],
    }
    | {"view": ["Nearest real", "Brightness and detail", "Map"], "point": ["real-3", "synthetic-0", "synthetic-999"]},
    "study": {"study": ["STUDY"], "results": ["SET"], "set": ["SET"]},
    "train": {"run": [RUN]},
    "runs": {"runs": [RUN, f"{RUN},x", ",,"], "view": ["Curves", "Samples", "Table", "Settings"]}
    | {"along": ["Epochs", "Minutes"], "smoothing": ["0", "25", "26"], "log": ["true", "false"], "every": ["true"]}
    | {
        "figures": ["Diversity", "Gradient penalty"],
        "step": ["Images"],
        "samples": ["All", "A strip"],
        "at": ["0.5", "0", "1"],
    },
    "evaluate": {"evaluation": ["New evaluation", "EVALUATION"], "view": ["Evaluate", "Compare"]},
    "models": {"view": ["here", "get", "share"], "hub": ["lab/knees", "lab/knees@main", "https://x/y/z"]},
    "export": _seen
    | {"export": ["New export", "EXPORT"], "what": ["Pictures", "Training set", "DICOM"], "n": ["1", "100", "0"]}
    | {"grades": ["Balanced", "As in training", "One only", "So many of each"]},
    "learn": {
        "lesson": ["Watch a game", "How far apart?", "The losses", "Steadying the game"],
        "seed": ["0", "1", "99"],
    }
    | {"game": ["dcgan", "wgan"], "beside": ["wgan-gp", "nothing"], "target": ["Grid", "Ring", "Moons"]}
    | {"shape": ["Bells", "Points"], "recipe": ["dcgan", "wgan-gp"]},
}
_strange = st.one_of(
    words,
    numbers.map(str),
    st.sampled_from(
        ["", "9" * 5000, "1e999", "-inf", "NaN", "٣", "²", "0x10", " 7 ", "1_000", "true", "null", "[]", "7;8"]
    ),
)
_Query = dict[str, Any]  # parameter -> a value, or several


def _of_links(known: dict[str, list[str]]) -> st.SearchStrategy[_Query]:
    def value(good: list[str]) -> st.SearchStrategy[Any]:
        one = st.one_of(st.sampled_from(good), st.sampled_from(good), _strange)
        return st.one_of(one, one, one, st.lists(one, min_size=2, max_size=3))

    return st.fixed_dictionaries({}, optional={name: value(good) for name, good in known.items()})


def of_page(name: str) -> st.SearchStrategy[tuple[str, _Query]]:
    return st.tuples(st.just(name), _of_links(PAGES[name]))


def visit(page: str, **query: Any) -> bool:
    """Opens a page of the app; whether it did so without an objection, which must be in words."""
    from streamlit.testing.v1 import AppTest

    at = AppTest.from_file(str(ROOT / "studio" / "ui_main.py"), default_timeout=120)
    for name, value in query.items():
        at.query_params[name] = value
    if page != "gallery":
        at.switch_page(f"../pages/{page}.py")
    at.run()
    for element in at.exception:
        raise Broken(f"{page} {query}: {element.message}\n{''.join(element.stack_trace)}")
    said = [e.value for kind in ("error", "warning") for e in at.get(kind)]
    for text in said:
        in_words(text.replace("\\", "").replace("\n", " "))
    if not at.title and not said:
        raise Broken(f"{page} {query}: nothing was drawn.")
    shown = [e.value for kind in ("markdown", "caption", "info", "code") for e in at.get(kind)]
    if any(SECRET in text for text in (*said, *shown)):
        raise Broken(f"{page} {query}: it shows what lies outside.")
    return not said


def furnish(house: House) -> dict[str, str]:
    """A run, a study, an evaluation and an export for links to lead to; what the words for them in a link stand for."""
    run = house.runs / RUN
    if not (run / "furnished").exists():
        house.empty()
        shutil.copytree(house.run.path, run)
        for kind, path in house.jobs.items():
            shutil.copytree(path, house.runs / f"{kind}s" / path.name)
        with house.at_home():
            set_id = make_set(load_model(house.model), RUN, "phantom:60")
            study = store.begin(set_id)
        (run / "furnished").write_text(f"{set_id} {study}")
    names = (*(run / "furnished").read_text().split(), *(house.jobs[kind].name for kind in ("evaluation", "export")))
    return dict(zip(("SET", "STUDY", "EVALUATION", "EXPORT"), names, strict=True))


def _meant(query: _Query, secret: dict[str, str]) -> _Query:
    def one(value: str) -> str:
        return secret.get(value, value)

    return {name: [one(v) for v in value] if isinstance(value, list) else one(value) for name, value in query.items()}


def check_page(house: House, example: tuple[str, _Query]) -> bool:
    page, query = example
    return visit(page, **_meant(query, furnish(house)))


# -- what the server answers beside the pages -------------------------------------------------------------------------

of_routes = st.one_of(
    st.tuples(
        st.just("GET"),
        st.tuples(
            st.just("explore"), st.one_of(st.sampled_from(["image", "loop", "plane", "directions", "latent"]), words)
        ),
        _of_links(_model | _latent),
    ),
    st.tuples(
        st.just("GET"),
        st.just(("runs", "samples")),
        _of_links({"run": [RUN, "seeds/x"], "at": ["0", "50", "100"], "rows": ["0", "1", "99"]}),
    ),
    st.tuples(
        st.just("GET"),
        st.just(("runs", "curves")),
        _of_links(
            {"run": [RUN, "seeds/x"], "column": ["d_loss", "kd_knee"], "along": ["images", "minutes", "share"]}
            | {"half": ["0", "9.5", "1e300"], "since": ["0", "50", "999"], "width": ["0", "1", "16"]}
        ),
    ),
    st.tuples(
        st.just("GET"),
        st.just(("toy",)),
        _of_links({"game": ["dcgan", "wgan"], "target": ["grid", "ring"], "seed": ["0", "1"]}),
    ),
    st.tuples(
        st.just("GET"),
        st.tuples(st.just("export"), st.one_of(st.just("EXPORT.zip"), words.map(lambda w: f"{w}.zip"))),
        st.just({}),
    ),
    st.tuples(st.just("GET"), st.tuples(st.just("study"), st.one_of(st.just("STUDY"), words)), st.just({})),
    st.tuples(st.just("GET"), st.tuples(st.just("study-image"), words), st.just({})),
    st.tuples(
        st.just("POST"),
        st.tuples(
            st.just("study"), st.one_of(st.just("STUDY"), words), st.sampled_from(["answer", "undo", "end", "x"])
        ),
        st.one_of(
            st.binary(max_size=30),
            st.fixed_dictionaries(
                {},
                optional={
                    "position": st.one_of(st.integers(0, 3), odd),
                    "choice": st.one_of(st.sampled_from(["real", "synthetic"]), odd),
                    "confidence": st.one_of(st.integers(1, 5), odd),
                    "seconds": st.one_of(st.floats(0, 9), odd),
                },
            ).map(lambda document: edited(document, [])),
        ),
    ),
)


def check_route(house: House, example: tuple[str, tuple[str, ...], Any]) -> bool:
    from studio.learn import games as learn_games
    from studio.routes import routes

    method, place, sent = example
    secret = furnish(house)
    path = "/api/" + "/".join(quote(secret.get(part, part)[:2000], safe="") for part in place)
    with mock.patch.object(learn_games, "library", learn_games.Library(lambda keys: [])):
        client = TestClient(Starlette(routes=routes))
        if method == "GET":
            answer = client.get(path, params=_meant(sent, secret))
        else:
            answer = client.post(path, content=sent, headers={"content-type": "application/json"})
    if answer.status_code >= 500:
        raise Broken(f"{method} {path} {sent}: {answer.status_code} {answer.text[:300]}")
    if answer.headers.get("content-type") == "application/json" and "error" in answer.json():
        in_words(answer.json()["error"])
    if SECRET in answer.text:
        raise Broken(f"{method} {path} {sent}: it answers with what lies outside.")
    return answer.status_code == 200
