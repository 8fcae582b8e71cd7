"""The small StyleGAN: the effects of styles, noise and mixing. A latent alone determines its image."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from bench.core.spec import DataShape, Latent
from bench.evaluation.sampling import evaluation_mode
from variants.gan import GanNetworks, build_gan
from variants.networks.style import MIXING, ModulatedConv2d, StyledLayer, StyleGenerator
from variants.recipe import GanRecipe

FASHION = DataShape(kind="image", shape=(1, 28, 28), classes=10)


def networks(**numbers: object) -> tuple[GanNetworks, StyleGenerator]:
    torch.manual_seed(0)
    nets = build_gan("style", GanRecipe.model_validate({"width": 4, "z_dim": 6, "norm_d": "none", **numbers}), FASHION)
    assert isinstance(nets.generator, StyleGenerator)
    return nets, nets.generator


def noisy(generator: StyleGenerator) -> None:
    """Set the strength of the noise to 0.5, as after training. Its initial strength is 0."""
    for layer in generator.layers:
        assert isinstance(layer, StyledLayer)
        layer.strength.data.fill_(0.5)


def draw(nets: GanNetworks, n: int = 12) -> Latent:
    return nets.draw(n, torch.Generator().manual_seed(3))


def with_extra(latent: Latent, **extra: Tensor) -> Latent:
    return Latent(z=latent.z, extra={**latent.extra, **extra})


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
def test_demodulation_gives_unit_variance_whatever_the_style(strength: float) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(32, 64, 3, 5)
    layer.style.weight.data.mul_(strength)
    outputs = layer(torch.randn(200, 32, 9, 9), torch.randn(200, 5))[:, :, 1:-1, 1:-1]  # without the padded border
    torch.testing.assert_close(outputs.var(dim=(0, 2, 3)), torch.ones(64), rtol=0.1, atol=0.0)


def test_modulation_is_of_each_samples_weights() -> None:
    """The layer computes eq. 1 and 3 of the paper for each sample."""
    torch.manual_seed(0)
    layer = ModulatedConv2d(3, 4, 3, 5)
    data, styles = torch.randn(6, 3, 7, 7), torch.randn(6, 5)
    for outputs, one, scale in zip(layer(data, styles), data, layer.style(styles), strict=True):
        weight = layer.scaled()[0] * scale[None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        torch.testing.assert_close(outputs, conv2d(one[None], weight, padding=1)[0])


def test_demodulation_by_hand() -> None:
    layer = ModulatedConv2d(2, 1, 1, 1)
    layer.weight.data = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    layer.style.weight.data.zero_()
    layer.style.bias.data = torch.tensor([1.0, 2.0])  # type: ignore[union-attr]
    outputs = layer(torch.ones(1, 2, 1, 1), torch.zeros(1, 1))
    assert outputs.item() == pytest.approx((3 + 8) / (9 + 64) ** 0.5)


def test_a_style_begins_as_no_change_in_the_mean() -> None:
    _, generator = networks()
    layer = generator.layers[0]
    assert isinstance(layer, StyledLayer)
    scales = layer.convolution.style(generator.mapping(torch.randn(2000, 6)))
    torch.testing.assert_close(scales.mean(), torch.tensor(1.0), atol=0.2, rtol=0.0)


def test_noise_of_strength_0_changes_nothing_and_any_other_does() -> None:
    nets, generator = networks()
    latent = draw(nets)
    other = with_extra(latent, noise_1=torch.randn_like(latent.extra["noise_1"]))
    assert torch.equal(nets.generate(latent), nets.generate(other))
    noisy(generator)
    assert not torch.equal(nets.generate(latent), nets.generate(other))


def test_a_noise_map_for_each_layer_at_its_size() -> None:
    nets, generator = networks()
    maps = {name: tuple(value.shape) for name, value in draw(nets, 2).extra.items() if name.startswith("noise")}
    assert maps == {f"noise_{index}": (2, 1, side, side) for index, side in enumerate([7, 14, 14, 28, 28])}
    assert len(generator.layers) == 5


def test_styles_are_mixed_in_training_only() -> None:
    nets, _ = networks()
    latent = draw(nets)
    other = with_extra(latent, second=torch.randn_like(latent.z))
    assert not torch.equal(nets.generate(latent), nets.generate(other))
    with evaluation_mode(nets):
        assert {"second", "crossover"}.isdisjoint(draw(nets).extra)
        assert torch.equal(draw(nets).z, latent.z)


def test_a_crossover_at_either_end_is_one_style_and_between_is_neither() -> None:
    nets, generator = networks()
    first = draw(nets)
    second = Latent(z=first.extra["second"], extra={name: value for name, value in first.extra.items() if name.startswith("noise")})
    plain = Latent(z=first.z, extra=second.extra)

    def crossing(place: int) -> Tensor:
        return nets.generate(with_extra(first, crossover=torch.full((12,), place)))

    torch.testing.assert_close(crossing(generator.styles), nets.generate(plain))
    torch.testing.assert_close(crossing(0), nets.generate(second))
    for place in range(1, generator.styles):
        assert not torch.allclose(crossing(place), nets.generate(plain))
        assert not torch.allclose(crossing(place), nets.generate(second))


def test_the_traversal_has_the_coarse_layers_of_one_and_the_fine_ones_of_others() -> None:
    nets, generator = networks()
    with evaluation_mode(nets):
        latent = draw(nets, 2)
        mixed = nets.traversals(latent, columns=4)["styles"]
        outputs = nets.sample(mixed)
        torch.testing.assert_close(outputs[[0, 4]], nets.sample(latent))  # the first column has the unmixed latents
    assert torch.equal(mixed.extra["second"][1:4], mixed.extra["second"][5:8])
    assert mixed.extra["crossover"].unique().tolist() == [generator.styles // 2]
    assert not torch.allclose(outputs[1], outputs[0])


def test_each_place_of_a_style_is_one_that_matters() -> None:
    nets, generator = networks()
    latent = draw(nets)
    outputs = [nets.generate(with_extra(latent, crossover=torch.full((12,), place))) for place in range(generator.styles + 1)]
    assert all(not torch.allclose(one, next_one) for one, next_one in itertools.pairwise(outputs))


def test_crossovers_are_everywhere_and_nine_of_ten_are_mixed() -> None:
    _, generator = networks()
    places = generator.draw_extra(20_000, torch.Generator().manual_seed(0))["crossover"]
    shares = places.bincount(minlength=generator.styles + 1) / 20_000
    assert shares[0] == 0
    assert shares[-1].item() == pytest.approx(1 - MIXING, abs=0.01)
    torch.testing.assert_close(shares[1:-1], torch.full((generator.styles - 1,), MIXING / (generator.styles - 1)), atol=0.015, rtol=0.0)


@pytest.mark.parametrize("training", [True, False])
def test_a_latent_gives_one_image_in_any_batch(training: bool) -> None:
    nets, generator = networks()
    noisy(generator)
    nets.train(training)
    latent = draw(nets)
    with torch.no_grad():
        whole = nets.sample(latent)
        parts = torch.cat([nets.sample(latent[start : start + 5]) for start in range(0, 12, 5)])
    torch.testing.assert_close(whole, parts)


def test_what_stands_beside_z_is_not_mixed() -> None:
    """The inputs are [z, condition], and the second style has the condition of the first."""
    _, generator = networks()
    generator.z_dim = 4  # the last two of six are a condition
    vectors = torch.randn(3, 6)
    extra = dict(generator.draw_extra(3, torch.Generator().manual_seed(0)))
    extra["crossover"] = torch.zeros(3, dtype=torch.int64)
    whole = torch.cat([extra["second"], vectors[:, 4:]], dim=1)
    torch.testing.assert_close(generator(vectors, extra), generator(whole, {name: extra[name] for name in extra if "noise" in name}))


def test_second_latents_are_of_the_recipes_distribution() -> None:
    nets, _ = networks(z_distribution="uniform")
    second = draw(nets, 1000).extra["second"]
    assert second.abs().max() <= 1
    assert second.var().item() == pytest.approx(1 / 3, rel=0.1)
