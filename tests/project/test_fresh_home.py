"""Nothing goes out: in a fresh HOME every command is run and every page opened, and what that leaves there is this
project's own cache and what is listed here. The process is a new one, for what is read as a package is imported."""

import os
import subprocess
import sys

import pytest
import typer
from paths import ROOT, needs_model

from studio.cli.common import app

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="where caches lie is another place on each system"),
    needs_model,
]
OWN = ".cache/knee-gan-studio"
LISTED = {".cache/matplotlib"}  # which fonts there are
# What a process asks the network for by Python; only itself may be asked.
WATCHED = """
import socket, sys
asked = []
def hook(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        name = args[0] if event != "socket.connect" else args[1]
        name = name[0] if isinstance(name, tuple) else name
        if name not in ("localhost", "127.0.0.1", "::1", socket.gethostname(), None) and not str(name).startswith("/"):
            asked.append(name)
sys.addaudithook(hook)
"""
# The pages first, which a visitor opens before anything is in the cache.
SCRIPT = """
import os, time
from pathlib import Path
from streamlit.testing.v1 import AppTest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from gan_core.presets import configure
from gan_core.train.run import create_run
from studio import cli
from studio.jobs import launch
from studio.routes import routes

root = Path({root!r})
for page in sorted(root.glob("pages/*.py")):
    at = AppTest.from_file(root / "studio/ui_main.py", default_timeout=120)
    at.query_params["model"] = "knee-64"
    if page.stem != "gallery":
        at.switch_page(str(page))
    at.run()
    assert not at.exception and len(at.title), page
    assert not asked, (page, asked)
picture = TestClient(Starlette(routes=routes)).get("/api/explore/image?model=knee-64&seed=1")
assert picture.headers["content-type"] == "image/png"
assert not asked, asked

for words in {words!r}:
    sys.argv = ["gan_core", *words]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code or words[0] in ("pull", "stop"), words
    assert not asked, (words, asked)

del os.environ["KNEE_GAN_PREPARED"]  # the app does not set it
run = launch.start_new(create_run(configure("dcgan", data="digits", **{small!r}), "digits"))
while run.alive():
    time.sleep(0.2)
assert run.status().state == "finished", run.status()
"""
MODEL = ["--model", "knee-64"]
SMALL = {"resolution": 16, "g_channels": 4, "d_channels": 4, "max_channels": 8, "batch": 8, "threads": 1}
VERBS = {
    "generate": [*MODEL, "--seeds", "0", "--out", "out"],
    "train": [
        "--preset",
        "dcgan",
        "--data",
        "digits",
        "--kimg",
        "0.1",
        "--out",
        "run",
        *(f"--set={k}={v}" for k, v in SMALL.items()),
    ],
    "evaluate": ["--model", "run", "--data", "phantom:60", "--n", "60", "--report", "report.html"],
    "anatomy": ["out/seed0000.png", "--out", "anatomy"],
    "media": ["run", "--out", "media"],
    "stop": ["run"],
    "onnx": [*MODEL, "--out", "knee.onnx"],
    "compare": [*MODEL, "--data", "phantom:20", "--out", "compare"],
    "directions": [*MODEL, "--out", "directions.png"],
    "prepare": ["run"],
    "draw": [*MODEL, "--seed", "1", "--out", "draw.png"],
    "interpolate": [*MODEL, "--seeds", "1,2", "--out", "loop.png"],
    "project": ["out/seed0000.png", *MODEL, "--steps", "2", "--out", "project"],
    "describe": ["severe", *MODEL, "--n", "2", "--out", "described"],
    "export": [*MODEL, "--n", "2", "--format", "datasets", "--out", "export"],
    "pull": ["owner/name"],
    "push": ["knee-64", "owner/name", "--license", "mit", "--dry-run"],
    "models": [],
    "compare-runs": ["run", "baselines/knees-dcgan"],
    "average": ["knee-64", "knee-64", "--out", "mean"],
    "data": ["digits"],
    "phantom": ["--n", "1", "--out", "phantom"],
    "crop": ["./phantom", "--out", "knees"],
    "encoder": [
        "--data",
        "phantom:64",
        "--val",
        "phantom:20",
        "--epochs",
        "1",
        "--resolution",
        "32",
        "--out",
        "encoder",
    ],
    "toy": ["--game", "dcgan", "--out", "toy.gif"],
    "distances": [],
    "augmentations": ["--out", "augmentations.png"],
    "presets": [],
    "runs": [],
    "version": [],
    "study": ["list"],
    "sources": [],
}


def test_every_command_is_run_here():
    commands = typer.main.get_command(app).commands
    assert VERBS.keys() == {name for name, command in commands.items() if not command.hidden}


def test_nothing_goes_out_and_home_holds_only_what_is_listed(tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "KNEE_GAN_RUNS": str(work / "runs")}
    env |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}  # what is fetched on purpose is none of this
    env["KNEE_GAN_PREPARED"] = "1"  # else a command replaces the process that runs them all
    words = [[verb, *words] for verb, words in VERBS.items()]
    script = WATCHED + SCRIPT.format(words=words, root=str(ROOT), small=SMALL | {"kimg": 0.1})
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=work, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    strange = {path for path in left if not path.startswith((f"{OWN}/", *(f"{place}/" for place in LISTED)))}
    assert not strange
