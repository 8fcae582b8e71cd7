"""Networks and objectives as configurations name them: initial weights, and what is refused."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import nn

from bench.core.config import config_for
from bench.core.errors import UserError
from bench.core.spec import DataShape
from bench.training.build import assemble, budget_images, initialise

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)


@pytest.fixture
def layers() -> tiny.Networks:
    networks = tiny.Networks()
    torch.manual_seed(0)
    networks.linear, networks.conv = nn.Linear(400, 300), nn.Conv2d(64, 64, 3)
    networks.norm, networks.plain_norm = nn.BatchNorm2d(5000), nn.BatchNorm1d(3, affine=False)
    return networks


def test_dcgan_init(layers: tiny.Networks) -> None:
    before = layers.linear.weight.clone()
    initialise(layers, tiny.recipe(init="dcgan"))
    assert layers.conv.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert layers.conv.bias.abs().max() == 0
    assert layers.norm.weight.mean().item() == pytest.approx(1, abs=2e-3)
    assert layers.norm.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(layers.linear.weight, before)  # the paper speaks of convolutions


def test_kaiming_init(layers: tiny.Networks) -> None:
    initialise(layers, tiny.recipe(init="kaiming"))
    assert layers.linear.weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert layers.conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert layers.linear.bias.abs().max() == 0


def test_normal_init(layers: tiny.Networks) -> None:
    initialise(layers, tiny.recipe(init="normal"))
    for layer in (layers.linear, layers.conv):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert layer.bias.abs().max() == 0
    assert torch.equal(layers.norm.weight, torch.ones(5000))


@pytest.mark.parametrize("scheme", ["dcgan", "normal", "kaiming"])
def test_weights_under_spectral_norm_are_drawn_too(scheme: str) -> None:
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(64, 64, 3))
    nets = tiny.Networks()
    nets.layer = layer
    nn.init.zeros_(layer.parametrizations.weight.original)
    initialise(nets, tiny.recipe(init=scheme))
    assert layer.parametrizations.weight.original.std().item() == pytest.approx(0.02 if scheme != "kaiming" else (2 / 576) ** 0.5, rel=0.05)


def test_default_init_touches_nothing(layers: tiny.Networks) -> None:
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    initialise(layers, tiny.recipe())
    assert all(torch.equal(value, before[name]) for name, value in layers.state_dict().items())


def test_first_weights_are_a_function_of_the_seed() -> None:
    states = [assemble(config_for("dcgan", {"recipe.width": 4, "seed": seed}), DIGITS)[0].state_dict() for seed in (0, 0, 1)]
    name = "generator.body.1.weight"
    assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0][name], states[2][name])


def test_labels_are_needed_where_they_are_needed() -> None:
    with pytest.raises(UserError, match="tiny-cgan needs labels"):
        assemble(config_for("tiny:CONDITIONAL"), DataShape(kind="image", shape=(1, 8, 8)))
    assemble(config_for("tiny:CONDITIONAL"), DIGITS)


def test_generator_updates_become_images() -> None:
    config = config_for("wgan", {"dataset": "digits", "budget.generator_updates": 7})
    _, objective = assemble(config, DIGITS)
    assert budget_images(config, objective) == 7 * 5 * 64
    assert budget_images(config_for("wgan", {"budget.images": 100}), objective) == 100
    assert budget_images(config_for("wgan", {"budget.train_seconds": 1}), objective) is None
