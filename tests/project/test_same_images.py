"""Images stay what they are: of seeds, links, descriptions, comparisons and exports, held against a record of them.

`python tests/project/test_same_images.py` writes the record anew, for the day on which images are meant to change.
Where this processor adds up as the one that recorded, images must be the same byte for byte; elsewhere the means of
8 x 8 blocks must agree to a gray level.
"""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import conv2d

from gan_core.data import load
from gan_core.generate import generate
from gan_core.model import SHIPPED, load_model, shipped_generators
from studio.compare.sides import sides
from studio.explore.directions import Direction
from studio.explore.film import loop_film
from studio.explore.latent import draw, from_query
from studio.explore.sheets import direction_sheet, loop_sheet, plane_sheet
from studio.export.plan import ExportRequest
from studio.export.write import MANIFEST, Export
from studio.knee.words import pool
from studio.models.ready import Ready

RECORD = Path(__file__).with_name("same_images.json")
EXPLORED = "knee-64"
SEEDS = [0, 1, 7, 2**31 - 1]
BLOCKS = 8
QUERIES = {
    "seed": {"seed": "7"},
    "between grades": {"seed": "7", "grade": "2.5", "truncation": "0.7"},
    "on a loop": {"seeds": "1,2,3", "at": "1.4", "grade": "1"},
    "on a straight loop": {"seeds": "1,2,3", "at": "2.8", "path": "straight", "truncation": "0.5"},
    "on a plane": {"seeds": "4,5,6,7", "x": "0.3", "y": "0.8"},
    "moved": {"seed": "3", "grade": "4", "truncation": "0.9", "moves": "1.5,-2"},
}


def labels(model, index, n):
    """What `generate` takes for `n` images of a class."""
    return [index % len(model.class_names)] * n


def of_seeds(model):
    for truncation in (1.0, 0.6):
        yield f"own classes, {truncation}", generate(model, [*SEEDS, *range(100, 116)], truncation=truncation)
    for i in range(len(model.class_names)):
        yield f"class {i}", generate(model, SEEDS, labels(model, i, len(SEEDS)))
    yield "truncated", generate(model, SEEDS, labels(model, -1, len(SEEDS)), 0.3)
    yield "alone", generate(model, [5], labels(model, 0, 1), 0.0)


def of_links(model):
    steps = 0.3 * torch.randn(2, model.config.net.z_dim, generator=torch.Generator().manual_seed(0))
    about = {"name": "Mixed", "low": "-", "high": "+", "effects": {"brightness": 1.0}}
    directions = [Direction(**about, vector=tuple(step.tolist())) for step in steps]
    latents = {name: from_query(query, model) for name, query in QUERIES.items()}
    for name, latent in latents.items():
        yield name, draw(latent, model, directions)
    yield "loop", loop_sheet(latents["on a loop"], model, directions, 13)
    yield "plane", plane_sheet(latents["on a plane"], model, directions)
    yield "directions", direction_sheet(latents["moved"], model, directions)
    yield "film", np.stack(loop_film(latents["on a loop"], model, directions, seconds=0.3).frames)


def of_a_description(model, patch):
    """The images that a description chooses among."""
    look, seen = pool.look, []
    patch.setattr(pool, "look", lambda images: seen.append(images) or look(images))
    patch.setattr(pool._memo, "held", {})
    patch.setattr("studio.explore.memo.ready", lambda *of: Ready())  # or nothing would be drawn
    for name, grade in {"own classes": None, "class 2": 2.0, "between classes": 2.5}.items():
        pool.pool(model, grade, pool.BLOCK)
        yield name, seen.pop()


def of_a_comparison(model):
    found = sides(model, load("phantom:16", model.config.net.resolution), n=16, first_seed=9, truncation=0.8)
    yield "fakes", found.fake.images


def of_an_export(folder):
    for classes in ("balanced", "training"):
        out = folder / classes
        asked = ExportRequest(model="phantom-64", n=20, seed=3, classes=classes, truncation=0.9)
        Export(asked, out).run(lambda *_: None)
        files = [line.split(",")[0] for line in (out / MANIFEST).read_text().splitlines()[1:]]
        yield classes, np.stack([np.asarray(Image.open(out / name)) for name in files])


CASES = {
    **{
        f"seeds of {path.name}": lambda *_, path=path: of_seeds(load_model(path))
        for path in shipped_generators()
        if path.parent == SHIPPED
    },
    "links": lambda *_: of_links(load_model(SHIPPED / EXPLORED)),
    "description": lambda _, patch: of_a_description(load_model(SHIPPED / EXPLORED), patch),
    "comparison": lambda *_: of_a_comparison(load_model(SHIPPED / "phantom-64")),
    "export": lambda folder, _: of_an_export(folder),
}
ROUNDED = ("comparison",)  # which of its images are made together, and so how they round, is its own affair


def made(case, folder, patch):
    """The images of a case by name, each uint8 [..., H, W]."""
    patch.setenv("KNEE_GAN_CACHE", str(folder / "cache"))
    patch.setattr("studio.explore.single.drawer", lambda _: None)  # else whichever is faster here draws
    return dict(CASES[case](folder, patch))


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:32]


def means(images):
    """[8, 8], of the blocks of all images one below the other, so that a few numbers tell of many images."""
    sheet = images.reshape(-1, images.shape[-1]).astype(float)
    rows = np.array_split(sheet, BLOCKS)
    return [[round(float(block.mean()), 1) for block in np.array_split(row, BLOCKS, axis=1)] for row in rows]


@torch.inference_mode()
def arithmetic():
    """What convolutions and products come to here, to the last bit."""
    rng = torch.Generator().manual_seed(0)
    x, kernel = torch.randn(16, 32, 32, 32, generator=rng), torch.randn(48, 32, 3, 3, generator=rng)
    z, weight = torch.randn(16, 256, generator=rng), torch.randn(256, 128, generator=rng)
    x = x.contiguous(memory_format=torch.channels_last)
    results = [conv2d(x[:n], kernel, padding=1).tanh() for n in (1, 4, 16)] + [z[:n] @ weight for n in (1, 16)]
    return digest(torch.cat([y.flatten() for y in results]))


def record(images):
    return {name: {"sha256": digest(array), "means": means(array)} for name, array in images.items()}


@pytest.mark.parametrize("case", CASES)
def test_images_are_what_they_were(case, tmp_path, monkeypatch):
    stored = json.loads(RECORD.read_text())
    now, before = record(made(case, tmp_path, monkeypatch)), stored["images"][case]
    assert now.keys() == before.keys()
    for name in before:
        np.testing.assert_allclose(now[name]["means"], before[name]["means"], atol=1, err_msg=name)
    if stored["arithmetic"] == arithmetic() and case not in ROUNDED:
        assert {name: of["sha256"] for name, of in now.items()} == {name: of["sha256"] for name, of in before.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)  # as in tests
    images = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            images[case] = record(made(case, Path(folder), patch))
    RECORD.write_text(json.dumps({"arithmetic": arithmetic(), "images": images}, separators=(",", ":")) + "\n")
