"""Networks of both families: any resolution, labels, truncation, no leak between the images of a batch."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.networks.common import PixelNorm, minibatch_stddev, norm_layer, sizes, widths
from gan_core.networks.residual import DownConv, UpConv

RESOLUTIONS = [16, 28, 64, 126]
ARCHITECTURES = ["dcgan", "residual", "style"]


def net(role, architecture, resolution=16, seed=0, **settings):
    torch.manual_seed(seed)
    small = {"channels": 4, "max_channels": 16} | ({"z_dim": 8} if role == "generator" else {})
    if (role, architecture) == ("generator", "style"):
        settings["norm"] = "none"  # it has its own
    return networks.build(NetConfig(role=role, architecture=architecture, resolution=resolution, **(small | settings)))


def generator(*args, **settings):
    return net("generator", *args, **settings)


def discriminator(*args, **settings):
    return net("discriminator", *args, **settings)


# Sizes


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (28, [7, 14, 28]),
        (64, [4, 8, 16, 32, 64]),
        (126, [4, 8, 16, 32, 63, 126]),
        (800, [7, 13, 25, 50, 100, 200, 400, 800]),
    ],
)
def test_sizes(resolution, expected):
    assert sizes(resolution) == expected


def test_every_resolution_is_reached_by_doubling_and_cutting_one_pixel():
    for resolution in range(16, 1025):
        chain = sizes(resolution)
        assert chain[-1] == resolution
        assert 4 <= chain[0] <= 7
        assert all(b in (2 * a, 2 * a - 1) for a, b in itertools.pairwise(chain))


def test_channels_double_at_each_halving_up_to_the_limit():
    assert widths(5, 8, 64) == [64, 64, 32, 16, 8]


# Shapes


@pytest.mark.parametrize("conditioning", ["none", "embedding"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "pixel"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_generators_give_images_in_range(resolution, architecture, norm, conditioning):
    classes = 3 if conditioning == "embedding" else 0
    G = generator(architecture, resolution, norm=norm, conditioning=conditioning, num_classes=classes)
    c = torch.tensor([0, 2]) if classes else None
    images = G(3 * torch.randn(2, 8), c)
    assert images.shape == (2, 1, resolution, resolution)
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert images.abs().max() <= 1
    images.sum().backward()
    assert all((p.grad is not None) == p.requires_grad for p in G.parameters())


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "pixel"])
def test_only_what_cannot_change_an_image_is_left_untrained(norm):
    """A whole channel's shift is taken out by the batch normalisations behind it, and by no other norm."""
    G = generator("residual", 32, norm=norm).train()
    z = torch.randn(8, 8)
    before = G(z)
    biases = [p for name, p in G.named_parameters() if "blocks" in name and "conv" in name and name.endswith("bias")]
    with torch.no_grad():
        for p in biases:
            p.normal_()
    moved = (G(z) - before).abs().max()
    if norm == "batch":
        assert not any(p.requires_grad for p in biases)
        assert moved < 1e-4
    else:
        assert all(p.requires_grad for p in G.parameters())
        assert moved > 1e-2


@pytest.mark.parametrize("conditioning", ["none", "projection", "classifier"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_critics_give_a_score_each(resolution, architecture, conditioning):
    classes = 0 if conditioning == "none" else 3
    D = discriminator(architecture, resolution, conditioning=conditioning, num_classes=classes)
    c = torch.tensor([0, 1, 2, 0]) if classes else None
    scores = D(torch.randn(4, 1, resolution, resolution), c)
    assert scores.score.shape == (4,)
    assert scores.score.isfinite().all()
    assert len(set(scores.score.tolist())) == 4
    if conditioning == "classifier":
        assert scores.classes.shape == (4, 3)
    else:
        assert scores.classes is None


# Labels


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_label_matters(architecture):
    G = generator(architecture, conditioning="embedding", num_classes=3).eval()
    z = torch.randn(1, 8)
    assert not torch.allclose(G(z, torch.tensor([0])), G(z, torch.tensor([1])), atol=1e-4)
    D = discriminator(architecture, conditioning="projection", num_classes=3)
    x = torch.randn(4, 1, 16, 16)
    zeros, ones = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    assert torch.equal(D(x, zeros).score, D(x, ones).score)  # nothing learnt of labels yet
    torch.nn.init.normal_(D.embed.weight)
    assert not torch.allclose(D(x, zeros).score, D(x, ones).score)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_missing_labels_are_an_error(architecture):
    with pytest.raises(ValueError, match="give it labels"):
        generator(architecture, conditioning="embedding", num_classes=3)(torch.randn(2, 8))
    with pytest.raises(ValueError, match="give it labels"):
        discriminator(architecture, conditioning="projection", num_classes=3)(torch.randn(4, 1, 16, 16))


# Truncation


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_truncation(architecture):
    G = generator(architecture, norm="batch")
    G(torch.randn(64, 8))  # a training step: statistics and the mean of w
    G.eval()
    z = torch.randn(3, 8)
    assert torch.equal(G(z), G(z, None, 1.0))
    typical = G(z, None, 0.0)
    torch.testing.assert_close(typical, typical[:1].expand_as(typical))
    spread = [G(z, None, t).std(0).mean().item() for t in (0.0, 0.5, 1.0)]
    assert spread[0] < spread[1] < spread[2]


# Batches


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "pixel"])
def test_an_image_does_not_depend_on_its_neighbours(architecture, norm):
    G = generator(architecture, norm=norm).eval()
    z = torch.randn(5, 8)
    torch.testing.assert_close(G(z)[3:4], G(z[3:4]), rtol=1e-4, atol=1e-5)


def test_the_residual_critic_compares_groups_of_four_only():
    D = discriminator("residual")
    x = torch.randn(8, 1, 16, 16)
    torch.testing.assert_close(D(x).score, torch.cat([D(x[:4]).score, D(x[4:]).score]), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(D(x[:4]).score[0], D(x[[0, 5, 6, 7]]).score[0], atol=1e-6)


def test_minibatch_stddev_by_hand():
    x = torch.randn(8, 3, 2, 2)
    out = minibatch_stddev(x)
    assert torch.equal(out[:, :3], x)
    by_hand = [x[:4].std(0, correction=0).mean().item(), x[4:].std(0, correction=0).mean().item()]
    assert out[:, 3].mean((1, 2)).tolist() == pytest.approx([by_hand[0]] * 4 + [by_hand[1]] * 4, rel=1e-4)
    alike = minibatch_stddev(x[:1].expand(4, -1, -1, -1))
    assert alike[:, 3].max() < 1e-3


# Normalisation


def test_pixel_norm_gives_every_pixel_unit_mean_square():
    out = PixelNorm()(5 * torch.randn(2, 16, 3, 3))
    torch.testing.assert_close(out.square().mean(1), torch.ones(2, 3, 3), rtol=1e-3, atol=1e-3)


def test_layer_norm_is_over_each_image_alone():
    out = norm_layer("layer", 6)(3 * torch.randn(4, 6, 5, 5) + 2)
    torch.testing.assert_close(out.mean((1, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var((1, 2, 3), correction=0), torch.ones(4), atol=1e-3, rtol=0)


def test_dropout_acts_in_training_only():
    D = discriminator("dcgan", dropout=0.5)
    x = torch.randn(4, 1, 16, 16)
    assert not torch.equal(D(x).score, D(x).score)
    D.eval()
    assert torch.equal(D(x).score, D(x).score)


# Building


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_same_seed_builds_the_same_network(architecture):
    for make in (generator, discriminator):
        a, b, other = (make(architecture, seed=s).state_dict() for s in (1, 1, 2))
        assert all(torch.equal(a[k], b[k]) for k in a)
        assert not all(torch.equal(a[k], other[k]) for k in a)


def test_a_huge_network_is_refused_before_memory_is_taken(monkeypatch):
    made = []
    real = torch.nn.Linear.__init__

    def spy(self, *args, **kwargs):
        real(self, *args, **kwargs)
        made.append(self.weight.device.type)

    monkeypatch.setattr(torch.nn.Linear, "__init__", spy)
    huge = NetConfig(
        role="generator", architecture="residual", resolution=896, channels=256, max_channels=1024, z_dim=1024
    )
    with pytest.raises(UserError, match="fewer channels"):
        networks.build(huge)
    assert set(made) == {"meta"}


def test_count_parameters_by_hand():
    D = discriminator("dcgan", 16, channels=4, max_channels=8, norm="none")  # 16 -> 8 -> 4
    assert networks.count_parameters(D) == (16 * 4 + 4) + (4 * 8 * 16 + 8) + (8 * 16 + 1)


# Resampling in one with its convolution


def test_the_fused_convolutions_equal_resampling_and_convolving():
    torch.manual_seed(0)
    up, down = UpConv(3, 5, 3), DownConv(3, 5, 3)
    x = torch.randn(2, 3, 9, 9)
    apart = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), up.weight, up.bias, padding=1)
    torch.testing.assert_close(up(x), apart)
    apart = F.avg_pool2d(F.conv2d(x, down.weight, down.bias, padding=1), 2)
    torch.testing.assert_close(down(x), apart)


# Mixtures of classes


@pytest.mark.parametrize("truncation", [1.0, 0.5])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_mixture_of_one_class_is_that_class(architecture, truncation):
    G = generator(architecture, num_classes=3, conditioning="embedding", norm="pixel").eval()
    z, c = torch.randn(4, 8), torch.tensor([0, 1, 2, 1])
    pure = F.one_hot(c, 3).float()
    torch.testing.assert_close(G(z, pure, truncation), G(z, c, truncation))
    mixed = G(z, (pure + pure.roll(1, 1)) / 2, truncation)
    assert not torch.allclose(mixed, G(z, c, truncation), atol=1e-4)


# Growing


def grown(small, seed=1, **settings):
    large = small.config.model_copy(update=settings)
    torch.manual_seed(seed)
    net = networks.build(large).eval()
    networks.grow(small, net)
    return net


def test_more_channels_change_nothing_at_first():
    G = generator("residual", 32, num_classes=3, conditioning="embedding", norm="batch").eval()
    D = discriminator("residual", 32, num_classes=3, conditioning="projection").eval()
    torch.nn.init.normal_(D.embed.weight)
    z, c = torch.randn(8, 8), torch.arange(8) % 3
    larger = grown(G, channels=8)
    assert networks.count_parameters(larger) > 1.3 * networks.count_parameters(G)
    torch.testing.assert_close(larger(z, c), G(z, c))
    x = G(z, c)
    # The spread of the batch, which the critic also looks at, is a mean over more channels than before.
    torch.testing.assert_close(grown(D, channels=8)(x, c).score, D(x, c).score)


@pytest.mark.parametrize("channels", [4, 8])
@pytest.mark.parametrize("resolution", [64, 128])
def test_a_larger_side_begins_with_the_same_features(resolution, channels):
    G = generator("residual", 32, norm="batch").eval()
    larger = grown(G, resolution=resolution, channels=channels)
    seen = []
    for net in (G, larger):
        net.last_norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        net(torch.ones(2, 8))
    small, large = seen
    torch.testing.assert_close(large[:, :4], F.interpolate(small, resolution, mode="nearest"))


def test_a_thinner_finest_level_learns_to_do_what_the_small_network_does():
    torch.manual_seed(0)
    G = generator("residual", 32, num_classes=3, channels=8, conditioning="embedding", norm="batch")
    for _ in range(20):
        G(torch.randn(8, 8), torch.arange(8) % 3)  # running statistics
    G.eval()
    D = discriminator("residual", 32, channels=8).eval()
    z, c = torch.randn(32, 8), torch.arange(32) % 3
    wanted = F.interpolate(G(z, c), 64, mode="bilinear")
    larger = grown(G, resolution=64, channels=4)
    assert larger.config.channels == 4
    assert not larger.training
    afresh = networks.build(larger.config).eval()
    assert (larger(z, c) - wanted).square().mean() < 0.2 * wanted.var()
    assert (afresh(z, c) - wanted).square().mean() > wanted.var()

    def features(net, x):
        seen = []
        hook = net.blocks[-3].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        net(x)
        hook.remove()
        return seen[0]

    assert len(D.blocks) == 3
    wanted = D.first(F.interpolate(x := G(z, c), 32, mode="bilinear"))
    found = features(grown(D, resolution=64, channels=4), F.interpolate(x, 64, mode="bilinear"))
    assert (found - wanted).square().mean() < 0.2 * wanted.var()


@pytest.mark.parametrize("channels", [4, 8])
def test_a_style_based_generator_begins_with_the_same_pictures(channels):
    G = generator("style", 32).eval()
    larger = grown(G, resolution=64, channels=channels)
    z = torch.randn(4, 8)
    small = F.interpolate(torch.atanh(G(z).double()), scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(torch.atanh(larger(z).double()), small, atol=1e-4, rtol=1e-4)


def test_the_styles_of_a_style_based_generator_leave_the_size_of_its_features():
    layer = networks.style.StyledConv(64, 64, 8, up=False)
    w, x = 3 * torch.randn(32, 8), torch.randn(32, 64, 16, 16)
    sizes = [layer(x, many * w).std().item() for many in (0.0, 1.0, 10.0)]
    assert max(sizes) < 1.2 * min(sizes)


def test_a_critic_of_so_many_levels():
    D = discriminator("dcgan", 126, levels=3)
    assert [tuple(conv.weight.shape[:2]) for conv in D.convs] == [(4, 1), (8, 4), (16, 8)]
    assert D.score.in_features == 16 * 15**2
    with pytest.raises(ValueError, match="nothing"):
        discriminator("dcgan", 28, levels=5)


def test_new_channels_and_blocks_learn():
    G = generator("residual", 32, norm="batch").eval()
    larger = grown(G, resolution=64, channels=8)
    optimizer = torch.optim.SGD(larger.parameters(), lr=0.1)
    before = [p.clone() for p in larger.parameters()]
    for _ in range(3):  # what begins at zero lets a gradient through once it has moved
        optimizer.zero_grad()
        larger(torch.randn(8, 8)).square().mean().backward()
        optimizer.step()
    assert all((a != b).any() == b.requires_grad for a, b in zip(before, larger.parameters(), strict=True))


def test_other_classes_are_learnt_afresh():
    G = generator("residual", num_classes=5, conditioning="embedding", norm="batch")
    D = discriminator("residual", num_classes=5, conditioning="projection")
    torch.nn.init.normal_(D.embed.weight)
    for classes, of_g, of_d in ((2, "embedding", "projection+classifier"), (0, "none", "none")):
        g = grown(G, num_classes=classes, conditioning=of_g)
        d = grown(D, num_classes=classes, conditioning=of_d)
        torch.testing.assert_close(g.blocks[0].conv1.weight, G.blocks[0].conv1.weight)
        torch.testing.assert_close(d.score.weight, D.score.weight)
        if classes:
            assert not d.embed.weight.any()  # as it begins
            assert not torch.isclose(g.mapping.embed.weight, G.mapping.embed.weight[:, :classes]).any()
        c = torch.zeros(4, dtype=torch.long) if classes else None
        assert d(g(torch.randn(4, 8), c), c).score.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"resolution": 48}, "doubling"),
        ({"resolution": 16}, "doubling"),
        ({"channels": 2}, "fewer"),
        ({"norm": "none"}, "norm"),
        ({"z_dim": 9}, "z_dim"),
        ({"architecture": "dcgan"}, "residual"),
    ],
)
def test_what_cannot_grow_is_said(settings, words):
    with pytest.raises(UserError, match=words):
        grown(generator("residual", 32, norm="batch"), **settings)
