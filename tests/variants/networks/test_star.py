"""StarGAN's networks: their published number of weights, the effect of the domain, and D's patches and classes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.support.receptive_field import reach
from variants.networks.star import receptive_field
from variants.networks.translator import TranslationPorts, build_discriminator, build_translator
from variants.translation_recipe import TranslationRecipe


def ports(side: int, domains: int, channels: int = 3) -> TranslationPorts:
    return TranslationPorts(given=(channels, side, side), shape=(channels, side, side), domains=domains)


def test_published_weights() -> None:
    """8.43 M for G and 44.76 M for D, for five attributes at 128 pixels, as with the layers of the official code."""
    generator, discriminator = (build("star", ports(128, 5), TranslationRecipe()) for build in (build_translator, build_discriminator))
    assert [sum(weight.numel() for weight in network.parameters()) for network in (generator, discriminator)] == [8_430_528, 44_762_048]


@pytest.mark.parametrize(("side", "layers"), [(8, 2), (28, 3), (32, 4), (64, 5), (128, 6), (256, 6)])
def test_layers_of_d(side: int, layers: int) -> None:
    discriminator = build_discriminator("star", ports(side, 4), TranslationRecipe(width=1))
    assert len(discriminator.stages) == layers
    judgement = discriminator(torch.randn(2, 3, side, side))
    assert judgement.classes is not None
    assert judgement.classes.shape == (2, 4)


@pytest.mark.parametrize(("layers", "pixels"), [(1, 8), (2, 18), (3, 38)])
def test_one_logit_sees_exactly_one_patch(layers: int, pixels: int) -> None:
    torch.manual_seed(0)
    assert receptive_field(layers) == pixels
    side = 4 * pixels
    assert reach(build_discriminator("star", ports(side, 0, 1), TranslationRecipe(width=2, patch_layers=layers)), side) == (pixels, pixels)


def test_the_domain_changes_the_output() -> None:
    """Constant planes pass instance norm only because the padding is zeros."""
    torch.manual_seed(0)
    generator = build_translator("star", ports(28, 3), TranslationRecipe(width=4))
    images = torch.rand(1, 3, 28, 28).expand(3, -1, -1, -1)
    outputs = generator(images, torch.arange(3))
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    assert (outputs[1] - outputs[2]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="needs the labels of the target domains"):
        generator(images)


def test_training_and_evaluation_are_the_same() -> None:
    torch.manual_seed(0)
    generator = build_translator("star", ports(8, 2), TranslationRecipe(width=4))
    images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    assert torch.equal(generator(images, labels), generator.eval()(images, labels))
    norms = [part for part in generator.modules() if isinstance(part, nn.InstanceNorm2d)]
    assert norms
    assert all(part.affine and not part.track_running_stats for part in norms)


def test_published_d_has_no_normalisation() -> None:
    discriminator = build_discriminator("star", ports(32, 2), TranslationRecipe(width=2))
    assert not any(isinstance(part, nn.InstanceNorm2d | nn.BatchNorm2d) for part in discriminator.modules())
    assert {part.negative_slope for part in discriminator.modules() if isinstance(part, nn.LeakyReLU)} == {0.01}
