"""The whole of a training, through the public interface of gan_core: python examples/train_minimal.py FILMS MODEL

FILMS is a folder of pictures, or of a folder for each class. MODEL becomes a model folder: what `generate` draws from,
what the app opens and what the Hub takes. `gan_core.Trainer` adds what a long run needs: resuming, curves,
samples on the way, a measure of how near it comes.
"""

import sys
from pathlib import Path

import numpy as np

import gan_core
from gan_core.generate import generate


def train(films: str, folder: Path, kimg: float = 240.0, **settings: object) -> gan_core.Model:
    """Trains the preset knee-64 on `films` for `kimg` thousand images, and returns the generator's average."""
    config = gan_core.configure("knee-64", data=films, kimg=kimg, **settings)
    dataset = gan_core.load(films, config.resolution)
    if len(dataset.class_names) < 2:  # without classes the networks are not conditioned
        config = gan_core.configure("knee-64", data=films, kimg=kimg, conditioning="none", **settings)

    batches = gan_core.Batches(dataset.images, dataset.labels, config.seed, config.class_balance)
    game = gan_core.Game(config, batches, len(dataset.class_names))
    while game.nimg < kimg * 1000:
        game.step()
        if game.nimg % (100 * config.batch) == 0:
            stats = game.take_stats()
            print(f"{game.nimg:,} images: d_loss {stats['d_loss']:.3f}, g_loss {stats['g_loss']:.3f}")

    classes = dataset.class_names if game.num_classes else ()
    about = gan_core.ModelConfig(
        net=game.G_ema.config,
        class_names=classes,
        class_shares=tuple(np.bincount(dataset.labels) / len(dataset.labels)) if classes else (),
        label_name=dataset.called(config.label_name),
        data=dataset.about,
        images_seen=game.nimg,
    )
    gan_core.save_model(folder, game.G_ema, about, "# A generator of synthetic images\n")
    return gan_core.load_model(folder)


if __name__ == "__main__":
    films, folder = sys.argv[1], Path(sys.argv[2])
    model = train(films, folder)
    gan_core.save_png(folder / "samples.png", gan_core.grid(generate(model, range(64)), columns=8))
    print(folder)
