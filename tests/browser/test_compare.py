"""The Compare page in a real browser: one window for all films, the slider and the map by mouse, touch and keys."""

import re
import time

from browsing import WITH_MODEL, expect

pytestmark = WITH_MODEL


def filters(tab, selector):
    return tab.locator(selector).evaluate_all("nodes => [...new Set(nodes.map(n => getComputedStyle(n).filter))]")


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

    tab.get_by_role("button", name="Invert").click()
    for side in ("real", "synthetic"):
        eventually(lambda s=side: filters(tab, f".films .cmp-{s} img") == ["brightness(1) contrast(1) invert(1)"])
    tab.wait_for_url(re.compile("light=100-100-1"))
    tab.locator('[data-test-script-state="notRunning"]').wait_for()  # a page drawn anew would close the pair

    films.nth(1).click()
    box = tab.locator("dialog[open]")
    expect(box.locator("img")).to_have_count(2)
    before = box.locator("img").last.get_attribute("alt")
    tab.keyboard.press("ArrowRight")
    expect(box.locator("img").last).not_to_have_attribute("alt", before)
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
    eventually(lambda: len(filters(tab, ".cmp-row img") + filters(tab, ".wipe img")) == 2)  # one window for all films
    assert "invert(1)" in filters(tab, ".cmp-row img")[0]


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
