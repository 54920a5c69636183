"""The app below a path of a site, in a real browser: by itself, and behind nginx as docs/deploy.md has it."""

import re
import shutil
import subprocess
import time
import zipfile
from contextlib import contextmanager, nullcontext
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from browsing import EXPECTED, WITH_MODEL, see
from made_runs import write_run
from paths import ROOT
from serving import free_port, serving

from studio.export.folder import create_export
from studio.export.plan import ExportRequest

pytestmark = WITH_MODEL
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx is not installed")
LOCATIONS = re.findall(r"^location /knees.*?^}$", (ROOT / "docs/deploy.md").read_text("utf-8"), re.M | re.S)
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    {temporary}
    server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""


@contextmanager
def proxied(app, location, folder):
    """The address of nginx before the app, as one of the docs' locations has it."""
    port = free_port()
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in kept)
    location = location.replace("127.0.0.1:8501", re.search(r"[\d.]+:\d+", app.url)[0])
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, temporary=temporary, port=port, location=location))
    command = [NGINX, "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    process = subprocess.Popen(list(map(str, command)))
    try:
        for _ in range(100):
            try:
                urlopen(f"http://127.0.0.1:{port}/knees/_stcore/health", timeout=10).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "error.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/knees"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize(
    ("base", "locations"),
    [("knees", [None, LOCATIONS[0]]), pytest.param("", [LOCATIONS[1]], marks=needs_nginx)],
    ids=["itself, and passed on", "taken off"],
)
def test_all_that_a_page_asks_for_is_found_below_a_path(browser, tmp_path, tiny, monkeypatch, base, locations):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    export = create_export(ExportRequest(model="knee-64", n=2, zip=True))
    export.run(lambda *_: None)
    write_run(tmp_path / "runs" / "00001-a", tiny(), d_loss=float)
    with serving(tmp_path / "runs", tmp_path / "log", base) as app:
        for location in locations if NGINX else locations[:1]:
            with proxied(app, location, tmp_path) if location else nullcontext(app.url) as url:
                walk(browser, url, export)
    assert "Traceback" not in (tmp_path / "log").read_text()


def walk(browser, url, export):
    """All kinds of what pages ask the server for, from one address alone."""
    errors, asked = [], set()
    with browser.new_page() as tab:
        tab.set_default_timeout(60_000)
        tab.on("request", lambda request: asked.add(urlsplit(request.url)))
        tab.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)

        tab.goto(f"{url}/train")  # a link to any page opens first on a fresh server
        tab.get_by_role("heading", name="Train", exact=True).wait_for()
        tab.get_by_role("link", name="Gallery").wait_for()
        see(tab, "not for diagnosis")
        tab.goto(f"{url}/explore?model=knee-64")
        tab.locator("canvas[data-shown]").first.wait_for()
        tab.goto(f"{url}/runs")
        tab.locator(".plot .main-svg").first.wait_for()
        tab.goto(f"{url}/gallery?model=knee-64&seed=7")  # the first page by its name
        tab.locator("button.film").first.wait_for()
        assert not tab.get_by_text("Page not found").count()
        tab.go_back()
        tab.locator(".plot .main-svg").first.wait_for()
        tab.goto(f"{url}/export?export={export.name}")
        with tab.expect_download() as download:
            tab.get_by_role("link", name=re.compile("Download")).click()
        assert zipfile.is_zipfile(download.value.path())
        tab.get_by_role("link", name="Reader study").click()
        tab.get_by_role("heading", name="Reader study").wait_for()
        sent = "{method: 'POST', body: '{}', headers: {'content-type': 'application/json'}}"
        said = tab.evaluate(f"fetch('api/study/nowhere/end', {sent}).then(answer => answer.text())")
        assert "There is no such study here" in said
        assert urlopen(f"{url}/explore/").url == f"{url}/explore"
    assert {address.netloc for address in asked if address.scheme.startswith("http")} == {urlsplit(url).netloc}
    assert not [e for e in errors if not EXPECTED.search(e) and "409" not in e]
