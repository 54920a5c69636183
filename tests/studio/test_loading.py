"""While the app starts, threads import one after the other, and afterwards nobody waits."""

import importlib
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from studio import loading

# A package with a cycle, as scikit-learn has one: whoever begins with `base` holds what whoever begins with `sub.leaf`
# waits for, and the other way round.
CYCLE = {
    "__init__.py": "import cyclic.base",
    "base.py": "import time; time.sleep(0.5); import cyclic.sub.leaf",
    "sub/__init__.py": "import cyclic.base",
    "sub/leaf.py": "",
}


@pytest.fixture(autouse=True)
def starting(monkeypatch):
    monkeypatch.setattr(loading, "_loaded", threading.Event())


def test_two_threads_may_import_a_package_with_cycles_from_different_ends(tmp_path, monkeypatch):
    for file, text in CYCLE.items():
        (tmp_path / "cyclic" / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "cyclic" / file).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    def bring(module):
        with loading.alone():
            return importlib.import_module(module)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(bring, "cyclic")
        while "cyclic.base" not in sys.modules and not first.done():
            time.sleep(0.01)
        second = pool.submit(bring, "cyclic.sub.leaf")
    assert [f.result().__name__ for f in (first, second)] == ["cyclic", "cyclic.sub.leaf"]


def test_nobody_waits_once_all_is_loaded():
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with loading.alone():
            inside.set()
            leave.wait(30)

    threads = [threading.Thread(target=stay)]
    threads[0].start()
    assert inside.wait(30)
    inside.clear()
    threads.append(threading.Thread(target=stay))
    threads[1].start()
    assert not inside.wait(0.2)
    loading.all_is_loaded()
    threads.append(threading.Thread(target=stay))
    threads[2].start()
    assert inside.wait(30)
    leave.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_it_is_free_when_loading_has_failed():
    code = (
        "from studio import loading, ui_start\n"
        "def fail(*_): raise RuntimeError\n"
        "ui_start.HEAD_START = 0\n"
        "ui_start._load_model = fail\n"
        "try: ui_start._load_the_rest()\n"
        "except RuntimeError: pass\n"
        "print(loading._loaded.is_set())\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert said.stdout.strip().endswith("True"), said.stderr
