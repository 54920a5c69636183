"""The model folder, strict and safe; and what is generated from it."""

import json
import pickle

import numpy as np
import pytest
import torch
from made_models import GRADES, make
from PIL import Image
from safetensors.torch import load_file, save_file

from gan_core import images
from gan_core.errors import UserError
from gan_core.generate import BATCH, class_index, generate, generate_batches, own_classes
from gan_core.model import digest, find_generator, load_model, read_config, save_model
from gan_core.seeds import MAX_SEED


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "model")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "graded": load_model(make(root / "graded")),
        "plain": load_model(make(root / "plain", names=())),
        "dcgan": load_model(make(root / "dcgan", architecture="dcgan")),
    }


# The mean of several


def test_the_mean_of_models_weighs_each_by_its_share(tmp_path, call):
    first, second = make(tmp_path / "first"), make(tmp_path / "second")
    tensors = second / "model.safetensors"
    save_file({k: v + 1 if v.is_floating_point() else v for k, v in load_file(tensors).items()}, tensors)
    code, out, _ = call("average", first, second, "--shares", "3,1", "--out", tmp_path / "mean")
    assert (code, out.strip()) == (0, str(tmp_path / "mean"))
    a, b, mean = (load_model(p).net.state_dict() for p in (first, second, tmp_path / "mean"))
    assert any(not torch.equal(a[k], b[k]) for k in a)
    for k, value in mean.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * a[k] + 0.25 * b[k])
    assert "synthetic" in (tmp_path / "mean" / "README.md").read_text()


@pytest.mark.parametrize("shares", ["1", "1,-1", "0,0", "nan,1", "one,two"])
def test_shares_that_are_none_are_refused(tmp_path, call, shares):
    models = make(tmp_path / "first"), make(tmp_path / "second")
    code, _, err = call("average", *models, "--shares", shares, "--out", tmp_path / "mean")
    assert code != 0
    assert "hares" in err
    assert not (tmp_path / "mean").exists()


def test_different_networks_have_no_mean(tmp_path, call):
    models = make(tmp_path / "first"), make(tmp_path / "second", "dcgan")
    code, _, err = call("average", *models, "--out", tmp_path / "mean")
    assert code == 1
    assert "no mean" in err


# The folder


@pytest.mark.parametrize("architecture", ["dcgan", "residual"])
@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_what_is_saved_is_what_is_loaded(tmp_path, architecture, role):
    folder = make(tmp_path / "model", architecture, role=role)
    assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    before = torch.get_rng_state()
    model = load_model(folder, role)
    assert torch.equal(before, torch.get_rng_state())  # loading draws nothing
    saved = load_file(folder / "model.safetensors")
    loaded = model.net.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[k], loaded[k]) for k in saved)
    assert model.config.images_seen == 7
    assert model.class_names == GRADES
    assert not model.net.training
    assert not any(p.requires_grad for p in model.net.parameters())
    again = save_model(tmp_path / "again", model.net, model.config, "# A card\n")
    assert again is None
    assert digest(tmp_path / "again") == digest(folder) == model.digest


def test_the_digest_names_the_very_model(tmp_path):
    a, b = (make(tmp_path / str(seed), seed=seed) for seed in range(2))
    assert digest(a) != digest(b)
    before = digest(a)
    (a / "README.md").write_text("other words")
    assert digest(a) == before


def change(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda t: t.pop("first.bias"), "lacks the tensor first.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra"),
        (lambda t: t.update({"first.bias": torch.zeros(3)}), r"first.bias is \(3,\)"),
        (lambda t: t.update({"first.weight": t["first.weight"].T.contiguous()}), "first.weight"),
        (lambda t: t["first.bias"].fill_(float("nan")), "not numbers"),
        (lambda t: t["last_norm.running_var"].fill_(float("inf")), "not numbers"),
    ],
    ids=["missing", "extra", "misshapen", "transposed", "nan", "inf"],
)
def test_tensors_must_fit(folder, edit, words):
    change(folder, edit)
    with pytest.raises(UserError, match=words):
        load_model(folder)


def edit_config(folder, edit):
    content = json.loads((folder / "config.json").read_text())
    edit(content)
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda c: c.update(code="import os"), "code"),
        (lambda c: c["net"].update(module="os"), "net.module"),
        (lambda c: c["net"].pop("role"), "net.role"),
        (lambda c: c["net"].update(architecture="stylegan"), "net.architecture"),
        (lambda c: c["net"].update(channels=10**6), "net.channels"),
        (lambda c: c["net"].update(resolution=10**6), "net.resolution"),
        (lambda c: c["net"].update(z_dim=10**9), "net.z_dim"),
        (lambda c: c.update(class_names=["a"]), "as many class_names"),
        (lambda c: c.update(class_shares=[0, 0, 0]), "class_shares"),
        (lambda c: c.update(class_shares=[2, -1, 0]), "class_shares"),
        (lambda c: c.update(format=2), "format"),
        (lambda c: c["net"].update(channels=8), "model.safetensors"),
    ],
)
def test_a_configuration_must_be_valid(folder, edit, words):
    edit_config(folder, edit)
    with pytest.raises(UserError, match=words) as error:
        load_model(folder)
    assert "\n" not in str(error.value)


def test_a_network_of_valid_settings_that_is_too_large_is_refused(folder):
    edit_config(folder, lambda c: c["net"].update(resolution=896, channels=256, max_channels=1024, z_dim=1024))
    with pytest.raises(UserError, match="fewer channels"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_configuration_that_is_none(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(UserError, match="not a valid model configuration"):
        read_config(folder)


def test_an_endless_configuration_is_not_read(folder):
    (folder / "config.json").write_bytes(b" " * 2_000_000)
    with pytest.raises(UserError, match="too large"):
        read_config(folder)


def test_missing_files(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="not complete"):
        load_model(folder)
    with pytest.raises(UserError, match="not a model folder"):
        load_model(tmp_path / "nothing")


def test_the_role_must_be_the_one_asked_for(folder, tmp_path):
    with pytest.raises(UserError, match="holds a generator, not a discriminator"):
        load_model(folder, "discriminator")
    with pytest.raises(UserError, match="holds a discriminator, not a generator"):
        load_model(make(tmp_path / "critic", role="discriminator"))


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("writer", ["torch", "pickle", "cut", "text"])
def test_nothing_is_ever_unpickled(folder, tmp_path, writer):
    path, went_off = folder / "model.safetensors", tmp_path / "went-off"
    if writer == "torch":
        torch.save({"first.bias": torch.zeros(1), "bomb": Bomb(went_off)}, path)
    elif writer == "pickle":
        path.write_bytes(pickle.dumps(Bomb(went_off)))
    else:
        path.write_bytes(path.read_bytes()[:-100] if writer == "cut" else b"hello")
    with pytest.raises(UserError, match="damaged or is not a safetensors file"):
        load_model(folder)
    assert not went_off.exists()


def test_a_generator_is_found_by_folder_and_by_run(folder, tmp_path, monkeypatch):
    assert find_generator(str(folder)) == folder
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    inside = make(tmp_path / "runs" / "00001-a-b" / "generator")
    assert find_generator(str(inside.parent)) == inside
    assert find_generator("00001-a-b") == inside
    with pytest.raises(UserError, match="neither a model folder nor a run"):
        find_generator("00002-a-b")


# Generating


@pytest.mark.parametrize("name", ["graded", "plain", "dcgan"])
def test_images_are_what_they_should_be(models, name):
    out = generate(models[name], range(20))
    assert out.shape == (20, 1, 28, 28)
    assert out.dtype == np.uint8
    assert out.std() > 0
    assert len(np.unique(out.reshape(20, -1), axis=0)) == 20
    assert generate(models[name], []).shape == (0, 1, 28, 28)


@pytest.mark.parametrize("name", ["graded", "plain", "dcgan"])
def test_a_seed_gives_the_same_image_alone_and_in_company(models, name):
    seeds = [5, 0, MAX_SEED, 17, 3, *range(100, 120)]
    together = generate(models[name], seeds).astype(int)
    for i in (0, 2, 24):
        assert np.abs(generate(models[name], [seeds[i]])[0] - together[i]).max() <= 1


def test_batches_come_in_order(models):
    parts = list(generate_batches(models["graded"], range(2 * BATCH + 3)))
    assert [len(p) for p in parts] == [BATCH, BATCH, 3]
    assert np.array_equal(np.concatenate(parts), generate(models["graded"], range(2 * BATCH + 3)))


@pytest.mark.parametrize("name", ["graded", "dcgan"])
def test_a_class_is_asked_for_by_name(models, name):
    model = models[name]
    assert class_index(model, "severe") == 2
    mild, severe = (generate(model, range(6), [c] * 6) for c in (1, 2))
    assert not np.array_equal(mild, severe)
    own = own_classes(model, range(6))
    assert set(own) <= set(GRADES)
    asked = generate(model, range(6), [class_index(model, name) for name in own])
    assert np.array_equal(asked, generate(model, range(6)))  # unasked, each seed has its own class


@pytest.mark.parametrize("name", ["graded", "dcgan"])
def test_labels_are_indices_or_mixtures_one_for_each_seed(models, name):
    model, one_hot = models[name], np.eye(3)[[2, 0, 1]]
    indices = generate(model, range(3), [2, 0, 1])
    assert np.array_equal(generate(model, range(3), one_hot), indices)
    assert np.array_equal(generate(model, range(3), torch.tensor(one_hot)), indices)
    for i, label in enumerate([2, 0, 1]):
        assert np.abs(generate(model, [i], [label])[0] - indices[i].astype(int)).max() <= 1
    assert not np.array_equal(generate(model, range(3), np.full((3, 3), 1 / 3)), indices)
    assert generate(model, [], []).shape == (0, 1, 28, 28)


def test_classes_that_are_not_there(models):
    with pytest.raises(UserError, match=r"no class 'grade 9'.* none, mild, severe"):
        class_index(models["graded"], "grade 9")
    with pytest.raises(UserError, match="without labels"):
        class_index(models["plain"], "mild")
    with pytest.raises(UserError, match="without labels"):
        generate(models["plain"], [0], [1])
    for wrong in (3, -1, 0.5):
        with pytest.raises(UserError, match="from 0 to 2"):
            generate(models["graded"], [0], [wrong])
    for misshapen in (1, [1], [[1.0, 0.0]] * 2, [[[1]]]):
        with pytest.raises(ValueError, match="2 seeds need labels"):
            generate(models["graded"], [0, 1], misshapen)
    assert own_classes(models["plain"], range(2)) == ["", ""]


@pytest.mark.parametrize("name", ["graded", "dcgan"])
def test_without_truncation_variety_with_it_one_typical_image_a_class(models, name):
    typical = generate(models[name], range(8), [1] * 8, truncation=0.0).astype(int)
    assert np.abs(typical - typical[0]).max() <= 1
    spread = [generate(models[name], range(32), [1] * 32, truncation=t).std(0).mean() for t in (0.0, 0.5, 1.0)]
    assert spread[0] < spread[1] < spread[2]


def test_truncation_stays_within_the_class_asked_for(models):
    """Else grade 4 at half the variety would be a knee of a middling grade."""
    mild, severe = (generate(models["graded"], range(8), [c] * 8, truncation=0.0).astype(int) for c in (1, 2))
    assert np.abs(mild - severe).mean() > 1


@pytest.mark.parametrize("truncation", [-0.1, 1.1, float("nan")])
def test_truncation_out_of_range(models, truncation):
    with pytest.raises(UserError, match="from 0 to 1"):
        generate(models["plain"], [0], truncation=truncation)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_seeds_out_of_range(models, seed):
    with pytest.raises(UserError, match="seed"):
        generate(models["plain"], [seed])


# Images at the edge


def test_gray_levels_survive_the_way_in_and_out():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    x = images.to_float(levels)
    assert (x.min().item(), x.max().item()) == (-1, 1)
    assert np.array_equal(images.to_uint8(x), levels)
    assert images.to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_a_grid_goes_row_by_row_and_comes_apart_again():
    three = np.arange(1, 4, dtype=np.uint8).repeat(4).reshape(3, 1, 2, 2)
    sheet = images.grid(three, columns=2)
    assert sheet.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 0, 0], [3, 3, 0, 0]]
    assert np.array_equal(images.ungrid(sheet, 2)[:3], three)


def test_a_png_is_gray_and_exact(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)
    images.save_png(tmp_path / "a" / "b.png", image)
    with Image.open(tmp_path / "a" / "b.png") as read:
        assert (read.mode, read.format) == ("L", "PNG")
        assert np.array_equal(np.asarray(read), image)
