"""What all tests share: one thread, folders of their own, and the smallest training that has every part."""

import os
import shutil

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["KNEE_GAN_PREPARED"] = "1"  # else a training inside a test replaces pytest's own process by a faster one

import hypothesis
import psutil
import pytest
from paths import CHROMIUM
from serving import serving

hypothesis.settings.register_profile("ours", deadline=None)  # no test hangs on how busy the machine is
hypothesis.settings.load_profile("ours")


def pytest_collection_modifyitems(items):
    """A browser, a server and a training on two busy cores: what fails once and not again was the machine's haste. And
    the files with slow tests are begun first, so that no core waits for one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session", autouse=True)
def _folders(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.getbasetemp()  # what one process decodes the others read, as trainings do
        patch.setenv("KNEE_GAN_CACHE", str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"))
        patch.setenv("KNEE_GAN_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


@pytest.fixture
def tiny():
    """tiny(preset, **settings): a configuration that trains on scikit-learn's digits in about a second."""
    from gan_core.presets import configure

    def make(preset="dcgan", **settings):
        base = {
            "data": "digits",
            "resolution": 16,
            "kimg": 0.4,
            "z_dim": 8,
            "g_channels": 4,
            "d_channels": 4,
            "max_channels": 8,
            "batch": 8,
            "tick_kimg": 0.1,
            "sample_kimg": 0.2,
            "samples": 10,
            "judge_kimg": 0,
            "precision": "float32",
            "device": "cpu",
            "threads": 1,
        }
        return configure(preset, **(base | settings))

    return make


@pytest.fixture
def untrained_run(tiny):
    """untrained_run(preset, classes, resolution): a run whose generator has learnt nothing."""

    import torch

    from gan_core import networks
    from gan_core.model import ModelConfig, save_model
    from gan_core.train.run import create_run

    def build(preset="acgan", classes=3, resolution=32):
        config = tiny(preset, resolution=resolution)
        run = create_run(config, "digits")
        g, _ = config.nets(classes)
        names = tuple(map(str, range(classes))) if g.num_classes else ()
        about = ModelConfig(net=g, class_names=names, class_shares=(1.0,) * len(names), label_name="KL grade")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            save_model(run.generator_path, networks.build(g), about, "a card")
        return run

    return build


@pytest.fixture
def call(monkeypatch, capsys):
    """call(word, ...): what the command line does with them, as (exit code, stdout, stderr)."""

    from studio import cli

    def run(*words):
        monkeypatch.setattr("sys.argv", ["gan_core", *map(str, words)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        out, err = capsys.readouterr()
        return done.value.code, out, err

    return run


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The address of an app and the folder of its runs: one for all tests of a process, as for all visitors."""
    runs = tmp_path_factory.mktemp("app") / "runs"
    with serving(runs, runs.parent / "server.log") as app:
        yield app.url, runs


@pytest.fixture
def server(app, monkeypatch):
    """The address of an app that has no runs yet; those that it will have are this process's too."""
    from gan_core.train.run import list_runs

    url, runs = app
    monkeypatch.setenv("KNEE_GAN_RUNS", str(runs))
    yield url
    for run in list_runs(runs):  # a training outlives its server by design; not its test
        if run.alive():
            psutil.Process(run.status().pid).kill()
    shutil.rmtree(runs, ignore_errors=True)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def visitor(server, browser):
    """visitor(path, ...): a page of a fresh browser window; at the end its console must hold no error."""
    from browsing import EXPECTED

    errors, windows = [], []

    def visit(path="/", **options):
        windows.append(browser.new_context(**options))
        tab = windows[-1].new_page()
        tab.set_default_timeout(120_000)
        tab.on("pageerror", lambda e: errors.append(str(e)))
        tab.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        tab.goto(server + path)
        return tab

    yield visit
    for window in windows:
        window.close()
    assert not [e for e in errors if not EXPECTED.search(e)]
