"""The Explore page in a real browser: sliders without a rerun, never behind themselves, by keyboard and on a phone."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import WITH_MODEL, expect, in_each_window, see

pytestmark = WITH_MODEL


def canvas_pixels(tab):
    return tab.locator(".film canvas").evaluate("c => c.toDataURL()")


def wait_for_picture(tab, **query):
    """Until the picture of this very state is on the screen."""
    for name, value in query.items():
        expect(tab.locator(".film canvas")).to_have_attribute(
            "data-shown", re.compile(rf"(^|&){name}={re.escape(value)}(&|$)"), timeout=60_000
        )


@in_each_window
def test_the_grade_moves_the_knee_and_the_link_brings_it_back(visitor, window):
    tab = visitor("/explore?model=knee-64&seed=4&grade=0", **window)
    wait_for_picture(tab, seed="4", grade="0")
    healthy = canvas_pixels(tab)
    grade = tab.get_by_role("slider", name="KL grade")
    grade.focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    wait_for_picture(tab, grade="0.15")
    grade.fill("3.5")
    wait_for_picture(tab, grade="3.5")
    sick = canvas_pixels(tab)
    assert sick != healthy
    see(tab, "What each slider was measured to change")
    tab.wait_for_url(re.compile(r"grade=3\.5"))
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"

    address = urlsplit(tab.url)
    other = visitor(f"{address.path}?{address.query}", **window)
    wait_for_picture(other, grade="3.5")
    assert canvas_pixels(other) == sick

    tab.get_by_role("button", name="Undo").click()
    tab.get_by_role("button", name="Reset").click()
    wait_for_picture(tab, grade="0")
    assert canvas_pixels(tab) == healthy


@in_each_window
def test_one_thing_is_moved_alone_and_the_link_brings_it_back(visitor, window):
    tab = visitor("/explore?model=knee-64&seed=4&grade=1", **window)
    wait_for_picture(tab, seed="4")
    before = canvas_pixels(tab)
    see(tab, "What each slider was measured to change")
    space = tab.get_by_role("slider", name="Medial joint space: narrower to wider")
    space.fill("-1.5")
    wait_for_picture(tab, steer="medial_space%3A-1.5")
    narrowed = canvas_pixels(tab)
    assert narrowed != before
    tab.wait_for_url(re.compile(r"steer=medial_space(:|%3A)-1\.5"))
    address = urlsplit(tab.url)
    other = visitor(f"{address.path}?{address.query}", **window)
    wait_for_picture(other, steer="medial_space%3A-1.5")
    assert canvas_pixels(other) == narrowed
    space.fill("0")
    expect(tab.locator(".film canvas")).not_to_have_attribute("data-shown", re.compile("steer"), timeout=60_000)
    assert canvas_pixels(tab) == before


def test_a_drag_has_one_question_out_at_a_time_and_ends_on_the_last_place(visitor):
    tab = visitor("/explore?model=knee-64&seed=4&grade=0")
    wait_for_picture(tab, grade="0")
    see(tab, "What each slider was measured to change")
    tab.evaluate(
        """() => {
          const ask = window.fetch
          let out = 0
          window.most = window.asked = 0
          window.fetch = async (...given) => {
            if (!String(given[0]).includes("explore/image")) return ask(...given)
            window.asked += 1
            window.most = Math.max(window.most, ++out)
            try { return await ask(...given) } finally { out -= 1 }
          }
        }"""
    )
    tab.get_by_role("slider", name="Variety").evaluate(
        """async (slider) => {
          for (let i = 0; i < 60; i++) {
            slider.value = i / 100
            slider.dispatchEvent(new Event("input", { bubbles: true }))
            await new Promise((done) => setTimeout(done, 5))
          }
        }"""
    )
    wait_for_picture(tab, truncation="0.59")
    assert tab.evaluate("window.most") == 1
    assert 1 < tab.evaluate("window.asked") <= 61


def test_downloads_bring_the_same_knee_back(visitor, tmp_path):
    tab = visitor("/explore?model=knee-64&seed=9&grade=2.5&truncation=0.8")
    wait_for_picture(tab, seed="9")
    with tab.expect_download() as image:
        tab.get_by_role("button", name="Download image").click()
    assert image.value.suggested_filename == "synthetic_knee-64_seed9.png"
    with tab.expect_download() as latent:
        tab.get_by_role("button", name="Download latent").click()
    kept = tmp_path / latent.value.suggested_filename
    latent.value.save_as(kept)
    assert json.loads(kept.read_text())["grade"] == 2.5
    tab.get_by_text("The command that makes it").click()
    expect(tab.locator("code", has_text="seed=9&grade=2.5&truncation=0.8")).to_be_visible()


def test_the_loop_plays_and_the_plane_follows_the_hand(visitor):
    tab = visitor("/explore?model=knee-64&view=Between knees&seeds=1,2,3&at=0&grade=1")
    wait_for_picture(tab, at="0")
    tab.get_by_role("button", name="Play").click()
    expect(tab.locator(".film canvas")).not_to_have_attribute("data-shown", re.compile(r"at=0(&|$)"), timeout=60_000)
    tab.get_by_role("button", name="Pause").click()
    see(tab, "Save the loop")
    field, place = tab.get_by_role("textbox", name="Seeds"), tab.get_by_role("slider", name="Place on the loop")
    field.fill("4")
    field.press("Enter")
    see(tab, "Give 2 to 8 seeds")
    expect(field).to_have_value("1, 2, 3")
    field.fill("1,2,3,4,5")
    field.press("Enter")
    expect(place).to_have_attribute("max", "5")
    tab.get_by_role("button", name="Reset").click()
    expect(place).to_have_attribute("max", "3")

    tab = visitor("/explore?model=knee-64&view=Plane&seeds=1,2,3,4&x=0.5&y=0.5&grade=1")
    wait_for_picture(tab, x="0.5")
    pad = tab.get_by_role("application")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    tab.mouse.move(box["x"] + 10, box["y"] + 10)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"], steps=5)
    tab.mouse.up()
    wait_for_picture(tab, x="0.9")
    pad.focus()
    tab.keyboard.press("ArrowLeft")
    wait_for_picture(tab, x="0.88")
    tab.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("x") == ["0.88"])
    tab.get_by_role("button", name="Edit this knee").click()
    expect(tab.locator(".film canvas")).to_have_attribute("data-shown", re.compile("z="), timeout=90_000)
    see(tab, "A knee that was found or opened")


def test_a_phantom_is_found_stopped_and_edited(visitor):
    tab = visitor("/explore?model=knee-64&view=Find a knee")
    tab.get_by_role("button", name="Or try a phantom").click()
    tab.get_by_role("button", name="Find this knee").click()
    see(tab, re.compile(r"Step \d+ of"))
    page = tab.get_by_test_id("stMainBlockContainer")  # Streamlit's header has a Stop of its own while a script runs
    # At once: a mouse waits until the page is calm, and by then a quick machine has finished by itself.
    page.get_by_role("button", name="Stop").dispatch_event("click")
    see(tab, re.compile("Stopped after|Of a knee picked blindly"))
    tab.get_by_role("button", name="Edit this knee").click()
    expect(tab.locator(".film canvas")).to_have_attribute("data-shown", re.compile("z="), timeout=90_000)
    see(tab, "A knee that was found or opened")


def test_going_back_returns_to_the_view_and_the_knee_before(visitor):
    tab = visitor("/?model=knee-64")
    tab.locator("button.film").first.wait_for()
    tab.get_by_role("link", name="Explore").click()
    tab.wait_for_url(re.compile("view=One"))
    grade = tab.get_by_role("slider", name="KL grade")
    for value in ("2", "4"):
        grade.fill(value)
        tab.wait_for_url(re.compile(rf"grade={value}(&|$)"))
    tab.get_by_role("radio", name="Plane").click()
    tab.wait_for_url(re.compile("view=Plane"))
    tab.get_by_role("radio", name="Describe").click()
    tab.wait_for_url(re.compile("view=Describe"))

    tab.go_back()
    expect(tab.get_by_role("radio", name="Plane")).to_be_checked()
    tab.locator('.film canvas[data-shown^="x="]').wait_for()
    tab.go_back()
    expect(tab.get_by_role("radio", name="One knee")).to_be_checked()
    tab.locator('.film canvas[data-shown^="x="]').wait_for(state="detached")  # the plane's goes a moment later
    expect(tab.locator(".film canvas")).to_have_count(1)
    wait_for_picture(tab, grade="4")
    tab.go_back()
    wait_for_picture(tab, grade="2")
    expect(tab.get_by_role("slider", name="KL grade")).to_have_value("2")
    tab.go_forward()
    wait_for_picture(tab, grade="4")
    for _ in range(4):  # two knees, the first one, and the page as the menu opened it
        tab.go_back()
        tab.wait_for_timeout(500)
    tab.locator("button.film").first.wait_for()
    assert parse_qs(urlsplit(tab.url).query).keys() <= {"model"}, "the knee's grade is no choice in the gallery"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_anatomy_panel_lies_on_the_knee_follows_it_and_is_in_the_link(visitor, width):
    window = {"viewport": {"width": width, "height": 850}}
    tab = visitor("/explore?model=knee-64&seed=4&grade=0", **window)
    wait_for_picture(tab, grade="0")
    see(tab, "What each slider was measured to change")
    lines, table = tab.locator(".outline path"), tab.locator(".anatomy table")
    switch = tab.get_by_role("button", name="Anatomy")
    expect(lines).to_have_count(0)
    expect(table).not_to_be_visible()
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(table.get_by_role("row", name=re.compile("Medial joint space .* ± .*%"))).to_be_visible()
    see(tab, re.compile("not for diagnosis"))
    film, outline = (tab.locator(f".film {what}").bounding_box() for what in ("canvas", ".outline"))
    assert film == pytest.approx(outline, abs=1)
    words = tab.locator(".outline text").all_text_contents()
    assert [word.split()[0] for word in words[:2]] == ["medial", "lateral"]
    assert words[2] in ("L", "R")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"

    tab.evaluate(
        """() => {
          const ask = window.fetch
          window.outlines = 0
          window.fetch = (...given) => {
            if (String(given[0]).includes("explore/anatomy")) window.outlines += 1
            return ask(...given)
          }
        }"""
    )
    before = tab.locator(".outline").inner_html()
    tab.get_by_role("slider", name="KL grade").evaluate(
        """async (slider) => {
          for (let i = 0; i <= 40; i++) {
            slider.value = i / 10
            slider.dispatchEvent(new Event("input", { bubbles: true }))
            await new Promise((done) => setTimeout(done, 5))
          }
        }"""
    )
    wait_for_picture(tab, grade="4")
    expect(lines).not_to_have_count(0)
    assert tab.locator(".outline").inner_html() != before
    assert tab.evaluate("window.outlines") <= 2, "an outline was asked for while the knee still moved"

    tab.wait_for_url(re.compile("anatomy=1"))
    address = urlsplit(tab.url)
    other = visitor(f"{address.path}?{address.query}", **window)
    expect(other.locator(".anatomy table")).to_be_visible(timeout=60_000)
    switch.click()
    expect(lines).to_have_count(0)
    expect(table).not_to_be_visible()
    tab.wait_for_url(lambda url: "anatomy" not in url)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_film_brought_in_is_outlined(visitor, width):
    tab = visitor("/explore?model=knee-64&view=Find a knee&anatomy=1", viewport={"width": width, "height": 850})
    tab.get_by_role("button", name="Or try a phantom").click()
    tab.get_by_test_id("stDataFrame").wait_for()
    see(tab, re.compile("percent of the plateau's width"))
    picture = tab.get_by_role("img", name="Your image").last
    assert picture.get_attribute("src").startswith("data:image/svg+xml")
    assert picture.evaluate("image => image.naturalWidth") == 64, "the drawing is whole"
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    tab.get_by_text("Anatomy", exact=True).click()
    expect(tab.get_by_test_id("stDataFrame")).to_have_count(0)
    tab.wait_for_url(lambda url: "anatomy" not in url)
