"""Curves in a real browser: what one has zoomed to and hidden stays while they grow; all are read at one place."""

import re
import subprocess
import sys
from urllib.parse import urlsplit

import psutil
import pytest
from browsing import BROWSER, DESKTOP, PHONE, expect, see
from made_runs import tick, write_run

from gan_core.train.run import runs_root

pytestmark = BROWSER
FIGURES = {"d_loss": lambda n: n / 1000, "g_loss": lambda n: 5 - n / 1000, "d_accuracy_real": lambda n: n / 10_000}
STANDS = """p => ({
    x: p.layout.xaxis.range, y: p.layout.yaxis.range, names: p.data.map(d => d.name), last: p.data[0].x.at(-1),
})"""


@pytest.fixture
def at_work(server, tiny):
    """A run whose process is there, though it does nothing; and a finished one."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    write_run(runs_root() / "00001-plain", tiny(), total=8000, **FIGURES)
    run = write_run(runs_root() / "00002-live", tiny(g_lr=0.1), total=8000, seen=4000, samples=[0], **FIGURES)
    run.write_status(run.status().model_copy(update={"state": "running"}).with_process(psutil.Process(process.pid)))
    yield run
    process.kill()
    process.wait()


def grow(run, *moments):
    for nimg in moments:
        run.add_stats(tick(nimg, **{name: figure(nimg) for name, figure in FIGURES.items()}))


def plots(tab, n):
    """The panels' drawings, once there are so many."""
    found = tab.locator(".plot").filter(visible=True)
    expect(found).to_have_count(n, timeout=120_000)
    expect(found.last.locator(".main-svg").first).to_be_visible(timeout=60_000)
    return found


def zoom(tab, plot):
    """Draws a box over the middle of a panel."""
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    tab.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
    tab.mouse.up()
    see(tab, "Reset zoom")


@pytest.mark.parametrize(
    ("path", "panels", "hidden", "kept"),
    [("/runs", 3, "B", "A 00002-live"), ("/train?run=00002-live", 2, "generator", "discriminator")],
    ids=["runs", "train"],
)
def test_zoom_and_what_is_hidden_stay_as_the_curves_grow(at_work, visitor, path, panels, hidden, kept):
    tab = visitor(path, **DESKTOP)
    drawn = plots(tab, panels)
    first, other = drawn.nth(0), drawn.nth(1)
    first.evaluate("node => { node.kept = true }")
    zoom(tab, first)
    tab.locator(".panel").first.get_by_role("button", name=hidden, exact=True).click()
    tab.wait_for_function("p => p.data.length === 1", arg=first.element_handle())
    before = first.evaluate(STANDS)
    assert 0 < before["x"][0] < before["x"][1] < 8000
    assert (before["names"], before["last"]) == ([kept], 4000)
    assert other.evaluate(STANDS)["x"] == before["x"]  # one axis for all panels

    grow(at_work, 5000, 6000)
    tab.wait_for_function("p => p.data[0].x.at(-1) === 6000", arg=first.element_handle(), timeout=60_000)
    grow(at_work, 7000)
    tab.wait_for_function("p => p.data[0].x.at(-1) === 7000", arg=first.element_handle(), timeout=60_000)
    after = first.evaluate(STANDS)
    assert after == before | {"last": 7000}
    assert first.evaluate("node => node.kept"), "the chart was built anew"

    tab.get_by_role("button", name="Reset zoom").click()
    tab.wait_for_function("p => p.layout.xaxis.range[1] > 7000", arg=first.element_handle())
    tab.locator(".panel").first.get_by_role("button", name=hidden, exact=True).click()
    tab.wait_for_function("p => p.data.length === 2", arg=first.element_handle())


def test_a_drawing_that_waits_for_its_first_tick_says_so_and_then_begins(server, tiny, at_work, visitor):
    text = at_work.stats_path.read_text()
    at_work.stats_path.write_text("")
    tab = visitor("/train?run=00002-live", **DESKTOP)
    see(tab, "The curves will appear soon.")
    at_work.stats_path.write_text(text)
    plots(tab, 2)
    expect(tab.get_by_text("The curves will appear soon.")).to_be_hidden()


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone-dark"])
def test_all_panels_are_read_at_one_place_between_ticks_too(at_work, visitor, window):
    tab = visitor("/runs?figures=Critic%27s+loss&figures=Right+on+reals", **window)
    drawn = plots(tab, 2)
    drawn.first.scroll_into_view_if_needed()
    box = drawn.first.bounding_box()
    inner = box["width"] - 52 - 20  # the margins
    tab.mouse.move(box["x"] + 52 + inner * 2500 / 8160, box["y"] + 40)
    for panel, values in ((0, ["2.5", "2.5"]), (1, ["25%", "25%"])):
        said = tab.get_by_test_id("stMain").locator(".said").nth(panel)
        expect(said).to_be_visible()
        images = int(re.search(r"([\d,]+) images", said.inner_text())[1].replace(",", ""))
        assert images == pytest.approx(2500, abs=25)
        shown = [float(v.rstrip("%")) for v in said.locator("div span:last-child").all_inner_texts()]
        assert shown == pytest.approx([float(v.rstrip("%")) for v in values], rel=0.02)
    tab.mouse.move(box["x"] + 52 + inner * 6000 / 8160, box["y"] + 40)
    expect(tab.get_by_test_id("stMain").locator(".said").first.locator("div")).to_have_count(
        1
    )  # the other run has not come so far
    tab.mouse.move(5, 5)
    expect(tab.get_by_test_id("stMain").locator(".said").first).to_be_hidden()

    drawn.first.press("ArrowRight")  # and by the keyboard alone
    for _ in range(20):
        tab.keyboard.press("ArrowRight")
    expect(tab.get_by_test_id("stMain").locator(".said").nth(1)).to_contain_text("images")
    assert "At the end: A 00002-live 4, B 00001-plain 8" in drawn.first.get_attribute("aria-label")


def test_full_screen_and_what_draws_comes_from_here_and_once(at_work, visitor):
    tab = visitor("/train?run=00002-live", **DESKTOP)
    asked = []
    tab.context.on("request", lambda request: asked.append(urlsplit(request.url)))
    drawn = plots(tab, 2)
    before = drawn.first.bounding_box()
    tab.get_by_role("button", name="Full screen").click()
    tab.wait_for_function("([p, w]) => p.clientWidth > w", arg=[drawn.first.element_handle(), before["width"]])
    expect(tab.get_by_role("button", name="Leave full screen")).to_be_visible()
    tab.get_by_role("button", name="Leave full screen").click()
    tab.wait_for_function("([p, w]) => p.clientWidth === w", arg=[drawn.first.element_handle(), round(before["width"])])
    tab.get_by_role("link", name="Runs").click()
    plots(tab, 3)
    assert {address.netloc for address in asked if address.scheme.startswith("http")} == {urlsplit(tab.url).netloc}
    assert sum(address.path == "/api/plotly.js" for address in asked) <= 1
