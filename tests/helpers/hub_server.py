"""A small Hugging Face Hub on loopback that can be told to fail: enough of one for the real client."""

import hashlib
import json
import os
import pickle
import threading
import time
import zipfile
from base64 import b64decode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_TheTokenThatNobodyMaySee"
NAME = "lab/knees"
CARD = b"---\nlicense: cc-by-4.0\n---\n\n# Knees of the lab\n\nLearnt from nobody.\n"
LARGE = (".safetensors", ".zip", ".parquet", ".png", ".bin", ".pkl")  # kept in large-file storage
CHUNK = 8192


def git_sha1(body):
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@dataclass
class Repo:
    files: dict
    private: bool = False
    gated: bool = False
    revisions: tuple = ("main",)
    card: dict = field(default_factory=dict)
    sizes: dict = field(default_factory=dict)  # what is declared, where that is a lie
    faults: dict = field(default_factory=dict)  # name of a file -> cut, wrong, missing, slow, gone
    pause: float = 0.1  # seconds between two parts of a slow one

    @property
    def commit(self):
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()

    def siblings(self):
        out = []
        for name, body in self.files.items():
            size = self.sizes.get(name, len(body))
            entry = {"rfilename": name, "size": size, "blobId": git_sha1(body)}
            if name.endswith(LARGE):
                entry["lfs"] = {"size": size, "sha256": hashlib.sha256(body).hexdigest(), "pointerSize": 1}
            out.append(entry)
        return out


class Hub:
    """`repos` by their API path, such as models/owner/name. `seen` are (method, path, whether a token came)."""

    def __init__(self):
        self.repos = {}
        self.uploads = {}
        self.seen = []
        self.resumed = []  # the first byte of each answer that took up an older one
        self.silent = threading.Event()  # set: no answer comes
        self.status = None  # answers all with this
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def add(self, name, files, **about):
        self.repos[f"models/{name}"] = repo = Repo(dict(files), **about)
        return repo

    def paths(self, word=""):
        return [path for _, path, _ in self.seen if word in path]

    def stop(self):
        """From now on connections are refused; those that are open break off."""
        self.status = "gone"
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value):
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def refused(self, repo):
        """Answers in place of the repository where it is not for this caller."""
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo is None or (repo.private and not known):
            self.answer(401 if not known else 404, X_Error_Code="RepoNotFound")
            return True
        return False

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.seen.append((self.command, path, "Authorization" in self.headers))
        if self.hub.silent.is_set():
            time.sleep(30)
        if self.hub.status == "gone":
            self.close_connection = True
            return None
        if self.hub.status == "page":
            return self.answer(200, b"<html>Welcome to the hospital's network. Please log in.</html>")
        if self.hub.status:
            return self.answer(self.hub.status)
        parts = path.strip("/").split("/")
        if parts[0] == "cdn":
            return self.send(self.hub.repos["/".join(parts[1:4])], "/".join(parts[4:]))
        if parts[0] == "api" and len(parts) == 2:
            return self.found(parts[1], parse_qs(urlsplit(self.path).query).get("search", [""])[0])
        if parts[0] == "api":
            return self.listing(self.hub.repos.get("/".join(parts[1:4])), parts[5:])
        kind = parts.pop(0) if parts[0] == "datasets" else "models"
        return self.resolve(f"{kind}/{parts[0]}/{parts[1]}", parts[3], "/".join(parts[4:]))

    do_HEAD = do_GET

    def listing(self, repo, revision):
        if self.refused(repo):
            return None
        if revision and revision[0] not in (*repo.revisions, repo.commit):
            return self.answer(404, X_Error_Code="RevisionNotFound")
        about = {"id": "x/y", "sha": repo.commit, "private": repo.private, "gated": repo.gated and "manual"}
        return self.json({**about, "siblings": repo.siblings(), "cardData": repo.card or None})

    def found(self, kind, words):
        """What there is of a kind with all these words in its name."""
        names = [key.partition("/")[2] for key in self.hub.repos if key.startswith(f"{kind}/")]
        return self.json(
            [
                {"id": name, "downloads": 7, "tags": [f"license:{licence}"] if licence else []}
                for name in names
                if all(word in name for word in words.split())
                for licence in [self.hub.repos[f"{kind}/{name}"].card.get("license")]
            ]
        )

    def resolve(self, key, revision, name):
        repo = self.hub.repos.get(key)
        if self.refused(repo):
            return None
        if repo.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(403, X_Error_Code="GatedRepo")
        if revision not in (*repo.revisions, repo.commit):
            return self.answer(404, X_Error_Code="RevisionNotFound")
        if name not in repo.files or repo.faults.get(name) == "missing":
            return self.answer(404, X_Error_Code="EntryNotFound")
        body = repo.files[name]
        about = {"X_Repo_Commit": repo.commit}
        if not name.endswith(LARGE):
            return self.send(repo, name, ETag=f'"{git_sha1(body)}"', **about)
        # Large files lie on another host, which must get no token.
        about |= {
            "Location": f"http://localhost:{self.hub.port}/cdn/{key}/{name}",
            "X_Linked_Etag": f'"{hashlib.sha256(body).hexdigest()}"',
            "X_Linked_Size": str(repo.sizes.get(name, len(body))),
        }
        return self.answer(302, **about)

    def send(self, repo, name, **headers):
        """The body, with its fault."""
        body, fault = repo.files[name], repo.faults.get(name)
        if fault == "wrong":
            body = body[:-1] + bytes([body[-1] ^ 1])
        start = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        part = body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.hub.resumed.append(start)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        for key, value in {"Content-Length": str(len(part)), "ETag": '"cdn"', **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for at in range(0, len(part), CHUNK):
            if fault in ("cut", "gone") and at >= len(part) // 2:
                self.close_connection = True
                if fault == "cut":
                    repo.faults.pop(name)  # only once
                else:
                    threading.Thread(target=self.hub.stop, daemon=True).start()
                return
            try:
                self.wfile.write(part[at : at + CHUNK])
                if fault == "slow":
                    self.wfile.flush()
                    time.sleep(repo.pause)
            except OSError:
                return

    # -- pushing ------------------------------------------------------------------------------------------------------

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        self.hub.seen.append((self.command, path, "Authorization" in self.headers))
        if self.hub.status:
            return self.answer(self.hub.status)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401)
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            return self.create(json.loads(content))
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if path.endswith("/info/lfs/objects/batch"):
            found = [
                {**o, "actions": {"upload": {"href": f"{self.hub.url}/upload/{o['oid']}"}}}
                for o in json.loads(content)["objects"]
            ]
            return self.json({"transfer": "basic", "objects": found})
        repo = self.hub.repos.get("/".join(parts[1:4]))
        if parts[4] == "preupload":
            return self.json(
                {
                    "files": [
                        {
                            "path": f["path"],
                            "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular",
                            "shouldIgnore": False,
                        }
                        for f in json.loads(content)["files"]
                    ]
                }
            )
        for line in map(json.loads, content.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = self.hub.uploads[value["oid"]]
        return self.json({"commitUrl": f"{self.hub.url}/{'/'.join(parts[2:4])}/commit/x", "commitOid": repo.commit})

    def create(self, asked):
        key = f"models/{asked['organization']}/{asked['name']}"
        url = json.dumps({"url": f"{self.hub.url}/{key.removeprefix('models/')}"}).encode()
        if key in self.hub.repos:
            return self.answer(409, url)
        self.hub.repos[key] = Repo({".gitattributes": b""}, private=asked.get("visibility") == "private")
        return self.answer(200, url)

    def do_PUT(self):
        content = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.seen.append((self.command, self.path, "Authorization" in self.headers))
        self.hub.uploads[hashlib.sha256(content).hexdigest()] = content
        self.answer(200)


@pytest.fixture(name="hub")
def hub_fixture(monkeypatch, tmp_path):
    """A Hub that this process's client asks, and no token."""
    made = Hub()
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield made
    if made.status != "gone":
        made.stop()


def contents(folder):
    """What a repository of a model folder holds, and things that nobody should fetch."""
    found = {str(p.relative_to(folder).as_posix()): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return found | {"README.md": CARD, "pytorch_model.bin": evil(), "train.py": b"raise SystemExit(1)"}


class _Boom:
    def __reduce__(self):
        return (os.system, (f"touch {Path(os.environ['KNEE_GAN_RUNS']) / 'owned'}",))


def evil():
    return pickle.dumps(_Boom())


def zipped(folder, files, name="knees.zip"):
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, content in files.items():
            archive.writestr(inside, content)
    return path
