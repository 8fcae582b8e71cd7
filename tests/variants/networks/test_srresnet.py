"""SRGAN's networks: their published layers and weights, the factors, and D's sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from variants.networks.translator import TranslationPorts, build_discriminator, build_translator
from variants.translation_recipe import TranslationRecipe


def enlarging(side: int, factor: int, channels: int = 3) -> TranslationPorts:
    return TranslationPorts(given=(channels, side, side), shape=(channels, factor * side, factor * side))


def test_published_weights() -> None:
    """About 1.55 M for G. Convolutions before batch norm have no bias here, which would be 33 * 64 weights without any effect."""
    generator, discriminator = (
        build("srresnet", enlarging(24, 4), TranslationRecipe()) for build in (build_translator, build_discriminator)
    )
    assert sum(weight.numel() for weight in generator.parameters()) == 1_547_350
    widths = [(part.out_channels, part.stride[0]) for part in discriminator.modules() if isinstance(part, nn.Conv2d)]
    assert widths == [(64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2)]
    assert [part.out_features for part in discriminator.modules() if isinstance(part, nn.Linear)] == [1024, 1]
    assert sum(isinstance(part, nn.BatchNorm2d) for part in discriminator.modules()) == 7


@pytest.mark.parametrize(("factor", "shuffles"), [(2, 1), (4, 2)])
def test_a_pixel_shuffle_for_each_doubling(factor: int, shuffles: int) -> None:
    generator = build_translator("srresnet", enlarging(7, factor), TranslationRecipe(width=2, blocks=1))
    assert sum(isinstance(part, nn.PixelShuffle) for part in generator.modules()) == shuffles
    assert generator(torch.rand(2, 3, 7, 7)).shape == (2, 3, 7 * factor, 7 * factor)


@pytest.mark.parametrize("side", [8, 28, 32, 64])
def test_d_leaves_two_pixels(side: int) -> None:
    discriminator = build_discriminator("srresnet", enlarging(side // 4, 4, 1), TranslationRecipe(width=2))
    judgement = discriminator(torch.randn(2, 1, side, side))
    assert judgement.logits.shape == (2, 1, 1, 1)
    assert min(judgement.features[-1].shape[2:]) >= 2
    assert next(part.out_features for part in discriminator.modules() if isinstance(part, nn.Linear)) == 32


def test_the_output_reaches_the_border_of_the_range_with_a_gradient() -> None:
    generator = build_translator("srresnet", enlarging(4, 2, 1), TranslationRecipe(width=2, blocks=1))
    last = [part for part in generator.modules() if isinstance(part, nn.Conv2d)][-1]
    assert last.bias is not None
    nn.init.constant_(last.bias, -9.0)
    output = generator(torch.rand(1, 1, 4, 4))
    assert torch.equal(output, torch.full_like(output, -1.0))
    output.sum().backward()
    assert last.bias.grad is not None
    assert last.bias.grad.item() == output.numel()
