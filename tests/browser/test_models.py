"""The Models page in a real browser, against a small Hub: get a model, look at it, remove it."""

import pytest
from browsing import BROWSER, in_each_window, see
from hub_server import hub_fixture  # noqa: F401
from made_models import make
from serving import serving

pytestmark = BROWSER


@pytest.fixture
def app(hub, tmp_path):
    """A server of each test's own, which knows its Hub."""
    with serving(tmp_path / "runs") as app:
        yield app.url, tmp_path / "runs"


@in_each_window
def test_see_get_open_and_remove_a_model_from_the_hub(hub, visitor, tmp_path, window):
    folder = make(tmp_path / "model", resolution=64)
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    repo = hub.add("lab/knees", files, card={"license": "mit"})
    tab = visitor("/models?view=get&hub=lab/knees", **window)
    page = tab.get_by_test_id("stMainBlockContainer")
    tab.get_by_role("button", name="Get it").click()
    see(tab, "ready to use on every page")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    page.get_by_role("button", name="See its images").first.click()
    tab.locator("button.film").first.wait_for()
    assert f"lab%2Fknees%40{repo.commit[:7]}" in tab.url
    tab.goto(f"{tab.url.partition('?')[0].rstrip('/')}/models")
    see(tab, f"lab/knees@{repo.commit[:7]}")
    page.get_by_role("button", name="Remove").click()
    tab.get_by_role("button", name="Remove it").click()
    see(tab, "was removed from this computer")
