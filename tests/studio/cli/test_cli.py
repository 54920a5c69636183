"""`python -m gan_core VERB`: each verb's happy path, exit codes, and errors that are one line."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from made_films import whole_film
from PIL import Image

from gan_core.config import TrainConfig
from gan_core.presets import ADDITIONS, PRESETS
from gan_core.train.run import Run, Status, create_run, list_runs
from studio import cli
from studio.cli.common import parse_seeds

SMALL = ["resolution=16", "g_channels=4", "d_channels=4", "max_channels=8", "batch=8", "z_dim=8"]
SMALL += ["threads=1", "device=cpu", "tick_kimg=0.1", "samples=10"]
SETTINGS = [word for setting in SMALL for word in ("--set", setting)]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty place for runs, which is not yet there."""
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def train_words(*more, preset="acgan", data="digits"):
    return ["train", "--preset", preset, "--data", data, "--kimg", "0.1", *SETTINGS, *more]


def films(folder, n=6):
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (20, 20), dtype=np.uint8)).save(folder / f"film{i}.png")
    return folder


# Looking


def test_presets(call):
    code, out, err = call("presets", "--json")
    assert code == 0
    assert err == ""
    listed = json.loads(out)
    assert listed.keys() == {*PRESETS, *(f"+{name}" for name in ADDITIONS)}
    assert listed["wgan-gp"]["settings"]["gp_weight"] == 10
    code, out, _ = call("presets")
    assert code == 0
    assert all(name in out for name in PRESETS)


def test_data(call, tmp_path):
    code, out, _ = call("data", "digits", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["count"] == 1797 == sum(found["classes"].values())
    assert found["sizes"] == {"8x8": 1797}
    assert found["skipped"] == []
    folder = films(tmp_path / "films")
    (folder / "broken.png").write_bytes(b"no image")
    found = json.loads(call("data", folder, "--json")[1])
    assert found["count"] == 6
    assert [s["file"] for s in found["skipped"]] == ["broken.png"]
    assert found["skipped"][0]["reason"]
    code, out, _ = call("data", folder)
    assert code == 0
    assert "broken.png" in out


def test_crop(call, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))
    folder = films(tmp_path / "films", 1)
    Image.fromarray(whole_film("RL")[0]).save(folder / "both.png")
    out = tmp_path / "knees"
    code, said, _ = call("crop", folder, "--out", out, "--resolution", "64", "--json")
    assert code == 0
    found = json.loads(said)
    assert (found["path"], found["knees"], found["new"], found["without"]) == (str(out), 2, 2, ["film0.png"])
    assert sorted(p.name for p in out.iterdir()) == ["both_L.png", "both_R.png", "crops.csv"]
    code, said, err = call("crop", folder, "--out", out, "--resolution", "64")
    assert code == 0
    assert said.splitlines()[-1] == str(out)
    assert "0 of them cut now" in err
    assert json.loads(call("data", folder, "--crop", "knees", "--json")[1])["count"] == 2
    assert call("crop", folder, "--out", folder / "knees")[0] == 1


def test_phantom(call, tmp_path):
    code, out, _ = call("phantom", "--n", 3, "--out", tmp_path / "p", "--grade", 2, "--resolution", 48, "--seed", 7)
    assert code == 0
    assert out.strip() == str(tmp_path / "p")
    with (tmp_path / "p" / "labels.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert [r["file"] for r in rows] == [f"phantom{i:06d}.png" for i in (7, 8, 9)]
    assert {r["kl_grade"] for r in rows} == {"2"}
    assert {"side", "seed"} <= rows[0].keys()
    for row in rows:
        with Image.open(tmp_path / "p" / row["file"]) as image:
            assert (image.mode, image.size) == ("L", (48, 48))


def test_version_and_help(call):
    assert call("version")[1].strip() == cli.__version__
    code, out, _ = call("--help")
    assert code == 0
    assert all(verb in out for verb in ("train", "presets", "generate", "runs", "data", "phantom"))


# Training and generating


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The directory of a finished run, conditional on the digit."""
    out = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["gan_core", *train_words("--out", str(out))])
        with pytest.raises(SystemExit) as done:
            cli.main()
    assert done.value.code == 0
    return out


def test_generate(call, trained, tmp_path):
    code, out, _ = call("generate", "--model", trained, "--seeds", "0-4,12345", "--out", tmp_path / "g", "--grid")
    assert code == 0
    assert out.strip() == str(tmp_path / "g")
    names = {f"seed{i:04d}.png" for i in (0, 1, 2, 3, 4, 12345)}
    assert {p.name for p in (tmp_path / "g").iterdir()} == names | {"grid.png"}
    for name in names:
        with Image.open(tmp_path / "g" / name) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (16, 16))
    with Image.open(tmp_path / "g" / "grid.png") as sheet:
        assert sheet.size == (3 * 16, 2 * 16)
    code, _, _ = call("generate", "--model", trained / "generator", "--seeds", "3", "--out", tmp_path / "h")
    assert code == 0
    assert (tmp_path / "h" / "seed0003.png").read_bytes() == (tmp_path / "g" / "seed0003.png").read_bytes()


def test_generate_by_class_and_truncation(call, trained, tmp_path):
    words = ["generate", "--model", trained, "--seeds", "0-3", "--class", "7", "--truncation", "0"]
    assert call(*words, "--out", tmp_path / "g")[0] == 0
    pixels = [np.asarray(Image.open(p)).astype(int) for p in sorted((tmp_path / "g").iterdir())]
    assert len(pixels) == 4
    assert all(np.abs(p - pixels[0]).max() <= 1 for p in pixels)
    code, _, err = call("generate", "--model", trained, "--seeds", "0", "--class", "K", "--out", tmp_path / "x")
    assert code == 2
    assert "no class 'K'" in err
    assert not (tmp_path / "x").exists()


def test_train_makes_a_numbered_run_that_runs_lists(call, root):
    assert json.loads(call("runs", "--json")[1]) == []
    code, out, err = call(*train_words())
    assert code == 0
    assert out.strip() == str(root / "00001-digits-acgan")
    assert "finished at 104 images" in err
    (listed,) = json.loads(call("runs", "--json")[1])
    assert listed["name"] == "00001-digits-acgan"
    assert (listed["state"], listed["images_seen"], listed["images_total"]) == ("finished", 104, 100)
    assert "00001-digits-acgan" in call("runs")[1]
    assert call(*train_words())[1].strip() == str(root / "00002-digits-acgan")  # a finished one is left alone


def test_the_same_command_goes_on_with_an_unfinished_run(call, root):
    config = TrainConfig.model_validate_json(call(*train_words("--dry-run"))[1])
    stopped = create_run(config, "digits", root)
    stopped.write_status(Status(state="stopped"))
    code, out, err = call(*train_words())
    assert code == 0
    assert out.strip() == str(stopped.path)
    assert "Going on with" in err
    assert stopped.status().state == "finished"
    stopped.write_status(Status(state="stopped"))
    assert call(*train_words("--new"))[1].strip() == str(root / "00002-digits-acgan")


def test_resume_makes_the_newest_longer(call, root):
    call(*train_words())
    code, out, _ = call("train", "--resume", "--kimg", "0.2")
    assert code == 0
    assert out.strip() == str(root / "00001-digits-acgan")
    status = list_runs(root)[0].status()
    assert (status.state, status.images_seen) == ("finished", 200)
    code, _, err = call("train", "--resume", "--set", "batch=16")
    assert code == 2
    assert "other settings" in err


def test_out_is_never_mixed_up(call, trained, tmp_path):
    before = (trained / "config.json").read_bytes()
    code, _, err = call(*train_words("--out", trained, "--seed", 5))
    assert code == 2
    assert "other settings" in err
    assert (trained / "config.json").read_bytes() == before
    folder = films(tmp_path / "films")
    code, _, err = call(*train_words("--out", folder))
    assert code == 2
    assert "not empty" in err
    assert len(list(folder.iterdir())) == 6


def test_a_dry_run_says_all_and_writes_nothing(call, root, tmp_path):
    code, out, _ = call(*train_words("--dry-run", "--set", "augment=cutout,contrast", "--set", "mirror=true"))
    assert code == 0
    config = json.loads(out)
    assert config.keys() == TrainConfig.model_fields.keys()
    assert config["augment"] == ["cutout", "contrast"]
    assert config["mirror"] is True
    assert (config["preset"], config["kimg"], config["z_dim"], config["class_weight"]) == ("acgan", 0.1, 8, 1.0)
    assert call(*train_words("--dry-run", "--out", tmp_path / "out"))[0] == 0
    assert not root.exists()
    assert not (tmp_path / "out").exists()


def test_epochs_are_passes_over_the_data(call):
    code, out, _ = call("train", "--preset", "dcgan", "--data", "digits", "--epochs", "2", "--dry-run")
    assert code == 0
    assert json.loads(out)["kimg"] == pytest.approx(2 * 1.797)


# Errors


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nonsense"], "nonsense"),
        (["train", "--unheard"], "--unheard"),
        (["train", "--preset", "stylegan"], "no preset 'stylegan'"),
        (["train", "--preset", "dcgan+magic"], "no addition 'magic'"),
        (["train", "--set", "batch"], "key=value"),
        (["train", "--set", "learning_rate=1"], "learning_rate"),
        (["train", "--set", "batch=many"], "batch"),
        (["train", "--kimg", "1", "--epochs", "1"], "not both"),
        (["train", "--kimg", "-1"], "kimg"),
        (["train", "--data", "digits", "--epochs", "0"], "kimg"),
        (["train", "--data", "digits", "--epochs", "inf"], "kimg"),
        (["train", "--resolution", "9000"], "resolution"),
        (["generate", "--out", "x"], "--model"),
        (["generate", "--model", "m", "--out", "x", "--seeds", "a-b"], "seeds"),
        (["generate", "--model", "m", "--out", "x", "--seeds", "9-3"], "seed"),
        (["generate", "--model", "m", "--out", "x", "--seeds", "0-99999999999"], "seeds"),
        (["generate", "--model", "m", "--out", "x", "--truncation", "2"], "truncation"),
        (["phantom", "--n", "0", "--out", "x"], "--n"),
        (["phantom", "--grade", "5", "--out", "x"], "--grade"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(call, root, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*words)
    assert code == 2
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["generate", "--model", "nowhere", "--out", "x"], "neither a model folder nor a run"),
        (["data", "nowhere"], "nowhere"),
        (["stop", "00001-a"], "no run '00001-a'"),
        (["train", "--preset", "dcgan", "--data", "nowhere", "--epochs", "1"], "nowhere"),
        (["train", "--resume", "--out", "nowhere"], "nowhere"),
        (["phantom", "--n", "1", "--out", "file/p"], "file"),
    ],
)
def test_a_failed_job_is_one_line_and_exit_code_1(call, root, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    code, out, err = call(*words)
    assert code == 1
    assert out == ""
    assert says in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (train_words(data="nowhere"), "nowhere"),
        (train_words(data="films"), "one folder for each class"),
        (train_words("--set", "device=cuda:99"), "device"),
    ],
    ids=["no data", "no labels", "no device"],
)
def test_a_training_that_cannot_begin_says_why(call, root, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    films(tmp_path / "films")
    code, out, err = call(*words)
    assert code == 1
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    (run,) = list_runs(root)
    assert run.status().state == "failed"
    assert says in run.status().message


def test_stop_refuses_what_does_not_train(call, trained):
    code, _, err = call("stop", trained)
    assert code == 1
    assert "not training" in err
    assert not Run(trained).stop_path.exists()


def test_stop_asks_a_training_at_work(call, root, tiny):
    run = create_run(tiny(), "digits", root)
    run.write_status(Status(state="running").with_process())
    assert call("stop", run.name)[0] == 0
    assert run.stop_path.exists()


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("7", [7]), ("1,5,9", [1, 5, 9]), ("2-3,0", [2, 3, 0])]
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


def test_as_a_process():
    """The exit code and the streams as a shell sees them."""

    def shell(*words):
        return subprocess.run([sys.executable, "-m", "gan_core", *words], capture_output=True, text=True, check=False)

    good = shell("presets", "--json")
    assert good.returncode == 0
    assert json.loads(good.stdout).keys() >= PRESETS.keys()
    wrong = shell("train", "--set", "g_lr=fast")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: ")
    assert wrong.stderr.count("\n") == 1
    assert shell().returncode == 2
