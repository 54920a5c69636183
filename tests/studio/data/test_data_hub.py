"""Image data sets on the Hugging Face Hub, played by a small server on loopback."""

import io
import json
import os
import subprocess
import sys
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import Hub, Repo
from paths import ROOT
from PIL import Image


def png(value):
    out = io.BytesIO()
    Image.new("L", (8, 8), value).save(out, "PNG")
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


NAMES = ["healthy", "doubtful", "worn"]


def parquet(values, labels, names=NAMES):
    rows = {
        "image": pa.array([{"bytes": png(v), "path": f"{v}.png"} for v in values]),
        "label": pa.array(labels),
    }
    table = pa.table(rows)
    if names:
        about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=2)
    return out.getvalue()


REPOS = {
    "lab/folders": {
        "README.md": b"# knees",
        "load.py": b"raise SystemExit('code of a repository ran')",
        "data/train/0/a.png": png(1),
        "data/train/1/b.png": png(2),
        "data/test/0/c.png": png(3),
    },
    "lab/zips": {"train.zip": zipped({"0/a.png": png(1), "1/b.png": png(2)}), "val.zip": zipped({"0/c.png": png(3)})},
    "lab/onezip": {
        "all.zip": zipped({"set/train/0/a.png": png(1), "set/train/1/b.png": png(2), "set/test/0/c.png": png(3)})
    },
    "lab/evil": {"train.zip": zipped({"../a.png": png(1)})},
    "lab/parquet": {
        "data/train-00000-of-00002.parquet": parquet([1, 2, 3], [2, 0, 2]),
        "data/train-00001-of-00002.parquet": parquet([4], [0]),
        "data/test-00000-of-00001.parquet": parquet([5, 6], [-1, -1]),
        "preview.png": png(9),
    },
    "lab/words-for-labels": {"0000.parquet": parquet([1, 2], ["worn", "healthy"], None)},
    "lab/text": {"README.md": b"# words", "table.parquet": b"PAR1"},
    "lab/words": {"README.md": b"# words", "a.txt": b"words"},
    "lab/damaged": {"train/0/a.png": png(1), "train/1/b.png": png(2)},
    "lab/gated": {"train.zip": b"x"},
}


@pytest.fixture(scope="module")
def endpoint():
    hub = Hub()
    for name, files in REPOS.items():
        hub.repos[f"datasets/{name}"] = Repo(files, gated=name == "lab/gated", revisions=("main", "v1"))
    hub.repos["datasets/lab/damaged"].faults = {"train/1/b.png": "wrong"}
    yield hub.url
    hub.stop()


CODE = """
import json, sys
from gan_core.data import load
from studio.data.survey import inspect
from gan_core.errors import UserError
for source in sys.argv[1:]:
    try:
        found = load(source, 8)
        result = {
            "classes": found.class_names,
            "labels": found.labels.tolist(),
            "values": found.images[:, 0, 0, 0].tolist(),
            "files": found.files,
            "name": found.name,
            "fingerprint": found.fingerprint,
            "count": inspect(source)["count"],
        }
    except UserError as e:
        result = {"error": str(e)}
    print(json.dumps(result))
"""


def ask(home, endpoint, *sources, **variables):
    """What each source comes to, in a process whose Hugging Face cache is `home`; its variables are read at import."""
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf"), "KNEE_GAN_CACHE": str(home / "cache")}
    env |= variables
    command = [sys.executable, "-c", CODE, *sources]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_folders_zips_and_tables_with_and_without_a_split(tmp_path, endpoint):
    sources = ("lab/folders", "lab/folders:test", "lab/zips", "lab/zips:validation", "lab/onezip", "lab/onezip:test")
    sources += ("lab/parquet", "lab/parquet:test", "lab/folders@v1:train", "lab/words-for-labels")
    found = dict(zip(sources, ask(tmp_path, endpoint, *(f"hf:{s}" for s in sources)), strict=True))
    for train in ("lab/folders", "lab/zips", "lab/onezip", "lab/folders@v1:train"):
        assert found[train]["classes"] == ["0", "1"]
        assert found[train]["labels"] == [0, 1]
        assert found[train]["values"] == [1, 2]
        assert found[train]["count"] == 2
    for test in ("lab/folders:test", "lab/zips:validation", "lab/onezip:test"):
        assert found[test]["values"] == [3]
    assert found["lab/folders"]["files"] == ["data/train/0/a.png", "data/train/1/b.png"]
    assert found["lab/folders"]["name"] == "lab-folders"
    table = found["lab/parquet"]
    assert table["classes"] == ["healthy", "doubtful", "worn"]
    assert table["labels"] == [2, 0, 2, 0]
    assert table["values"] == [1, 2, 3, 4]
    assert found["lab/parquet:test"]["values"] == [5, 6]
    assert found["lab/parquet:test"]["classes"] == []  # -1 says that the label is kept back
    assert found["lab/words-for-labels"]["classes"] == ["healthy", "worn"]
    assert found["lab/words-for-labels"]["labels"] == [1, 0]


def test_errors_are_clear(tmp_path, endpoint):
    expected = {
        "hf:lab/nowhere": "no public data set",
        "hf:lab/gated": "gated",
        "hf:lab/folders@v9": "no revision",
        "hf:lab/folders:attic": "split 'attic'",
        "hf:lab/text": "not a readable parquet",
        "hf:lab/words": "no image files",
        "hf:lab/evil": "refused",
        "hf:lab/damaged": "arrived damaged",
        "hf:nonsense": "write hf:OWNER/NAME",
        "hf:../..": "write hf:OWNER/NAME",
        "hf:": "write hf:OWNER/NAME",
    }
    for result, (source, words) in zip(ask(tmp_path, endpoint, *expected), expected.items(), strict=True):
        assert words in result.get("error", ""), (source, result)
    (again,) = ask(tmp_path, endpoint, "hf:lab/damaged")
    assert "arrived damaged" in again["error"]


def test_offline_what_was_downloaded_is_found_and_the_rest_is_a_clear_error(tmp_path, endpoint):
    (online,) = ask(tmp_path, endpoint, "hf:lab/zips")
    nobody = "http://127.0.0.1:9"
    for variables in ({}, {"HF_HUB_OFFLINE": "1"}):
        found, other = ask(tmp_path, nobody, "hf:lab/zips", "hf:lab/folders", **variables)
        assert found == online
        assert "cannot be reached" in other["error"]


def test_a_data_set_beyond_the_limit_is_refused_before_it_is_downloaded(tmp_path, endpoint, monkeypatch):
    from gan_core.errors import UserError
    from studio.data import hub

    huge = hub._Listing("a" * 40, [hub.RemoteFile("train.zip", hub.MAX_HUB_BYTES + 1, None)])
    monkeypatch.setattr(hub, "_listing", lambda *args: huge)
    monkeypatch.setattr(hub, "_download", lambda *args: pytest.fail("downloaded"))
    with pytest.raises(UserError, match="8 GiB"):
        hub.hub_source("lab/huge", tmp_path)
