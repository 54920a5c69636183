"""A page of the app as Streamlit's test harness opens it, and how tests read it."""

import json

from paths import ROOT
from streamlit.testing.v1 import AppTest


def page(name="gallery", visitor="", **query):
    """The page `name` as a link with this query opens it; on a host for the visitor whose browser holds this key."""
    at = AppTest.from_file(ROOT / "studio/ui_main.py", default_timeout=120)
    if visitor:
        at.session_state["knee_gan_visitor"] = visitor
    for key, value in query.items():
        at.query_params[key] = value
    if name != "gallery":
        at.switch_page(str(ROOT / f"pages/{name}.py"))
    return at.run()


def told(at):
    """All that the page says, without the marks that keep Markdown from reading it."""
    kinds = ("title", "header", "subheader", "markdown", "code", "caption", "info", "warning", "error", "success")
    return " ".join(str(e.value) for kind in kinds for e in at.get(kind)).replace("\\", "")


def button(at, label):
    return next(b for b in at.button if b.label == label)


def component(at):
    """What the one component on the page was given."""
    (found,) = at.main.get("bidi_component")
    proto = found.proto
    return json.loads(proto.mixed.json if proto.HasField("mixed") else proto.json)
