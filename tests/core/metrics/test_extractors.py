"""Extractors: what each sees, that nothing hostile is run, and features that are computed once."""

import dataclasses
import pickle
import sys
import urllib.error
import warnings

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from gan_core.errors import UserError
from gan_core.metrics.features import Extractor, features
from studio.evaluate.extractors import EXTRACTORS, open_extractor
from studio.evaluate.extractors.weights import download
from studio.knee.encoder.net import FEATURES, Encoder, EncoderConfig, load_encoder
from studio.knee.nets import save_net

GRADES = ("none", "mild", "severe")
rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (7, 1, 32, 32), dtype=np.uint8)


class Range(nn.Module):
    """Its features are the darkest, the lightest and the mean value of each image, and the channels and side."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.dirac_(self.conv.weight)

    def forward(self, x):
        x = self.conv(x)
        shape = torch.ones(x.shape[0]) * x.shape[1], torch.ones(x.shape[0]) * x.shape[2]
        return torch.stack([x.amin((1, 2, 3)), x.amax((1, 2, 3)), x.mean((1, 2, 3)), shape[0], shape[1]], 1)


def encoder_folder(folder, seed=0):
    torch.manual_seed(seed)
    net = Encoder(EncoderConfig(resolution=32, class_names=GRADES))
    net(torch.randn(16, 1, 32, 32))  # batch norms that have seen something
    save_net(folder, net, net.config, "# A card\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return encoder_folder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def script(tmp_path):
    def save(net, name="net.pt"):
        path = tmp_path / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyTorch prefers torch.export
            torch.jit.script(net).save(path)
        return path

    return save


def resnet(seed=0, classes=1000):
    torch.manual_seed(seed)
    return torchvision.models.resnet18(weights=None, num_classes=classes).eval()


# The knee encoder


def test_the_knee_extractor_gives_the_encoders_features_and_grades_in_one_pass(folder):
    extractor = open_extractor(f"knee:{folder}")
    seen = extractor.see(IMAGES)
    expected = [np.concatenate(part) for part in zip(*load_encoder(folder).batches(IMAGES), strict=True)]
    np.testing.assert_allclose(seen.values, expected[0], atol=1e-5)
    np.testing.assert_allclose(seen.probabilities, expected[1], atol=1e-5)
    assert seen.values.shape == (7, FEATURES)
    assert seen.values.dtype == seen.probabilities.dtype == np.float32
    assert extractor.class_names == GRADES
    np.testing.assert_array_equal(extractor(IMAGES), seen.values)


def test_features_do_not_depend_on_the_batch_or_the_order(folder):
    extractor = open_extractor(f"knee:{folder}")
    expected = extractor(IMAGES)
    order = rng.permutation(len(IMAGES))
    np.testing.assert_allclose(extractor(IMAGES[order]), expected[order], atol=1e-5)
    done = []
    small = dataclasses.replace(extractor, batch=3)
    np.testing.assert_allclose(small(IMAGES, lambda i, of: done.append((i, of))), expected, atol=1e-5)
    assert done == [(3, 7), (6, 7), (7, 7)]


def test_a_digest_tells_weights_apart(folder, tmp_path):
    same, other = open_extractor(f"knee:{folder}"), open_extractor(f"knee:{encoder_folder(tmp_path, seed=1)}")
    assert same.digest == open_extractor(f"knee:{folder}").digest
    assert same.digest != other.digest
    assert len(same.digest) == 64


def test_a_read_only_memory_map_is_as_good_as_an_array(folder, tmp_path, recwarn):
    np.save(tmp_path / "images.npy", IMAGES)
    extractor = open_extractor(f"knee:{folder}")
    mapped = extractor(np.load(tmp_path / "images.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped, extractor(IMAGES))
    assert not [w for w in recwarn if "writable" in str(w.message)]


def test_opening_an_extractor_draws_no_random_number(folder, tmp_path):
    torch.save(resnet().state_dict(), tmp_path / "r.pth")
    before = torch.get_rng_state()
    open_extractor(f"knee:{folder}")
    open_extractor(f"torchvision:resnet18:{tmp_path / 'r.pth'}")
    assert torch.equal(before, torch.get_rng_state())


# torchvision


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_torchvision_backbone_gets_what_its_own_transform_would_give_it(tmp_path, suffix):
    net = resnet()
    path = tmp_path / f"mine{suffix}"
    (torch.save if suffix == ".pth" else save_file)(net.state_dict(), path)
    extractor = open_extractor(f"torchvision:resnet18:{path}")
    images = rng.integers(0, 256, (3, 1, 224, 224), dtype=np.uint8)
    net.fc = nn.Identity()
    gray = torch.from_numpy(images).expand(-1, 3, -1, -1)
    transform = torchvision.models.ResNet18_Weights.DEFAULT.transforms(resize_size=224)
    with torch.inference_mode():
        expected = net(transform(gray)).numpy()
    np.testing.assert_allclose(extractor(images), expected, rtol=1e-3, atol=1e-5)
    assert extractor.name == f"torchvision:resnet18:mine{suffix}"
    assert extractor(IMAGES).shape == (7, 512)


def test_the_last_layer_of_a_weights_file_may_be_for_other_classes(tmp_path):
    net = resnet(classes=5)
    state = net.state_dict()
    torch.save(state, tmp_path / "five.pth")
    torch.save({k: v for k, v in state.items() if not k.startswith("fc.")}, tmp_path / "none.pth")
    five, none = (open_extractor(f"torchvision:resnet18:{tmp_path / n}")(IMAGES) for n in ("five.pth", "none.pth"))
    np.testing.assert_array_equal(five, none)


@pytest.mark.parametrize(
    ("name", "size"), [("squeezenet1_1", 512), ("shufflenet_v2_x0_5", 1024), ("mobilenet_v3_small", 1024)]
)
def test_backbones_give_what_their_last_layer_would_get(tmp_path, name, size):
    save_file(torchvision.models.get_model(name, weights=None).state_dict(), tmp_path / "w.safetensors")
    assert open_extractor(f"torchvision:{name}:{tmp_path / 'w.safetensors'}")(IMAGES[:1]).shape == (1, size)


def test_no_code_in_a_weights_file_is_run(tmp_path):
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return open, (str(ran), "w")

    torch.save({"fc.weight": torch.ones(2), "x": Hostile()}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Hostile(), protocol=2))
    (tmp_path / "script.pt").write_bytes((tmp_path / "zip.pth").read_bytes())
    names = [f"torchvision:resnet18:{tmp_path / n}" for n in ("zip.pth", "plain.pth")]
    for text in [*names, f"inception:{tmp_path / 'zip.pth'}", str(tmp_path / "script.pt")]:
        with pytest.raises(UserError):
            open_extractor(text)
    assert not ran.exists()
    pickle.loads((tmp_path / "plain.pth").read_bytes()).close()
    assert ran.exists()  # so it would have run


# Inception


def test_inception_is_torch_fidelitys_own(tmp_path, monkeypatch):
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    net = module.FeatureExtractorInceptionV3
    torch.manual_seed(0)
    with monkeypatch.context() as patch:  # a network with random weights, which it has no way to ask for
        patch.setattr(module, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(net, "load_state_dict", lambda self, state: None)
        reference = net("reference", ["2048"])
    torch.save(reference.state_dict(), tmp_path / "inception.pth")
    extractor = open_extractor(f"inception:{tmp_path / 'inception.pth'}")
    images = IMAGES[:2]
    (expected,) = reference(torch.from_numpy(images).expand(-1, 3, -1, -1))
    np.testing.assert_allclose(extractor(images), expected.numpy(), rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    assert extractor.name == "inception:inception.pth"  # not the weights by which FID is defined
    assert extractor(rng.integers(0, 256, (1, 1, 400, 400), dtype=np.uint8)).shape == (1, 2048)


# Downloads


@pytest.mark.parametrize("text", ["inception", "torchvision:resnet18"])
def test_without_a_network_it_says_what_to_do(text, tmp_path, monkeypatch):
    if text == "inception":
        pytest.importorskip("torch_fidelity")
    patience = []

    def refuse(url, timeout=None):
        patience.append(timeout)
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(UserError, match=rf"could not be downloaded.*{text}:PATH.*knee"):
        open_extractor(text)
    assert patience[0] <= 10  # seconds, and not for ever


def test_a_download_is_kept_if_it_is_what_its_name_says(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    (tmp_path / "net-2cf24dba.pth").write_bytes(b"hello")  # how the sha256 of "hello" begins
    (tmp_path / "net-00000000.pth").write_bytes(b"hello")
    path = download((tmp_path / "net-2cf24dba.pth").as_uri(), "net")
    assert path.read_bytes() == b"hello"
    (tmp_path / "net-2cf24dba.pth").unlink()
    assert download((tmp_path / "net-2cf24dba.pth").as_uri(), "net") == path
    with pytest.raises(UserError, match="could not be downloaded"):
        download((tmp_path / "net-00000000.pth").as_uri(), "net")


# A person's own file


@pytest.mark.parametrize("channels", [1, 3])
def test_a_torchscript_file_sees_the_full_range_of_gray(script, channels):
    path = script(Range(channels))
    images = np.zeros((2, 1, 128, 128), np.uint8)
    images[1] = 255
    extractor = open_extractor(f"file:{path}@64")
    np.testing.assert_allclose(extractor(images), [[-1, -1, -1, channels, 64], [1, 1, 1, channels, 64]], atol=1e-6)
    assert open_extractor(str(path))(images)[0, -1] == 224
    assert extractor.digest != open_extractor(str(path)).digest
    assert extractor.name == "file:net.pt"


@pytest.mark.parametrize("side", [0, 9999])
def test_a_side_out_of_reason_is_refused(script, side):
    with pytest.raises(UserError, match="side of 8 to 1024"):
        open_extractor(f"{script(Range(1))}@{side}")


def test_images_are_made_smaller_without_aliasing(script):
    extractor = open_extractor(f"{script(Range(1))}@32")
    checkers = np.indices((128, 128)).sum(0) % 2 * 255
    darkest, lightest, *_ = extractor(checkers[None, None].astype(np.uint8))[0]
    assert -0.02 < darkest <= lightest < 0.02  # all gray, where every fourth pixel would be all black or all white


def test_a_map_of_features_is_averaged(script):
    extractor = open_extractor(f"{script(nn.Sequential(nn.Conv2d(3, 5, 3)))}@16")
    assert extractor(IMAGES).shape == (7, 5)


def test_a_net_saved_in_training_is_not_trained_further(script):
    extractor = open_extractor(f"{script(nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3)).train())}@16")
    np.testing.assert_allclose(extractor(IMAGES[:1])[0], extractor(IMAGES)[0], atol=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
def test_an_onnx_file_says_what_it_takes(tmp_path, fixed):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    shape = [4, 1, 40, 40] if fixed else ["n", 1, "h", "w"]
    pool = onnx.helper.make_node("GlobalMaxPool", ["x"], ["y"])
    floats = onnx.TensorProto.FLOAT
    entry = onnx.helper.make_tensor_value_info("x", floats, shape)
    out = onnx.helper.make_tensor_value_info("y", floats, [shape[0], 1, 1, 1])
    graph = onnx.helper.make_graph([pool], "g", [entry], [out])
    path = tmp_path / "mynet.onnx"
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    images = np.stack([np.full((1, 50, 50), g, np.uint8) for g in (0, 51, 102, 153, 204, 255)])
    values = open_extractor(str(path))(images)
    np.testing.assert_allclose(values, np.linspace(-1, 1, 6)[:, None], atol=1e-6)
    if fixed:
        with pytest.raises(UserError, match=r"mynet\.onnx does not run"):
            open_extractor(f"{path}@32")


def test_an_onnx_file_without_onnx_runtime_says_so(tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="pip install onnxruntime"):
        open_extractor(str(tmp_path / "a.onnx"))


class Flat(nn.Module):
    def forward(self, x):
        return x.mean()


@pytest.mark.parametrize(("net", "words"), [(nn.Conv2d(7, 2, 3), "does not run"), (Flat(), "an extractor gives")])
def test_a_net_that_is_no_extractor_is_refused_with_words(script, net, words):
    with pytest.raises(UserError, match=words):
        open_extractor(str(script(net)))


# What is refused


@pytest.mark.parametrize("name", ["junk.pth", "junk.safetensors", "junk.pt", "junk.onnx", "other.pth", "list.pth"])
def test_wrong_files_are_refused_with_words(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no network" * 9)
    if name == "other.pth":
        torch.save({"some.weight": torch.ones(3)}, path)
    if name == "list.pth":
        torch.save([torch.ones(3)], path)
    own = path.suffix in (".pt", ".onnx")
    if path.suffix == ".onnx":
        pytest.importorskip("onnxruntime")
    with pytest.raises(UserError, match=name):
        open_extractor(str(path) if own else f"torchvision:resnet18:{path}")


@pytest.mark.parametrize(
    "text", ["", "nothing", "torchvision:nothing", "file:a.txt", "absent.pt", "absent.onnx", "knee:absent"]
)
def test_what_there_is_not_is_said(text):
    with pytest.raises(UserError):
        open_extractor(text)


def test_an_unknown_extractor_gets_the_list():
    with pytest.raises(UserError) as e:
        open_extractor("nothing")
    assert all(name in str(e.value) for name in EXTRACTORS)


# Features of a data set


@pytest.fixture
def counting(monkeypatch, tmp_path):
    """counting(**changes): an extractor of three means, and the list of the batch sizes that it has seen."""
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path / "cache"))

    def make(name="means", digest="0" * 64, grades=True, factor=1.0):
        calls = []

        def forward(images):
            calls.append(len(images))
            mean = torch.from_numpy(images).float().mean((1, 2, 3)) * factor
            return mean[:, None].repeat(1, 3), torch.full((len(images), 2), 0.5) if grades else None

        return Extractor(name, digest, forward, 4), calls

    return make


@pytest.mark.parametrize("grades", [True, False])
def test_features_of_a_data_set_are_computed_once(counting, grades):
    extractor, calls = counting(grades=grades)
    first = features(extractor, IMAGES, "content")
    assert calls == [4, 3]
    done = []
    again = features(extractor, IMAGES, "content", lambda i, of: done.append((i, of)))
    assert calls == [4, 3]
    assert done == [(7, 7)]
    np.testing.assert_array_equal(first.values, again.values)
    assert (first.probabilities is None) == (again.probabilities is None) == (not grades)
    if grades:
        np.testing.assert_array_equal(first.probabilities, again.probabilities)


def test_other_content_or_another_extractor_is_computed_afresh(counting):
    extractor, calls = counting()
    features(extractor, IMAGES, "content")
    features(extractor, IMAGES, "other")
    features(extractor, IMAGES[:5], "content")
    assert calls == [4, 3] * 2 + [4, 1]
    other, calls = counting(digest="1" * 64, factor=2.0)
    np.testing.assert_allclose(features(other, IMAGES, "content").values, extractor(IMAGES) * 2)
    assert calls == [4, 3]


def test_fakes_are_not_kept(counting, tmp_path):
    extractor, calls = counting()
    features(extractor, IMAGES, None)
    features(extractor, IMAGES, None)
    assert calls == [4, 3] * 2
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.parametrize("damage", ["a byte", "half of it", "all of it", "a pickle"])
def test_a_damaged_cache_is_rebuilt(counting, tmp_path, damage):
    extractor, calls = counting()
    expected = features(extractor, IMAGES, "content").values
    (path,) = tmp_path.rglob("*.npz")
    whole = path.read_bytes()
    at = whole.index(expected.tobytes())
    if damage == "a byte":
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    elif damage == "a pickle":
        np.savez(path, values=np.array([print] * 7, dtype=object), probabilities=np.ones((7, 2)))
    else:
        path.write_bytes(whole[: len(whole) // 2 if damage == "half of it" else 0])
    np.testing.assert_array_equal(features(extractor, IMAGES, "content").values, expected)
    assert calls == [4, 3] * 2
    features(extractor, IMAGES, "content")
    assert calls == [4, 3] * 2


def test_a_cache_that_cannot_be_written_is_no_problem(counting, tmp_path):
    extractor, _ = counting()
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert features(extractor, IMAGES, "content").values.shape == (7, 3)


def test_features_that_are_no_numbers_are_refused_and_not_kept(counting, tmp_path):
    extractor, _ = counting(factor=float("nan"))
    with pytest.raises(UserError, match=r"means gives features that are not numbers for 7 of 7"):
        features(extractor, IMAGES, "content")
    assert not list(tmp_path.rglob("*.npz"))


def test_no_images_no_features(counting):
    extractor, _ = counting()
    with pytest.raises(UserError, match="no images"):
        features(extractor, IMAGES[:0], None)
