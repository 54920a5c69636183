"""A generator as an ONNX file draws what PyTorch draws."""

import numpy as np
import pytest
import torch
from test_model import GRADES, make

from gan_core import onnx_export
from gan_core.errors import UserError
from gan_core.model import load_model
from gan_core.seeds import latents

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "names", "resolution"), [("residual", GRADES, 28), ("dcgan", GRADES, 28), ("residual", (), 30)]
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


@pytest.mark.slow
def test_a_file_that_draws_something_else_is_not_written(tmp_path, monkeypatch):
    model = load_model(make(tmp_path / "model"))
    monkeypatch.setattr(onnx_export, "_difference", lambda *_: 0.1)
    with pytest.raises(UserError, match="differ"):
        onnx_export.export_onnx(model, tmp_path / "knee.onnx")
    assert not (tmp_path / "knee.onnx").exists()
