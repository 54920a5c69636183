"""The Runs page in a real browser: samples in step, and every view on a phone. Its curves: test_curves.py."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import BROWSER, expect, see
from made_runs import write_run

from gan_core.train.run import runs_root

pytestmark = BROWSER
CHART = ".plot .main-svg"


@pytest.fixture
def runs(server, tiny):
    """A finished run and a stopped one."""
    root = runs_root()
    write_run(root / "00001-plain", tiny(), d_loss=lambda n: n / 1000, kd_knee=lambda n: 1 / n)
    smooth = tiny(label_smoothing=0.1)
    write_run(root / "00002-smooth", smooth, seen=2000, state="stopped", d_loss=lambda n: 2.0, kd_knee=lambda n: 2 / n)
    return root


def test_a_run_leads_to_its_training(runs, visitor):
    tab = visitor("/runs", viewport={"width": 1360, "height": 900})
    tab.get_by_role("link", name="00002-smooth").click()
    tab.get_by_role("heading", name="Train", exact=True).wait_for()
    see(tab, "2,000 of 4,000 images")
    assert urlsplit(tab.url).path == "/train"


def test_samples_in_step_by_keys_and_played_and_kept_in_the_link(runs, visitor):
    tab = visitor("/runs?view=Samples", viewport={"width": 1360, "height": 900})
    films = tab.locator(".film img")
    expect(films).to_have_count(2, timeout=120_000)
    expect(films.nth(0)).to_have_attribute("alt", "Synthetic samples of 00002-smooth after 2,000 images")
    expect(films.nth(1)).to_have_attribute("alt", "Synthetic samples of 00001-plain after 4,000 images")
    for i in (0, 1):
        tab.wait_for_function("node => node.naturalWidth === 48", arg=films.nth(i).element_handle())

    slider = tab.get_by_role("slider", name="Progress of the runs")
    slider.press("Home")
    for i in (0, 1):
        expect(films.nth(i)).to_have_attribute("alt", re.compile("after 0 images"))
    tab.wait_for_url(re.compile("at=0"))
    other = visitor("/runs?" + urlsplit(tab.url).query)
    expect(other.locator(".film img").first).to_have_attribute("alt", re.compile("after 0 images"), timeout=120_000)

    tab.get_by_role("button", name="Play").click()
    expect(tab.get_by_role("button", name="Pause")).to_be_visible()
    expect(films.nth(1)).to_have_attribute("alt", re.compile("after 4,000 images"), timeout=60_000)
    expect(tab.get_by_role("button", name="Play")).to_be_visible(timeout=60_000)
    tab.wait_for_function("!location.search.includes('at=')")

    tab.get_by_text("Images", exact=True).click()
    slider.press("End")
    expect(tab.locator("figcaption small").first).to_have_text("2,000 images · its last", timeout=60_000)


def test_a_phone_shows_every_view_without_scrolling_sideways(runs, visitor):
    tab = visitor("/runs", viewport={"width": 390, "height": 844}, color_scheme="dark")
    seen = {
        "Curves": tab.locator(CHART).first,
        "Samples": tab.locator(".film img").first,
        "Table": tab.locator("[data-testid=stDataFrame] canvas").first,
        "Settings": tab.locator(".runs-settings td.odd").first,
    }
    for view, part in seen.items():
        tab.get_by_role("tab", name=view).click(timeout=120_000)
        expect(part).to_be_visible(timeout=60_000)
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{view} scrolls sideways"
    assert parse_qs(urlsplit(tab.url).query)["view"] == ["Settings"]
    grounds = tab.locator(".runs-settings td:not(:empty)").evaluate_all(
        "cells => cells.map(c => [c.className, getComputedStyle(c).backgroundColor])"
    )
    assert len({ground for _, ground in grounds}) == len({look for look, _ in grounds}) == 2

    with tab.expect_download() as download:
        tab.get_by_role("button", name="Table (CSV)").click()
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["key", "00002-smooth", "00001-plain"]
