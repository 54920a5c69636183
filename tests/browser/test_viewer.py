"""The viewer in a real browser, by mouse, keys and touch: gray levels as computed, zoom, links, favourites."""

import re
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browsing import WITH_MODEL, expect
from paths import ROOT

pytestmark = WITH_MODEL

SEED = 3
DESK = {"viewport": {"width": 1280, "height": 900}}
TOUCH = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}
on_both = pytest.mark.parametrize("window", [DESK, TOUCH], ids=["desk", "touch"])


def shown(window, level, gray):
    """DICOM's linear function, PS3.3 C.11.2.1.2.1, case by case."""
    low, high = level - 0.5 - (window - 1) / 2, level - 0.5 + (window - 1) / 2
    between = ((gray - (level - 0.5)) / (window - 1) + 0.5) * 255
    return np.where(gray <= low, 0, np.where(gray > high, 255, np.round(between)))


def grays(pane):
    """The pixels on the screen, once the full picture is there."""
    pane.locator("xpath=.").and_(pane.page.locator("[data-film]")).wait_for()
    values = pane.evaluate("c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    rgba = np.array(values, np.float64).reshape(-1, 4)
    assert (rgba[:, 0] == rgba[:, 1]).all()
    assert (rgba[:, 3] == 255).all()
    return rgba[:, 0]


def opened(visitor, window, path="/?model=knee-64", film=SEED):
    tab = visitor(path, **window)
    if film is not None:
        tab.locator("button.film").nth(film).click()
    box = tab.locator("dialog[open]")
    box.wait_for()
    return tab, box, box.locator("canvas").first


def settles(tab, read, wanted):
    """Waits until what is read is as wanted, for a screen is drawn a frame later."""
    for _ in range(100):
        if np.array_equal(read(), wanted):
            return
        tab.wait_for_timeout(50)
    np.testing.assert_array_equal(read(), wanted)


def drag(tab, stage, dx, dy, touch):
    """A slow drag from the middle, in shares of the stage."""
    box = stage.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    dx, dy = dx * box["width"], dy * box["height"]
    if not touch:
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + dx, y + dy, steps=4)
        tab.mouse.up()
        return
    finger = tab.context.new_cdp_session(tab)
    send = lambda kind, *points: finger.send(  # noqa: E731
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": px, "y": py} for px, py in points]}
    )
    send("touchStart", (x, y))
    tab.wait_for_timeout(400)  # slower than a flick
    send("touchMove", (x + dx / 2, y + dy / 2))
    send("touchMove", (x + dx, y + dy))
    send("touchEnd")


@on_both
def test_a_drag_sets_window_and_level_and_gray_levels_are_as_computed(visitor, window):
    tab, box, canvas = opened(visitor, window)
    made = grays(canvas)
    assert len(set(made)) > 50
    drag(tab, box.locator(".stage").first, -0.25, 0.125, "has_touch" in window)
    figures = [int(box.get_by_role("slider", name=name).input_value()) for name in ("Window", "Level")]
    assert figures == pytest.approx([192, 160], abs=3)
    settles(tab, lambda: grays(canvas), shown(*figures, made))
    box.get_by_role("button", name="Invert").click()
    settles(tab, lambda: grays(canvas), 255 - shown(*figures, made))
    box.get_by_role("button", name="Reset").click()
    settles(tab, lambda: grays(canvas), made)

    box.get_by_role("combobox", name="Preset window").select_option("Bone")
    settles(tab, lambda: grays(canvas), shown(140, 190, made))
    box.get_by_role("button", name="Auto").click()
    inside = np.sort(made[made > 8])
    low, high = (float(box.get_by_role("slider", name=name).input_value()) for name in ("Window", "Level"))
    ends = high - low / 2, high + low / 2
    assert ends[0] == pytest.approx(inside[int(0.01 * len(inside))], abs=2)
    assert ends[1] == pytest.approx(inside[-1 - int(0.01 * len(inside))], abs=2)


def test_keys_alone_window_zoom_move_and_go_on(visitor):
    tab, box, canvas = opened(visitor, DESK)
    made = grays(canvas)
    box.get_by_role("slider", name="Level").focus()
    tab.keyboard.press("ArrowRight")
    settles(tab, lambda: grays(canvas), shown(256, 129, made))
    box.get_by_role("button", name="Next").focus()
    outline = box.get_by_role("button", name="Next").evaluate("n => getComputedStyle(n).outlineWidth")
    assert outline == "2px"
    tab.keyboard.press("r")
    tab.keyboard.press("+")
    expect(box.get_by_text("1.5×")).to_be_visible()
    plate = box.locator(".plate").first
    before = plate.get_attribute("style")
    tab.keyboard.press("Shift+ArrowRight")
    expect(plate).not_to_have_attribute("style", before)
    expect(canvas).to_have_attribute("aria-label", re.compile(f"seed {SEED}$"))
    tab.keyboard.press("ArrowLeft")
    expect(canvas).to_have_attribute("aria-label", re.compile(f"seed {SEED - 1}$"))
    expect(box.get_by_text("1.5×")).to_be_visible()


def test_the_wheel_zooms_about_the_pointer_and_a_double_click_back(visitor):
    tab, box, _ = opened(visitor, DESK)
    stage, plate = box.locator(".stage").first, box.locator(".plate").first
    place = stage.bounding_box()
    x, y = place["x"] + 0.25 * place["width"], place["y"] + 0.75 * place["height"]
    tab.mouse.move(x, y)
    for _ in range(5):
        tab.mouse.wheel(0, -100)
    expect(box.get_by_text("1.0×")).to_be_hidden()
    tab.wait_for_timeout(200)
    large = plate.bounding_box()
    assert large["width"] > 2 * place["width"]
    assert (x - large["x"]) / large["width"] == pytest.approx(0.25, abs=0.01)
    assert (y - large["y"]) / large["height"] == pytest.approx(0.75, abs=0.01)
    tab.mouse.dblclick(x, y)
    expect(box.get_by_text("1.0×")).to_be_visible()


def test_a_flick_goes_on_two_fingers_zoom(visitor):
    tab, box, canvas = opened(visitor, TOUCH)
    made = grays(canvas)
    place = box.locator(".stage").first.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    finger = tab.context.new_cdp_session(tab)

    def touch(kind, *points):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

    touch("touchStart", (x, y))
    touch("touchMove", (x - 60, y + 2))
    touch("touchMove", (x - 120, y + 4))
    touch("touchEnd")
    expect(canvas).to_have_attribute("aria-label", re.compile(f"seed {SEED + 1}$"))
    assert box.get_by_role("slider", name="Window").input_value() == "256", "a flick leaves the window as it was"
    assert not np.array_equal(grays(canvas), made)
    touch("touchStart", (x - 30, y), (x + 30, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchMove", (x - 90, y), (x + 90, y))
    touch("touchEnd")
    expect(box.get_by_text("3.0×")).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"


@on_both
def test_a_link_opens_the_same_picture_under_the_same_window(visitor, window):
    tab, box, canvas = opened(visitor, window, f"/?model=knee-64&grade=3&show={SEED}&window=150-100-1-2-0.4-0.6", None)
    made = grays(canvas)
    tab.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    box.get_by_role("button", name="Copy link").click()
    expect(box.get_by_role("button", name="Copied")).to_be_visible()
    address = urlsplit(tab.evaluate("window.copied"))
    assert parse_qs(address.query)["window"] == ["150-100-1-2-0.4-0.6"]
    _, _, again = opened(visitor, window, f"{address.path}?{address.query}", None)
    np.testing.assert_array_equal(grays(again), made)


@pytest.mark.parametrize("said", ["x", "9999-9999-9-99-9-9", "--", "1e999", "<script>"])
def test_a_window_out_of_range_in_a_link_still_shows_the_picture(visitor, said):
    _, _, canvas = opened(visitor, DESK, f"/?model=knee-64&show={SEED}&window={said}", None)
    assert len(grays(canvas)) == 64 * 64


def test_open_in_explore_and_the_way_back_lead_to_the_same_picture(visitor):
    tab, box, canvas = opened(visitor, DESK, "/?model=knee-64&grade=3&seed=40")
    box.get_by_role("combobox", name="Preset window").select_option("Bone")
    alt = canvas.get_attribute("aria-label")
    box.get_by_role("link", name="Open in Explore").click()
    expect(tab.locator(".film canvas")).to_have_attribute(
        "data-shown", re.compile(f"seed={40 + SEED}&grade=3"), timeout=90_000
    )
    tab.wait_for_url(re.compile("/explore"))
    tab.go_back()
    box.wait_for()
    expect(canvas).to_have_attribute("aria-label", alt)
    expect(box.get_by_role("slider", name="Level")).to_have_value("190")


def tray_of(tab):
    """The tray, brought out where the sidebar is folded away."""
    tray = tab.locator(".tray")
    tray.wait_for(state="attached")
    if tab.locator('[data-testid="stSidebar"][data-collapsed="true"]').count():
        tab.get_by_test_id("stExpandSidebarButton").click()
    expect(tray).to_be_visible()
    return tray


@on_both
def test_favourites_last_are_compared_downloaded_and_brought_back(visitor, window):
    tab, box, canvas = opened(visitor, window)
    grays(canvas)
    box.get_by_role("button", name="Favourite").click()
    expect(box.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("ArrowRight")
    expect(canvas).to_have_attribute("aria-label", re.compile(f"seed {SEED + 1}$"))
    tab.keyboard.press("s")
    box.get_by_role("button", name="Close").click()
    box.wait_for(state="hidden")
    tab.wait_for_timeout(500)  # its entry in the history goes

    tab.goto(tab.url.split("/?")[0] + "/models")
    tray = tray_of(tab)
    expect(tray.locator("img")).to_have_count(2)
    tab.reload()
    tray = tray_of(tab)
    expect(tray.locator("img")).to_have_count(2)
    for check in tray.get_by_role("checkbox").all():
        check.check()
    with tab.expect_download() as download:
        tray.get_by_role("button", name="Download 2").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(Path(name).suffix for name in archive.namelist()) == [".json", ".json", ".png", ".png"]

    tray.get_by_role("button", name="Compare").click()
    both = tab.locator("dialog[open] canvas")
    expect(both).to_have_count(2)
    made = [grays(both.nth(i)) for i in range(2)]
    tab.locator("dialog[open]").get_by_role("combobox", name="Preset window").select_option("Soft tissue")
    for i in range(2):
        settles(tab, lambda i=i: grays(both.nth(i)), shown(130, 85, made[i]))
    tab.keyboard.press("Escape")

    tray.get_by_role("button", name=re.compile("Remove")).first.click()
    expect(tray.locator("img")).to_have_count(1)
    tray.get_by_role("button", name="Undo").click()
    expect(tray.locator("img")).to_have_count(2)


def test_damaged_favourites_do_not_break_a_page(visitor):
    tab = visitor("/?model=knee-64", **DESK)
    tab.locator(".tray").wait_for()
    for text in ("{", "7", '[null, {"caption": 1}, {"caption": "a"}]'):
        tab.evaluate("text => localStorage.setItem('knee-gan-favourites', text)", text)
        tab.reload()
        expect(tab.locator(".tray")).to_contain_text("None yet")


def test_the_side_s_letter_and_a_scale_bar_that_grows_with_the_zoom(browser):
    source = (ROOT / "studio/viewer/viewer.js").read_text(encoding="utf-8")
    style = (ROOT / "studio/viewer/viewer.css").read_text(encoding="utf-8")
    tab = browser.new_page()
    tab.set_content(f"""<style>{style} .stage {{ width: 400px }}</style><script type="module">{source}
        const view = new View(), pane = new Pane(view)
        document.body.append(pane.node)
        pane.paint(new OffscreenCanvas(100, 100), {{ side: "L", mm: 1.4 }})
        Object.assign(window, {{ view, pane }})
    </script>""")
    expect(tab.locator(".letter")).to_have_text("L")
    bar = tab.locator(".scale")
    for zoom, mm in ((1, 50), (2, 20), (4, 10)):  # the longest below 0.45 of the 140 mm / zoom that are seen
        tab.evaluate("zoom => view.set({ zoom })", zoom)
        expect(bar).to_have_text(f"{mm} mm")
        assert bar.bounding_box()["width"] == pytest.approx(400 * mm * zoom / 140, abs=1)
    tab.evaluate("pane.paint(new OffscreenCanvas(100, 100))")
    expect(bar).to_have_text("")
    expect(tab.locator(".letter")).to_have_text("")
    tab.close()


def test_explore_s_picture_keeps_its_window_as_sliders_move_and_the_link_holds_it(visitor):
    path = "/explore?model=knee-64&seed=4&grade=0"
    plain, tab = visitor(path, **DESK), visitor(f"{path}&window=140-190", **DESK)

    def drawn(of, grade):
        expect(of.locator(".film canvas")).to_have_attribute(
            "data-shown", re.compile(f"grade={grade}(&|$)"), timeout=90_000
        )
        levels = of.locator(".film canvas").evaluate(
            "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0)"
        )
        return np.array(levels, float)

    for grade in ("0", "3"):
        for each in (plain, tab):
            each.get_by_role("slider", name="KL grade").fill(grade)
        np.testing.assert_array_equal(drawn(tab, grade), shown(140, 190, drawn(plain, grade)))
    tab.wait_for_url(re.compile("grade=3.*window=140-190"))
    drag(tab, tab.locator(".film .stage"), 0.25, 0, touch=False)
    tab.wait_for_url(re.compile("window=20[2-6]-190"))
    tab.get_by_role("button", name="Enlarge").click()
    box = tab.locator("dialog[open]")
    expect(box.get_by_role("slider", name="Level")).to_have_value("190")
    expect(box.get_by_role("link", name="Open in Explore")).to_be_hidden()
    box.get_by_role("button", name="Favourite").click()
    expect(tab.locator(".tray img")).to_have_count(1)


def test_a_tap_on_explore_s_picture_enlarges_it(visitor):
    tab = visitor("/explore?model=knee-64&seed=4", **TOUCH)
    tab.locator(".film canvas[data-shown]").tap()
    box = tab.locator("dialog[open]")
    assert len(grays(box.locator("canvas").first)) == 64 * 64
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
