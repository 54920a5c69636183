"""A generator as an ONNX file draws what PyTorch draws."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_models import GRADES, make

from gan_core.errors import UserError
from gan_core.latent import latents, mixtures, to_w
from gan_core.model import SHIPPED, load_model
from studio.explore import single
from studio.explore.latent import Latent, draw
from studio.export import onnx as onnx_export

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "names", "resolution"), [("residual", GRADES, 30), ("dcgan", GRADES, 28), ("style", (), 30)]
)
def test_the_file_draws_the_same_images_for_any_count_of_seeds(tmp_path, architecture, names, resolution):
    model = load_model(make(tmp_path / "model", architecture, names, resolution))
    path = tmp_path / "knee.onnx"
    assert onnx_export.export_onnx(model, path) < 1e-4
    session = onnxruntime.InferenceSession(str(path))
    z = latents(range(5), 8)
    mixed = torch.full((5, 3), 1 / 3) if names else None
    given = {"z": z.numpy()} | ({"c": mixed.numpy()} if names else {})
    (images,) = session.run(None, given)
    with torch.inference_mode():
        np.testing.assert_allclose(images, model.net(z, mixed).numpy(), atol=1e-3)
    about = session.get_modelmeta().custom_metadata_map
    assert about["model"] == model.digest
    assert ("classes" in about) == bool(names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["knee.onnx", "model"]  # the weights are inside
    assert bytes(Path(onnx_export.__file__).parent) not in path.read_bytes()  # it says nothing of this computer


@pytest.mark.slow
def test_a_file_that_draws_something_else_is_not_written(tmp_path, monkeypatch):
    model = load_model(make(tmp_path / "model"))
    monkeypatch.setattr(onnx_export, "_difference", lambda *_: 0.1)
    with pytest.raises(UserError, match="differ"):
        onnx_export.export_onnx(model, tmp_path / "knee.onnx")
    assert not (tmp_path / "knee.onnx").exists()


# -- the app's own files, from w on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [p.parent for p in sorted(SHIPPED.glob(f"*/{single.FILE}"))], ids=lambda p: p.name)
def test_a_shipped_file_belongs_to_its_weights_and_draws_what_they_draw(folder, monkeypatch):
    monkeypatch.setattr(single, "_seconds", lambda draw, _: 1.0 if draw.__name__ == "draw" else 2.0)  # here or not
    single._drawer.cache_clear()
    model = load_model(folder)
    by_onnx = single.drawer(model)
    assert by_onnx
    with torch.inference_mode():
        w = to_w(model.net, latents([7, 8], model.config.net.z_dim), mixtures([1.5, 1.5], len(model.class_names)))
        np.testing.assert_allclose(by_onnx(w), model.net.synthesis(w), atol=1e-3)
    drawn = []
    monkeypatch.setattr(single, "drawer", lambda _: lambda w, c: drawn.append(len(w)) or by_onnx(w, c))
    draw(Latent(model=model.digest, seed=7, grade=1.5), model)
    assert drawn == [1]


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(single, "SHIPPED", tmp_path)
    single._drawer.cache_clear()
    return load_model(make(tmp_path / "model"))


def test_a_model_without_the_file_is_drawn_by_pytorch(shipped):
    assert single.drawer(shipped) is None


def test_a_damaged_file_is_left_aside(shipped, caplog):
    (shipped.path / single.FILE).write_bytes(b"no ONNX")
    assert single.drawer(shipped) is None
    assert "left aside" in caplog.text


def test_a_file_beside_a_model_that_is_not_shipped_is_never_opened(shipped, monkeypatch):
    (shipped.path / single.FILE).write_bytes(b"no ONNX")
    monkeypatch.setattr(single, "SHIPPED", shipped.path)
    monkeypatch.setattr(single, "opened", lambda _: pytest.fail("opened"))
    assert single.drawer(shipped) is None


@pytest.mark.slow
def test_a_file_of_other_weights_or_one_that_is_slower_is_left_aside(shipped, tmp_path, caplog, monkeypatch):
    onnx_export.export_onnx(shipped, shipped.path / single.FILE, from_w=True)
    fast = {"draw": 1.0}
    monkeypatch.setattr(single, "_seconds", lambda draw, _: fast.get(draw.__name__, 2.0))
    assert single.drawer(shipped)
    fast["draw"] = 3.0
    single._drawer.cache_clear()
    assert single.drawer(shipped) is None
    fast["draw"] = 1.0
    changed = json.loads((shipped.path / "config.json").read_text()) | {"images_seen": 7}
    (shipped.path / "config.json").write_text(json.dumps(changed))
    assert single.drawer(load_model(shipped.path)) is None
    assert "belongs to other weights" in caplog.text


def test_a_model_without_a_mapping_network_has_nothing_to_leave_out(tmp_path):
    model = load_model(make(tmp_path / "model", "dcgan"))
    with pytest.raises(UserError, match="whole"):
        onnx_export.export_onnx(model, tmp_path / "knee.onnx", from_w=True)
    assert not (tmp_path / "knee.onnx").exists()
