"""Describe in a real browser: words -> knees, one in the viewer, one taken on to Explore; on a phone too."""

import re
from urllib.parse import parse_qs, urlsplit

from browsing import WITH_MODEL, expect, in_each_window, see

pytestmark = WITH_MODEL


@in_each_window
def test_words_bring_knees_that_the_link_brings_back(visitor, window):
    tab = visitor("/explore?model=knee-64&view=Describe", **window)
    field = tab.get_by_role("textbox", name="Describe the knee in English")
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
