"""All that is found in a comparison as plain figures, ready for JSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gan_core.images import grid, save_png
from gan_core.metrics.registry import Figures, or_why
from studio.compare.sides import Sides
from studio.compare.space import Nearness, layout, nearness
from studio.compare.tones import Tones, finest, finest_in_words, histograms, spectra

COLUMNS = 10  # of a sheet


def save_sheets(folder: Path, sides: Sides, found: Figures, *, pairs: bool) -> None:
    """`synthetic.png`, all fakes; with `pairs` also `pairs.png`: each fake, then its nearest real."""
    save_png(folder / "synthetic.png", grid(sides.fake.images, COLUMNS))
    if pairs:
        fakes = [near["seed"] - sides.first_seed for near in found["nearest"]]
        reals = [near["reals"][0]["index"] for near in found["nearest"]]
        both = np.stack([sides.fake.images[fakes], sides.real.images[reals]], 1)  # [N, 2, 1, R, R]
        save_png(folder / "pairs.png", grid(both.reshape(-1, *both.shape[2:]), COLUMNS))


def figures(sides: Sides, method: str = "PCA") -> Figures:
    """Of sides that an extractor has seen: gaps beside their floors, the map and each fake's nearest reals;
    {"value": None, "why": a sentence} for what these images do not allow."""
    return {
        "spectrum": or_why(lambda: _spectrum(spectra(sides))),
        "brightness": or_why(lambda: _tones(histograms(sides))),
        "map": or_why(lambda: _map(sides, method)),
        "nearest": _nearest(sides, nearness(sides)),
    }


def _tones(found: Tones) -> Figures:
    curves = {"x": found.x.tolist(), "fake": found.fake.tolist(), "real": found.real.tolist()}
    return {"value": found.gap, "floor": found.floor, "unit": found.unit, "why": found.why} | curves


def _spectrum(found: Tones) -> Figures:
    return _tones(found) | {"finest": finest(found), "words": finest_in_words(found)}


def _map(sides: Sides, method: str) -> Figures:
    found = layout(sides, method)
    return {"method": found.method, "shown": found.shown, "fake": found.fake.tolist(), "real": found.real.tolist()}


def _nearest(sides: Sides, near: Nearness) -> list[Figures]:
    """The fake nearest to a real comes first."""
    return [
        {
            "seed": sides.first_seed + int(i),
            "class": sides.fake.class_name(i),
            "nearer_than_closest": near.nearer_than_closest(near.distance[i, 0]),
            "reals": [
                {
                    "index": int(j),
                    "file": sides.real.names[j],
                    "class": sides.real.class_name(j),
                    "distance": float(d),
                    "nearer_than_pairs": near.nearer_than_pairs(d),
                }
                for j, d in zip(near.index[i], near.distance[i], strict=True)
            ],
        }
        for i in near.distance[:, 0].argsort(kind="stable")
    ]
