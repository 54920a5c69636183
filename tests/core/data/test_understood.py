"""What folders, tables and names are taken for: classes, splits, patients, grades; and what is asked instead."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from paths import CASES, ROOT, needs_cases
from PIL import Image

from gan_core.data import load
from gan_core.data.dataset import patient
from gan_core.errors import UserError
from gan_core.grades import called, grade, grades, is_kl
from studio.data import archives, names
from studio.data.options import Question, split_options, with_options
from studio.data.survey import inspect, sheet


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path_factory.mktemp("cache")))


def picture(value, size=(16, 16)):
    """A gradient that differs from value to value."""
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = (x * (3 + value % 7) + y * (1 + value % 5) + 11 * value) % 256
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def folder(root, names, **others):
    """A folder of pictures of these names, each another, and of other files."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i))
    for name, text in others.items():
        (root / name.replace("__", ".")).write_text(text)
    return str(root)


def of(dataset):
    """{file: class}."""
    names = dataset.class_names
    return {f: names[i] if names else "" for f, i in zip(dataset.files, dataset.labels.tolist(), strict=True)}


def said(source):
    return " ".join(inspect(source)["said"])


# -- classes and splits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("train", "val", "test", "auto_test"), ("Training", "Validation", "Testing")])
@pytest.mark.parametrize("wrapped", ["", "set/"])
def test_splits_above_classes_are_splits(tmp_path, names, wrapped):
    source = folder(tmp_path / "f", [f"{wrapped}{s}/{g}/{i}.png" for s in names for g in "012" for i in range(2)])
    found = load(source, 16)
    assert found.class_names == ("0", "1", "2")
    assert set(found.splits) == set(names)
    assert all(f.startswith(f"{wrapped}{names[0]}/") for f in found.files)
    assert len(found.files) == 6
    val = load(f"{source}?split=val", 16)
    assert len(val.files) == 6
    assert all(f"{names[1]}/" in f for f in val.files)
    assert val.fingerprint != found.fingerprint
    assert len(load(f"{source}?split=all", 16).files) == 6 * len(names)
    report = inspect(source)
    assert report["splits"] == dict.fromkeys(sorted(names), 6)
    assert report["split"] == names[0]
    assert report["classes"] == {"0": 2, "1": 2, "2": 2}


def test_a_split_that_is_not_there_is_refused_by_the_names_of_those_that_are(tmp_path):
    source = folder(tmp_path, ["train/0/a.png", "train/1/b.png", "val/0/c.png"])
    with pytest.raises(UserError, match=r"no split 'attic': it has train, val"):
        load(f"{source}?split=attic", 16)


def test_train_beside_classes_is_asked(tmp_path):
    source = folder(tmp_path, ["train/a.png", "0/b.png", "1/c.png"])
    with pytest.raises(Question) as asked:
        load(source, 16)
    assert "named like splits" in asked.value.ask
    assert "folders=classes" in str(asked.value)
    (answer, *_) = asked.value.choices.values()
    assert load(with_options(source, **answer), 16).class_names == ("0", "1", "train")


def test_a_class_may_be_called_test(tmp_path):
    assert load(folder(tmp_path, ["control/a.png", "test/b.png"]), 16).class_names == ("control", "test")


def test_stylegans_shards_are_no_classes(tmp_path):
    names = [f"{i // 4:05d}/img{i:08d}.png" for i in range(12)]
    plain = folder(tmp_path / "plain", names)
    assert load(plain, 16).class_names == ()
    assert "numbered parts" in said(plain)
    labels = json.dumps({"labels": [[name, i % 3] for i, name in enumerate(names)]})
    labelled = folder(tmp_path / "labelled", names, dataset__json=labels)
    found = load(labelled, 16)
    assert of(found) == {name: str(i % 3) for i, name in enumerate(names)}
    assert found.skipped == ()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / "labelled" / name, name)
        archive.writestr("dataset.json", labels)
    assert of(load(str(tmp_path / "set.zip"), 16)) == of(found)


def test_masks_beside_images_are_left_out(tmp_path):
    found = load(folder(tmp_path, [*(f"images/{i}.png" for i in range(3)), *(f"masks/{i}.png" for i in range(3))]), 16)
    assert found.class_names == ()
    assert [f.split("/")[0] for f in found.files] == ["images"] * 3
    assert "masks" in found.skipped[0].reason


# -- tables of labels -------------------------------------------------------------------------------------------------

NAMES = [f"images/{i:04d}.png" for i in range(6)]
GRADED = {name: str(i % 3) for i, name in enumerate(NAMES)}


def csv_of(columns, rows, comma=","):
    return "\n".join(comma.join(map(str, row)) for row in [columns, *rows]) + "\n"


@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv", "grades.csv"])
@pytest.mark.parametrize("comma", [",", ";", "\t"])
@pytest.mark.parametrize("call", ["{path}", "{name}", "{stem}", "./{path}"])
def test_labels_in_a_csv_beside_the_images(tmp_path, name, comma, call):
    def called_as(path):
        return call.format(path=path, name=Path(path).name, stem=Path(path).stem)

    rows = [[called_as(path), g, "x"] for path, g in GRADED.items()]
    source = folder(tmp_path, NAMES, **{name.replace(".", "__"): csv_of(["image", "KL", "note"], rows, comma)})
    found = load(source, 16)
    assert of(found) == GRADED
    assert found.label_name == "KL grade"
    assert found.skipped == ()
    assert name in " ".join(found.said)
    assert "'KL'" in " ".join(found.said)


def test_labels_in_metadata_as_hugging_faces_imagefolder_has_it(tmp_path):
    lines = [json.dumps({"file_name": Path(n).name, "label": int(g)}) for n, g in GRADED.items()]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "metadata.jsonl").write_text("\n".join(lines))
    source = folder(tmp_path, NAMES)
    assert of(load(source, 16)) == GRADED
    assert of(load(str(tmp_path / "images"), 16)) == {Path(n).name: g for n, g in GRADED.items()}
    (tmp_path / "images" / "metadata.jsonl").unlink()
    table = pa.table({"file_name": [Path(n).name for n in NAMES], "label": [int(g) for g in GRADED.values()]})
    pq.write_table(table, tmp_path / "images" / "metadata.parquet")
    assert of(load(source, 16)) == GRADED


def test_the_labels_of_this_programs_own_phantoms_are_read(tmp_path):
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "gan_core",
        "phantom",
        "--out",
        str(tmp_path / "p"),
        "--n",
        "8",
        "--resolution",
        "32",
    ]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    found = load(str(tmp_path / "p"), 32)
    assert found.label_name == "KL grade"
    assert set(found.class_names) <= set("01234")
    assert len(found.class_names) > 1


def test_a_table_named_by_the_user_wherever_it_lies(tmp_path):
    source = folder(tmp_path / "films", NAMES)
    rows = [[Path(n).stem, "f" if i % 2 else "m", ("left", "right")[i % 2], i % 3] for i, n in enumerate(NAMES)]
    (tmp_path / "table.txt").write_text(csv_of(["study", "sex", "view", "dx"], rows, "|"))
    assert load(source, 16).class_names == ()
    with pytest.raises(Question) as asked:
        load(with_options(source, labels=str(tmp_path / "table.txt")), 16)
    assert set(asked.value.choices) == {"dx", "view"}
    found = load(with_options(source, labels=str(tmp_path / "table.txt"), label="dx"), 16)
    assert of(found) == GRADED
    assert found.label_name == ""
    (tmp_path / "table.txt").write_text(csv_of(["study", "dx"], [[Path(n).stem, "worn"] for n in NAMES[:3]]))
    changed = load(with_options(source, labels=str(tmp_path / "table.txt"), label="dx"), 16)
    assert of(changed) == dict.fromkeys(NAMES[:3], "worn")
    assert {s.reason for s in changed.skipped} == {"has no label"}


def test_a_table_of_the_oai_is_read_by_patient_and_side(tmp_path):
    source = folder(tmp_path / "f", [f"{9000000 + i}{side}.png" for i in range(3) for side in "LR"])
    rows = [[9000000 + i, f"{2 - k}: x", f"{i + k}.0"] for i in range(3) for k in range(2)]  # 2 is left there
    (tmp_path / "kxr.txt").write_text(csv_of(["ID", "SIDE", "V00XRKL"], [(a, s, g) for a, s, g in rows], "|"))
    found = load(with_options(source, labels=str(tmp_path / "kxr.txt")), 16)
    assert of(found) == {f"{9000000 + i}{'LR'[k]}.png": str(i + k) for i in range(3) for k in range(2)}
    assert found.label_name == "KL grade"


def test_a_table_that_names_nothing_here_is_an_error_where_it_was_asked_for_and_else_passed_over(tmp_path):
    source = folder(tmp_path / "f", ["0/a.png", "1/b.png"], labels__csv="file,grade\nz.png,3\n")
    assert load(source, 16).class_names == ("0", "1")
    with pytest.raises(UserError, match="names none of the images"):
        load(with_options(source, labels=str(tmp_path / "f" / "labels.csv")), 16)
    with pytest.raises(UserError, match="cannot be opened"):
        load(with_options(source, labels=str(tmp_path / "none.csv")), 16)


def test_where_folders_and_table_differ_the_table_holds_and_it_is_said(tmp_path):
    names = [f"{i % 2}/{i}.png" for i in range(8)]
    rows = [[name, 1 if i == 0 else i % 2] for i, name in enumerate(names)]
    source = folder(tmp_path, names, labels__csv=csv_of(["file", "label"], rows))
    assert of(load(source, 16))["0/0.png"] == "1"
    assert "in 1 of 8 they differ" in said(source)
    assert load(f"{source}?labels=none", 16).labels.tolist().count(0) == 4


def test_splits_and_patients_of_a_table(tmp_path):
    rows = [[name, g, "train" if i < 4 else "test", f"p{i // 2}"] for i, (name, g) in enumerate(GRADED.items())]
    source = folder(tmp_path, NAMES, labels__csv=csv_of(["file", "label", "split", "patient_id"], rows))
    found = load(source, 16)
    assert found.files == tuple(NAMES[:4])
    assert found.patients == ("patient p0", "patient p0", "patient p1", "patient p1")


def test_a_hostile_table_is_a_sentence(tmp_path):
    for content in (b"\x00\xff" * 50, b'{"labels": [[[', b"[" * 5000, b"a\n" * 10):
        for name in ("labels.csv", "dataset.json", "metadata.jsonl", "metadata.parquet"):
            root = tmp_path / f"{len(content)}{name}"
            source = folder(root, ["0/a.png", "1/b.png"])
            (root / name).write_bytes(content)
            assert load(source, 16).class_names == ("0", "1")
            with pytest.raises(UserError):
                load(with_options(source, labels=str(root / name)), 16)


# -- parquet and arrays -----------------------------------------------------------------------------------------------


def write_parquet(path, columns):
    cells = {
        k: pa.array([{"bytes": v, "path": None} for v in c]) if isinstance(c[0], bytes) else c
        for k, c in columns.items()
    }
    pq.write_table(pa.table(cells), path)
    return str(path)


def test_a_parquet_file_and_a_folder_of_its_shards(tmp_path):
    shots = [picture(i) for i in range(6)]
    one = write_parquet(tmp_path / "a.parquet", {"image": shots, "kl_grade": [0, 1, 2, 0, 1, 2]})
    found = load(one, 16)
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.label_name == "KL grade"
    (tmp_path / "shards").mkdir()
    for i, split in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        write_parquet(
            tmp_path / "shards" / f"{split}.parquet", {"image": shots[2 * i : 2 * i + 2], "label": ["a", "b"]}
        )
    found = load(str(tmp_path / "shards"), 16)
    assert (found.class_names, len(found.files), found.splits) == (("a", "b"), 4, ("test", "train"))
    assert len(load(f"{tmp_path / 'shards'}?split=test", 16).files) == 2


def test_the_column_of_radiographs_is_known_by_its_name_or_asked_for(tmp_path):
    shots, masks = [picture(i) for i in range(4)], [picture(20 + i) for i in range(4)]
    known = write_parquet(tmp_path / "a.parquet", {"annotation": masks, "image": shots})
    plain = write_parquet(tmp_path / "b.parquet", {"image": shots})
    assert np.array_equal(load(known, 16).images, load(plain, 16).images)
    unclear = write_parquet(tmp_path / "c.parquet", {"ap": masks, "pa": shots})
    with pytest.raises(Question) as asked:
        load(unclear, 16)
    assert set(asked.value.choices) == {"ap", "pa"}
    answered = with_options(unclear, **asked.value.choices["pa"])
    assert np.array_equal(load(answered, 16).images, load(plain, 16).images)


def test_a_table_asked_for_beside_a_parquet_file_is_used_or_said_to_name_nothing(tmp_path):
    one = write_parquet(tmp_path / "a.parquet", {"image": [picture(i) for i in range(4)], "label": [0, 1, 0, 1]})
    (tmp_path / "t.csv").write_text("file,label\nx.png,1\n")
    with pytest.raises(UserError, match="names none of the images"):
        load(with_options(one, labels=str(tmp_path / "t.csv")), 16)
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(f"a.parquet/{i},{3 - i}\n" for i in range(4)))
    assert load(with_options(one, labels=str(tmp_path / "t.csv")), 16).labels.tolist() == [3, 2, 1, 0]


def test_medmnists_arrays_are_images_splits_and_labels(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 6), ("val", 2), ("test", 3)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 3).reshape(-1, 1)
    np.savez_compressed(tmp_path / "set.npz", **arrays)
    found = load(str(tmp_path / "set.npz"), 28)
    assert np.array_equal(found.images[:, 0], arrays["train_images"])
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.array_equal(load(f"{tmp_path / 'set.npz'}?split=test", 28).images[:, 0], arrays["test_images"])


def test_arrays_in_colour_and_of_one_image_and_what_is_no_image(tmp_path):
    np.savez(tmp_path / "rgb.npz", images=np.full((2, 16, 16, 3), 90, np.uint8), masks=np.zeros((2, 16, 16), np.uint8))
    assert load(str(tmp_path / "rgb.npz"), 16).images.shape == (2, 1, 16, 16)
    np.savez(tmp_path / "words.npz", names=np.array(["a", "b"]))
    with pytest.raises(UserError, match="no array of images"):
        load(str(tmp_path / "words.npz"), 16)
    np.savez(tmp_path / "objects.npz", images=np.array([{"a": 1}], object))
    with pytest.raises(UserError, match="no array of images"):
        load(str(tmp_path / "objects.npz"), 16)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "rgb.npz").read_bytes()[:300])
    with pytest.raises(UserError, match="not a readable archive"):
        load(str(tmp_path / "cut.npz"), 16)


# -- tars and links ---------------------------------------------------------------------------------------------------


def tar_of(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return str(path)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar.xz", "w:xz"), ("a.tar.bz2", "w:bz2")],
)
def test_a_tar_equals_its_folder(tmp_path, name, mode):
    files = {f"knees/{g}/{i}.png": picture(10 * int(g) + i) for g in "01" for i in range(3)}
    source = folder(tmp_path / "f", [])
    for at, content in files.items():
        (tmp_path / "f" / at).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / at).write_bytes(content)
    found, plain = load(tar_of(tmp_path / name, files, mode), 16), load(source, 16)
    assert np.array_equal(found.images, plain.images)
    assert found.class_names == plain.class_names == ("0", "1")
    assert found.name == "a"


def test_a_tar_that_leads_outside_is_damaged_or_expands_too_far_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="leads outside"):
        load(tar_of(tmp_path / "a.tar", {"../a.png": picture(1)}), 16)
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(b"x" * 2000)[:-9])
    with pytest.raises(UserError, match="not a readable tar"):
        load(str(tmp_path / "b.tar.gz"), 16)
    monkeypatch.setattr(archives, "MAX_ZIP_BYTES", 100_000)
    with pytest.raises(UserError, match="expands past"):
        load(tar_of(tmp_path / "c.tar.gz", {"a.png": picture(1), "b.bin": bytes(200_000)}, "w:gz"), 16)
    linked = tar_of(tmp_path / "d.tar", {"0/a.png": picture(1), "1/b.png": picture(2), "1/c.png": "/etc/hostname"})
    assert load(linked, 16).files == ("0/a.png", "1/b.png")


def hub_cache(root):
    """A data set as Hugging Face's cache keeps it: links from snapshots/ to blobs/."""
    for i in range(6):
        blob = root / "blobs" / f"{i:064d}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(picture(i))
        link = root / "snapshots" / "abc" / str(i % 2) / f"x{i}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("../../../blobs") / f"{i:064d}")
    (root / "snapshots" / "abc" / "0" / "secret.png").symlink_to("/etc/hostname")
    return root


@pytest.mark.parametrize("below", ["", "snapshots/abc"])
def test_a_snapshot_in_hugging_faces_cache_is_read_and_nothing_outside_it(tmp_path, below):
    found = load(str(hub_cache(tmp_path / "datasets--lab--knees") / below), 16)
    assert found.files == ("0/x0.png", "0/x2.png", "0/x4.png", "1/x1.png", "1/x3.png", "1/x5.png")
    assert [s.reason for s in found.skipped] == ["a link that leads outside the folder"]


# -- grades -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "means"),
    [
        *[(f"{i}{word}", i) for i, word in enumerate(("Normal", "Doubtful", "Mild", "Moderate", "Severe"))],
        *[("KL2", 2), ("kl-3", 3), ("KL_0", 0), ("K-L 4", 4), ("Grade 3", 3), ("grade1", 1), ("KL grade 2", 2)],
        *[("Kellgren-Lawrence 3", 3), ("Severe", 4), ("minimal", 2), ("NORMAL", 0), ("mild OA", 2), ("4", 4)],
        *[("PNEUMONIA", None), ("5", None), ("10", None), ("No_DR", None), ("2 severe", None), ("", None)],
        *[("Grade", None), ("KL5", None), ("T-shirt/top", None), ("00000", None)],
    ],
)
def test_names_that_mean_grades(name, means):
    assert grade(name) == means


def test_classes_that_mean_grades_are_taken_so_and_said(tmp_path):
    words = ["0Normal", "1Doubtful", "2Mild", "3Moderate", "4Severe"]
    source = folder(tmp_path, [f"{w}/{i}.png" for w in words for i in range(2)])
    found = load(source, 16)
    assert (found.class_names, found.label_name) == (("0", "1", "2", "3", "4"), "KL grade")
    assert "'3Moderate' as 3" in said(source)


def test_other_classes_are_never_called_grades(tmp_path):
    assert grades(["normal", "PNEUMONIA"]) is None
    assert grades(["KL2", "Grade 2"]) is None, "two classes of one grade stay two classes"
    other = load(folder(tmp_path / "a", ["healthy/a.png", "worn/b.png"]), 16)
    assert other.label_name == "class"
    assert other.called("KL grade") == "class"
    assert other.called("finding") == "finding"
    bare = load(folder(tmp_path / "b", ["0/a.png", "3/b.png"]), 16)
    assert (bare.called("KL grade"), bare.called("class")) == ("KL grade", "class")
    assert load("digits", 8).called("KL grade") == "digit"
    assert called("KL grade", "class") == "KL grade"


@pytest.mark.parametrize(
    ("column", "yes"), [("KL", True), ("kl_grade", True), ("V00XRKL", True), ("label", False), ("klinik", False)]
)
def test_columns_of_grades(column, yes):
    assert is_kl(column) is yes


def test_a_model_of_other_classes_is_never_one_of_grades():
    from gan_core.config import NetConfig
    from gan_core.model import ModelConfig

    net = NetConfig(role="generator", architecture="dcgan", resolution=16, num_classes=2, conditioning="embedding")
    config = ModelConfig(net=net, class_names=("normal", "pneumonia"), class_shares=(0.5, 0.5), label_name="KL grade")
    assert config.label_name == "class"
    graded = ModelConfig(net=net, class_names=("0", "4"), class_shares=(0.5, 0.5), label_name="KL grade")
    assert graded.label_name == "KL grade"


# -- patients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("9000099L.png", "9000099R.png"),
        ("0/9000099_L.png", "4/9000099_R.png"),
        ("9000099-R.png", "9000099-L.png"),
        ("MB00002_LEFT.dcm", "MB00002_RIGHT.dcm"),
        ("9000099/V00/001", "9000099/V01/002"),
        ("0.C.2/9000296/20050524/00466803/001", "0.E.1/9000296/20040909/00344802/001"),
        ("9000099_V00_R.png", "9000099_V01_L.png"),
    ],
)
def test_names_of_one_patient(a, b):
    assert patient(a) == patient(b)
    assert patient(a).startswith("patient ")


def test_folders_of_patients_are_no_classes(tmp_path):
    oai = folder(tmp_path / "oai", [f"0.{'CE'[i % 2]}.2/{9000296 + i // 2}/20050524/00466803/00{i}" for i in range(8)])
    found = load(oai, 16)
    assert found.class_names == ()
    assert len(set(found.patients)) == 4
    named = load(folder(tmp_path / "n", [f"patient{i // 2:03d}/{i}.png" for i in range(8)]), 16)
    assert (named.class_names, len(set(named.patients))) == ((), 4)
    under = load(folder(tmp_path / "u", [f"KL{i % 3}/patient{i // 2:03d}/{i}.png" for i in range(12)]), 16)
    assert (under.class_names, len(set(under.patients))) == (("0", "1", "2"), 6)


def test_many_folders_with_few_images_are_asked_about(tmp_path):
    source = folder(tmp_path, [f"{1000 + i // 2}/{i}.png" for i in range(60)])
    with pytest.raises(Question, match="classes or patients") as asked:
        load(source, 16)
    got = {title: load(with_options(source, **options), 16) for title, options in asked.value.choices.items()}
    assert [len(d.class_names) for d in got.values()] == [0, 30, 0]
    assert [len(set(d.patients)) for d in got.values()] == [30, 60, 60]


def test_a_pattern_of_the_user_says_whose_a_file_is(tmp_path):
    source = folder(tmp_path, [f"{i % 2}/hip_P{i // 2}_x{i}.png" for i in range(8)])
    assert "No patients are known" in said(source)
    found = load(with_options(source, patients="hip_{patient}_*"), 16)
    assert len(set(found.patients)) == 4
    assert "Patients: 4" in " ".join(found.said)
    with pytest.raises(UserError, match="No file is called"):
        load(with_options(source, patients="knee_{patient}"), 16)
    with pytest.raises(UserError, match=r"patient\} once"):
        with_options(source, patients="*")
    alone = load(with_options(source, patients="none"), 16)
    assert len(set(alone.patients)) == 8


def test_a_pattern_never_takes_for_ever():
    long = "a" * 250
    assert not names.pattern("*a*a{patient}*a*b").fullmatch(long)
    assert names.pattern("hip_{patient}_*_x*").fullmatch("a/b/hip_P7_1_x9")["patient"] == "P7"
    assert names.pattern("{patient}/V*/*").fullmatch("set/9000099/V00/001")["patient"] == "9000099"
    assert names.pattern("*_{patient}").fullmatch("left_knee_7")["patient"] == "knee_7"
    assert not names.pattern("{patient}x").fullmatch("abc")


def test_dicom_says_whose_it_is(tmp_path):
    from pydicom.dataset import Dataset as Dicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    for i, who in enumerate(["A1", "A1", "B2", "Anonymous"]):
        ds = Dicom()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID = SecondaryCaptureImageStorage, generate_uid(), who
        pixels = np.asarray(Image.open(io.BytesIO(picture(i))))
        ds.set_pixel_data(pixels, "MONOCHROME2", 8, generate_instance_uid=False)
        ds.save_as(tmp_path / f"{i}.dcm", enforce_file_format=True)
    found = load(str(tmp_path), 16)
    assert found.patients == ("patient A1", "patient A1", "patient B2", "file 3.dcm")
    assert "DICOM's PatientID; 1 images name none" in " ".join(found.said)


# -- options ----------------------------------------------------------------------------------------------------------


def test_options_go_through_text_and_back(tmp_path):
    base = folder(tmp_path / "a b?c", ["0/a.png", "1/b.png"])
    assert split_options(base)[0] == base, "a question mark of the name is the name's"
    source = with_options(base, split="val", labels="/x/y & z.csv", patients="{patient}_*")
    again, options = split_options(source)
    assert again == base
    assert (options.split, options.labels, options.patients) == ("val", "/x/y & z.csv", "{patient}_*")
    assert with_options(source, split="", labels="", patients="") == base
    for wrong in ("folders=x", "patients={patient}{patient}", f"split={'x' * 200}"):
        with pytest.raises(UserError, match="not understood"):
            load(f"{tmp_path}?{wrong}", 16)
    with pytest.raises(UserError, match="one way only"):
        load("digits?split=val", 8)


# -- what is odd ------------------------------------------------------------------------------------------------------


def knee_like(seed, size=96):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    body = 150 * np.exp(-(((x - 0.5) / 0.35) ** 2)) - 90 * np.exp(
        -(((y - 0.5 - 0.02 * rng.standard_normal()) / 0.05) ** 2)
    )
    rough = np.asarray(Image.fromarray(rng.standard_normal((12, 12)).astype(np.float32)).resize((size, size), 3))
    return np.clip(40 + body + 14 * rough, 0, 255).astype(np.uint8)


def test_what_is_odd_is_found_with_a_picture_of_it(tmp_path):
    def put(name, pixels, **how):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **how)

    for i in range(20):
        put(f"train/{i % 2}/{i}.png", knee_like(i))
    for i in range(20, 26):
        put(f"val/{i % 2}/{i}.png", knee_like(i))
    put("train/1/again.png", knee_like(2))
    put("val/0/again.jpg", knee_like(4), quality=70)
    put("train/0/blank.png", np.full((96, 96), 90, np.uint8))
    put("train/0/negative.png", 255 - knee_like(30))
    put("train/0/dark.png", knee_like(31) // 12)
    found = {f["what"]: f for f in inspect(str(tmp_path))["findings"]}
    assert found["same"]["files"] == [["train/0/2.png", "train/1/again.png"]]
    assert found["near"]["files"] == [["train/0/4.png", "val/0/again.jpg"]]
    assert found["across"]["files"] == [["train/0/4.png", "val/0/again.jpg"]]
    assert found["classes"]["files"] == [["train/0/2.png", "train/1/again.png"]]
    assert found["blank"]["files"] == [["train/0/blank.png"]]
    assert found["inverted"]["files"] == [["train/0/negative.png"]]
    assert found["dark"]["files"] == [["train/0/dark.png"]]
    pair = sheet(str(tmp_path), found["same"], side=96)
    assert np.array_equal(pair, np.hstack([knee_like(2), knee_like(2)]))


def test_different_films_are_not_taken_for_the_same(tmp_path):
    for i in range(60):
        Image.fromarray(knee_like(i)).save(tmp_path / f"{i}.png")
    assert inspect(str(tmp_path))["findings"] == []


def test_what_is_left_out_is_grouped_by_why(tmp_path):
    source = folder(tmp_path, ["a.png"], x__txt="hello", y__txt="hello", z__png="")
    groups = {g["reason"]: g["count"] for g in inspect(source)["left_out"]}
    assert groups == {"not an image": 2, "empty file": 1}


# -- the cases that failed --------------------------------------------------------------------------------------------


@needs_cases
def test_cases_of_shards_and_splits():
    found = load(str(CASES / "F04-shards-and-splits-as-classes" / "L1-stylegan.zip"), 16)
    with zipfile.ZipFile(CASES / "F04-shards-and-splits-as-classes" / "L1-stylegan.zip") as archive:
        truth = {name: str(label) for name, label in json.loads(archive.read("dataset.json"))["labels"]}
    assert of(found) == truth
    kaggle = load(str(CASES / "F04-shards-and-splits-as-classes" / "kaggle-root.zip"), 16)
    assert kaggle.class_names == ("0", "1", "2", "3", "4")
    assert kaggle.splits == ("auto_test", "test", "train", "val")


@needs_cases
def test_cases_of_labels_beside(tmp_path):
    with zipfile.ZipFile(CASES / "F05-labels-beside" / "csv.zip") as archive:
        archive.extractall(tmp_path)
    for name in ("L6-csv", "L7-imagefolder", "L7-imagefolder/train"):
        found = load(str(tmp_path / name), 16)
        assert of(found) == {f: str(int(Path(f).stem) % 5) for f in found.files}
        assert len(found.files) == 30
    both = load(str(CASES / "F05-labels-beside" / "csv.zip") + "?split=all", 16)
    assert len(both.files) == 60
    assert load(str(CASES / "F05-labels-beside" / "pq-kl_grade.parquet"), 16).label_name == "KL grade"
    masks = load(str(CASES / "F05-labels-beside" / "pq-mask-first.parquet"), 16)
    table = pq.read_table(CASES / "F05-labels-beside" / "pq-mask-first.parquet").to_pylist()
    right = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("L")).mean() for row in table]
    assert np.abs(masks.images.mean((1, 2, 3)) - right).max() < 1.5
    assert len(load(str(CASES / "F05-labels-beside" / "pq-binarycol.parquet"), 16).files) == 4


@needs_cases
def test_cases_of_names_links_and_archives(tmp_path):
    for kind, name in (("F12-latin1-names", "latin1.tar"), ("F20-links", "hub-cache.tar")):
        with tarfile.open(CASES / kind / name, encoding="latin-1" if "latin1" in name else "utf-8") as archive:
            archive.extractall(tmp_path / kind, filter="data")
    assert load(str(CASES / "F12-latin1-names" / "latin1.tar"), 16).class_names == ("Gräd0", "Gräd1")
    for root in (CASES / "F20-links" / "hub-cache.tar", tmp_path / "F20-links" / "L14-hub" / "snapshots" / "abc"):
        found = load(str(root), 16)
        assert (found.class_names, len(found.files)) == (("0", "1"), 8)
    assert len(load(str(CASES / "F19-other-formats" / "films.tar.gz"), 16).files) == 3
    assert load(str(CASES / "F19-other-formats" / "n1.npz"), 16).images.std() > 10
    found = load(str(CASES / "F21-class-names" / "mendeley-names.zip"), 16)
    assert (found.class_names, found.label_name) == (("0", "1", "2", "3", "4"), "KL grade")


# -- what people of the field have -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [("train_set", "val_set", "test_set"), ("training_split", "validation-split", "test_data"), ("1_train", "2_test")],
)
def test_splits_with_a_word_or_a_number_more_are_splits(tmp_path, names):
    found = load(folder(tmp_path, [f"{s}/{g}/{i}.png" for s in names for g in "012" for i in range(2)]), 16)
    assert (found.class_names, set(found.splits), len(found.files)) == (("0", "1", "2"), set(names), 6)


@pytest.mark.parametrize("outer", [("AP", "LAT"), ("MedicalExpert-I", "MedicalExpert-II"), ("kneeKL224", "kneeKL299")])
def test_grades_are_the_classes_wherever_their_folders_lie(tmp_path, outer):
    source = folder(tmp_path, [f"{o}/{g}/{i}.png" for o in outer for g in "012" for i in range(2)])
    assert load(source, 16).class_names == ("0", "1", "2")
    assert "are not the classes" in said(source)
    assert load(with_options(source, folders="classes"), 16).class_names == tuple(sorted(outer))


def test_visits_are_no_classes(tmp_path):
    visits = ("baseline", "12m", "visit_2", "2005-05-24", "1.2.840.1.5")
    found = load(folder(tmp_path, [f"{v}/{9000000 + i}_L.png" for v in visits for i in range(2)]), 16)
    assert (found.class_names, len(set(found.patients))) == ((), 2)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        *[("Grade-II", 2), ("KL IV", 4), ("Minimal (grade 2)", 2), ("mild (KL2)", 2), ("Severe - 4", 4), ("kl02", 2)],
        *[("KL2+", None), ("KL>=2", None), ("KL<2", None), ("KL0-1", None), ("mild (KL3)", None), ("IV", None)],
    ],
)
def test_more_names_that_mean_grades_or_more_than_one(name, means):
    assert grade(name) == means


TEN = [f"img/{i:03d}.png" for i in range(10)]
ROWS = [(f"{i:03d}.png", i % 3) for i in range(10)]
PLAIN = csv_of(["image", "grade"], ROWS)


@pytest.mark.parametrize(
    "table",
    [
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r").encode(),
        "\r\n".join(['"image" , "grade"', *(f'"{n}" , "{g}"' for n, g in ROWS)]).encode(),
        b"sep=;\n" + PLAIN.replace(",", ";").encode(),
        b'"image";"grade, by A, B, C"\n' + csv_of(["-", "-"], ROWS, ";").encode(),
        b"\n\n" + PLAIN.replace(",", ";").encode(),
        csv_of(["image", "grade"], [(n, f"{g},0") for n, g in ROWS], ";").encode(),
        csv_of(*[ROWS[0], ROWS[1:]]).encode(),
        PLAIN.replace(".png", ".jpg").encode(),
        csv_of(["image", "grade"], [(f"C:\\Users\\Jö\\img\\{n}", g) for n, g in ROWS]).encode("latin-1"),
        csv_of(["image", "grade"], [*ROWS, *ROWS]).encode(),
    ],
    ids=["utf16", "cr", "spaces", "sep", "quoted", "blank", "comma", "bare", "jpg", "windows", "twice"],
)
def test_a_table_as_other_programs_write_it(tmp_path, table):
    source = folder(tmp_path, TEN)
    (tmp_path / "labels.csv").write_bytes(table)
    assert of(load(source, 16)) == {f"img/{n}": str(g) for n, g in ROWS}


def test_images_of_which_a_table_says_two_things_have_no_label(tmp_path):
    text = csv_of(["image", "grade"], [*ROWS, (ROWS[0][0], 2)])
    source = folder(tmp_path, TEN, labels__csv=text)
    assert of(load(source, 16)) == {f"img/{n}": str(g) for n, g in ROWS[1:]}
    assert "1 images more than one class" in said(source)
    (tmp_path / "labels.csv").write_text(csv_of(["image", "grade"], [*ROWS, *((n, g + 1) for n, g in ROWS)]))
    with pytest.raises(UserError, match="10 images more than one class each"):
        load(with_options(source, labels=str(tmp_path / "labels.csv")), 16)


def test_an_end_of_a_path_tells_files_of_one_name_apart(tmp_path):
    names = [f"set/{s}/{i}.png" for s in ("train", "test") for i in range(4)]
    source = folder(tmp_path / "f", names)
    rows = [[f"{s}/{i}.png", (i + k) % 2] for k, s in enumerate(("train", "test")) for i in range(4)]
    (tmp_path / "t.csv").write_text(csv_of(["path", "label"], rows))
    found = load(with_options(source, labels=str(tmp_path / "t.csv"), split="all"), 16)
    assert of(found) == {f"set/{path}": str(label) for path, label in rows}


def test_tables_that_are_not_used_are_named(tmp_path):
    both = folder(tmp_path / "a", TEN, train__csv=PLAIN, test__csv=PLAIN)
    assert "There are tables beside the images: test.csv, train.csv" in said(both)
    vectors = json.dumps({"labels": [[n, [0, 1]] for n in TEN]})
    assert "The labels are not read: dataset.json" in said(folder(tmp_path / "b", TEN, dataset__json=vectors))
    assert "names none" in said(folder(tmp_path / "c", TEN, labels__csv="image,grade\nx.png,1\n"))


def test_what_is_no_single_value_is_no_class(tmp_path):
    lines = [json.dumps({"file_name": n, "objects": {"categories": [i % 2]}}) for i, n in enumerate(TEN)]
    assert load(folder(tmp_path, TEN, metadata__jsonl="\n".join(lines)), 16).class_names == ()


def test_a_table_too_large_and_one_that_never_ends_are_a_sentence(tmp_path):
    wide = ",".join(f"c{i}" for i in range(100_000))
    source = folder(tmp_path, TEN, wide__csv=f"image,{wide}\n001.png,{wide}\n")
    with pytest.raises(UserError, match="too many rows and columns"):
        load(with_options(source, labels=str(tmp_path / "wide.csv")), 16)
    if Path("/dev/zero").exists():
        with pytest.raises(UserError, match="cannot be opened"):
            load(with_options(source, labels="/dev/zero"), 16)
    with pytest.raises(UserError, match="cannot be opened"):
        load(with_options(source, labels="a\0b"), 16)


def test_grades_are_not_taken_for_the_names_of_files(tmp_path):
    text = csv_of(["who", "KL"], [(f"P{i}", i % 3) for i in range(6)])
    source = folder(tmp_path, [f"{i}.png" for i in range(6)], labels__csv=text)
    assert load(source, 16).class_names == ()
    assert "labels.csv names none of the images" in said(source)


def test_zips_of_old_windows_tools_and_of_macos_keep_their_folders(tmp_path):
    class Old(zipfile.ZipInfo):
        def _encodeFilenameFlags(self):
            return self.filename.encode(), 0

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i, name in enumerate(("Gräd\\a.png", "Glätte\\b.png")):
            archive.writestr(Old(name), picture(i))
    assert load(str(tmp_path / "a.zip"), 16).class_names == ("Glätte", "Gräd")


def test_more_archives_of_arrays(tmp_path):
    shots = np.random.default_rng(0).integers(0, 256, (6, 28, 28), np.uint8)
    labels = np.arange(6) % 3

    def saved(**arrays):
        np.savez(tmp_path / "set.npz", **arrays)
        return load(str(tmp_path / "set.npz"), 28)

    found = saved(x_train=shots, y_train=labels, x_test=shots[:2], y_test=labels[:2])
    assert (found.splits, found.labels.tolist()) == (("test", "train"), [0, 1, 2, 0, 1, 2])
    assert saved(arr_0=shots, arr_1=labels).labels.tolist() == labels.tolist()
    assert saved(images=shots, labels=labels * 1.0).class_names == ("0", "1", "2")
    assert saved(image=np.dstack([shots[0]] * 3)).images.shape == (1, 1, 28, 28)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 28, 28)})
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("images.npy", head.getvalue())
    with pytest.raises(UserError, match="holds fewer"):
        load(str(tmp_path / "lie.npz"), 16)
