"""The reader study in a real browser: by keyboard alone, by finger on a phone, with a reload and a second tab."""

import re

from browsing import WITH_MODEL, expect, see

from studio.study import store

pytestmark = WITH_MODEL


def enter(tab):
    """Through the door, by the key that its button waits for."""
    expect(tab.get_by_role("button", name=re.compile("^(Begin|Go on)$"))).to_be_focused(timeout=120_000)
    tab.keyboard.press("Enter")


def at(tab, words):
    """Waits until the room stands there and takes an answer."""
    tab.locator(".room[open]", has=tab.locator("img")).wait_for()
    see(tab, words, exact=True)
    tab.locator(".panel:not(.waiting)").wait_for()


def fits(tab, selector):
    """Whether all of an element is to be seen without scrolling."""
    return tab.locator(selector).evaluate(
        "d => d.scrollHeight <= d.clientHeight + 1 && d.scrollWidth <= d.clientWidth + 1"
    )


def test_a_study_by_keyboard_alone_with_a_pause_a_reload_and_a_second_tab(visitor):
    tab = visitor("/study", viewport={"width": 1280, "height": 720})
    seen = []
    tab.on("response", lambda r: seen.append(r) if "/api/study" in r.url else None)
    tab.get_by_role("button", name="Start").focus()
    tab.keyboard.press("Enter")
    enter(tab)
    at(tab, "1 of 20")
    assert fits(tab, ".room")

    tab.keyboard.press("3")  # a confidence alone is no answer
    see(tab, "Choose an answer first.")
    tab.keyboard.press("ArrowLeft")
    at(tab, "2 of 20")
    tab.keyboard.press("Backspace")
    at(tab, "1 of 20")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("5")
    at(tab, "2 of 20")
    tab.keyboard.press("Escape")
    see(tab, "1 of 20 are answered and saved")

    tab.reload()
    enter(tab)
    at(tab, "2 of 20")
    other = visitor(tab.url.removeprefix(tab.url.split("/study")[0]))
    enter(other)
    at(other, "2 of 20")
    other.keyboard.press("ArrowRight")
    other.keyboard.press("1")
    at(other, "3 of 20")
    tab.keyboard.press("ArrowLeft")  # this tab is behind: the first answer stands, and it catches up
    tab.keyboard.press("5")
    at(tab, "3 of 20")

    for n in range(3, 20):
        tab.keyboard.press("ArrowLeft" if n % 2 else "ArrowRight")
        tab.keyboard.press("4")
        at(tab, f"{n + 1} of 20")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("2")
    see(tab, "That was the last one")
    lengths = {r.headers["content-length"] for r in seen if "study-image" in r.url}
    assert len(lengths) == 1, "the length of an image tells what it is"
    tab.reload()  # what is over leads to the result, here too
    see(tab, "All 20 are answered and saved")
    tab.get_by_role("button", name="See the result").filter(visible=True).click()
    see(tab, re.compile(r"^\d+ of 20 right$"))

    (about,) = store.list_sets()
    given = store.answers(about.id)
    assert [a.choice for a in given[:3]] == ["real", "real", "synthetic"]
    assert [a.confidence for a in given[:3]] == [5, 1, 4]
    pictures = tab.locator(".sheet img")
    expect(pictures).to_have_count(20, timeout=120_000)
    for picture in pictures.all():
        assert picture.evaluate("i => i.decode().then(() => i.naturalWidth)") > 0
    tab.locator("button.film").first.click()
    box = tab.locator("dialog[open]")
    box.locator("canvas[data-film]").first.wait_for()
    tab.keyboard.press("ArrowRight")
    see(box, "2 of 20")


def test_pairs_by_finger_on_a_phone_then_clues(visitor):
    tab = visitor("/study", viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    tab.get_by_text("In pairs").click()
    expect(tab.get_by_role("radio", name="In pairs")).to_be_checked(timeout=120_000)
    tab.get_by_role("button", name="Start").click()
    tab.get_by_role("button", name="Begin").click()
    at(tab, "1 of 10")
    assert fits(tab, ".room")
    assert [i.get_attribute("alt") for i in tab.locator(".room img").all()] == [
        "Left image of pair 1 of 10",
        "Right image of pair 1 of 10",
    ]
    for n in range(1, 11):
        at(tab, f"{n} of 10")
        tab.get_by_role("button", name="Left is real").click()
        tab.get_by_role("button", name="3 fairly sure").click()
    tab.locator(".room").get_by_role("button", name="See the result", exact=True).click()
    see(tab, re.compile(r"^\d+ of 10 pairs right$"))
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    tab.get_by_role("button", name="Start the second round").click()
    see(tab, "Too smooth")
    tab.get_by_role("button", name="Begin").click()
    at(tab, "1 of 10")
    (about,) = store.list_sets()
    assert {a.choice for a in store.answers(about.id)} == {"left"}


def test_an_answer_that_the_server_does_not_take_is_said_and_sent_again(visitor):
    tab = visitor(f"/study?study={store.begin(_set())}")
    enter(tab)
    at(tab, "1 of 20")
    tab.route("**/answer", lambda route: route.fulfill(status=200, body="a proxy's page"))
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("2")
    see(tab, "Your last answer is not saved yet")
    tab.unroute("**/answer")
    tab.get_by_role("button", name="Try again").click()
    at(tab, "2 of 20")


def _set():
    from gan_core.model import SHIPPED, load_model
    from studio.study.make import make_set

    return make_set(load_model(SHIPPED / "knee-64"), "knee-64", "phantom:60")
