"""The short form of `benchmarks/fuzz.py`: a few examples of each target; and what its long form has found."""

import ast
import bz2
import json
import os
import shutil
import struct
import threading
import zipfile

import pytest
from fuzz_damage import Damage
from fuzz_house import Broken, House, in_words
from fuzz_links import PAGES
from fuzz_targets import TARGETS, examine
from fuzz_zips import Film, Member, dicom
from hypothesis import HealthCheck, given, settings
from made_models import make
from paths import ROOT

from gan_core.data import decode, load
from gan_core.errors import UserError
from gan_core.model import load_model
from gan_core.train import health
from gan_core.train.distributed import World
from gan_core.train.run import Status, create_run
from studio.explore.upload import read_image
from studio.export.folder import ExportFolder
from studio.jobs.launch import delete
from studio.models.upload import keep_zip
from studio.train.session import train

BY_NAME = {target.name: target for target in TARGETS}
needs_links = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", BY_NAME)
def test_it_works_or_is_refused_in_words(house, name):
    target = BY_NAME[name]

    @settings(
        max_examples=target.few,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(target.examples)
    def once(example):
        examine(target, house, example)

    once()


WHOLE_MODEL = [Member("config.json", "config", 8), Member("model.safetensors", "tensors", 8)]


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("config", ("model", [])),
        ("run", ([], "resume")),
        ("run", ([], "page train")),
        ("model", ([], "check")),
        ("job", ("evaluation", [], "page")),
        ("zip", (WHOLE_MODEL, [])),
        ("page: explore", ("explore", {"model": "00001-digits-acgan", "seed": "7"})),
        ("routes", ("GET", ("explore", "image"), {"model": "00001-digits-acgan"})),
    ],
)
def test_what_is_whole_is_taken(house, name, example):
    """Else nothing that is damaged would come far."""
    assert examine(BY_NAME[name], house, example)


@needs_links
def test_the_watch_sees_what_it_must(house):
    """Else it would find no fault either."""
    secret = house.outside / "secret.txt"
    link = house.folder / "link"
    link.symlink_to(secret)
    for misdeed in (
        link.read_text,
        lambda: list(house.outside.iterdir()),
        lambda: (house.outside / "new").mkdir(),
        lambda: (house.folder.parent / "beside.txt").write_text("x"),
        lambda: os.system("true"),
    ):
        with pytest.raises(Broken), house.watched():
            misdeed()
    (house.outside / "new").rmdir()
    for words in ("", "ValueError: no", "two\nlines", "The canary sings at dawn.", "x" * 2000, "\x1b[2J"):
        with pytest.raises(Broken):
            in_words(words)


def test_every_parameter_of_a_link_is_fuzzed():
    """Those that pages and their parts bind to widgets or read by a name that stands there."""
    found = set()
    for path in (*(ROOT / "pages").glob("*.py"), *(ROOT / "studio").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            options = {o.arg: o.value.value for o in node.keywords if isinstance(o.value, ast.Constant)}
            bound = options.get("bind") == "query-params" or ast.unparse(node.func) == "one_of"
            if bound and "key" in options:
                found.add(options["key"])
            if ast.unparse(node.func) == "offered" and len(node.args) == 3:
                found.add(node.args[2].value)
            if ast.unparse(node.func) in ("st.query_params.get", "link.get") and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    assert {"seed", "run", "export", "at", "hub", "target"} <= found
    assert found <= {name for known in PAGES.values() for name in known}


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_parameter_is_none(house, page):
    examine(BY_NAME[f"page: {page}"], house, (page, dict.fromkeys(PAGES[page], "")))


@pytest.mark.parametrize(("page", "names"), [("gallery", ["seed"]), ("compare", ["seed"]), ("export", ["seed", "n"])])
@pytest.mark.parametrize("value", ["1e999", "-inf", ["7", "Infinity"]])
def test_an_endless_number_in_a_link_is_left_out(house, page, names, value):
    assert examine(BY_NAME[f"page: {page}"], house, (page, dict.fromkeys(names, value)))


# -- found by the long form -------------------------------------------------------------------------------------------


def test_a_zip_that_is_packed_to_be_expanded_in_one_go_is_refused(house, tmp_path):
    """bzip2 gives what it has for all bytes that it is fed, whatever the directory says of the size."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.png", bytes(50_000_000))
    path = tmp_path / "bomb.zip"
    assert len(bz2.compress(bytes(50_000_000))) < 1000
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", 50_000_000), struct.pack("<I", 1000)))
    for read in (lambda: load(str(path), 8), lambda: keep_zip(path)):
        with house.watched(), pytest.raises(UserError, match="not packed as zips usually are"):
            read()
    assert house.most_memory < 2**30


@pytest.mark.parametrize("rows", [0, 1])
def test_a_film_of_endless_slices_is_refused_at_once(rows):
    """Each slice's way of being shown is read before the first: of so many that would take hours."""
    tags = (("IS", "NumberOfFrames", "999999999"), ("US", "Rows", rows), ("US", "Columns", 1))
    with pytest.raises(UserError, match=r"too many|without an image"):
        read_image(dicom(Film(tags=tags)), "film.dcm", 16)


def test_large_images_are_decoded_one_after_the_other():
    entered = threading.Event()

    def second():
        with decode.room(1):
            entered.set()

    thread = threading.Thread(target=second)
    with decode.room(decode.MAX_PIXELS):
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(5)
    thread.join()


def test_no_memory_is_taken_for_a_network_that_its_file_does_not_fit(house):
    folder = make(house.empty() / "large")
    about = json.loads((folder / "config.json").read_text())
    about["net"] |= {"channels": 256, "max_channels": 1024, "z_dim": 1024}
    (folder / "config.json").write_text(json.dumps(about))
    house.most_memory = 0
    with house.watched(), pytest.raises(UserError, match="the network needs"):
        load_model(folder)
    assert house.most_memory < 50_000_000


@needs_links
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_link_out_of_a_model_folder_is_not_followed(tmp_path, name):
    folder, elsewhere = make(tmp_path / "model"), make(tmp_path / "elsewhere")
    (folder / name).unlink()
    (folder / name).symlink_to(elsewhere / name)
    with pytest.raises(UserError, match="leads out of its folder"):
        load_model(folder)
    linked = tmp_path / "linked"
    linked.symlink_to(elsewhere)  # a whole model may lie on another disk
    assert load_model(linked).digest == load_model(elsewhere).digest


@pytest.fixture
def run(tiny, tmp_path):
    run = create_run(tiny(kimg=0.1, samples=10), "digits", tmp_path / "runs")
    train(run, run.config(), World())
    return run


@needs_links
@pytest.mark.parametrize("name", ["samples", "log.txt", "lock"])
def test_a_training_does_not_write_to_where_a_link_leads(run, tmp_path, name):
    """Resuming takes back pictures of what comes again: in a folder of pictures that would be somebody's own."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "000999.png").write_bytes(b"a picture")
    if (run.path / name).exists():
        Damage("gone").do(run.path / name, elsewhere)
    (run.path / name).symlink_to(elsewhere)
    assert not run.samples() or name != "samples"
    with pytest.raises(UserError, match="is a link or a device"):
        train(run, run.config(), World())
    assert [p.name for p in elsewhere.iterdir()] == ["000999.png"]


def test_one_damaged_byte_costs_one_tick(run):
    """Also on resuming, which writes the ticks anew."""
    before = run.stats()
    content = bytearray(run.stats_path.read_bytes())
    content[10] ^= 0x80  # no UTF-8 any more
    run.stats_path.write_bytes(content)
    assert run.stats() == before[1:]
    run.trim(10**9)
    assert run.stats() == before[1:]


@pytest.mark.parametrize(
    "text", ['{"nimg": 1, "x": ' + "[" * 10**5, '{"nimg": -1}', '{"nimg": 1e999}', '{"nimg": true}']
)
def test_a_tick_that_is_none_is_left_out(run, text):
    run.stats_path.write_text(text + '\n{"nimg": 9, "d_loss": 1' + "0" * 400 + ', "g_loss": NaN, "seconds": "long"}\n')
    assert run.stats() == [{"nimg": 9}]


@pytest.mark.parametrize("text", ["1" + "0" * 400, "NaN", '"near"', "[" * 10**5, "null"])
def test_a_best_distance_that_is_none_is_no_distance(run, text):
    (run.path / "best.json").write_text(f'{{"kd_knee": {text}}}')
    assert run.best_distance() == float("inf")


@pytest.mark.parametrize(
    "told", [{"images_seen": -5}, {"seconds": 1e400}, {"pid": 2**70}, {"images_per_second": float("nan")}]
)
def test_a_status_out_of_range_cannot_be_read(run, told):
    (run.path / "status.json").write_text(json.dumps({"state": "running"} | told))
    assert run.status().message == "Its status cannot be read."


def test_a_time_left_that_no_clock_shows_has_words():
    status = Status(state="running", images_total=10**9, seconds=1, images_per_second=5e-324)
    assert "more than a year left" in status.progress()


def test_ticks_without_their_figures_warn_of_nothing():
    assert not health.warnings([{"nimg": i, "kd_knee": 0.1} for i in range(9)], "non-saturating")


def test_settings_with_an_impossible_path_do_not_keep_a_run_from_being_deleted(run, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    run.write_config(run.config().model_copy(update={"data": "a\0b"}))
    delete(run)
    assert not run.path.exists()


def test_a_strangers_words_command_no_terminal_and_do_not_go_on_for_ever():
    error = UserError("\x1b[2J\u202e" + "x" * 9000 + "\nand then.")
    assert str(error).isprintable()
    assert len(str(error)) < 1000
    assert str(error).endswith("and then.")


def test_a_manifest_cut_in_its_last_column_is_made_again(house):
    job = ExportFolder(house.empty() / house.jobs["export"].name)
    shutil.copytree(house.jobs["export"], job.path)
    manifest = job.files_path / "manifest.csv"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-5] + b"\r\n")
    with house.at_home():
        job.run(lambda what, done, of: None)
    assert manifest.read_bytes() == whole
