"""Losses, penalties and augmentations against closed forms and the properties that their papers promise."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gan_core import losses
from gan_core.augment import SHIFT, augment, crop
from gan_core.errors import UserError
from gan_core.presets import configure

REAL = torch.tensor([2.0, -1.0, 0.5, 3.0])
FAKE = torch.tensor([-2.0, 1.0, 0.0, 0.25])


def images(n=6, side=16, seed=0, dtype=torch.float32):
    return torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


def full(value, like=REAL):
    return torch.full_like(like, value)


# Losses


@pytest.mark.parametrize("flood", [0.0, 0.5])
def test_descending_the_class_loss_ends_at_the_flood(flood):
    classes, c = torch.zeros(6, 3, requires_grad=True), torch.arange(6) % 3
    assert losses.class_loss(classes, c, flood).item() == pytest.approx(math.log(3))
    optimizer = torch.optim.Adam([classes], lr=0.02)
    for _ in range(800):
        optimizer.zero_grad()
        losses.class_loss(classes, c, flood).backward()
        optimizer.step()
    assert F.cross_entropy(classes, c).item() == pytest.approx(flood * math.log(3), abs=0.02)


@pytest.mark.parametrize(
    ("loss", "smoothing", "two_sided", "targets"),
    [
        ("non-saturating", 0.0, False, (1.0, 0.0)),
        ("non-saturating", 0.1, False, (0.9, 0.0)),  # one-sided: the fakes' target stays
        ("non-saturating", 0.1, True, (0.9, 0.1)),
        ("wasserstein", 0.0, False, (-1.0, 1.0)),
        ("wasserstein", 0.1, False, (-0.9, 1.1)),
        ("wasserstein", 0.1, True, (-0.9, 1.1)),
    ],
)
def test_targets(loss, smoothing, two_sided, targets):
    assert losses.LOSSES[loss].targets(smoothing, two_sided) == pytest.approx(targets)


@pytest.mark.parametrize("target", [1.0, 0.9])
def test_d_cross_entropy_by_hand(target):
    p_real, p_fake = 1 / (1 + np.exp(-REAL.numpy())), 1 / (1 + np.exp(-FAKE.numpy()))
    expected = np.mean(-target * np.log(p_real) - (1 - target) * np.log(1 - p_real)) - np.mean(np.log(1 - p_fake))
    assert losses.d_non_saturating(REAL, FAKE, full(target), full(0.0)).item() == pytest.approx(expected, rel=1e-6)


def test_smoothing_makes_certainty_cost():
    """With target 0.9 the best logit is log(0.9 / 0.1), not infinity."""
    grid = torch.linspace(-2, 8, 1001)
    best = min(grid, key=lambda s: losses.d_non_saturating(s, FAKE.sum(), torch.tensor(0.9), torch.tensor(0.0)).item())
    assert best.item() == pytest.approx(math.log(9), abs=0.01)


def test_g_non_saturating_keeps_a_slope_where_d_is_sure():
    fake = torch.tensor([-30.0], requires_grad=True)
    losses.g_non_saturating(fake).backward()
    assert fake.grad.item() == pytest.approx(-1)
    assert losses.g_non_saturating(FAKE).item() == pytest.approx(-F.logsigmoid(FAKE).mean().item())


def test_wasserstein():
    plain = losses.d_wasserstein(REAL, FAKE, full(-1.0), full(1.0))
    assert plain.item() == pytest.approx((FAKE.mean() - REAL.mean()).item())
    shifted = losses.d_wasserstein(REAL + 7, FAKE + 7, full(-1.0), full(1.0))
    assert shifted.item() == pytest.approx(plain.item(), abs=1e-5)
    smooth = losses.d_wasserstein(REAL, FAKE, full(-0.9), full(1.1))
    assert smooth.item() == pytest.approx((1.1 * FAKE.mean() - 0.9 * REAL.mean()).item())
    assert losses.g_wasserstein(FAKE).item() == pytest.approx(-FAKE.mean().item())


def test_relativistic_is_symmetric_and_blind_to_a_constant():
    assert losses.g_relativistic(REAL, FAKE).item() == pytest.approx(losses.d_relativistic(FAKE, REAL).item())
    moved = losses.d_relativistic(REAL + 5, FAKE + 5).item()
    assert moved == pytest.approx(losses.d_relativistic(REAL, FAKE).item(), abs=1e-6)
    assert losses.d_relativistic(REAL, REAL).item() == pytest.approx(math.log(2))
    assert losses.d_relativistic(REAL, FAKE).item() == pytest.approx(-F.logsigmoid(REAL - FAKE).mean().item())


def test_the_hinge_teaches_nothing_past_its_margin():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    loss = losses.d_hinge(real, fake)
    loss.backward()
    assert loss.item() == pytest.approx((0 + 2 + 0.5 + 0) / 4 + (0 + 2 + 1 + 1.25) / 4)
    assert (4 * real.grad).tolist() == [0, -1, -1, 0]
    assert (4 * fake.grad).tolist() == [0, 1, 1, 1]


def test_swap_exchanges_just_what_it_is_told():
    real, fake = torch.ones(4), torch.zeros(4)
    which = torch.tensor([[1, 0, 0, 1], [0, 0, 1, 1]], dtype=torch.bool)
    a, b = losses.swap(real, fake, which)
    assert a.tolist() == [0, 1, 1, 0]
    assert b.tolist() == [0, 0, 1, 1]


def test_an_unknown_loss_is_refused_with_the_names_of_those_that_there_are():
    with pytest.raises(UserError, match=f"no loss 'hinged'; there are {', '.join(losses.LOSSES)}"):
        configure("dcgan", loss="hinged")


# Penalties


@pytest.mark.parametrize("length", [0.2, 1.0, 3.0])
def test_penalties_of_a_linear_critic(length):
    """D(x) = <w, x> + b has the gradient w everywhere."""
    w = images(1, seed=3).flatten()
    w = w / w.norm() * length

    def critic(x):
        return x.flatten(1) @ w + 5

    gp = losses.gradient_penalty(critic, images(seed=1), images(seed=2), torch.rand(6))
    assert gp.item() == pytest.approx((length - 1) ** 2, abs=1e-5)
    x = images().requires_grad_()
    penalty = losses.zero_centred_penalty(critic(x), x, 3.0, 1.0)
    assert penalty.item() == pytest.approx((3 + 1) / 2 * length**2, rel=1e-5)


def test_penalties_differentiate_by_the_critics_weights():
    """d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|, and d |w|^2 / 2 / dw = w."""
    w = images(1, seed=3).flatten().double().requires_grad_()
    a, b = images(seed=1, dtype=torch.float64), images(seed=2, dtype=torch.float64)
    losses.gradient_penalty(lambda x: x.flatten(1) @ w, a, b, torch.rand(6).double()).backward()
    expected = 2 * (w.norm() - 1) * w / w.norm()
    torch.testing.assert_close(w.grad, expected.detach(), rtol=1e-4, atol=1e-5)
    w.grad = None
    x = a.clone().requires_grad_()
    losses.zero_centred_penalty(x.flatten(1) @ w, x, 0.4, 0.6).backward()
    torch.testing.assert_close(w.grad, w.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
def test_gradient_penalty_is_taken_between_the_pair(mix):
    """D(x) = |x|^2 / 2 has the gradient x, so that the penalty tells where it was taken."""
    real, fake = images(seed=1), images(seed=2)
    gp = losses.gradient_penalty(lambda x: x.square().sum((1, 2, 3)) / 2, real, fake, torch.full((6,), mix))
    lengths = (mix * real + (1 - mix) * fake).flatten(1).norm(dim=1)
    assert gp.item() == pytest.approx((lengths - 1).square().mean().item(), rel=1e-5)


def test_the_zero_centred_penalty_weighs_reals_and_fakes_apart():
    """D(x) = 3 |x|^2 / 2 has the gradient 3 x."""
    real, fake = images(seed=1), images(seed=2)
    x = torch.cat([real, fake]).requires_grad_()
    r1, r2 = ((9 * part.square().sum((1, 2, 3))).mean().item() / 2 for part in (real, fake))
    for gammas in ((1.0, 0.0), (0.0, 1.0), (0.1, 10.0)):
        penalty = losses.zero_centred_penalty(1.5 * x.square().sum((1, 2, 3)), x, *gammas)
        assert penalty.item() == pytest.approx(gammas[0] * r1 + gammas[1] * r2, rel=1e-5)


def test_gradient_penalty_of_a_flat_critic_is_one_with_a_finite_slope():
    """The norm's derivative at zero is infinite without the epsilon under the root."""
    w = torch.zeros(256, requires_grad=True)
    penalty = losses.gradient_penalty(lambda x: x.flatten(1) @ w, images(seed=1), images(seed=2), torch.rand(6))
    penalty.backward()
    assert penalty.item() == pytest.approx(1, abs=1e-4)
    assert w.grad.isfinite().all()


def test_gradient_penalty_sends_nothing_back_to_the_generator():
    fake = images(seed=2).requires_grad_()
    w = images(1, seed=3).flatten().requires_grad_()
    losses.gradient_penalty(lambda x: (x.flatten(1) @ w).square(), images(seed=1), fake, torch.rand(6)).backward()
    assert fake.grad is None
    assert w.grad.abs().sum() > 0


# What D sees

OPERATIONS = ["brightness", "contrast", "translation", "cutout"]
OF_FILMS = ["pose", "exposure", "grain"]


def apply(x, operations, noise=0.0, seed=0):
    torch.manual_seed(seed)
    return augment(x, operations, noise)


@pytest.mark.parametrize("operations", [*[[o] for o in OPERATIONS], OPERATIONS], ids="+".join)
@pytest.mark.parametrize("side", [16, 63])
def test_augmentations_act_alike_on_reals_and_fakes(operations, side):
    """Given the same draw each is an affine map, whatever the images: T(mean of a and b) = mean of T(a) and T(b)."""
    a, b = images(side=side, seed=1), images(side=side, seed=2)
    middle = apply((a + b) / 2, operations)
    assert middle.shape == a.shape
    torch.testing.assert_close(middle, (apply(a, operations) + apply(b, operations)) / 2, rtol=1e-4, atol=1e-5)
    assert not torch.equal(middle, apply((a + b) / 2, operations, seed=1))


@pytest.mark.parametrize("operations", [[o] for o in [*OPERATIONS, *OF_FILMS]], ids="+".join)
def test_a_share_of_the_images_meets_each_augmentation_and_the_rest_stays_as_it_is(operations):
    x = images(400, side=16)
    torch.manual_seed(0)
    touched = (augment(x, operations, share=0.25) != x).flatten(1).any(1)
    assert touched.float().mean() == pytest.approx(0.25, abs=0.08)
    torch.manual_seed(0)
    assert torch.equal(augment(x, operations, share=0.0), x)


@pytest.mark.parametrize("operations", [[o] for o in OPERATIONS], ids="+".join)
def test_augmentations_are_differentiable(operations):
    x = images(2, side=8, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: apply(x, operations), (x,))
    assert torch.autograd.grad(apply(x, operations).sum(), x)[0].abs().sum() > 0


def test_films_are_posed_and_exposed_as_other_films_are():
    """Another exposure keeps the order of gray levels and their range; another pose only moves what is there."""
    ramp = torch.linspace(-1, 1, 32).expand(200, 1, 32, 32)
    exposed = apply(ramp, ["exposure"])
    assert exposed.diff(dim=3).min() >= 0
    assert exposed.min() >= -1
    assert exposed.max() <= 1
    assert exposed.std(0).max() > 0.1
    flat = torch.full((20, 1, 16, 16), 0.3)
    torch.testing.assert_close(apply(flat, ["pose"]), flat)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 33), torch.linspace(-1, 1, 33), indexing="ij")
    disc = (x**2 + y**2 < 0.2).float().expand(400, 1, 33, 33)
    posed = apply(disc, ["pose"])
    area = posed.mean((1, 2, 3)) / disc.mean((1, 2, 3))
    assert area.mean() == pytest.approx(1, abs=0.05)
    assert 0.6 < area.min() < 0.95
    right = (posed * x).sum((2, 3)) / posed.sum((2, 3))  # where the disc went, in half sides
    assert right.mean() == pytest.approx(0, abs=0.02)
    assert right.std() == pytest.approx(2 * SHIFT, rel=0.15)


@pytest.mark.parametrize("operations", [[o] for o in OF_FILMS], ids="+".join)
def test_augmentations_of_films_hand_gradients_on(operations):
    x = images(4, side=16).clamp(-1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(apply(x, operations).square().sum(), x)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_brightness_adds_a_constant_to_each_image_and_contrast_keeps_the_mean():
    x = images(64)
    shift = (apply(x, ["brightness"]) - x).flatten(1)
    assert shift.std(dim=1).max() < 1e-6
    assert shift.abs().max() <= 0.5
    assert shift[:, 0].std() > 0.1
    stretched = apply(x, ["contrast"])
    torch.testing.assert_close(stretched.mean((1, 2, 3)), x.mean((1, 2, 3)))
    gain = stretched.std(dim=(1, 2, 3)) / x.std(dim=(1, 2, 3))
    assert gain.min() >= 0.5 - 1e-4
    assert gain.max() <= 1.5 + 1e-4


def test_translation_shifts_by_up_to_an_eighth_and_brings_in_black():
    x = torch.full((200, 1, 16, 16), -1.0)
    x[:, 0, 8, 8] = 1.0
    out = apply(x, ["translation"])
    where = (out[:, 0] == 1).nonzero()
    assert len(where) == 200  # the point is never lost, never doubled
    assert set((where[:, 1] - 8).tolist()) == {-2, -1, 0, 1, 2} == set((where[:, 2] - 8).tolist())
    ones = apply(torch.ones(200, 1, 16, 16), ["translation"])
    assert set(ones.unique().tolist()) == {-1.0, 1.0}


def test_cutout_hides_at_most_a_quarter_of_the_image():
    out = apply(torch.ones(200, 1, 16, 16), ["cutout"])
    share = (out == 0).float().mean((1, 2, 3))
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert share.max() <= 0.25
    assert share.min() > 0


def test_a_crop_is_a_part_of_its_own_image_from_anywhere_in_it():
    x = images(n=200)
    down, right = torch.rand(2, 200, generator=torch.Generator().manual_seed(0))
    out = crop(x, down, right)
    assert out.shape == (200, 1, 14, 14)
    windows = x.unfold(2, 14, 1).unfold(3, 14, 1)[:, 0]  # [200, 3, 3, 14, 14]
    found = (windows == out[:, :, None]).flatten(3).all(3)
    assert found.flatten(1).sum(1).tolist() == [1] * 200
    assert found.any(0).all()


def test_noise_has_the_deviation_asked_for():
    x = images(100, side=32)
    noise = apply(x, [], noise=0.1) - x
    assert noise.std().item() == pytest.approx(0.1, rel=0.02)
    assert abs(noise.mean().item()) < 0.002
    assert torch.equal(apply(x, []), x)
