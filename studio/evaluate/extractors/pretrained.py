"""Networks trained on ImageNet, by name: torch-fidelity's Inception and torchvision's backbones."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gan_core.errors import UserError
from gan_core.images import resize, to_float, to_uint8
from gan_core.metrics.features import Extractor, at_side, sha256
from studio.evaluate.extractors.weights import download, file_digest, read_state

_BATCH = 16


def open_inception(weights: str, device: str) -> Extractor:
    """The Inception-v3 by which FID is defined (Heusel et al. 2017), as torch-fidelity has it: 2,048 features.

    Images above its side are averaged down first, which the original network's own resizing does not do (Parmar et al.
    2022); up to 299 pixels the features are torch-fidelity's own. Raises `UserError` where torch-fidelity is not
    installed, or the weights cannot be had or do not fit.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
    except ImportError as e:
        raise UserError("The extractor inception needs torch-fidelity: pip install torch-fidelity.") from e
    path = Path(weights) if weights else download(URL_INCEPTION_V3, "inception")
    # torch-fidelity unpickles the file that it is given: so it gets, in memory, the tensors that were read safely.
    tensors = BytesIO()
    torch.save(read_state(path), tensors)
    tensors.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):
            net = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=tensors)
    except RuntimeError as e:
        raise _misfit(path, "torch-fidelity's Inception") from e
    net.to(device, memory_format=torch.channels_last)
    side = net.INPUT_IMAGE_SIZE

    def forward(images: NDArray[np.uint8]) -> tuple[Tensor, None]:
        if max(images.shape[-2:]) > side:
            images = to_uint8(resize(to_float(images), side))
        (features,) = net(torch.from_numpy(images).to(device).expand(-1, 3, -1, -1))
        return features, None

    digest = file_digest(path)
    official = digest.startswith(Path(URL_INCEPTION_V3).stem.rpartition("-")[2])
    name = "inception" if official else f"inception:{path.name}"
    return Extractor(name, sha256("inception", 1, digest), forward, _BATCH)


def backbones() -> list[str]:
    """The names of torchvision's classification networks."""
    from torchvision import models  # which takes longer to load than PyTorch

    return models.list_models(module=models)


def open_torchvision(text: str, device: str) -> Extractor:
    """A torchvision network and what its last layer would be given: `resnet18`, or `resnet18:PATH` for own weights.

    Images are brought to the side of its default weights and normalised as these need it. Weights in a file may have a
    last layer for other classes, or none. Raises `UserError` for an unknown name, and where the weights cannot be had
    or do not fit.
    """
    from torchvision import models

    name, _, given = text.partition(":")
    if name not in backbones():
        raise UserError(
            f"torchvision has no backbone {name!r}. Give one as torchvision:NAME: {', '.join(backbones())}."
        )
    weights = models.get_model_weights(name).DEFAULT
    path = Path(given) if given else download(weights.url, f"torchvision:{name}")
    transform = weights.transforms()
    (side,) = transform.crop_size
    net = _headless(name, side, read_state(path), path)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (transform.mean, transform.std))

    def forward(images: NDArray[np.uint8]) -> tuple[Tensor, None]:
        unit = (at_side(images, side, device) + 1) / 2
        return net(((unit - mean) / std).contiguous(memory_format=torch.channels_last)), None

    called = f"torchvision:{name}:{path.name}" if given else f"torchvision:{name}"
    return Extractor(called, sha256("torchvision", 1, name, file_digest(path)), forward, _BATCH)


def _headless(name: str, side: int, state: dict[str, Tensor], path: Path) -> nn.Module:
    """The network, given its weights, with nothing where its last layer of weights was."""
    from torchvision import models

    options = {"image_size": side} if name.startswith("vit_") else {}  # its position embedding has one size
    with torch.random.fork_rng(devices=[]):
        net = models.get_model(name, weights=None, **options)
    last = [key for key, module in net.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    net.set_submodule(last, nn.Identity())
    if hasattr(net, "transform_input"):
        net.transform_input = True  # as torchvision does for its weights of the two Inceptions
    own = {key: tensor for key, tensor in state.items() if key not in (f"{last}.weight", f"{last}.bias")}
    try:
        net.load_state_dict(own, strict=True)
    except RuntimeError as e:
        raise _misfit(path, f"torchvision's {name}") from e
    return net.eval().requires_grad_(False)


def _misfit(path: Path, what: str) -> UserError:
    return UserError(f"{path} does not hold the weights of {what}: names or shapes of its tensors differ.")
