"""Equalised learning rate and pixel norm against values computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.core.spec import DataShape
from bench.training.build import initialise
from variants.gan import build_gan
from variants.networks.backbone import Ports, build_backbone, normalise_spectrum
from variants.networks.equalised import EqualConv2d, Equalised, EqualLinear, PixelNorm
from variants.recipe import GanRecipe

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)


@pytest.mark.parametrize("gain", [1.0, 2.0**0.5])
def test_weights_are_drawn_at_1_and_used_at_the_gain_over_the_root_of_the_inputs(gain: float) -> None:
    torch.manual_seed(0)
    layers = (EqualLinear(400, 1000, gain=gain), EqualConv2d(25, 300, 4, gain=gain))  # both have 400 inputs
    for layer in layers:
        used, bias = layer.scaled()
        assert layer.weight.std().item() == pytest.approx(1.0, rel=0.02)
        torch.testing.assert_close(used, layer.weight * gain / 20)
        assert bias is not None
        assert torch.equal(bias, torch.zeros(len(bias)))
    assert layers[0](torch.randn(500, 400)).std().item() == pytest.approx(gain, rel=0.02)


def test_a_layer_is_the_affine_map_of_its_scaled_weights() -> None:
    layer = EqualLinear(4, 1, gain=3.0)
    layer.weight.data = torch.tensor([[2.0, -4.0, 0.0, 6.0]])
    layer.bias.data = torch.tensor([0.5])  # type: ignore[union-attr]
    assert layer(torch.tensor([[1.0, 1.0, 5.0, 1.0]])).item() == pytest.approx(1.5 * (2 - 4 + 6) + 0.5)


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_a_rate_slows_what_is_used_and_not_how_it_begins(rate: float) -> None:
    layer = EqualLinear(100, 500, rate=rate, first_bias=1.0)
    before, bias = (part.detach().clone() for part in layer.scaled() if part is not None)
    assert before.std().item() == pytest.approx(0.1, rel=0.05)
    assert torch.equal(bias, torch.ones(500))
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3)
    layer(torch.randn(8, 100)).square().sum().backward()
    optimiser.step()
    moved = (layer.scaled()[0] - before).abs()
    assert moved.mean().item() == pytest.approx(1e-3 * rate / 10, rel=0.05)  # Adam's first step is lr, and weights are scaled by 1 / 10


def test_all_layers_move_at_one_relative_rate_whatever_their_width() -> None:
    shares = []
    for inputs in (4, 4096):
        layer = EqualLinear(inputs, 64)
        before = layer.scaled()[0].detach().clone()
        optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3)
        layer(torch.randn(8, inputs)).square().sum().backward()
        optimiser.step()
        shares.append(((layer.scaled()[0] - before).norm() / before.norm()).item())
    assert shares[0] == pytest.approx(shares[1], rel=0.1)


def test_pixel_norm_by_hand() -> None:
    torch.testing.assert_close(PixelNorm()(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / 12.5**0.5)
    images = 5.0 * torch.randn(2, 16, 3, 3)
    torch.testing.assert_close(PixelNorm()(images).square().mean(dim=1), torch.ones(2, 3, 3))
    assert PixelNorm()(torch.zeros(1, 4)).isfinite().all()


@pytest.mark.parametrize("init", ["dcgan", "kaiming", "normal"])
@pytest.mark.parametrize("name", ["progressive", "style"])
def test_schemes_of_first_weights_leave_equalised_layers_alone(name: str, init: str) -> None:
    recipe = GanRecipe.model_validate({"width": 4, "z_dim": 6, "init": init})
    networks = build_gan(name, recipe, DIGITS)
    before = {key: value.clone() for key, value in networks.state_dict().items()}
    initialise(networks, recipe)
    assert all(torch.equal(value, before[key]) for key, value in networks.state_dict().items())


def test_every_layer_of_progressive_and_style_is_equalised() -> None:
    for name in ("progressive", "style"):
        for network in build_backbone(name, Ports(data=DIGITS, latent=6), GanRecipe(width=4, norm_d="none")):
            assert not any(isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) for part in network.modules())
            assert any(isinstance(part, Equalised) for part in network.modules())


def test_spectral_norm_is_of_what_is_used() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(EqualLinear(30, 20, gain=2.0), EqualConv2d(3, 5, 3))
    normalise_spectrum(network)
    for layer in network:
        assert isinstance(layer, Equalised)
        for _ in range(50):  # steps of the power iteration
            used = layer.scaled()[0]
        assert torch.linalg.matrix_norm(used.flatten(1), 2).item() == pytest.approx(1.0, rel=1e-3)


def test_a_layer_says_its_sizes_and_looking_at_it_changes_nothing() -> None:
    layer = EqualConv2d(2, 3, 4, stride=2, padding=1)
    normalise_spectrum(layer)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    assert all(part in repr(layer) for part in ("weight=[3, 2, 4, 4]", "stride=2", "padding=1", "scale=1"))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
