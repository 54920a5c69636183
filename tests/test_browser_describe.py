"""Describe in a real browser: words -> knees, one on the light box, one taken on to Explore; on a phone too."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import CHROMIUM, ROOT, see

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.skipif(not (ROOT / "weights/knee-64").is_dir(), reason="no model is shipped"),
]
expect = sync_api.expect


@pytest.mark.parametrize(
    "window",
    [
        {"viewport": {"width": 1360, "height": 900}},
        {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    ],
    ids=["desktop", "phone-dark"],
)
def test_words_bring_knees_that_the_link_brings_back(visitor, window):
    tab = visitor("/explore?model=knee-64&view=Describe", **window)
    field = tab.get_by_role("textbox", name="What is the knee to show?")
    field.fill("KL 4, left knee, no fracture, xyzzy")
    field.press("Enter")
    films = tab.locator(".sheet .film")
    expect(films).to_have_count(12, timeout=90_000)
    see(tab, "xyzzy: not understood")
    see(tab, "neither asked for nor kept out")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    first = films.first.locator("img").get_attribute("src")

    films.first.click()
    box = tab.locator("dialog.box")
    expect(box.get_by_role("link", name="Download")).to_have_attribute("download", re.compile("^synthetic_knee-64_"))
    box.get_by_role("button", name="Close").click()

    address = urlsplit(tab.url)
    assert parse_qs(address.query)["words"] == ["KL 4, left knee, no fracture, xyzzy"]
    other = visitor(f"{address.path}?{address.query}", **window)
    expect(other.locator(".sheet .film").first.locator("img")).to_have_attribute("src", first, timeout=90_000)

    tab.get_by_role("button", name="2", exact=True).click()
    expect(tab.locator(".film canvas")).to_have_attribute("data-shown", re.compile("grade=4"), timeout=90_000)
