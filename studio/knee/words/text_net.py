"""The small transformers that turn a sentence into a vector: MiniLM (Wang et al. 2020; as a sentence encoder, Reimers
and Gurevych 2019) and the half of CLIP that reads (Radford et al. 2021), from their safetensors.

Both are PyTorch's own encoder layers with the weights under other names, so this needs none of the large libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, Field, TypeAdapter
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from gan_core.errors import UserError
from gan_core.model import CONFIG, MAX_CONFIG_BYTES, TENSORS

Kind = Literal["bert", "clip"]


class TextConfig(BaseModel):
    """What of a `config.json` the network is built from. The defaults are CLIP's, which may leave them out."""

    hidden_size: int = Field(512, ge=1, le=4096)
    num_hidden_layers: int = Field(12, ge=1, le=48)
    num_attention_heads: int = Field(8, ge=1, le=64)
    intermediate_size: int = Field(2048, ge=1, le=16384)
    vocab_size: int = Field(49408, ge=1, le=300_000)
    max_position_embeddings: int = Field(77, ge=2, le=8192)
    layer_norm_eps: float = Field(1e-5, gt=0, le=1e-2)
    hidden_act: Literal["gelu", "quick_gelu"] = "quick_gelu"
    projection_dim: int = Field(512, ge=1, le=4096)


class TextNet(nn.Module):
    """`net(ids, real)`: unit vectors [N, D] of token ids [N, L]; `real` [N, L] is false in the padding after them.

    MiniLM averages tokens that have all seen each other; CLIP takes the last one, each having seen those before it.
    """

    def __init__(self, config: TextConfig, kind: Kind) -> None:
        super().__init__()
        self.clip = kind == "clip"
        d = config.hidden_size
        self.dimensions = config.projection_dim if self.clip else d
        self.tokens = nn.Embedding(config.vocab_size, d)
        self.positions = nn.Embedding(config.max_position_embeddings, d)
        self.norm = nn.LayerNorm(d, config.layer_norm_eps)
        layer = nn.TransformerEncoderLayer(
            d,
            config.num_attention_heads,
            config.intermediate_size,
            activation=F.gelu if config.hidden_act == "gelu" else _quick_gelu,
            layer_norm_eps=config.layer_norm_eps,
            batch_first=True,
            norm_first=self.clip,
        )
        self.layers = nn.TransformerEncoder(layer, config.num_hidden_layers, enable_nested_tensor=False)
        self.projection = nn.Linear(d, config.projection_dim, bias=False) if self.clip else nn.Identity()

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        n, length = ids.shape
        x = self.tokens(ids) + self.positions.weight[:length]
        if self.clip:
            later = torch.ones(length, length, dtype=torch.bool).triu(1)
            pooled = self.norm(self.layers(x, mask=later))[torch.arange(n), real.sum(1) - 1]
        else:
            x = self.layers(self.norm(x), src_key_padding_mask=~real)
            pooled = (x * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        return F.normalize(self.projection(pooled), dim=1)


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def load_text_net(folder: Path, kind: Kind) -> TextNet:
    """The network of a folder with `config.json` and `model.safetensors`; of CLIP, only what reads text.

    Raises `UserError` where one is missing or damaged, or is of another architecture.
    """
    try:
        if (folder / CONFIG).stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError("the configuration is too large")
        about: Any = TypeAdapter(dict).validate_json((folder / CONFIG).read_bytes())
        if kind == "clip":
            about = about.get("text_config", {}) | {k: v for k, v in about.items() if k == "projection_dim"}
        config = TextConfig.model_validate(about)
        with torch.device("meta"):  # neither memory nor random numbers for weights that are about to be read
            net = TextNet(config, kind)
        with safe_open(folder / TENSORS, framework="pt") as file:
            state = _read(lambda name: file.get_tensor(name).float(), config, kind)
        net.load_state_dict(state, strict=True, assign=True)
    except (OSError, ValueError, RuntimeError, AssertionError, SafetensorError) as e:
        raise UserError(f"The sentence encoder in {folder} is damaged or of another kind: install it again.") from e
    return net.eval().requires_grad_(False)


# What PyTorch's encoder layer calls its parts, and what they are called in the file.
_IN_LAYER: dict[Kind, dict[str, str]] = {
    "bert": {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    },
    "clip": {
        "self_attn.out_proj": "self_attn.out_proj",
        "norm1": "layer_norm1",
        "linear1": "mlp.fc1",
        "linear2": "mlp.fc2",
        "norm2": "layer_norm2",
    },
}
_ATTENTION: dict[Kind, list[str]] = {
    "bert": [f"attention.self.{part}" for part in ("query", "key", "value")],
    "clip": [f"self_attn.{part}_proj" for part in "qkv"],
}


def _read(get: Callable[[str], Tensor], config: TextConfig, kind: Kind) -> dict[str, Tensor]:
    """The file's tensors under the names of `TextNet`."""
    if kind == "bert":
        layers, norm = "encoder.layer", "embeddings.LayerNorm"
        # A sentence by itself is of the first type throughout.
        position = get("embeddings.position_embeddings.weight") + get("embeddings.token_type_embeddings.weight")[0]
        out = {"tokens.weight": get("embeddings.word_embeddings.weight"), "positions.weight": position}
    else:
        layers, norm = "text_model.encoder.layers", "text_model.final_layer_norm"
        out = {
            "tokens.weight": get("text_model.embeddings.token_embedding.weight"),
            "positions.weight": get("text_model.embeddings.position_embedding.weight"),
            "projection.weight": get("text_projection.weight"),
        }
    for part in ("weight", "bias"):
        out[f"norm.{part}"] = get(f"{norm}.{part}")
        for i in range(config.num_hidden_layers):
            for ours, theirs in _IN_LAYER[kind].items():
                out[f"layers.layers.{i}.{ours}.{part}"] = get(f"{layers}.{i}.{theirs}.{part}")
            each = [get(f"{layers}.{i}.{name}.{part}") for name in _ATTENTION[kind]]
            out[f"layers.layers.{i}.self_attn.in_proj_{part}"] = torch.cat(each)
    return out
