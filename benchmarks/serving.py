"""The app as people meet it: a server and a browser of its own, for as long as something is measured."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def serving(
    runs: Path,
    log: Path | None = None,
    base: str = "",
    root: Path = ROOT,
    python: Path = Path(sys.executable),
    cache: Path | None = None,
) -> Iterator[Server]:
    """The app in `root` on a free port below the path `base`, with the runs in `runs`; what it says goes to `log`."""
    port = free_port()
    command = [str(python), "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    command += ["--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false"]
    command += [f"--server.baseUrlPath={base}"] if base else []
    with Path(log or os.devnull).open("wb") as out:
        environment = os.environ | {"KNEE_GAN_RUNS": str(runs)}
        environment.pop("KNEE_GAN_PREPARED", None)  # whoever opens the app has not set it
        environment |= {"KNEE_GAN_CACHE": str(cache)} if cache else {}
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}/{base}".rstrip("/")
    try:
        for _ in range(480):
            with contextlib.suppress(URLError, OSError):
                urlopen(f"{url}/_stcore/health", timeout=1)
                break
            time.sleep(0.25)
        else:
            raise SystemExit("The app did not start within two minutes.")
        yield Server(url, process)
    finally:
        process.terminate()
        process.wait(20)


def checkout(rev: str, folder: Path, python: Path | None = None) -> tuple[Path, Path]:
    """The code of `rev`, written into `folder`, and the Python to run it with: `python`, else this one where both
    revisions require the same, else that of an environment of its own."""
    root = folder / "there"
    root.mkdir()
    archive = subprocess.run(["git", "archive", rev], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", str(root)], input=archive, check=True)
    lists = ("requirements.txt", "requirements-words.txt")
    if python is None and all((root / name).read_bytes() == (ROOT / name).read_bytes() for name in lists):
        python = Path(sys.executable)
    if python is None:
        subprocess.run(["make", ".venv/installed"], cwd=root, check=True)
        python = root / ".venv/bin/python"
    return root, python


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium, the machine's own where it has one."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()
