"""What the tests in a real browser share: when they run, the windows, and how they wait for words."""

import re

import pytest
from paths import CHROMIUM, needs_model

expect = pytest.importorskip("playwright.sync_api").expect

BROWSER = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
]
WITH_MODEL = [*BROWSER, needs_model]
# Streamlit asks once below a deep link for what it then finds at the root: harmless.
EXPECTED = re.compile(r"404 \(Not Found\)")
DESKTOP = {"viewport": {"width": 1360, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
in_each_window = pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone-dark"])


def see(where, text, **options):
    """Waits until text stands to be read in the page, or the part of it, `where`; a log may repeat it, folded away."""
    where.get_by_text(text, **options).filter(visible=True).first.wait_for()
