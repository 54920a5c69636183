"""The Explore page as its tests open and read it."""

from streamlit.testing.v1 import AppTest


def page(**query):
    at = AppTest.from_file("../studio/ui_main.py", default_timeout=120)
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page("../pages/explore.py")
    return at.run()


def told(at):
    kinds = ("markdown", "caption", "info", "warning", "error")
    return " ".join(e.value for kind in kinds for e in at.get(kind)).replace("\\", "")


def button(at, label):
    return next(b for b in at.button if b.label == label)
