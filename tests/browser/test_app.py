"""One walk through the app in a real browser: see knees, train on the phantom, watch, stop, find it in the gallery."""

import re
from urllib.parse import urlsplit

import pytest
from browsing import BROWSER, expect, in_each_window, see
from paths import needs_model

from gan_core.train.run import Status, create_run
from studio.export.folder import create_export
from studio.export.plan import ExportRequest
from studio.jobs.launch import delete

pytestmark = BROWSER


@needs_model
@in_each_window
def test_the_viewer_opens_inverts_steps_and_downloads(visitor, window):
    tab = visitor("/", **window)
    films = tab.locator("button.film")
    films.first.wait_for()
    assert films.count() == 24
    films.nth(1).click()
    box = tab.locator("dialog[open]")
    box.wait_for()
    picture = box.locator("canvas").first
    expect(picture).to_have_attribute("aria-label", re.compile("seed 1$"))
    box.get_by_role("button", name="Invert").click()
    tab.keyboard.press("ArrowRight")
    expect(picture).to_have_attribute("aria-label", re.compile("seed 2$"))
    with tab.expect_download() as download:
        box.get_by_role("link", name="Download").click()
    assert re.fullmatch(r"synthetic_.+_seed\d+\.png", download.value.suggested_filename)
    tab.keyboard.press("Escape")
    box.wait_for(state="hidden")
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"


@needs_model
@in_each_window
def test_going_back_closes_the_viewer_and_stays_on_the_page(visitor, window):
    tab = visitor("/?model=knee-64", **window)
    tab.locator("button.film").nth(3).click()
    box = tab.locator("dialog[open]")
    for leave in (lambda: tab.keyboard.press("Escape"), tab.go_back):
        box.wait_for()
        address = tab.url
        leave()
        box.wait_for(state="hidden")
        assert tab.url == address
        tab.locator("button.film").nth(5).click()
    tab.go_back()
    box.wait_for(state="hidden")
    tab.get_by_role("button", name="Other knees").click()
    tab.wait_for_url(re.compile("seed="))
    see(tab, re.compile(r"seed \d+"))


@needs_model
@pytest.mark.parametrize("page", ["", "compare", "export", "explore"])
def test_a_link_to_a_model_that_is_not_here_shows_no_other_as_if_it_were(visitor, page):
    tab = visitor(f"/{page}?model=00009-gone&seed=40&show=41")
    see(tab, "There is no model 00009-gone here")
    tab.wait_for_timeout(1500)  # a box that opens does so with the films
    assert not tab.locator("dialog[open]").count()
    see(tab, "There is no model 00009-gone here")


@needs_model
def test_the_menu_leads_from_any_page_to_any_other(visitor):
    tab = visitor("/compare")
    headings = {
        "Models": "Models",
        "Evaluate": "Evaluate",
        "Runs": "Runs",
        "Explore": "Explore",
        "Compare": "Compare real and synthetic",
        "Export": "Export",
    }
    for page in (
        "Models",
        "Evaluate",
        "Models",
        "Compare",
        "Evaluate",
        "Compare",
        "Runs",
        "Models",
        "Explore",
        "Export",
    ):
        tab.get_by_role("link", name=page, exact=True).click()
        tab.get_by_role("heading", name=headings[page], exact=True).wait_for()
        tab.get_by_test_id("stMainBlockContainer").get_by_role("tab").or_(
            tab.get_by_test_id("stMainBlockContainer").get_by_role("button")
        ).first.wait_for()
        assert not tab.get_by_text("Something went wrong").count()


@pytest.mark.parametrize(
    ("page", "tabs"),
    [("models", ["On this computer", "Get a model", "Share a model"]), ("evaluate", ["Evaluate", "Compare"])],
)
def test_going_back_returns_to_the_tab_before(visitor, page, tabs):
    tab = visitor(f"/{page}")
    named = [tab.get_by_role("tab", name=name, exact=True) for name in tabs]
    for each in named[1:]:
        each.click()
        tab.wait_for_url(re.compile("view="))
        expect(each).to_have_attribute("aria-selected", "true", timeout=60_000)
        tab.wait_for_timeout(500)  # its address follows
    for each in reversed(named[:-1]):
        tab.go_back()
        expect(each).to_have_attribute("aria-selected", "true", timeout=60_000)
    tab.go_forward()
    expect(named[1]).to_have_attribute("aria-selected", "true", timeout=60_000)


def test_what_is_deleted_in_another_tab_leads_back_to_the_list_in_one_line(visitor, server, tiny):
    run = create_run(tiny(), "digits")
    run.write_status(Status(state="stopped"))
    export = create_export(ExportRequest(model="knee-64", n=20))
    export.write_status(export.status_schema(state="stopped"))
    for link, kind, job, button in (
        ("train?run", "training", run, "Resume"),
        ("export?export", "export", export, "Go on"),
    ):
        tab = visitor(f"/{link}={job.name}")
        again = tab.get_by_role("button", name=button)
        again.wait_for()
        delete(job)
        again.click()
        see(tab, f"There is no {kind} {job.name} here")
        assert job.name not in tab.url
        assert str(job.path.parent) not in tab.inner_text("body")


def test_train_on_the_phantom_watch_stop_resume_and_open_in_the_gallery(visitor):
    tab = visitor("/train")
    see(tab, "2,000 images", exact=True)
    tab.get_by_text("More settings").click()
    tab.get_by_role("textbox", name="Any other setting").fill(
        "judge_kimg=0\ntick_kimg=0.064\nsample_kimg=0.064\ng_channels=4\nd_channels=4"
    )
    tab.keyboard.press("Control+Enter")
    tab.get_by_role("button", name="Start training").click()
    see(tab, "images a second")
    tab.locator(".plot .main-svg").first.wait_for()

    seen = tab.get_by_text(re.compile(r"[\d,]+ of [\d,]+ images")).filter(visible=True).first
    before = seen.inner_text()
    expect(seen).not_to_have_text(before, timeout=60_000)

    # Another person, with the link alone, watches the same training.
    address = urlsplit(tab.url)
    other = visitor(f"{address.path}?{address.query}")
    see(other, "images a second")

    page = tab.get_by_test_id("stMainBlockContainer")  # Streamlit's header has a Stop of its own while a script runs
    page.get_by_role("button", name="Stop").click()
    see(tab, "It can be resumed")
    page.get_by_role("button", name="Resume").click()
    see(tab, "images a second")
    page.get_by_role("button", name="Stop").click()
    see(tab, "It can be resumed")
    tab.get_by_role("button", name="Open in gallery").click()
    tab.locator("button.film").first.wait_for()
    see(tab, "phantom")
