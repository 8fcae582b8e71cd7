"""DiscoGAN's networks: their published layers, the stages by size, and the features for feature matching."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from variants.networks.translator import TranslationPorts, build_discriminator, build_translator
from variants.translation_recipe import TranslationRecipe


def square(side: int) -> TranslationPorts:
    return TranslationPorts(given=(3, side, side), shape=(3, side, side))


def test_published_layers() -> None:
    generator, discriminator = (build("disco-conv", square(64), TranslationRecipe()) for build in (build_translator, build_discriminator))
    shapes = [[tuple(weight.shape) for weight in network.parameters() if weight.dim() == 4] for network in (generator, discriminator)]
    down = [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4)]
    up = [(512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (64, 3, 4, 4)]
    assert shapes == [down + up, [*down, (1, 512, 4, 4)]]
    assert [sum(isinstance(part, nn.BatchNorm2d) for part in network.modules()) for network in (generator, discriminator)] == [6, 3]
    convolutions = [part for part in generator.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    assert all(part.bias is None for part in convolutions)


@pytest.mark.parametrize(("side", "stages"), [(8, 2), (16, 3), (28, 4), (32, 4), (64, 4)])
def test_stages_leave_two_pixels(side: int, stages: int) -> None:
    discriminator = build_discriminator("disco-conv", square(side), TranslationRecipe(width=2))
    assert len(discriminator.stages) == stages
    features = discriminator(torch.randn(2, 3, side, side)).features
    assert len(features) == stages - 1
    assert min(features[-1].shape[2:]) >= 2


def test_published_features_are_those_of_the_last_three_hidden_layers() -> None:
    discriminator = build_discriminator("disco-conv", square(64), TranslationRecipe(width=2))
    judgement = discriminator(torch.randn(2, 3, 64, 64))
    assert [tuple(maps.shape[1:]) for maps in judgement.features] == [(4, 16, 16), (8, 8, 8), (16, 4, 4)]
    assert judgement.logits.shape == (2, 1, 1, 1)


def test_everything_passes_the_bottleneck() -> None:
    """There are no skips: with innermost maps of 0 the output does not depend on the image."""
    generator = build_translator("disco-conv", square(32), TranslationRecipe(width=2)).eval()
    last = [part for part in generator.get_submodule("encoder").modules() if isinstance(part, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    one, other = generator(torch.rand(2, 3, 32, 32))
    assert torch.equal(one, other)
