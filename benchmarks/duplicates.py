"""How surely films that are nearly the same are told from different ones: python benchmarks/duplicates.py FOLDER

Prints how many pairs of different files of FOLDER count as nearly the same (there should be none), and of films that
were changed as films are (packed as JPEG, exposed otherwise, scaled, cut) how many are found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gan_core.data.source import File
from studio.data.checks import SIDE, Seen

TWINS = 200


def _jpeg(image: Image.Image) -> Image.Image:
    out = BytesIO()
    image.save(out, "JPEG", quality=40)
    return Image.open(out).convert("L")


def _exposed(image: Image.Image) -> Image.Image:
    return image.point([round(0.9 * 255 * (v / 255) ** 0.8) for v in range(256)])


def _scaled(image: Image.Image) -> Image.Image:
    return image.resize((180, 180), Image.Resampling.BICUBIC).resize((299, 299), Image.Resampling.BICUBIC)


def _cut(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 64, height // 64, width - width // 64, height - height // 64))


def _turned(image: Image.Image) -> Image.Image:
    return image.rotate(2, Image.Resampling.BILINEAR)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 40": _jpeg,
    "another exposure": _exposed,
    "another size": _scaled,
    "cut by 1.5% a side": _cut,
    "turned by 2 degrees": _turned,
}


def _square(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _near(seen: Seen) -> int:
    return next((f["count"] for f in seen.findings() if f["what"] in ("near", "same")), 0)


def main(folder: Path) -> None:
    files = sorted(folder.rglob("*.png"))
    if len(files) < TWINS:
        raise SystemExit(f"{folder} holds {len(files)} PNG files; at least {TWINS} are needed.")
    seen = Seen()
    for path in files:
        seen.add(str(path.relative_to(folder)), _square(Image.open(path).convert("L")), File(""))
    pairs = len(files) * (len(files) - 1) // 2
    print(f"{_near(seen)} of {pairs:,} pairs of different films count as the same or nearly the same")
    chosen = np.random.default_rng(0).choice(len(files), TWINS, replace=False)
    for what, change in CHANGES.items():
        found = 0
        for i in chosen:
            image, two = Image.open(files[i]).convert("L"), Seen()
            two.add("a", _square(image), File(""))
            two.add("b", _square(change(image)), File(""))
            found += _near(two)
        print(f"{what}: {found} of {TWINS} found")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
