"""The page Learn in a real browser: a game the server computes, by mouse and keys; a slider without a rerun."""

import re

import pytest
from browsing import BROWSER, DESKTOP, PHONE, expect

pytestmark = BROWSER
GAME = "/learn?game=dcgan&beside=nothing&target=Ring&seed=2"


def step(toy):
    """The step that is shown."""
    return int(re.search(r"step ([\d,]+)", toy.locator(".moment").inner_text())[1].replace(",", ""))


def drawn(toy):
    return toy.locator("canvas.plane").evaluate("c => c.toDataURL()")


def test_a_game_waits_for_who_wants_no_motion_and_is_played_by_keys_and_buttons(visitor):
    tab = visitor(GAME, **DESKTOP, reduced_motion="reduce")
    toy = tab.locator(".toy")
    expect(toy).to_have_attribute("data-loaded", re.compile(r"[1-9]\d"), timeout=120_000)  # some frames, not yet all
    assert step(toy) == 0
    expect(toy.get_by_role("button", name="Play")).to_be_visible()
    before = drawn(toy)

    toy.focus()
    tab.keyboard.press("ArrowRight")
    assert step(toy) == 15
    assert drawn(toy) != before
    tab.keyboard.press("ArrowLeft")
    assert step(toy) == 0
    assert drawn(toy) == before
    tab.keyboard.press("Space")
    expect(toy.locator(".moment")).not_to_contain_text("step 0 ", timeout=30_000)
    toy.get_by_role("button", name="Pause").click()
    here = step(toy)
    toy.get_by_role("button", name="Step ›").click()
    assert step(toy) > here

    expect(toy).to_have_attribute("data-loaded", "101", timeout=180_000)
    toy.get_by_role("slider", name="Position in the game").fill("100")
    assert step(toy) == 1500
    found = toy.locator("strong").inner_text()
    assert re.fullmatch(r"\d of 8", found)
    expect(toy.locator("canvas.plane")).to_have_attribute("aria-label", re.compile(f"after 1500 steps: {found}"))

    # Whoever comes later sees the same game at once, and it plays of itself.
    other = visitor(GAME, **PHONE).locator(".toy")
    expect(other).to_have_attribute("data-loaded", "101", timeout=90_000)
    expect(other.get_by_role("button", name="Pause")).to_be_visible()
    other.get_by_role("slider", name="Position in the game").fill("100")
    assert other.locator("strong").inner_text() == found
    assert other.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone-dark"])
def test_two_distributions_slide_apart_without_asking_the_server(visitor, window):
    tab = visitor("/learn?lesson=How+far+apart%3F&shape=Points", **window)
    apart = tab.locator(".apart")
    slider = apart.get_by_role("slider", name="How far apart the two are")
    slider.fill("80")
    expect(apart.locator(".said")).to_contain_text("Jensen-Shannon 0.693")
    expect(apart.locator(".said")).to_contain_text("Wasserstein 8.0")
    expect(apart.get_by_text("no pull")).to_have_count(1)
    slider.press("ArrowLeft")
    expect(apart.locator(".said")).to_contain_text("7.9 apart")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"


def test_the_link_follows_what_is_chosen(visitor):
    tab = visitor("/learn?lesson=The+losses&recipe=wgan-gp", **DESKTOP)
    tab.get_by_role("heading", name="WGAN-GP").wait_for()
    tab.locator(".katex").first.wait_for()
    tab.get_by_test_id("stMainBlockContainer").get_by_text("knee-64", exact=True).click()
    tab.wait_for_url(re.compile("recipe=knee-64"))
    tab.get_by_role("heading", name="relativistic").wait_for()
