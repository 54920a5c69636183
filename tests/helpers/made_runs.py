"""Run directories written by hand: what a training would have left, without training."""

import json

import numpy as np

from gan_core import images
from gan_core.train.game import Batches
from gan_core.train.run import Run, Status

SIDE = 16


def tick(nimg, **figures):
    """A line of statistics of a run on 1,000 images that shows 100 of them a second."""
    return {"nimg": nimg, "epoch": nimg / 1000, "seconds": nimg / 100, **figures}


def sheet(shade, columns=3, rows=2):
    """A grid [rows * SIDE, columns * SIDE] in which no two images have the same gray."""
    grays = np.arange(columns * rows, dtype=np.uint8)[:, None, None, None] + np.uint8(shade)
    return images.grid(np.broadcast_to(grays, (columns * rows, 1, SIDE, SIDE)), columns)


def write_run(
    path, config, *, total=4000, seen=None, state="finished", samples=(0, 2000, 4000), result=None, **figures
):
    """A run of `total` images, of which `seen` have been shown; its `figures` are functions of the images seen."""
    seen = total if seen is None else seen
    run = Run(path)
    path.mkdir(parents=True)
    run.write_config(config)
    for nimg in range(1000, seen + 1, 1000):
        run.add_stats(tick(nimg, **{name: f(nimg) for name, f in figures.items()}))
    for nimg in samples:
        if nimg <= seen:
            images.save_png(run.sample_path(nimg), sheet(nimg // 100))
    run.write_status(
        Status(
            state=state,
            images_seen=seen,
            images_total=total,
            seconds=seen / 100,
            images_per_second=100.0,
            dataset_size=1000,
        )
    )
    if result is not None:
        (path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return run


def batches(resolution=16, n=50, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 1, resolution, resolution), dtype=np.uint8)
    return Batches(images, rng.integers(0, classes, n), seed)
