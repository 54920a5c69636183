"""A real browser brings images: by upload on a host, where it alone finds them again, and from a Hub on loopback."""

import pytest
from browsing import BROWSER, expect, in_each_window, see
from hub_server import Repo, hub_fixture  # noqa: F401
from made_data_set import FILES, png
from serving import serving

pytestmark = BROWSER


@pytest.fixture
def opened(browser, tmp_path, monkeypatch):
    """opened(**environment): a function that gives new windows of an app that runs so."""
    stacks, windows = [], []

    def start(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        stacks.append(serving(tmp_path / "runs", tmp_path / "server.log"))
        url = stacks[-1].__enter__().url

        def window(**options):
            windows.append(browser.new_context(**options))
            windows[-1].set_default_timeout(120_000)
            tab = windows[-1].new_page()
            tab.goto(f"{url}/train")
            return tab

        return window

    yield start
    for window in windows:
        window.close()
    for stack in stacks:
        stack.__exit__(None, None, None)


def kind(tab, name):
    tab.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()


def test_on_a_host_a_browser_finds_again_what_it_has_uploaded_and_no_other_does(opened):
    window = opened(KNEE_GAN_FOLDERS="none")
    tab = window()
    kind(tab, "Upload")
    tab.locator("input[type=file]").set_input_files(
        [{"name": f"{i}.png", "mimeType": "image/png", "buffer": png(i)} for i in range(3)]
    )
    see(tab, "3 images")
    tab.reload()
    kind(tab, "Remembered")
    expect(tab.get_by_role("combobox", name="Used before")).to_have_value("0.png and 2 more · 3 images")
    see(tab, "3 images, as the networks will see them")
    other = window()
    kind(other, "Remembered")
    see(other, "Nothing yet.")
    tab.get_by_role("button", name="Remove").first.click()
    tab.get_by_role("button", name="Remove", exact=True).last.click()
    see(tab, "Nothing yet.")


@in_each_window
def test_a_data_set_of_the_hub_is_seen_then_fetched_with_progress_and_used(opened, hub, tmp_path, window):
    hub.repos["datasets/lab/knees"] = repo = Repo(dict(FILES), card={"license": "cc-by-4.0"})
    repo.faults, repo.pause = dict.fromkeys(FILES, "slow"), 3.0
    tab = opened(HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"))(**window)
    kind(tab, "From the Hub")
    see(tab, "The Hub is not contacted until you press a button")
    assert hub.seen == []
    tab.get_by_placeholder("knee radiograph, or owner/name").fill("lab/knees")
    tab.get_by_role("button", name="Ask the Hub").click()
    see(tab, "cc-by-4.0")
    tab.get_by_role("button", name="Fetch it").click()
    tab.get_by_role("button", name="Cancel").click()
    see(tab, "cancelled")
    repo.faults = {}
    tab.get_by_role("button", name="Fetch it").click()
    see(tab, "6 images")
    expect(tab.get_by_test_id("stException")).to_have_count(0)
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
