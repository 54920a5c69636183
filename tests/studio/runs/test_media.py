import csv
import io
import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from typer.testing import CliRunner

from gan_core import networks
from gan_core.errors import UserError
from gan_core.images import save_png
from gan_core.model import ModelConfig, save_model
from gan_core.presets import PRESETS, configure
from gan_core.train.run import Run
from studio.cli.common import app
from studio.runs import media
from studio.runs.media import animation as animation_module
from studio.runs.media import video
from studio.runs.media.diagram import _figure, _trace

RESOLUTIONS = (28, 64, 126, 256)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(tmp_path):
    found = Run(tmp_path / "00001-phantom-dcgan")
    found.path.mkdir()
    found.write_config(configure("dcgan"))
    return found


def picture(level, side=64):
    """A grid that is `level` in its first pixel and a gradient elsewhere."""
    image = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint8)
    image[0, 0] = level
    return image


def frames_of(gif):
    return [np.asarray(f.convert("L")) for f in ImageSequence.Iterator(Image.open(io.BytesIO(gif)))]


def test_the_animation_shows_each_sample_in_order_unchanged_and_holds_the_last(run):
    levels = {0: 10, 20_000: 90, 1_000_000: 200}
    for nimg, level in levels.items():
        save_png(run.sample_path(nimg), picture(level, 400))
    gif = media.animation_gif(run, seconds=0.9)
    frames = frames_of(gif)
    for frame, level in zip(frames, levels.values(), strict=True):
        np.testing.assert_array_equal(frame[:400, :400], picture(level, 400))
    with Image.open(io.BytesIO(gif)) as opened:
        durations = [f.info["duration"] for f in ImageSequence.Iterator(opened)]
        assert opened.info["loop"] == 0
    assert durations[:2] == [300, 300]
    assert durations[2] > 1000


def test_the_caption_is_drawn_under_the_grid_and_changes(run):
    for nimg in (4_000, 8_000):
        save_png(run.sample_path(nimg), picture(0, 400))
    first, second = frames_of(media.animation_gif(run))
    assert first.shape[0] > 400
    assert first[400:].max() > 100
    assert (first[400:] != second[400:]).any()


def test_many_samples_become_a_bounded_number_of_frames_with_the_first_and_the_last(run):
    count = animation_module.MAX_FRAMES * 2 + 7
    for i in range(count):
        save_png(run.sample_path(i * 1000), picture(i % 256))
    frames = frames_of(media.animation_gif(run))
    assert len(frames) == animation_module.MAX_FRAMES
    assert frames[0][0, 0] == 0
    assert frames[-1][0, 0] == (count - 1) % 256


def test_large_pictures_are_scaled_down_and_limited_in_all(run):
    for i in range(60):
        save_png(run.sample_path(i), np.full((800, 1600), i, np.uint8))
    frames = frames_of(media.animation_gif(run))
    assert frames[0].shape[1] == animation_module.MAX_SIDE
    assert sum(f[: animation_module.MAX_SIDE // 2].size for f in frames) <= animation_module.MAX_PIXELS
    assert frames[-1][100, 100] == 59


@pytest.mark.parametrize("damage", [b"", b"\x89PNG broken", "cut", "flipped"])
def test_a_damaged_picture_is_left_out(run, damage):
    for nimg in (0, 1000, 2000):
        save_png(run.sample_path(nimg), picture(nimg // 100))
    path = run.sample_path(1000)
    good = path.read_bytes()
    half = len(good) // 2
    changed = {"cut": good[:half], "flipped": good[:half] + bytes([good[half] ^ 255]) + good[half + 1 :]}
    path.write_bytes(changed.get(damage, damage))
    assert [f[0, 0] for f in frames_of(media.animation_gif(run))] == [0, 20]


def test_no_samples_is_said_in_words(run):
    with pytest.raises(UserError, match="no sample pictures"):
        media.animation_gif(run)
    run.samples_path.mkdir()
    run.sample_path(0).write_bytes(b"nothing")
    with pytest.raises(UserError, match="no sample pictures"):
        media.animation_gif(run)


@pytest.mark.skipif(not media.has_ffmpeg(), reason="ffmpeg is not installed")
def test_the_mp4_is_one(run):
    for nimg in range(3):
        save_png(run.sample_path(nimg), picture(nimg, 401))
    film = media.animation_mp4(run)
    assert film[4:8] == b"ftyp"
    assert b"moov" in film


def test_without_ffmpeg_the_mp4_is_refused_in_words(run, monkeypatch):
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    save_png(run.sample_path(0), picture(0))
    assert not media.has_ffmpeg()
    with pytest.raises(UserError, match="ffmpeg"):
        media.animation_mp4(run)


TICKS = [
    {"nimg": 4000, "d_loss": 0.7, "g_loss": 1.0, "d_accuracy_real": 0.5, "d_accuracy_fake": 0.6, "diversity": 0.9},
    {"nimg": 8000, "d_loss": float("nan"), "g_loss": 0.9, "diversity": 0.8, "wasserstein": 1.5},
]


def test_the_table_holds_every_tick_and_every_column(run):
    for tick in TICKS:
        run.add_stats(tick)
    rows = list(csv.DictReader(io.StringIO(media.curves_csv(run))))
    assert [int(r["nimg"]) for r in rows] == [4000, 8000]
    assert set(rows[0]) == {name for tick in TICKS for name in tick}
    assert rows[0]["wasserstein"] == ""
    assert float(rows[1]["wasserstein"]) == 1.5


def test_the_curves_have_a_panel_for_what_there_is(run):
    run.add_stats(TICKS[0])
    small = Image.open(io.BytesIO(media.curves_png(run)))
    run.add_stats(TICKS[1])
    run.add_stats({"nimg": 12000, "penalty": 0.1, "class_accuracy": 0.3})
    large = Image.open(io.BytesIO(media.curves_png(run)))
    assert large.size[0] == small.size[0]
    assert large.size[1] > small.size[1]


def test_no_figures_is_said_in_words(run):
    for make in (media.curves_png, media.curves_csv):
        with pytest.raises(UserError, match="no curves yet"):
            make(run)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize(
    ("preset", "classes"),
    [("dcgan", 0), ("acgan", 3), ("wgan-gp", 0), ("knee-64", 5), ("style-256", 5)],
    ids=lambda v: str(v),
)
def test_the_layers_account_for_every_parameter_and_end_in_the_image(preset, classes, resolution):
    g, d = configure(preset, resolution=resolution).nets(classes)
    for config in (g, d):
        layers = media.architecture(config)
        assert sum(layer.parameters for layer in layers) == networks.count_parameters(networks.build(config))
        assert len({layer.name for layer in layers}) == len(layers)
    g_maps, d_maps = _trace(g).maps, _trace(d).maps
    assert g_maps[-1] == d_maps[0] == (1, resolution, resolution)
    sides = [side for _, side, _ in g_maps]
    assert sides == sorted(sides)
    assert all(2 * a - 1 <= b <= 2 * a or a == b for a, b in itertools.pairwise(sides))


@pytest.mark.parametrize("preset", ["knee-64", "style-256"])
def test_the_layers_shapes_are_those_of_a_real_pass(preset):
    config = configure(preset, resolution=28, max_channels=16).nets(5)[0]
    net = networks.build(config).eval()
    shapes = {name: tuple(p.shape[1:]) for name, p in net.named_parameters(recurse=False)}
    for name, module in net.named_modules():
        module.register_forward_hook(
            lambda m, i, out, name=name: shapes.update({name: tuple((out[0] if type(out) is tuple else out).shape[1:])})
        )
    net(torch.zeros(2, config.z_dim), torch.zeros(2, dtype=torch.long))
    for layer in media.architecture(config):
        assert layer.shape == shapes[layer.name]


STEPS = {  # what each architecture does between two blocks, and no other: the generator, the critic
    "dcgan": ("Each step: transposed convolution", "Each step: convolution"),
    "residual": ("residual block", "residual block"),
    "style": ("styled by w", "residual block"),
}


def test_the_steps_are_told_of_every_architecture():
    assert {(name, role) for name in STEPS for role in ("generator", "discriminator")} == networks._CLASSES.keys()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_diagram_of_every_recipe_shows_its_own_networks(preset):
    nets = configure(preset).nets(5)
    texts = [t.get_text() for t in _figure(*nets).axes[0].texts]
    at = texts.index("Discriminator D")
    for config, title, shown, step in zip(
        nets, ("Generator G", "Discriminator D"), (texts[:at], texts[at:]), STEPS[nets[0].architecture], strict=True
    ):
        count = networks.count_parameters(networks.build(config))
        assert shown[:2] == [title, f"{count:,} parameters"]
        note = " ".join(shown[2].split())
        assert {s for s in sum(STEPS.values(), ()) if s in note} == {step}
    drawn = [t.split("\n")[:2] for t in texts if "\n× " in t]
    assert drawn == [[f"{h} × {w}", f"× {c}"] for config in nets for c, h, w in _trace(config).maps]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("preset", ["dcgan", "knee-64", "style-256"])
def test_no_text_of_the_diagram_lies_over_another_or_outside(preset, resolution):
    figure = _figure(*configure(preset, resolution=resolution).nets(5))
    boxes = [(t.get_text(), t.get_window_extent()) for t in figure.axes[0].texts]
    for i, (text, box) in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        for other, other_box in boxes[i + 1 :]:
            assert not box.overlaps(other_box), (text, other)


def test_the_verb_writes_what_there_is_and_says_what_is_missing(run, tmp_path):
    save_png(run.sample_path(0), picture(0))
    configs = configure("dcgan", resolution=28, g_channels=4, d_channels=4).nets(0)
    for config, folder in zip(configs, (run.generator_path, run.discriminator_path), strict=True):
        save_model(folder, networks.build(config), ModelConfig(net=config), "card")
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["media", str(run.path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert (out / "animation.gif").read_bytes().startswith(b"GIF8")
    assert (out / "architecture.png").read_bytes().startswith(PNG)
    assert not (out / "curves.png").exists()
    assert "no curves yet" in result.stderr
    run.stats_path.write_text(json.dumps(TICKS[0]) + "\n")
    CliRunner().invoke(app, ["media", str(run.path), "--out", str(out)])
    assert (out / "curves.png").read_bytes().startswith(PNG)
    assert (out / "curves.csv").read_text().startswith("nimg,")


def test_the_verb_fails_where_nothing_can_be_made(run, tmp_path):
    result = CliRunner().invoke(app, ["media", str(run.path), "--out", str(tmp_path / "out")])
    assert result.exit_code != 0
