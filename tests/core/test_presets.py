"""Settings, presets and the command that a run's card gives for itself."""

import itertools
import json
import shlex

import pytest
from pydantic import ValidationError

from gan_core.config import NetConfig, TrainConfig, check_data
from gan_core.errors import UserError
from gan_core.presets import ADDITIONS, PRESETS, configure
from studio.train.session import command_line

CLASSICS = ["dcgan", "wgan", "wgan-gp", "acgan"]
FREE = ("smooth", "noise", "augment")
COMBINATIONS = ["".join(f"+{a}" for a in c) for n in range(4) for c in itertools.combinations(FREE, n)]


def test_the_presets_asked_for_are_there():
    assert {*CLASSICS, "knee-64"} <= PRESETS.keys()
    assert {*FREE, "stabilise", "penalty"} <= ADDITIONS.keys()


@pytest.mark.parametrize("preset", CLASSICS)
@pytest.mark.parametrize("additions", COMBINATIONS)
def test_classics_go_with_any_additions(preset, additions):
    config = configure(preset + additions)
    assert config.preset == preset + additions
    assert (config.label_smoothing > 0) == ("smooth" in additions)
    assert (config.label_flip > 0) == (config.input_noise > 0) == ("noise" in additions)
    assert bool(config.augment) == ("augment" in additions)


def test_the_order_of_additions_does_not_matter():
    a, b = configure("wgan+smooth+noise"), configure("wgan+noise+smooth")
    assert a.model_copy(update={"preset": b.preset}) == b


def test_a_preset_is_a_short_difference_from_the_defaults():
    defaults = TrainConfig()
    for name, preset in (PRESETS | ADDITIONS).items():
        assert preset.summary
        assert len(preset.settings) < len(TrainConfig.model_fields) / 2
        assert all(getattr(defaults, k) != v for k, v in preset.settings.items()), f"{name} repeats a default"


def test_recipes_are_those_of_their_papers():
    wgan, gp, acgan = configure("wgan"), configure("wgan-gp"), configure("acgan")
    assert (wgan.loss, wgan.clip, wgan.n_critic, wgan.optimizer, wgan.d_lr) == ("wasserstein", 0.01, 5, "rmsprop", 5e-5)
    assert (gp.loss, gp.gp_weight, gp.n_critic, gp.clip) == ("wasserstein", 10.0, 5, 0.0)
    assert gp.d_norm != "batch"
    assert (gp.beta1, gp.beta2, gp.d_lr) == (0.0, 0.9, 1e-4)
    assert acgan.conditioning == "classifier"
    assert not acgan.class_on_fakes
    assert configure("knee-64").loss == "relativistic"
    both = configure("wgan-clip-gp")
    assert (both.clip, both.gp_weight) == (wgan.clip, gp.gp_weight)
    stabilised = configure("dcgan-28+stabilise")
    assert (stabilised.label_smoothing, stabilised.smooth_fakes, stabilised.label_flip) == (0.1, True, 0.001)
    assert (stabilised.resolution, stabilised.batch, stabilised.input_noise) == (28, 32, 0.0)
    plain = configure("dcgan-126")
    assert (plain.resolution, plain.d_levels, plain.d_norm) == (126, 3, "none")
    assert configure("dcgan+penalty").r1_gamma > 0


def test_settings_change_a_preset():
    config = configure("wgan-gp", n_critic=2, resolution=126, augment=("cutout",))
    assert (config.n_critic, config.resolution, config.augment, config.gp_weight) == (2, 126, ("cutout",), 10.0)
    assert configure("dcgan", batch="32").batch == 32  # as the command line gives it


@pytest.mark.parametrize(
    ("preset", "settings", "words"),
    [
        ("stylegan", {}, "no preset 'stylegan'"),
        ("dcgan+magic", {}, "no addition 'magic'"),
        ("dcgan", {"learning_rate": 1}, "no setting 'learning_rate'"),
        ("dcgan", {"batch": "many"}, "batch"),
        ("dcgan", {"g_lr": -1}, "g_lr"),
        ("dcgan", {"g_lr": float("nan")}, "g_lr"),
        ("dcgan", {"kimg": float("inf")}, "kimg"),
        ("dcgan", {"resolution": 8}, "resolution"),
        ("dcgan", {"device": "cuda; rm"}, "device"),
        ("dcgan", {"augment": ("flip",)}, "augment"),
        ("dcgan", {"r1_gamma": 1}, "batch normalisation mixes images"),
        ("wgan-gp", {"d_norm": "batch"}, "batch normalisation mixes images"),
        ("dcgan", {"clip": 0.01}, "wasserstein"),
        ("knee-64+smooth", {}, "no targets"),
        ("knee-64+noise", {}, "no targets"),
        ("knee-64", {"batch": 18}, "multiple of 4"),
        ("knee-64", {"d_norm": "layer"}, "residual"),
        ("knee-64", {"d_levels": 3}, "d_levels"),
        ("style-256", {"g_norm": "batch"}, "g_norm=none"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(preset, settings, words):
    with pytest.raises(UserError, match=words) as error:
        configure(preset, **settings)
    assert "\n" not in str(error.value)


def test_a_resolved_configuration_survives_json():
    for preset in [*PRESETS, "dcgan+augment"]:
        config = configure(preset, seed=7)
        written = json.dumps(config.model_dump())
        assert json.loads(written).keys() == TrainConfig.model_fields.keys()  # every default spelled out
        assert TrainConfig.model_validate_json(written) == config


def test_unknown_keys_and_wrong_roles_are_refused():
    with pytest.raises(ValidationError):
        TrainConfig.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="two classes"):
        NetConfig(role="generator", architecture="dcgan", conditioning="embedding")
    with pytest.raises(ValidationError, match="embedding"):
        NetConfig(role="generator", architecture="dcgan", conditioning="projection", num_classes=3)
    with pytest.raises(ValidationError, match="projection"):
        NetConfig(role="discriminator", architecture="dcgan", conditioning="embedding", num_classes=3)


def test_what_may_change_when_a_run_goes_on():
    old = configure("dcgan")
    assert old.same_run(configure("dcgan", kimg=900, threads=2, save_seconds=5, device="cpu", compile=True))
    assert old.same_run(configure("dcgan", precision="float32"))
    assert not old.same_run(configure("dcgan", batch=32))
    assert not old.same_run(configure("dcgan", data="digits"))


def test_labels_reach_the_networks_only_where_the_recipe_uses_them():
    g, d = configure("dcgan").nets(5)
    assert g.num_classes == d.num_classes == 0
    g, d = configure("acgan").nets(5)
    assert (g.num_classes, g.conditioning, d.conditioning) == (5, "embedding", "classifier")
    g, d = configure("knee-64").nets(5)
    assert (g.num_classes, g.conditioning, d.conditioning) == (5, "embedding", "projection")


@pytest.mark.parametrize(
    "config",
    [
        configure("knee-64"),
        configure("dcgan+smooth+augment", data="my folder/it's here", resolution=126, kimg=12.5, seed=9),
        configure("wgan", augment=("cutout", "contrast"), mirror=True, g_lr=3e-4, label_smoothing=0.05),
        configure("dcgan+augment", augment=(), kimg=123456.75),
    ],
    ids=lambda c: c.preset,
)
def test_the_command_of_a_run_makes_that_run(config, monkeypatch, capsys):
    from studio.cli import main

    words = shlex.split(command_line(config))
    assert words[:4] == ["python", "-m", "gan_core", "train"]
    monkeypatch.setattr("sys.argv", ["gan_core", *words[3:], "--dry-run"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert TrainConfig.model_validate_json(capsys.readouterr().out) == config


@pytest.mark.parametrize("bad", [("dcgan+smooth+smooth", {}), ("dcgan", {"preset": "wgan"})])
def test_a_recipe_is_named_once(bad):
    preset, settings = bad
    with pytest.raises(UserError):
        configure(preset, **settings)


def test_more_classes_than_a_network_can_learn_are_refused_before_training():
    with pytest.raises(UserError, match="at most 1,000"):
        check_data(configure("acgan"), images=5000, classes=1001)
    check_data(configure("dcgan"), images=5000, classes=1001)
