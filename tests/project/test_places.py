"""Names that are no UTF-8, terminals that show ASCII alone, proxies, places that cannot be written: a line each."""

import errno
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import close_session
from paths import needs_model
from PIL import Image

from gan_core import files
from gan_core.errors import printable, readable
from gan_core.model import load_model
from gan_core.status import ended_by
from gan_core.train.run import Run, Status, list_runs
from studio.cli.common import print_json

SMALL = [
    f"--set={s}" for s in ("resolution=16", "g_channels=4", "d_channels=4", "max_channels=8", "batch=8", "z_dim=8")
]
TRAIN = ["train", "--kimg", "0.1", *SMALL, "--set", "threads=1", "--set", "judge_kimg=0"]
needs_bytes = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are not bytes")
LATIN1 = os.fsdecode(b"M\xfcller")


def films(folder, *classes):
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(rng.integers(0, 256, (20, 20), dtype=np.uint8)).save(folder / name / f"film{i}.png")
    return folder


# Names in Latin-1, as an old Windows zip leaves them


@needs_bytes
def test_classes_named_in_latin1_train_and_are_shown_as_they_were_written(call, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    source = films(tmp_path / "films", *(os.fsdecode(name) for name in (b"Gr\xe4d0", b"Gr\xe4d1")))
    code, out, err = call(*TRAIN, "--preset", "acgan", "--data", source)
    assert code == 0, err
    model = load_model(Path(out.strip()) / "generator")
    assert model.class_names == ("Gräd0", "Gräd1")
    assert "Gräd0, Gräd1" in (model.path / "README.md").read_text("utf-8")
    assert "Gräd0" in call("data", source)[1]
    assert "Gräd0" in json.loads(call("data", source, "--json")[1])["classes"]


@needs_bytes
@pytest.mark.parametrize(
    "words",
    [
        [*TRAIN, "--preset", "dcgan", "--data", "{}"],
        [*TRAIN, "--preset", "dcgan", "--data", "digits", "--out", "{}/run"],
        ["evaluate", "--model", "knee-64", "--data", "{}", "--report", "report.html"],
        ["export", "--model", "knee-64", "--n", "2", "--reference", "{}", "--out", "out"],
        ["study", "new", "--model", "knee-64", "--data", "{}"],
    ],
    ids=lambda words: words[0] if words[0] != "train" else words[-2],
)
@needs_model
def test_a_folder_named_in_latin1_is_read_or_refused_in_one_line(call, tmp_path, monkeypatch, words):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    films(tmp_path / LATIN1 / "films", "a", "b")
    code, out, err = call(*(word.format(tmp_path / LATIN1 / "films") for word in words))
    assert code
    assert out == ""
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "Müller" in said[0]
    assert "not UTF-8" in said[0]
    assert "Traceback" not in err
    for run in list_runs():
        assert "not UTF-8" in run.status().message


def test_what_is_written_and_said_is_always_utf8(tmp_path):
    assert readable(LATIN1) == "Müller"
    assert readable("Größe 4") == "Größe 4"
    assert printable(LATIN1) == "Müller"
    files.write_text(tmp_path / "note", LATIN1)
    files.overwrite(tmp_path / "note", LATIN1)
    assert (tmp_path / "note").read_text("utf-8") == "Müller"
    error = OSError(errno.EACCES, "Permission denied", LATIN1)
    Run(tmp_path).write_status(Status(state="failed", message=ended_by("the training", error)))
    assert "Müller" in Run(tmp_path).status().message


# Terminals


@pytest.mark.parametrize("words", [["models"], ["presets"], ["runs"], ["data", "{}"], ["data", "digits"], ["--help"]])
def test_on_an_ascii_terminal_what_it_cannot_show_is_replaced(call, tmp_path, monkeypatch, untrained_run, words):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    untrained_run()  # of no licence, which the table shows as a dash
    source = films(tmp_path / "films", "Gräd0", "Gräd1")
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, encoding="ascii"))
    code, _, err = call(*(word.format(source) for word in words))
    sys.stdout.flush()
    assert code == 0, err
    assert shown.getvalue().isascii()
    if words == ["models"]:
        assert b"00001-digits-acgan" in shown.getvalue()


def test_json_is_ascii_and_carries_every_name(capsys):
    print_json({"name": f"{LATIN1} – ä"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"name": f"{LATIN1} – ä"}


# Proxies


@pytest.mark.parametrize(
    ("proxy", "says"),
    [("socks5://127.0.0.1:9", "pip install socksio"), ("socks4://127.0.0.1:9", "unknown kind")],
)
@pytest.mark.parametrize(
    "words", [["pull", "owner/name"], ["data", "hf:owner/name"], ["push", "knee-64", "owner/name", "--license", "mit"]]
)
@needs_model
def test_a_proxy_that_cannot_be_spoken_to_is_told_in_one_line(call, monkeypatch, tmp_path, proxy, says, words):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    monkeypatch.setitem(sys.modules, "socksio", None)
    close_session()  # one that another test has opened knows of no proxy
    code, out, err = call(*words)
    close_session()
    assert code == 1
    assert out == ""
    assert says in err
    assert len([line for line in err.splitlines() if not line.startswith("note: ")]) == 1


# Places that cannot be written: below a file, so that it holds for root as well


@pytest.mark.parametrize(
    "words",
    [
        ["export", "--model", "knee-64", "--n", "2", "--out", "{}/out"],
        ["export", "--model", "knee-64", "--n", "2", "--zip", "--out", "{}"],
        ["generate", "--model", "knee-64", "--seeds", "0", "--out", "{}/out"],
        ["onnx", "--model", "knee-64", "--out", "{}/knee.onnx"],
        ["average", "knee-64", "knee-64", "--out", "{}/out"],
        ["compare", "--model", "knee-64", "--data", "phantom:20", "--out", "{}/out"],
        ["phantom", "--n", "1", "--out", "{}/out"],
        ["toy", "--game", "dcgan", "--out", "{}/toy.gif"],
        [*TRAIN, "--preset", "dcgan", "--data", "digits", "--out", "{}/run"],
    ],
    ids=lambda words: words[0],
)
@needs_model
def test_a_place_that_cannot_be_written_is_named_in_one_line(call, tmp_path, monkeypatch, words):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    (tmp_path / "file").write_text("mine")
    code, out, err = call(*(word.format(tmp_path / "file") for word in words))
    assert code == 1
    assert out == ""
    (said,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert str(tmp_path / "file") in said
    assert os.strerror(errno.ENOTDIR) in said
    assert "Traceback" not in err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("runs", ["file", "file/runs"])
def test_where_runs_cannot_be_kept_it_is_said(call, tmp_path, monkeypatch, runs):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / runs))
    code, _, err = call(*TRAIN, "--preset", "dcgan", "--data", "digits")
    assert code == 1
    assert err.startswith(f"error: No training can be kept in {tmp_path / runs}: {os.strerror(errno.ENOTDIR)}")
    assert call("runs", "--json")[1] == "[]\n"
    assert call("models")[0] == 0


@needs_model
def test_a_disk_without_room_names_what_is_needed(call, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 0))
    code, _, err = call("export", "--model", "knee-64", "--n", "2", "--out", tmp_path / "out")
    assert code == 1
    assert err.startswith(f"error: About 10.2 kB are needed and 0 B are free where {tmp_path / 'out'} lies")
