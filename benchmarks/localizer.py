"""How well knees are found on whole films: python benchmarks/localizer.py CROPS OTHERS [--films N] [--kinds KIND ...]

Makes films of each kind from the crops under CROPS (of patients that the localiser has not learnt from) and from the
part of OTHERS/chest, OTHERS/clothing and OTHERS/digits that it has not seen, and prints, for films with knees, how well
its boxes fit and how often the side is right, for other films how often nothing is found, and the time of a film of
3000 x 2400. A knee that is not found counts with an overlap of 0.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from studio.knee.localizer import DOUBTFUL, Knee, cut, find
from studio.knee.localizer.boxes import overlap
from studio.knee.localizer.films import KNEES, NONE, Film, made, sources
from studio.knee.localizer.find import SURE

SHOWN, SIDE = 24, 200
LEVELS = (SURE, DOUBTFUL, 0.9)  # of confidence


def drawn(film: Film, found: list[Knee]) -> Image.Image:
    """The film with the found boxes in white and the true ones in gray, and the found crops beside it."""
    image = Image.fromarray(film.pixels)
    pen = ImageDraw.Draw(image)
    for knees, grey in ((film.knees, 128), (found, 255)):
        for k in knees:
            cos, sin = math.cos(math.radians(k.angle)) * k.side_px / 2, math.sin(math.radians(k.angle)) * k.side_px / 2
            corners = [
                (k.x + cos * a - sin * b, k.y + sin * a + cos * b) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            pen.polygon(corners, outline=grey)
    image.thumbnail((SIDE, SIDE))
    out = Image.new("L", (2 * SIDE, SIDE), 60)
    out.paste(image)
    half = SIDE // 2
    for i, k in enumerate(found[:4]):
        out.paste(Image.fromarray(cut(film.pixels, k, half)), (SIDE + i % 2 * half, i // 2 * half))
        ImageDraw.Draw(out).text((SIDE + i % 2 * half + 2, i // 2 * half + 2), f"{k.side} {k.confidence:.2f}", 255)
    return out


def row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crops", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--films", type=int, default=200, help="of each kind")
    parser.add_argument("--pictures", type=Path, help=f"write a sheet of {SHOWN} films of each kind to this folder")
    parser.add_argument("--kinds", nargs="+", choices=KNEES + NONE, default=KNEES + NONE, help="all unless named")
    given = parser.parse_args()
    have = sources(given.crops, given.others, "test")
    every: list[float] = []
    right: list[bool] = []
    print("| films | knees | median overlap | overlap 0.7 and more | side right | error of the angle | found besides |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    quiet, sure = {}, []  # the highest confidence on each film without a knee; that of each knee that is found
    for kind in given.kinds:
        overlaps, sides, turns, besides, highest = [], [], [], 0, []
        sheet = Image.new("L", (4 * 2 * SIDE, SHOWN // 4 * SIDE))
        for i in range(given.films):
            rng = np.random.default_rng((20_000, i, (KNEES + NONE).index(kind)))
            film = made(rng, have, kind, rng.uniform(80, 200), 1000)
            found = find(film.pixels)
            highest.append(max((k.confidence for k in found), default=0.0))
            matched = set()
            for true in film.knees:
                best = max(found, key=lambda k: overlap(k, true), default=None)
                overlaps.append(overlap(best, true) if best else 0.0)
                if best and overlaps[-1] > 0.3:
                    matched.add(best)
                    sure.append(best.confidence)
                    sides.append(best.side == true.side)
                    turns.append(abs(best.angle - true.angle))
            besides += len(found) - len(matched)
            if i < SHOWN:
                sheet.paste(drawn(film, found), (i % 4 * 2 * SIDE, i // 4 * SIDE))
        if given.pictures:
            given.pictures.mkdir(parents=True, exist_ok=True)
            sheet.save(given.pictures / f"{kind.replace(' ', '-')}.png")
        if kind in NONE:
            quiet[kind] = np.array(highest)
            continue
        every, right = every + overlaps, right + sides
        fit = np.array(overlaps)
        print(
            f"| {kind} | {len(fit)} | {np.median(fit):.3f} | {(fit >= 0.7).mean():.1%} | {np.mean(sides or [0]):.1%} "
            f"| {np.median(turns or [0]):.1f}° | {besides} |",
            flush=True,
        )
    fit = np.array(every)
    print(f"| all | {len(fit)} | {np.median(fit):.3f} | {(fit >= 0.7).mean():.1%} | {np.mean(right):.1%} | | |")
    print(
        "",
        row("films without a knee", [f"nothing from {t} on" for t in LEVELS]),
        row("---", ["---:"] * len(LEVELS)),
        sep="\n",
    )
    for kind, most in [*quiet.items(), ("all", np.concatenate([*quiet.values(), np.array([])]))]:
        print(row(kind, [f"{(most < t).mean():.1%}" for t in LEVELS]))
    print(row("knees found", [f"{np.sum(np.array(sure) >= t) / len(fit):.1%}" for t in LEVELS]))
    film = made(np.random.default_rng(1), have, "two knees", 900, 2400).pixels
    large = np.asarray(Image.fromarray(film).resize((3000, 2400)))
    find(large)
    began = time.perf_counter()
    for _ in range(5):
        find(large)
    print(f"\nA film of 3000 x 2400: {(time.perf_counter() - began) / 5:.2f} s")


if __name__ == "__main__":
    main()
