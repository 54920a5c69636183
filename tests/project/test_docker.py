"""What the Dockerfile puts together works by itself: its files alone, with its settings."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from paths import ROOT

LINES = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
STEPS = [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in LINES if line and not line.startswith("#")]


def settings():
    """The last ENV's, which are those of the app."""
    return dict(part.split("=", 1) for part in shlex.split([rest for word, rest in STEPS if word == "ENV"][-1]))


def copied(target):
    for word, rest in STEPS:
        if word == "COPY":
            *sources, place = [p for p in rest.split() if not p.startswith("--")]
            for source in sources:
                to = target / place / (source.rsplit("/", 1)[-1] if place.endswith("/") else "")
                to.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, to)
    return target


def test_what_is_copied_is_not_kept_from_the_build():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for word, rest in STEPS:
        if word == "COPY":
            for source in [p for p in rest.split() if not p.startswith("--")][:-1]:
                assert source in allowed
                assert (ROOT / source).exists()


def test_it_runs_as_an_ordinary_user_and_is_kept_to_a_demonstration():
    assert ("USER", "1000") in STEPS
    env = settings()
    assert env["KNEE_GAN_FOLDERS"] == "none"
    assert 0 <= float(env["KNEE_GAN_TRAIN_MINUTES"]) <= 30
    assert env["KNEE_GAN_WHEN_BUSY"] == "refuse"
    front = (ROOT / "README.md").read_text().split("---")[1]
    assert "sdk: docker" in front
    assert f"app_port: {env['STREAMLIT_SERVER_PORT']}" in front


@pytest.mark.slow
def test_the_files_alone_serve_the_app(tmp_path):
    app = copied(tmp_path / "app")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    own = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"}
    own |= {name: str(tmp_path / name) for name in ("KNEE_GAN_RUNS", "KNEE_GAN_CACHE")}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("KNEE_GAN", "PYTHON"))} | settings() | own
    (health,) = (re.search(r"urlopen\(.*?/(\S+?)\'", rest)[1] for word, rest in STEPS if word == "HEALTHCHECK")
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "streamlit", "run", "app.py"]
        process = subprocess.Popen(command, cwd=app, env=env, stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                healthy = urlopen(f"http://127.0.0.1:{port}/{health.split('/', 3)[-1]}", timeout=2)
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.5)
        assert healthy.status == 200
        assert urlopen(f"http://127.0.0.1:{port}/", timeout=10).status == 200
        image = urlopen(f"http://127.0.0.1:{port}/api/explore/image?model=knee-64&seed=1", timeout=60)
        assert image.read(8) == b"\x89PNG\r\n\x1a\n"
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()
