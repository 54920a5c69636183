"""The Export page in a real browser: choose, export in a process of its own, take the zip away."""

import csv
import io
import re
import zipfile
from urllib.parse import urlsplit

import pytest
from browsing import DESKTOP, PHONE, WITH_MODEL, expect, see

from studio.export.folder import ExportFolder

pytestmark = WITH_MODEL


@pytest.mark.parametrize(
    ("window", "what", "suffix"),
    [
        (DESKTOP, "Pictures", ".png"),
        (PHONE, "DICOM", ".dcm"),
    ],
    ids=["desktop", "phone-dark"],
)
def test_choose_export_and_take_the_zip_away(visitor, window, what, suffix):
    tab = visitor("/export?model=knee-64&n=20", **window)
    see(tab, "20 synthetic images")
    tab.get_by_role("radio", name=what).or_(tab.get_by_role("button", name=what, exact=True)).first.click()
    tab.locator("button.film").first.wait_for()
    tab.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Export", exact=True).click()
    link = tab.get_by_role("link", name=re.compile("Download"))
    link.wait_for()
    expect(tab.locator("button.film")).to_have_count(15)
    tab.get_by_role("tab", name="Data card").click()
    tab.get_by_role("heading", name="Nearest-patient check").wait_for()
    for wide in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
        assert tab.evaluate(f"{wide}.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    downloads = []
    tab.on("download", lambda download: downloads.append(download))
    # The link may open a tab of its own.
    tab.context.on("page", lambda opened: opened.on("download", lambda download: downloads.append(download)))
    link.click()
    for _ in range(600):
        if not downloads:
            tab.wait_for_timeout(100)
    assert downloads[0].suggested_filename.startswith("synthetic-")
    with zipfile.ZipFile(downloads[0].path()) as packed:
        names = packed.namelist()
        assert packed.testzip() is None
        manifest = next(n for n in names if n.endswith("manifest.csv"))
        table = list(csv.DictReader(io.StringIO(packed.read(manifest).decode())))
    assert len(table) == len([n for n in names if n.endswith(suffix)]) == 20

    # Whoever has the link sees the same export.
    address = urlsplit(tab.url)
    other = visitor(f"{address.path}?{address.query}", **window)
    other.get_by_role("link", name=re.compile("Download")).wait_for()


def test_a_cancelled_export_goes_on(visitor):
    tab = visitor("/export?model=knee-64&n=3000")
    see(tab, "3,000 synthetic images")
    main = tab.get_by_test_id("stMainBlockContainer")
    main.get_by_role("button", name="Export", exact=True).click()
    see(tab, re.compile(r"[1-9]\d* of 3,000"))
    main.get_by_role("button", name="Stop").click()
    see(tab, "What is made so far is kept")
    (export,) = ExportFolder.all()
    kept = len(list(export.files_path.rglob("*.png")))
    assert kept
    main.get_by_role("button", name="Go on").click()
    see(tab, re.compile(r"of 3,000"))
    main.get_by_role("button", name="Stop").click()
    see(tab, "What is made so far is kept")
    assert len(list(export.files_path.rglob("*.png"))) >= kept
