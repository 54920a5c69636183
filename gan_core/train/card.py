"""The model card that goes with what a training has made."""

from __future__ import annotations

from gan_core.config import TrainConfig
from gan_core.model import NOT_FOR_DIAGNOSIS, ModelConfig


def model_card(model: ModelConfig, train: TrainConfig, seconds: float, parameters: int, command: str) -> str:
    """README.md of a model folder, in Markdown."""
    net = model.net
    rows = {
        "Made by": f"preset `{train.preset}`",
        "Data": model.data,
        "Classes": ", ".join(model.class_names) or "none (unlabelled)",
        "Resolution": f"{net.resolution} x {net.resolution}, gray",
        "Pretrained": "a discriminator looked through EfficientNet-Lite0, trained on ImageNet"
        if train.feature_weight
        else "",
        "Images seen": f"{model.images_seen:,}",
        "Training time": f"{seconds / 3600:.2f} h",
        "Parameters": f"{parameters:,}",
        "Command": f"`{command}`",
    }
    table = "\n".join(f"| {k} | {v} |" for k, v in rows.items() if v)
    title = f"# {net.role.capitalize()}, {net.resolution} x {net.resolution}"
    return f"{title}\n\n{NOT_FOR_DIAGNOSIS}\n\n| | |\n|---|---|\n{table}\n"
