"""The latent space: z and class of a seed, mixtures of classes, w, and ways from point to point."""

import numpy as np
import pytest
import torch

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.latent import PATHS, interpolate, latents, loop, mixtures, own_labels, plane, to_w


def test_a_latent_depends_on_its_own_seed_alone():
    assert torch.equal(latents([5, 6, 7], 8)[1], latents([6], 8)[0])
    z = latents(range(2000), 4)
    assert abs(z.mean().item()) < 0.05
    assert z.std().item() == pytest.approx(1, abs=0.03)


def test_seeds_own_labels_follow_the_shares():
    c = own_labels(range(4000), (0.5, 0.0, 0.3, 0.2))
    shares = np.bincount(c.numpy(), minlength=4) / 4000
    assert shares == pytest.approx([0.5, 0.0, 0.3, 0.2], abs=0.04)
    assert c[17] == own_labels([17], (0.5, 0.0, 0.3, 0.2))[0]


def test_a_place_between_two_classes_is_a_mixture_of_both():
    found = mixtures([0, 1.25, 2, 7], 3)
    assert torch.equal(found, torch.tensor([[1.0, 0, 0], [0, 0.75, 0.25], [0, 0, 1], [0, 0, 1]]))
    assert mixtures([1.0], 0) is None


@pytest.mark.parametrize("architecture", ["residual", "style", "dcgan"])
def test_from_w_a_generator_draws_what_it_draws_from_z(architecture):
    config = NetConfig(
        role="generator", architecture=architecture, resolution=16, num_classes=3, conditioning="embedding", z_dim=6
    )
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        net = networks.build(config).eval()
        z, c = latents(range(4), 6), torch.tensor([0, 1, 2, 1])
        for truncation in (1.0, 0.7, 0.0):
            w = to_w(net, z, c, truncation)
            assert torch.equal(net.synthesis(w, c), net(z, c, truncation))
            assert torch.allclose(to_w(net, z, c, truncation, torch.zeros(6)), w, atol=1e-6)
        # An offset is truncated with the rest, down to nothing.
        assert torch.allclose(to_w(net, z, c, 0.0, torch.ones(6)), to_w(net, z, c, 0.0), atol=1e-6)
        assert torch.allclose(to_w(net, z, c, 1.0, torch.ones(6)), to_w(net, z, c) + 1)


def test_spherical_keeps_the_length_and_straight_does_not():
    a, b = torch.eye(2)[:1] * 2, torch.eye(2)[1:] * 2
    half = torch.tensor([0.5])
    assert interpolate(a, b, half, "spherical").norm() == pytest.approx(2)
    assert interpolate(a, b, half, "straight").norm() == pytest.approx(2**0.5)


@pytest.mark.parametrize("path", PATHS)
def test_a_loop_passes_through_its_seeds_and_closes(path):
    corners = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    at = torch.tensor([0.0, 1, 2, 3, 4, 5])
    assert torch.allclose(loop(corners, at, path), corners[[0, 1, 2, 3, 4, 0]], atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_a_plane_has_its_seeds_in_its_corners(path):
    corners = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    x, y = torch.tensor([0.0, 1, 0, 1]), torch.tensor([0.0, 0, 1, 1])
    assert torch.allclose(plane(corners, x, y, path), corners, atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_between_a_seed_and_itself_or_its_opposite_there_is_no_nan(path):
    a = torch.ones(1, 4)
    for b in (a, -a, torch.zeros(1, 4)):
        assert interpolate(a, b, torch.tensor([0.3]), path).isfinite().all()
