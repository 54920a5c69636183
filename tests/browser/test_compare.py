"""The Compare page in a real browser: one window for all films, the slider and the map by mouse, touch and keys."""

import re
import time

import pytest
from browsing import WITH_MODEL, expect

pytestmark = WITH_MODEL


def grays(tab, selector):
    """The mean gray level of each film that `selector` finds, once all are drawn."""
    drawn = tab.locator(f"{selector}[data-film]")
    eventually(lambda: drawn.count() == tab.locator(selector).count() > 0)
    return drawn.evaluate_all(
        """all => all.map((c) => {
          const levels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 === 0)
          return levels.reduce((sum, level) => sum + level, 0) / levels.length
        })"""
    )


def eventually(check):
    """A rerun may still be on its way to the browser: waits until `check()` holds, up to half a minute."""
    end = time.monotonic() + 30
    while not check() and time.monotonic() < end:
        time.sleep(0.2)
    assert check()


def shown(handle):
    return int(handle.get_attribute("aria-valuenow"))


def test_desktop_one_window_for_both_sides_a_pair_enlarged_and_the_slider_by_mouse_and_keys(visitor):
    tab = visitor("/compare", viewport={"width": 1360, "height": 900})
    films = tab.locator(".films .cmp-film")
    films.first.wait_for()
    assert tab.locator(".films .cmp-real").count() == tab.locator(".films .cmp-synthetic").count() == 12

    before = grays(tab, ".films canvas")
    assert len(before) == 24
    tab.get_by_role("button", name="Invert").click()
    eventually(lambda: grays(tab, ".films canvas") == pytest.approx([255 - mean for mean in before], abs=1e-6))
    tab.wait_for_url(re.compile("window=256-128-1"))
    tab.locator('[data-test-script-state="notRunning"]').wait_for()  # a page drawn anew would close the pair

    films.nth(1).click()
    box = tab.locator("dialog[open]")
    both = box.locator("canvas")
    expect(both).to_have_count(2)
    assert grays(tab, "dialog[open] canvas") == pytest.approx([255 - before[1], 255 - before[13]], abs=1e-6)
    alt = both.last.get_attribute("aria-label")
    tab.keyboard.press("ArrowRight")
    expect(both.last).not_to_have_attribute("aria-label", alt)
    plates = box.locator(".plate")
    tab.keyboard.press("+")
    eventually(lambda: plates.first.get_attribute("style") == plates.last.get_attribute("style") != "")
    expect(box.get_by_role("link", name="Open in Explore")).to_have_attribute("href", re.compile("seed=2&"))
    box.get_by_role("button", name="Find the nearest real image").click()

    handle = tab.get_by_role("slider", name=re.compile("synthetic image is shown"))
    handle.wait_for()
    tab.wait_for_url(re.compile("fake=2"))
    start = shown(handle)
    handle.press("ArrowRight")
    eventually(lambda: shown(handle) > start)
    handle.press("Home")
    eventually(lambda: shown(handle) == 0)
    expect(handle).to_have_attribute("aria-valuetext", "0% Synthetic, 100% Real")

    def drag():
        wipe = tab.locator(".wipe")
        wipe.scroll_into_view_if_needed()
        place = wipe.bounding_box()
        tab.mouse.move(place["x"] + place["width"] * 0.5, place["y"] + 40)
        tab.mouse.down()
        tab.mouse.move(place["x"] + place["width"] * 0.75, place["y"] + 60)
        tab.mouse.up()
        return shown(handle) in (74, 75, 76)

    eventually(drag)
    assert grays(tab, ".wipe canvas")[::-1] == pytest.approx(grays(tab, ".one canvas")[:2], abs=1e-6), "one window"


def test_phone_dark_the_map_by_touch_and_keys(visitor):
    tab = visitor("/compare?view=Map", viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    tab.locator(".atlas path.cmp-synthetic").nth(3).wait_for()
    film = tab.locator(".atlas figure")
    expect(film).to_be_hidden()
    tab.locator("svg.map path.cmp-synthetic").nth(3).tap()
    expect(film).to_be_visible()
    tab.wait_for_url(re.compile(r"point=(real|synthetic)-\d+"))
    first = film.inner_text()
    ink = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert film.locator("canvas").evaluate(ink) > 10
    tab.locator("svg.map").focus()
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        tab.keyboard.press(key)
        if film.inner_text() != first:
            break
    assert film.inner_text() != first
    assert re.match(r"(Real|Synthetic)\s", film.inner_text())
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"

    tab.get_by_role("tab", name="Nearest real").click()
    wipe = tab.locator(".wipe")
    wipe.wait_for()
    wipe.scroll_into_view_if_needed()
    place = wipe.bounding_box()
    tab.touchscreen.tap(place["x"] + place["width"] * 0.2, place["y"] + 50)
    assert shown(tab.get_by_role("slider", name=re.compile("synthetic image is shown"))) in (19, 20, 21)
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
