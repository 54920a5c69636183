"""Models from the Hub and from zips, and to the Hub: the real client against a small Hub on loopback, which fails."""

import json
import os
import re
import struct
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
import yaml
from hub_server import NAME, TOKEN, contents, evil, hub_fixture, zipped  # noqa: F401
from made_evaluation import about, figures
from made_models import make
from paths import ROOT

from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.generate import generate
from gan_core.hub import Unreachable, hub_name, parse_name, within
from gan_core.model import digest, find_generator, load_model, read_config
from studio.evaluate.folder import EvaluationRequest, create_evaluation
from studio.jobs import launch
from studio.models import downloads
from studio.models.card import evaluation_of, hub_card
from studio.models.downloads import Download, DownloadStatus, create_download, fetch_first
from studio.models.inventory import inventory, places
from studio.models.pull import body, look, pull, pull_or_cached
from studio.models.push import plan_push, push
from studio.models.store import find_stored, models_root, remove, stored
from studio.models.upload import keep_zip


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    yield tmp_path / "runs"
    left = list((tmp_path / "runs").rglob("*"))
    assert not [p for p in left if p.name.startswith(".half-") or p.name == "owned"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("model") / "generator")
    make(folder / "discriminator", role="discriminator")
    return contents(folder)


@pytest.fixture
def repo(hub, files):
    return hub.add(NAME, files, card={"license": "cc-by-4.0"})


def fetch(text=NAME):
    return pull(look(hub_name(text)))


# -- what it is, before it is fetched ---------------------------------------------------------------------------------


def test_a_model_is_described_without_fetching_its_weights(hub, repo):
    found = look(hub_name(NAME))
    assert found.commit == repo.commit
    assert found.licence == "cc-by-4.0"
    assert found.card.startswith("# Knees of the lab")
    assert found.config.class_names == ("none", "mild", "severe")
    assert found.size == sum(len(repo.files[f.name]) for f in found.files)
    assert not hub.paths("safetensors")
    assert not stored()


@pytest.mark.parametrize("text", ["lab", "../x/y", "a/b/c", "lab/kn ees", "lab/..", "a--b/c", "", "lab/x@../y", "a/b@"])
def test_what_is_no_name_is_refused_before_anything_is_asked(hub, text):
    with pytest.raises(UserError, match="names no model"):
        hub_name(text)
    assert not hub.seen


def test_the_address_of_a_models_page_is_its_name():
    assert str(parse_name("https://huggingface.co/lab/knees/tree/v1.2")) == "lab/knees@v1.2"
    assert str(parse_name(" https://huggingface.co/lab/knees/ ")) == "lab/knees"


# -- fetching ---------------------------------------------------------------------------------------------------------


def test_a_pulled_model_is_the_same_model_and_usable_by_its_name(hub, repo, tmp_path, files, call):
    here = fetch()
    assert here.name == f"{NAME}@{repo.commit[:7]}"
    assert find_generator(NAME) == find_generator(here.name) == here.folder
    (tmp_path / "config.json").write_bytes(files["config.json"])
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"])
    assert digest(here.folder) == digest(tmp_path)
    assert load_model(here.folder / "discriminator", "discriminator")
    code, _, _ = call("generate", "--model", NAME, "--seeds", "3", "--out", tmp_path / "out")
    assert code == 0
    assert (tmp_path / "out/seed0003.png").is_file()


def test_only_the_files_of_a_model_folder_are_ever_fetched(hub, repo):
    here = fetch()
    kept = {p.relative_to(here.folder).as_posix() for p in here.folder.rglob("*") if p.is_file()}
    one = {"config.json", "model.safetensors", "README.md"}
    assert kept == one | {f"discriminator/{name}" for name in one} | {"origin.json"}
    assert not [p for _, p, _ in hub.seen if p.endswith((".bin", ".py"))]


def test_what_is_here_is_not_fetched_again_but_what_was_damaged_here_is(hub, repo):
    here = fetch()
    before = len(hub.paths("/cdn/"))
    assert fetch().folder == here.folder
    assert len(hub.paths("/cdn/")) == before
    tensors = here.folder / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"?")
    fetch()
    assert len(hub.paths("/cdn/")) > before
    load_model(here.folder)


def test_a_model_is_pinned_to_its_commit(hub, repo, tmp_path):
    repo.revisions = ("main", "v1")
    first = fetch()
    image = generate(load_model(find_generator(first.name)), [0])
    repo.files |= contents(make(tmp_path / "other", seed=1))
    second = fetch()
    assert find_generator(NAME) == second.folder != first.folder
    assert (generate(load_model(find_generator(first.name)), [0]) == image).all()
    assert fetch(f"{NAME}@v1").folder == second.folder == find_generator(f"{NAME}@v1")
    assert find_generator(f"{NAME}@{first.origin.commit[:10]}") == first.folder
    with pytest.raises(UserError, match=r"gan_core pull lab/knees@v7"):
        find_generator(f"{NAME}@v7")


def test_models_are_listed_and_removed(hub, repo, call):
    assert call("pull", NAME)[1].strip() == f"{NAME}@{repo.commit[:7]}"
    (item,) = [i for i in inventory() if i.kind == "hub"]
    assert (item.licence, item.config.class_names) == ("cc-by-4.0", ("none", "mild", "severe"))
    assert NAME in call("models")[1]
    assert json.loads(call("models", "--json")[1])[-1]["name"] == item.name
    assert call("models", "remove", NAME)[0] == 0
    assert not stored()
    assert not list(models_root().glob("hub/*"))
    with pytest.raises(UserError, match="no model"):
        remove(NAME)
    with pytest.raises(UserError, match="gan_core pull lab/knees"):
        find_generator(NAME)


def test_progress_tells_bytes_and_the_time_left():
    status = DownloadStatus(done=2_000_000, total=8_000_000, seconds_left=30)
    assert status.progress() == "2.0 MB of 8.0 MB · 30 s left"
    assert "checking" in DownloadStatus(done=8, total=8).progress()
    assert [size_text(n) for n in (9, 1500, 3_840_000, 2.1e9)] == ["9 B", "1.5 kB", "3.8 MB", "2.1 GB"]


# -- what goes wrong: the table of docs/hub.md ------------------------------------------------------------------------

# What happens -> (what it takes, what the person is told), as docs/hub.md has it.
CASES = {
    "a cut connection": ({"model.safetensors": "cut"}, None),
    "wrong bytes of the right length": (
        {"model.safetensors": "wrong"},
        "model.safetensors of lab/knees arrived damaged",
    ),
    "wrong bytes of a small file": ({"config.json": "wrong"}, "config.json of lab/knees arrived damaged"),
    "a missing file": ({"model.safetensors": "missing"}, "lists a file that the Hub does not have"),
    "no such model": ("lab/nothing", "There is no public model lab/nothing on the Hugging Face Hub"),
    "private": ("private", "If it is private, it needs a token in HF_TOKEN"),
    "gated": ("gated", "lab/knees is gated: ask for access on huggingface.co/lab/knees"),
    "no such revision": ("lab/knees@v7", "The model lab/knees has no revision 'v7'"),
    "too many requests": (429, "wants a pause"),
    "an error of the Hub": (503, "cannot be reached: it answers with error 503"),
    "no answer": ("silent", "cannot be reached"),
    "a login page in place of the Hub": ("page", "What answers is not the Hub"),
    "nobody there": ("stopped", "cannot be reached"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_failure_is_told_and_leaves_nothing_behind(hub, repo, case, monkeypatch):
    how, words = CASES[case]
    name = how if isinstance(how, str) and "/" in how else NAME
    if isinstance(how, dict):
        repo.faults = dict(how)
    elif isinstance(how, int) or how == "page":
        hub.status = how
    elif how == "silent":
        monkeypatch.setattr("studio.models.pull.PATIENCE", 0.3)
        hub.silent.set()
    elif how == "stopped":
        hub.stop()
    elif hasattr(repo, how):
        setattr(repo, how, True)
    if words is None:
        assert load_model(fetch(name).folder)
        return
    with pytest.raises(UserError, match=re.escape(words)):
        fetch(name)
    assert not stored()
    told = (ROOT / "docs/hub.md").read_text(encoding="utf-8")
    assert f"| {case} |" in told


def test_a_connection_that_is_cut_is_taken_up_where_it_broke_off(hub, repo):
    repo.faults = {"model.safetensors": "cut"}
    found = look(hub_name(NAME))
    came = []
    pull(found, came.append)
    assert hub.resumed[0] > 0
    assert sum(came) == found.size  # no byte came twice


def test_a_hub_that_goes_away_for_good_is_told_and_nothing_is_kept(hub, repo, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda s: None)  # between its attempts
    repo.faults = {"model.safetensors": "gone"}
    with pytest.raises(Unreachable):
        fetch()
    assert not stored()


def test_what_is_cached_works_while_the_hub_is_down_and_says_so(hub, repo, call):
    here = fetch()
    hub.stop()
    again, note = pull_or_cached(NAME)
    assert again.folder == here.folder
    assert "cannot be reached" in note
    assert "was pulled before" in note
    assert find_generator(NAME) == here.folder
    code, out, err = call("pull", NAME)
    assert (code, out.strip()) == (0, here.name)
    assert "was pulled before" in err
    code, out, err = call("pull", "lab/other")
    assert code == 1
    assert "cannot be reached" in err


def test_nothing_waits_longer_than_it_may():
    with pytest.raises(Unreachable, match=r"no answer within 0\.1 seconds"):
        within(0.1, lambda: time.sleep(5))


def ask(*words, runs, **variables):
    """The command line in a process of its own: these variables are read as the client is imported."""
    env = {**os.environ, "KNEE_GAN_RUNS": str(runs), **variables}
    return subprocess.run(
        [sys.executable, "-m", "gan_core", *words], env=env, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_offline_mode_asks_nobody_and_serves_what_is_here(hub, repo, runs):
    here = fetch()
    asked = len(hub.seen)
    done = ask("pull", NAME, runs=runs, HF_HUB_OFFLINE="1")
    assert done.stdout.strip() == here.name
    other = ask("pull", "lab/other", runs=runs, HF_HUB_OFFLINE="1")
    assert other.returncode == 1
    assert "HF_HUB_OFFLINE is set" in other.stderr
    assert len(hub.seen) == asked


# -- hostile models ---------------------------------------------------------------------------------------------------


def header(tensors):
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


def changed(files, **net):
    config = json.loads(files["config.json"])
    config["net"] |= net
    return files | {"config.json": json.dumps(config).encode()}


HOSTILE = {
    "a pickle called safetensors": (lambda f: f | {"model.safetensors": evil()}, "damaged or is not a safetensors"),
    "a pickle called config": (lambda f: f | {"config.json": evil()}, "not a valid model configuration"),
    "a pickle alone": (lambda f: {"pytorch_model.bin": evil()}, "never opened"),
    "a network of a hundred gigabytes": (
        lambda f: changed(f, channels=100_000, max_channels=100_000),
        "not a valid model configuration: net.channels",
    ),
    "images that fill the memory": (lambda f: changed(f, channels=256, resolution=1024), "more memory than an image"),
    "an unknown setting": (lambda f: changed(f, evil=1), "not a valid model configuration"),
    "weights of another network": (lambda f: changed(f, channels=8), "the network needs"),
    "weights larger than the network": (
        lambda f: f | {"model.safetensors": f["model.safetensors"] + bytes(3_000_000)},
        "at most",
    ),
    "a header that leads past the file": (
        lambda f: f | {"model.safetensors": header({"x": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}})},
        "damaged or is not a safetensors",
    ),
    "a critic for a generator": (
        lambda f: f | {n: f[f"discriminator/{n}"] for n in ("config.json", "model.safetensors")},
        "not a generator",
    ),
    "an evil critic beside it": (lambda f: f | {"discriminator/model.safetensors": evil()}, "damaged or is not a"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_is_refused_from_the_hub_and_from_a_zip(hub, files, tmp_path, case):
    make_evil, words = HOSTILE[case]
    hub.add("lab/evil", make_evil(files))
    with pytest.raises(UserError, match=words) as told:
        fetch("lab/evil")
    assert "lab/evil" in str(told.value)
    assert str(tmp_path) not in str(told.value)
    with pytest.raises(UserError, match=words) as told:
        keep_zip(zipped(tmp_path, make_evil(files)))
    assert str(tmp_path) not in str(told.value)
    assert not stored()


def test_sizes_are_refused_before_anything_is_downloaded(hub, files):
    for name, size in (("model.safetensors", 10**11), ("config.json", 10**8), ("README.md", 10**9)):
        hub.add("lab/huge", files, sizes={name: size})
        with pytest.raises(UserError, match="larger"):
            look(hub_name("lab/huge"))
    hub.add("lab/huge", files, sizes={"model.safetensors": 10**8})  # fits some network, not this one
    with pytest.raises(UserError, match="at most"):
        look(hub_name("lab/huge"))
    assert not hub.paths("/cdn/")


def test_a_file_longer_than_declared_is_cut_off(hub, files):
    hub.add("lab/more", files, sizes={"model.safetensors": 100})
    with pytest.raises(UserError):
        fetch("lab/more")
    assert not stored()


# -- a zip ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["", "generator/", "a/b/"])
def test_a_model_folder_comes_as_a_zip(files, tmp_path, root, call):
    path = zipped(tmp_path, {root + name: content for name, content in files.items()} | {"__MACOSX/x": b"x"})
    code, out, _ = call("models", "add", path)
    assert code == 0
    here = find_stored(out.strip())
    assert here.name.startswith("knees@")
    assert load_model(find_generator(here.name)).config == read_config(here.folder)
    assert not (here.folder / "train.py").exists()
    assert keep_zip(path).folder == here.folder  # the same again is the same
    assert len(stored()) == 1
    remove(here.name)
    assert not stored()


def test_a_zip_that_leads_outside_or_lies_is_refused(files, tmp_path, monkeypatch):
    monkeypatch.setattr("studio.data.archives.MAX_ZIP_RATIO_BYTES", 1_000_000)
    model = {n: files[n] for n in ("config.json", "model.safetensors")}
    link = zipfile.ZipInfo("model.safetensors")
    link.external_attr = 0o120777 << 16
    for members, words in (
        ({**model, "../../evil.txt": b"x"}, "leads outside"),
        ({**model, "/etc/evil": b"x"}, "leads outside"),
        ({**model, "..\\evil": b"x"}, "leads outside"),
        ({"config.json": model["config.json"], link: b"/etc/passwd"}, "is a link"),
        ({"readme.txt": b"no model"}, "lacks config.json"),
        ({f"{a}/{n}": c for a in "xy" for n, c in model.items()}, "2 models"),
        ({**model, "model.safetensors": bytes(3_000_000)}, "times its own size"),
        ({**model, "config.json": b" " * 2_000_000}, "larger"),
    ):
        with pytest.raises(UserError, match=re.escape(words)):
            keep_zip(zipped(tmp_path, members))
    path = zipped(tmp_path, model, "twice.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", evil())
    with pytest.raises(UserError, match="twice"):
        keep_zip(path)
    whole = zipped(tmp_path, model).read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a readable zip"):
        keep_zip(tmp_path / "half.zip")
    flipped = bytearray(whole)
    flipped[whole.index(b"model.safetensors") + 500] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(flipped)
    with pytest.raises(UserError, match="damaged"):
        keep_zip(tmp_path / "flipped.zip")
    assert not stored()
    assert not list(tmp_path.rglob("*evil*"))


# -- the token --------------------------------------------------------------------------------------------------------


def test_a_private_or_gated_model_opens_with_a_token_which_goes_nowhere_else(
    hub,
    repo,
    runs,
    tmp_path,
    monkeypatch,
):
    repo.private = repo.gated = True
    hub.add("lab/cut", repo.files, faults={"model.safetensors": "wrong"})
    env = {"HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home"), "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug"}
    said = [ask("pull", name, runs=runs, **env) for name in (NAME, "lab/cut")]
    assert [done.returncode for done in said] == [0, 1]
    assert not [path for _, path, token in hub.seen if not token and not path.startswith("/cdn/")]
    assert not any(token for _, path, token in hub.seen if path.startswith("/cdn/"))
    assert not [done for done in said if TOKEN in done.stdout + done.stderr]
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]


def test_a_token_that_no_header_can_hold_is_not_repeated(hub, repo, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\u2028x")
    with pytest.raises(UserError, match="HF_TOKEN") as told:
        fetch()
    assert "hf_" not in str(told.value)
    assert told.value.__cause__ is None


# -- pushing ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(runs):
    """A run with a generator, its critic and a card that names a folder of this machine."""
    run = runs / "00001-knees"
    make(run / "generator")
    make(run / "discriminator", role="discriminator")
    (run / "config.json").write_text(json.dumps({"data": "hf:lab/films@v1:train"}))
    command = "`python -m gan_core train --data /home/somebody/patients/films --preset knee-64`"
    (run / "generator/README.md").write_text(f"# Generator\n\n| Command | {command} |\n")
    return run


def evaluated(model):
    folder = create_evaluation(EvaluationRequest(model="00001-knees", data="/home/somebody/patients/val"))
    folder.write_figures(figures() | {"about": about(digest=model.digest)})
    return folder


def test_a_push_is_what_its_dry_run_said_and_comes_back_the_same(hub, trained, call, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    evaluated(load_model(trained / "generator"))
    words = ("push", "00001-knees", "lab/mine", "--license", "cc-by-4.0", "--critic")
    code, out, _ = call(*words, "--dry-run", "--json")
    assert code == 0
    assert not hub.seen
    told = json.loads(out)
    assert not told["public"]
    code, out, _ = call(*words)
    assert (code, out.strip()) == (0, f"{hub.url}/lab/mine")
    there = hub.repos["models/lab/mine"]
    assert there.private
    sent = {name: len(content) for name, content in there.files.items() if name != ".gitattributes"}
    assert sent == told["files"]
    assert there.files["README.md"].decode() == told["card"]
    here = fetch("lab/mine")
    assert digest(here.folder) == digest(trained / "generator")
    with pytest.raises(UserError, match="on the Hub already"):
        plan_push("lab/mine", "lab/again", "mit")


def test_the_card_is_complete_and_names_no_place_of_this_machine(trained):
    model = load_model(trained / "generator")
    evaluated(model)
    plan = plan_push("00001-knees", "lab/mine", "cc-by-4.0")
    _, front, text = plan.card.split("---\n", 2)
    data = yaml.safe_load(front)
    assert data["license"] == "cc-by-4.0"
    assert data["library_name"] == "pytorch"
    assert data["pipeline_tag"] == "unconditional-image-generation"
    assert data["datasets"] == ["lab/films"]
    (result,) = data["model-index"][0]["results"]
    values = {m["type"]: m["value"] for m in result["metrics"]}
    assert values["kernel-distance"] == figures()["kd"]["value"]
    assert set(values) == set(data["metrics"])
    assert "synthetic" in data["tags"]
    assert "gan_core train --data films --preset" in text
    assert "somebody" not in plan.card
    assert "gan_core pull lab/mine" in text
    assert "(samples.png)" in text
    assert "not for diagnosis" in text
    assert plan.files["samples.png"].startswith(b"\x89PNG")
    again = hub_card(model, plan.card, plan.name, "mit", [])
    assert again.count("## Use") == again.count("## Report") == again.count("samples.png") == 1


def test_a_model_without_an_evaluation_has_no_figures_and_a_caution(trained):
    plan = plan_push("00001-knees", "lab/mine", "mit")
    assert "model-index" not in plan.card
    assert any("copies" in caution for caution in plan.cautions)
    assert evaluation_of(load_model(trained / "generator")) is None


def test_what_should_not_be_published_is_refused(hub, trained, files, tmp_path, monkeypatch, call):
    assert call("push", "00001-knees", "lab/mine", "--dry-run")[0] == 2  # the licence is asked for, never guessed
    with pytest.raises(UserError, match="licence"):
        plan_push("00001-knees", "lab/mine", "")
    here = keep_zip(zipped(tmp_path, files))
    with pytest.raises(UserError, match="--mine"):
        plan_push(here.name, "lab/mine", "mit")
    assert plan_push(here.name, "lab/mine", "mit", mine=True)
    config = json.loads((trained / "generator/config.json").read_text())
    (trained / "generator/config.json").write_text(json.dumps(config | {"images_seen": 0}))
    with pytest.raises(UserError, match="has not seen an image"):
        plan_push("00001-knees", "lab/mine", "mit")
    (trained / "generator/config.json").write_text(json.dumps(config))
    plan = plan_push("00001-knees", "lab/mine", "mit")
    with pytest.raises(UserError, match="HF_TOKEN"):
        push(plan)
    assert not hub.seen
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UserError, match=r"refuses|no public model"):
        push(plan)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add("lab/mine", {"pytorch_model.bin": b"x"}, private=True)
    with pytest.raises(UserError, match=r"holds pytorch_model\.bin"):
        push(plan)
    hub.add("lab/mine", {"README.md": b"x"})
    with pytest.raises(UserError, match="everybody can see it"):
        push(plan)
    assert hub.repos["models/lab/mine"].files == {"README.md": b"x"}


def test_front_matter_is_left_out_of_what_people_read():
    assert body("---\na: 1\n---\n# T\n") == "# T"
    assert body("---\na: 1\n---") == ""
    assert body("# T\n\n---\n\nx\n---\n") == "# T\n\n---\n\nx\n---"


# -- in the background ------------------------------------------------------------------------------------------------


def quiet(what, done, of):
    pass


def test_a_download_tells_how_far_it_is_and_can_be_stopped(hub, files):
    repo = hub.add("lab/slow", files, faults={"model.safetensors": "slow"})
    job = create_download(look(hub_name("lab/slow")))

    def stop(what, done, of):
        if done:
            job.request_stop()

    assert job.run(stop) is None
    status = job.status()
    assert status.state == "stopped"
    assert re.search(r"at [\d.]+ k?B of 1\d\d kB. Nothing was kept", status.message)
    assert not stored()
    repo.faults.clear()
    assert job.run(quiet).origin.revisions == ("",)
    assert job.status().state == "finished"
    assert job.result().origin.repo == "lab/slow"
    launch.delete(job)
    assert not Download.all()


def test_a_wish_to_stop_is_heard_while_the_hub_sends_nothing(hub, files, monkeypatch):
    hub.add("lab/slow", files)
    job = create_download(look(hub_name("lab/slow")))
    asleep = threading.Event()
    monkeypatch.setattr(downloads, "SILENCE", 0)
    monkeypatch.setattr(downloads, "pull", lambda found, add: asleep.wait(60))
    told = []

    def stop(what, done, of):
        told.append(what)
        if len(told) == 3:
            job.request_stop()

    try:
        assert job.run(stop) is None
    finally:
        asleep.set()
    assert job.status().state == "stopped"
    assert "has sent nothing" in told[0]


def test_a_download_that_fails_says_why(hub, repo):
    job = create_download(look(hub_name(NAME)))
    repo.faults = {"model.safetensors": "wrong"}
    with pytest.raises(UserError, match="arrived damaged"):
        job.run(quiet)
    assert job.status().state == "failed"
    assert "arrived damaged" in job.status().message
    assert [d.path for d in Download.all()] == [job.path]
    again = create_download(look(hub_name(NAME)))  # in place of the one that failed
    assert [d.path for d in Download.all()] == [again.path]


def test_how_a_download_ended_is_told_for_a_day(hub, repo):
    job = create_download(look(hub_name(NAME)))
    job.run(quiet)
    downloads.forget(older=downloads.KEPT_SECONDS)
    assert job in Download.all()
    os.utime(job.path, (0, 0))
    downloads.forget(older=downloads.KEPT_SECONDS)
    assert not Download.all()
    assert stored()


@pytest.mark.slow
def test_a_download_is_a_process_of_its_own(hub, repo):
    job = launch.start_new(create_download(look(hub_name(NAME))))
    deadline = time.monotonic() + 120
    while job.alive():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert job.status().state == "finished", job.log_path.read_text()
    assert job.result().origin.commit == repo.commit


def test_the_hosts_model_is_fetched_and_stands_first(hub, repo, monkeypatch):
    assert fetch_first() == ""  # none is wanted
    monkeypatch.setenv("KNEE_GAN_MODEL", "lab/knees")
    before = [name for name, *_ in places([Path("shipped")])]
    assert before == ["shipped"]
    assert fetch_first() == ""
    assert [name for name, *_ in places([Path("shipped")])] == [f"lab/knees@{repo.commit[:7]}", "shipped"]
    monkeypatch.setenv("KNEE_GAN_MODEL", "shipped")
    assert next(name for name, *_ in places([Path("other"), Path("shipped")])) == "shipped"


def test_a_hub_that_is_down_as_the_server_starts_is_asked_again(hub, repo, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_MODEL", "lab/knees")
    hub.status, waited = 503, []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            hub.status = None

    assert fetch_first(wait) == ""
    assert waited == sorted(waited)
    assert len(waited) == 3
    assert find_stored("lab/knees")


@pytest.mark.parametrize("name", ["lab/none", "no model of this computer"])
def test_a_hosts_model_that_there_is_not_is_told(hub, repo, monkeypatch, name):
    monkeypatch.setenv("KNEE_GAN_MODEL", name)
    assert name in fetch_first()
