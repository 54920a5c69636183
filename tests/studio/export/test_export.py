"""Exports: what is made, the same every time, whatever happened on the way; DICOM; the nearest-patient check."""

import csv
import errno
import hashlib
import io
import json
import re
import shutil
import subprocess
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
import torch
import yaml
from dicom_check import errors_of, needs_validator
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from serving import free_port

from gan_core import data, networks
from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.generate import class_index, generate, own_classes
from gan_core.model import SHIPPED, ModelConfig, load_model, save_model
from studio.export import dicom, near, write
from studio.export.folder import ExportFolder, create_export
from studio.export.plan import ExportRequest, class_folders, plan
from studio.export.write import BATCH, COLUMNS, Export
from studio.jobs.launch import delete

STORESCU, STORESCP = shutil.which("storescu"), shutil.which("storescp")
needs_encoder = pytest.mark.skipif(
    not (SHIPPED / "knee-encoder" / "config.json").is_file(), reason="the knee encoder is not there"
)
GRADES = ("0", "1", "4")


@pytest.fixture
def made(tmp_path):
    """made(names, ...): the folder of a generator with these classes; its weights are random."""

    def make(names=GRADES, label_name="KL grade", resolution=16, folder="knee-16"):
        net = NetConfig(
            role="generator",
            architecture="dcgan",
            resolution=resolution,
            num_classes=len(names),
            conditioning="embedding" if names else "none",
            channels=4,
            max_channels=8,
            norm="batch",
            z_dim=8,
        )
        shares = tuple(1.0 + i for i in range(len(names)))
        config = ModelConfig(
            net=net, class_names=names, class_shares=shares, label_name=label_name, data="films, 9 images"
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            save_model(tmp_path / folder, networks.build(net), config, "# A model\n")
        return tmp_path / folder

    return make


def asked(model, n=40, **more):
    return ExportRequest(model=str(model), n=n, **more)


def silent(what, done, total):
    pass


def tree(folder):
    """Every file of a folder and what is in it."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(folder):
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


# -- which images -----------------------------------------------------------------------------------------------------


def test_each_image_has_a_seed_of_its_own_and_classes_are_balanced(made):
    model = load_model(made())
    planned = plan(asked("m", 40, seed=7), model.config, "m")
    assert list(planned.seeds) == list(range(7, 47))
    assert planned.count() == {"0": 14, "1": 13, "4": 13}


def test_classes_as_in_training_are_those_of_the_seeds(made):
    model = load_model(made())
    planned = plan(asked("m", 50, classes="training"), model.config, "m")
    assert [planned.class_name(i) for i in range(50)] == own_classes(model, range(50))


def test_one_class_or_numbers_of_each_as_asked(made):
    config = load_model(made()).config
    assert plan(asked("m", 5, classes="4"), config, "m").count() == {"4": 5}
    assert plan(asked("m", 9, classes="4=7, 0=2"), config, "m").count() == {"0": 2, "4": 7}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"classes": "9"}, "does not ask for classes"),
        ({"classes": "9=40"}, "no class '9'"),
        ({"classes": "0=39"}, "add up to 39 images, not to 40"),
        ({"classes": "0=20,0=20"}, "twice"),
        ({"classes": "0=-40"}, "does not ask for classes"),
        ({"seed": 2**31 - 5}, "largest seed"),
    ],
)
def test_what_a_model_cannot_make_is_told(made, more, said):
    with pytest.raises(UserError, match=re.escape(said)):
        plan(asked("m", **more), load_model(made()).config, "m")


def test_a_model_without_labels_is_not_asked_for_any(made):
    config = load_model(made(names=())).config
    assert plan(asked("m"), config, "m").path(0) == "images/synthetic_m_seed000000.png"
    with pytest.raises(UserError, match="without labels"):
        plan(asked("m", classes="0"), config, "m")


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8, unique=True))
def test_class_folders_are_apart_and_safe_on_any_system(names):
    folders = class_folders(names)
    assert len({f.lower() for f in folders}) == len(names)
    for folder in folders:
        assert re.fullmatch(r"[A-Za-z0-9-]{1,60}", folder)
        assert folder.lower() not in ("con", "nul", "aux", "com1")


def test_the_beginning_of_an_export_is_like_all_of_it(made):
    planned = plan(asked("m", 100, classes="0=50,1=30,4=20"), load_model(made()).config, "m")
    first = [planned.class_name(i) for i in range(10)]
    assert {name: first.count(name) for name in GRADES} == {"0": 5, "1": 3, "4": 2}


# -- what is written --------------------------------------------------------------------------------------------------


def test_pictures_are_those_of_the_seed_and_the_class(made, tmp_path):
    folder, out = made(), tmp_path / "out"
    tally = Export(asked(folder, truncation=0.5), out).run(silent)
    assert (tally.images, tally.kept, tally.counts) == (40, 0, {"0": 14, "1": 13, "4": 13})
    model = load_model(folder)
    for row in rows(out)[::7]:
        picture = np.asarray(Image.open(out / row["file"]))
        same = generate(model, [int(row["seed"])], [class_index(model, row["class"])], 0.5)[0, 0]
        assert np.abs(picture.astype(int) - same).max() <= 1  # another batch may round otherwise


def test_the_manifest_tells_of_every_file(made, tmp_path):
    out = tmp_path / "out"
    Export(asked(made(), seed=100), out).run(silent)
    told = rows(out)
    assert tuple(told[0]) == COLUMNS
    assert [row["seed"] for row in told] == [str(s) for s in range(100, 140)]
    assert {row["near"] for row in told} == {"not checked"}
    assert {row["file"] for row in told} == {p for p in tree(out) if p.endswith(".png")}
    for row in told:
        assert row["file_sha256"] == hashlib.sha256((out / row["file"]).read_bytes()).hexdigest()
        assert "synthetic_knee-16_seed" in row["file"]
        assert row["file"].endswith(f"_kl{row['class']}.png")


@pytest.mark.parametrize("form", ["png", "dicom"])
def test_the_folder_is_a_training_set_for_this_program_too(made, tmp_path, form):
    out = tmp_path / "out"
    Export(asked(made(), format=form), out).run(silent)
    loaded = data.load(str(out), 16)
    assert loaded.class_names == GRADES
    assert np.bincount(loaded.labels).tolist() == [14, 13, 13]
    assert len(loaded.images) == 40


@pytest.mark.parametrize("form", ["png", "datasets", "dicom"])
def test_the_same_export_is_the_same_byte_for_byte(made, tmp_path, form):
    model = made()
    for place in ("a", "b"):
        Export(asked(model, format=form, zip=True), tmp_path / place / "knees").run(silent)
    first, second = tree(tmp_path / "a"), tree(tmp_path / "b")
    assert first == second
    assert "knees.zip" in first


def test_a_card_says_what_the_images_are_and_tells_nothing_of_this_machine(made, tmp_path):
    out = tmp_path / "out"
    Export(asked(made(), classes="4", n=3), out).run(silent)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "shows no patient and is not for diagnosis" in card
    assert "4: 3" in card
    assert "Not checked" in card
    assert "--classes 4" in card
    assert all(str(tmp_path).encode() not in content for content in tree(out).values())


def test_a_zip_holds_the_folder(made, tmp_path):
    out = tmp_path / "knees"
    Export(asked(made(), format="datasets", zip=True), out).run(silent)
    with zipfile.ZipFile(tmp_path / "knees.zip") as packed:
        assert packed.testzip() is None
        assert {n: packed.read(n) for n in packed.namelist()} == {f"knees/{n}": c for n, c in tree(out).items()}


def test_a_model_without_classes_exports_too(made, tmp_path):
    for form in ("png", "datasets", "dicom"):
        tally = Export(asked(made(names=()), 5, format=form), tmp_path / form).run(silent)
        assert (tally.images, tally.counts) == (5, {})
    assert "label" not in pq.read_schema(tmp_path / "datasets/data/train/metadata.parquet").names


# -- whatever happens -------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The end of the process."""


def stopping_at(image):
    def progress(what, done, total):
        if done >= image:
            raise Killed

    return progress


@pytest.mark.parametrize("form", ["png", "dicom"])
def test_a_killed_export_goes_on_and_ends_the_same(made, tmp_path, form):
    model = made()
    request = asked(model, 5 * BATCH, format=form)
    Export(request, tmp_path / "whole" / "knees").run(silent)
    out = tmp_path / "cut" / "knees"
    for image in (BATCH, 3 * BATCH):
        with pytest.raises(Killed):
            Export(request, out).run(stopping_at(image))
        (out / ".half-manifest-x.csv").write_text("half")  # what a kill leaves behind
        with (out / write.JOURNAL).open("a") as journal:
            journal.write("0/synthetic_knee-16_seed0000")
    tally = Export(request, out).run(silent)
    assert tally.kept == 3 * BATCH
    assert tree(out) == tree(tmp_path / "whole" / "knees")


def test_an_export_that_is_there_is_left_as_it_is(made, tmp_path):
    model, out = made(), tmp_path / "knees"
    Export(asked(model), out).run(silent)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    assert Export(asked(model), out).run(silent).kept == 40
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.png")} == before


def test_what_was_damaged_is_made_again(made, tmp_path):
    model, out = made(), tmp_path / "knees"
    Export(asked(model), out).run(silent)
    whole = tree(out)
    first, second, third, *_ = sorted(out.rglob("*.png"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:50])
    third.write_bytes(b"")
    assert Export(asked(model), out).run(silent).kept == 37
    assert tree(out) == whole


@pytest.mark.parametrize("name", ["manifest.csv", "README.md"])
@settings(max_examples=15, deadline=None)
@given(garbage=st.binary(max_size=300), at=st.integers(0, 2000))
def test_a_damaged_table_changes_nothing(damaged, name, garbage, at):
    model, out, whole = damaged
    path = out / name
    path.write_bytes(path.read_bytes()[:at] + garbage)
    Export(asked(model), out).run(silent)
    assert tree(out) == whole


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged")
    net = NetConfig(
        role="generator", architecture="dcgan", resolution=16, channels=4, max_channels=8, norm="batch", z_dim=8
    )
    save_model(root / "m", networks.build(net), ModelConfig(net=net), "# A model\n")
    Export(asked(root / "m"), root / "knees").run(silent)
    return root / "m", root / "knees", tree(root / "knees")


def test_a_full_disk_gets_a_sentence_and_leaves_nothing_half_written(made, tmp_path, monkeypatch):
    model, out = made(), tmp_path / "knees"
    Export(asked(model), tmp_path / "whole" / "knees").run(silent)
    written = 0
    write_bytes = Path.write_bytes

    def full(path, content):
        nonlocal written
        written += 1
        if written > 20:
            write_bytes(path, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"disk is full at 16 of 40.*what is there is kept"):
        Export(asked(model), out).run(silent)
    monkeypatch.undo()
    assert not list(out.rglob(".half-*"))
    assert not (out / "manifest.csv").exists()
    assert Export(asked(model), out).run(silent).kept == 20
    assert tree(out) == tree(tmp_path / "whole" / "knees")


def test_what_cannot_fit_is_refused_before_anything_is_made(made, tmp_path, monkeypatch):
    monkeypatch.setattr(write.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 50_000))
    with pytest.raises(UserError, match=r"are needed and 50\.0 kB are free"):
        Export(asked(made()), tmp_path / "out").run(silent)
    assert not (tmp_path / "out").exists()


def test_a_reference_that_is_not_there_leaves_no_folder_behind(made, tmp_path):
    with pytest.raises(UserError, match="films"):
        Export(asked(made(), reference=str(tmp_path / "films")), tmp_path / "out").run(silent)
    assert not (tmp_path / "out").exists()


def test_what_a_kill_at_the_very_start_leaves_is_no_obstacle(made, tmp_path):
    out = tmp_path / "knees"
    out.mkdir()
    (out / ".half-export-x.json").write_text("{")
    Export(asked(made()), out).run(silent)
    assert not list(out.glob(".half-*"))


def test_a_folder_of_something_else_is_not_touched(made, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        Export(asked(made()), out).run(silent)
    assert tree(out) == {"thesis.tex": b"mine"}


@pytest.mark.parametrize("more", [{"seed": 1}, {"truncation": 0.5}, {"format": "dicom"}, {"classes": "training"}])
def test_another_export_is_not_mixed_into_one(made, tmp_path, more):
    model, out = made(), tmp_path / "knees"
    Export(asked(model), out).run(silent)
    before = tree(out)
    with pytest.raises(UserError, match="other settings or another model"):
        Export(asked(model, **more), out).run(silent)
    assert tree(out) == before


def test_memory_does_not_grow_with_the_number_of_images(made, tmp_path):
    model = made(resolution=64)

    def peak(n, turn=0):
        export = Export(asked(model, n), tmp_path / f"{turn}-of-{n}")
        tracemalloc.start()
        export.run(silent)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(BATCH)  # what is loaded at first use
    # The lesser of two: threads that an earlier test left in this process can only add to it.
    few, many = (min(peak(n * BATCH, turn) for turn in range(2)) for n in (4, 24))
    assert many - few < 20 * BATCH * 64**2 / 4  # a quarter of what the images would take


# -- DICOM ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(made, tmp_path):
    """The DICOM files of an export, read."""
    out = tmp_path / "out"
    Export(asked(made(), format="dicom"), out).run(silent)
    return [(row, pydicom.dcmread(out / row["file"])) for row in rows(out)]


def test_dicom_says_in_the_standards_terms_that_it_is_synthetic_and_of_no_patient(files):
    for row, ds in files:
        assert ds.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
        assert (ds.SyntheticData, ds.ConversionType, ds.BurnedInAnnotation) == ("YES", "SYN", "NO")
        assert list(ds.ImageType) == ["DERIVED", "SECONDARY"]
        purpose = ds.ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0]
        assert (purpose.CodeValue, purpose.CodeMeaning) == ("109100", "Synthesizing Equipment")
        assert str(ds.PatientName).startswith("Synthetic")
        assert ds.PatientID.startswith("SYNTHETIC-")
        assert not any([ds.PatientBirthDate, ds.PatientSex, ds.StudyDate, ds.StudyTime, ds.AccessionNumber])
        assert f"KL grade {row['class']} asked for" in ds.ImageComments
        assert "not for diagnosis" in ds.ImageComments


def test_dicom_claims_nothing_that_was_not_measured(files):
    for _, ds in files[:3]:
        assert not (
            {"PixelSpacing", "NominalScannedPixelSpacing", "ContentDate", "InstanceCreationDate"} & set(ds.dir())
        )
        assert not ds.Laterality
        assert ds.Modality == "OT"  # it was not taken by an X-ray machine


def test_dicom_pixels_are_those_of_the_picture_and_are_shown_as_they_are(files, made, tmp_path):
    Export(asked(made()), tmp_path / "png").run(silent)
    for (_, ds), row in list(zip(files, rows(tmp_path / "png"), strict=True))[::9]:
        picture = np.asarray(Image.open(tmp_path / "png" / row["file"]))
        assert np.array_equal(ds.pixel_array, picture)
        shown = pydicom.pixels.apply_voi_lut(ds.pixel_array, ds)
        assert np.abs(shown - picture).max() < 1e-6


def test_uids_are_valid_unique_and_hold_what_belongs_together(files):
    uids = [ds.SOPInstanceUID for _, ds in files]
    assert len(set(uids)) == len(files)
    assert [row["uid"] for row, _ in files] == uids
    for _, ds in files:
        for uid in (ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID):
            assert uid.is_valid
            assert uid.startswith("2.25.")
    assert len({ds.StudyInstanceUID for _, ds in files}) == 1
    assert {(ds.SeriesInstanceUID, row["class"]) for row, ds in files} == {
        (ds.SeriesInstanceUID, row["class"]) for row, ds in files[:3]
    }


def test_other_pixels_or_another_origin_are_another_instance():
    image = np.zeros((16, 16), np.uint8)
    origin = dicom.Origin("m", "ab" * 32, 1, 1.0, "0", 0, "KL grade")
    other = dicom.Origin("m", "ab" * 32, 1, 0.5, "0", 0, "KL grade")
    uids = {dicom.instance_uid(image, origin), dicom.instance_uid(image + 1, origin), dicom.instance_uid(image, other)}
    assert len(uids) == 3


HOSTILE = 'Kné\\e "4"\n^=, ' + "x" * 90


def test_any_name_of_a_model_or_class_makes_a_file_that_reads_back():
    image = np.arange(15 * 17, dtype=np.uint8).reshape(15, 17)  # an odd number of bytes
    ds = pydicom.dcmread(io.BytesIO(dicom.encode(image, dicom.Origin(HOSTILE, "ab" * 32, 5, 1.0, HOSTILE, 0, HOSTILE))))
    assert np.array_equal(ds.pixel_array, image)
    assert len(ds.SeriesDescription) <= 64
    assert "Kné" in ds.ImageComments


@needs_validator
def test_dicom_passes_the_validator(files, made, tmp_path):
    for row, _ in files[:3]:
        assert errors_of(tmp_path / "out" / row["file"]) == []
    plain = tmp_path / "plain"
    Export(asked(made(names=(), label_name="class"), 1, format="dicom"), plain).run(silent)
    assert errors_of(next(plain.rglob("*.dcm"))) == []
    odd = tmp_path / "odd.dcm"
    odd.write_bytes(
        dicom.encode(np.zeros((15, 15), np.uint8), dicom.Origin(HOSTILE, "ab" * 32, 5, 1.0, HOSTILE, 0, "a"))
    )
    assert errors_of(odd) == []
    ds = pydicom.dcmread(odd)
    del ds.ConversionType  # what is wrong, it finds
    ds.save_as(odd)
    assert errors_of(odd)


@pytest.mark.skipif(not (STORESCU and STORESCP), reason="dcmtk is not installed")
def test_dcmtk_sends_the_whole_folder(made, tmp_path):
    out, archive, port = tmp_path / "out", tmp_path / "archive", str(free_port())
    Export(asked(made(), 10, format="dicom"), out).run(silent)
    archive.mkdir()
    receiver = subprocess.Popen([STORESCP, "--output-directory", archive, port])
    try:
        for _ in range(100):
            sent = subprocess.run([STORESCU, "+sd", "+r", "127.0.0.1", port, out / "dicom"], check=False)
            if len(list(archive.iterdir())) == 10:
                break
            time.sleep(0.1)
        assert sent.returncode == 0
    finally:
        receiver.kill()
        receiver.wait()
    there = {pydicom.dcmread(path).SOPInstanceUID for path in archive.iterdir()}
    assert there == {row["uid"] for row in rows(out)}


def test_an_export_of_before_goes_on_with_its_dicom_in_their_folder(made, tmp_path):
    """Its grades' folders stood at the top, as did a CSV in the place of today's table."""
    out = tmp_path / "out"
    Export(asked(made(), format="dicom"), out).run(silent)
    whole = tree(out)
    for folder in sorted((out / "dicom").iterdir()):
        folder.rename(out / folder.name)
    (out / "dicom").rmdir()
    (out / "manifest.csv").write_text((out / "manifest.csv").read_text().replace("dicom/", ""))
    Export(asked(made(), format="dicom"), out).run(silent)
    assert tree(out) == whole
    Export(asked(made(), format="datasets"), tmp_path / "set").run(silent)
    (tmp_path / "set/data/train/metadata.csv").touch()
    Export(asked(made(), format="datasets"), tmp_path / "set").run(silent)
    assert not (tmp_path / "set/data/train/metadata.csv").exists()


# -- a training set for others ----------------------------------------------------------------------------------------


def test_the_table_beside_the_images_names_each_with_its_label(made, tmp_path):
    out = tmp_path / "out"
    Export(asked(made(), format="datasets"), out).run(silent)
    table = pq.read_table(out / "data/train/metadata.parquet").to_pylist()
    assert list(table[0]) == ["file_name", "label", "seed", "truncation", "near"]
    assert all((out / "data/train" / row["file_name"]).is_file() for row in table)
    assert [GRADES[row["label"]] for row in table] == [row["class"] for row in rows(out)]
    front = yaml.safe_load((out / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "data/train/**"}]
    assert "synthetic" in front["tags"]


def test_hugging_face_datasets_loads_it(made, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    out = tmp_path / "out"
    Export(asked(made(), format="datasets"), out).run(silent)
    loaded = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "hf"))
    assert len(loaded) == 40
    assert loaded.features["label"] == datasets.ClassLabel(names=list(GRADES))
    assert sorted(loaded["label"]) == sorted(GRADES.index(row["class"]) for row in rows(out))
    by_seed = {row["seed"]: row for row in rows(out)}
    for item in loaded.select([0, 39]):
        picture = Image.open(out / by_seed[str(item["seed"])]["file"])
        assert np.array_equal(np.asarray(item["image"]), np.asarray(picture))

    # As much again at another truncation, which a CSV would make a whole number's column, joins it and is split evenly.
    Export(asked(made(), format="datasets", seed=40, truncation=0.7, n=20), tmp_path / "more").run(silent)
    more = datasets.load_dataset(str(tmp_path / "more"), split="train", cache_dir=str(tmp_path / "hf"))
    assert more.features == loaded.features
    both = datasets.concatenate_datasets([loaded, more])
    halves = both.train_test_split(test_size=0.5, stratify_by_column="label", seed=0)
    counts = [np.bincount(half["label"], minlength=len(GRADES)) for half in halves.values()]
    assert np.abs(counts[0] - counts[1]).max() <= 1
    assert sorted(set(both["truncation"])) == [0.7, 1.0]


# -- the nearest-patient check ----------------------------------------------------------------------------------------


def smooth(n, seed, side=32):
    """Images that are like each other and unlike: a few broad waves."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(*[np.linspace(0, np.pi, side)] * 2)
    waves = np.stack([np.cos(i * x) * np.cos(j * y) for i in range(5) for j in range(5)][1:])
    z = np.tensordot(rng.standard_normal((n, len(waves))), waves, 1)
    return (127 + 30 * z).clip(0, 255).astype(np.uint8)[:, None]


def save_films(folder, images, name="{:05d}.png"):
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image[0]).save(folder / name.format(i))
    return str(folder)


@needs_encoder
def test_a_copy_is_marked_and_other_images_hardly_ever(tmp_path):
    seen = smooth(120, 1)
    check = near.Check(save_films(tmp_path / "films", seen), 32, "crop", silent)
    copies = np.clip(seen[:5].astype(int) + 3, 0, 255).astype(np.uint8)
    for found in check(copies):
        assert "pixels" in found.near
        assert found.ratios["pixels"] < 0.5
    fresh = check(smooth(100, 2))
    assert sum(bool(found.near) for found in fresh) < 0.08 * len(fresh)


def test_ones_own_other_knee_does_not_hide_a_copy():
    seen = smooth(150, 1)
    both = np.concatenate([seen, seen])  # left and right of a patient are alike
    whose = np.tile(np.arange(150), 2)
    alone = near._way(near.pixel_features, near.pixel_features(seen), np.arange(150)).limit
    assert near._way(near.pixel_features, near.pixel_features(both), whose).limit > 0.5 * alone


def test_too_few_patients_are_told(tmp_path):
    with pytest.raises(UserError, match="at least 100 training images"):
        near.Check(save_films(tmp_path / "few", smooth(20, 1)), 32, "crop", silent)
    with pytest.raises(UserError, match="nearly all of one"):
        near._between_patients(near.pixel_features(smooth(120, 1)), np.zeros(120, np.int64))


@pytest.fixture
def checked(monkeypatch):
    """A check that finds every fifth image of a batch too near."""

    class Check:
        def __init__(self, reference, side, fit, progress):
            pass

        def __call__(self, images):
            return [
                near.Finding({"features": 0.5, "pixels": 0.25}, ("pixels",) if i % 5 == 0 else ())
                for i in range(len(images))
            ]

    monkeypatch.setattr(near, "Check", Check)


@pytest.mark.usefixtures("checked")
def test_what_is_near_is_marked_or_left_out(made, tmp_path):
    model = made()
    marked = Export(asked(model, 32, reference="films"), tmp_path / "marked").run(silent)
    assert (marked.images, marked.near, marked.left_out) == (32, 8, 0)
    row = rows(tmp_path / "marked")[0]
    assert (row["nearest_features"], row["nearest_pixels"], row["near"]) == ("0.5000", "0.2500", "pixels")
    assert "8 are, and are marked" in " ".join((tmp_path / "marked/README.md").read_text().split())
    left = Export(asked(model, 32, reference="films", drop_near=True), tmp_path / "left").run(silent)
    assert (left.images, left.near, left.left_out) == (24, 0, 8)
    assert len([p for p in tree(tmp_path / "left") if p.endswith(".png")]) == len(rows(tmp_path / "left")) == 24
    assert "8 were left out" in " ".join((tmp_path / "left/README.md").read_text().split())
    before = tree(tmp_path / "left")
    again = Export(asked(model, 32, reference="films", drop_near=True), tmp_path / "left").run(silent)
    assert (again.kept, again.left_out) == (24, 8)
    assert tree(tmp_path / "left") == before


def test_to_leave_out_takes_the_training_images(made, tmp_path):
    with pytest.raises(UserError, match="needs the training images"):
        Export(asked(made(), drop_near=True), tmp_path / "out")


# -- the command, and the job -----------------------------------------------------------------------------------------


def test_the_command_exports_and_goes_on(made, tmp_path, call):
    words = ["export", "--model", made(), "--classes", "0=3,4=2", "--zip", "--out", tmp_path / "knees", "--json"]
    code, out, _ = call(*words)
    assert code == 0
    assert json.loads(out) == {
        "path": str(tmp_path / "knees.zip"),
        "images": 5,
        "kept": 0,
        "classes": {"0": 3, "4": 2},
        "near": None,
        "left_out": 0,
    }
    code, out, _ = call(*words)
    assert (code, json.loads(out)["kept"]) == (0, 5)
    code, out, _ = call("export", "--model", made(), "--n", "2", "--format", "dicom", "--out", tmp_path / "dicom")
    assert (code, out.strip()) == (0, str(tmp_path / "dicom"))
    assert len(list((tmp_path / "dicom").rglob("*.dcm"))) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "x"), "Missing option '--model'"),
        (("--model", "MODEL", "--out", "x", "--format", "jpeg"), "'png', 'datasets', 'dicom'"),
        (("--model", "MODEL", "--out", "x", "--classes", "7"), "does not ask for classes"),
        (("--model", "MODEL", "--out", "x", "--classes", "0=3", "--n", "4"), "add up to 3 images, not to 4"),
        (("--model", "MODEL", "--out", "x", "--drop-near"), "give --reference"),
        (("--model", "MODEL", "--out", "x", "--classes", "0=999999"), "less than or equal to 100000"),
    ],
)
def test_a_wrong_call_is_told_in_a_line(made, tmp_path, call, words, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = str(made())
    code, _, err = call("export", *(model if word == "MODEL" else word for word in words))
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "x").exists()


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))


@pytest.mark.usefixtures("runs")
def test_a_job_writes_its_files_and_how_it_stands(made):
    folder = create_export(asked(made(), zip=True))
    assert [e.name for e in ExportFolder.all()] == [folder.name]
    folder.run(silent)
    status = folder.status()
    assert (status.state, status.images, status.near) == ("finished", 40, 0)
    assert folder.zip_path.is_file()
    assert [row["seed"] for row in folder.rows(3)] == ["0", "1", "2"]
    assert folder.label_name() == "KL grade"
    delete(folder)
    assert ExportFolder.all() == []


@pytest.mark.usefixtures("runs")
def test_a_job_stops_on_request_and_goes_on(made):
    folder = create_export(asked(made(), zip=True))
    folder.request_stop()
    assert folder.run(silent) is None
    assert folder.status().state == "stopped"
    assert folder.run(silent).images == 40


@pytest.mark.usefixtures("runs")
def test_a_job_that_cannot_says_why(tmp_path):
    folder = create_export(asked(tmp_path / "nowhere"))
    with pytest.raises(UserError):
        folder.run(silent)
    assert folder.status().state == "failed"
    assert "nowhere" in folder.status().message
