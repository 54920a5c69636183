"""A real browser is given whole films: their knees are found, looked at, put right and used."""

import re

import pytest
from browsing import BROWSER, expect, see
from made_dicom import bilateral_dicom
from paths import needs_model

from studio.data.crops import read_table

pytestmark = BROWSER
WINDOWS = [
    {"viewport": {"width": 1280, "height": 900}},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
]
SOON = 60_000  # milliseconds, on a busy machine
in_each_window = pytest.mark.parametrize("window", WINDOWS, ids=["1280", "390"])


def dropped(name="film.dcm"):
    return {"name": name, "mimeType": "application/dicom", "buffer": bilateral_dicom()}


def fits(tab):
    return tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@needs_model
@in_each_window
def test_a_bilateral_film_gives_two_knees_of_which_one_is_looked_for(visitor, window):
    tab = visitor("/explore?model=knee-64&view=Find a knee", **window)
    tab.locator("input[type=file]").first.set_input_files(dropped())
    see(tab, "Is this the knee you mean, and does the box fit?")
    expect(tab.locator(".boxes .knee")).to_have_count(2, timeout=SOON)
    right, left = tab.locator(".boxes .knee").all()
    expect(right.locator("text")).to_have_text("R", timeout=SOON)
    expect(left.locator("text")).to_have_text("L", timeout=SOON)
    expect(tab.get_by_alt_text(re.compile(r"^Knee 1: Right, 0\.\d+ mm per pixel"))).to_be_visible(timeout=SOON)
    expect(tab.get_by_alt_text(re.compile(r"^Knee 2: Left, 0\.\d+ mm per pixel"))).to_be_visible(timeout=SOON)
    see(tab, "Your image, as the model sees it · Right")
    left.focus()
    left.press("s")
    expect(tab.get_by_role("radio", name="2. Side not known")).to_be_visible(timeout=SOON)
    tab.get_by_role("button", name="Undo").click()
    tab.get_by_test_id("stButtonGroup").get_by_text("2. Left").click()
    see(tab, "Your image, as the model sees it · Left")
    tab.get_by_role("button", name="Find this knee").click()
    see(tab, "Overall, a pixel differs by")
    assert fits(tab)


@in_each_window
def test_a_film_for_a_training_gives_two_knees_looked_through_put_right_and_used(visitor, app, window):
    tab = visitor("/train", **window)
    tab.get_by_test_id("stButtonGroup").get_by_text("Upload", exact=True).click()
    tab.locator("input[type=file]").set_input_files(dropped())
    see(tab, "1 film: 2 knees are used")
    tab.get_by_test_id("stCheckbox").get_by_text("Look through the knees").click()
    expect(tab.get_by_alt_text(re.compile("^Right"))).to_be_visible(timeout=SOON)
    expect(tab.get_by_alt_text(re.compile("^Left"))).to_be_visible(timeout=SOON)
    tab.get_by_role("button", name=re.compile("^Box: Left")).click()
    expect(tab.locator(".boxes .knee")).to_have_count(2, timeout=SOON)
    tab.locator(".boxes .knee").nth(1).focus()
    tab.locator(".boxes .knee").nth(1).press("s")
    tab.get_by_role("button", name="Done").click()
    see(tab, "1 film changed")
    tab.get_by_role("button", name="Use these boxes").click()
    see(tab, "2 images, as the networks will see them")
    assert fits(tab)

    (table,) = app[1].glob("uploads/*/crops-*.csv")
    assert [knee.side for knee in read_table(table)["film.dcm"].knees] == ["R", ""]
    tab.reload()
    tab.get_by_test_id("stButtonGroup").get_by_text("Remembered", exact=True).click()
    see(tab, "2 images, as the networks will see them")
    tab.get_by_test_id("stCheckbox").get_by_text("Look through the knees").click()
    tab.get_by_role("button", name=re.compile("^Leave out: Side not known")).click()
    tab.get_by_role("button", name="Use these boxes").click()
    see(tab, "1 film: 1 knee is used")
    tab.get_by_text("Use the whole pictures").click()
    see(tab, "1 images, as the networks will see them")
