"""The PatchGAN: its receptive field by gradients, its published number of weights, and its number of logits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.support.receptive_field import reach
from variants.networks.patchgan import build_patchgan, most_layers, receptive_field
from variants.networks.translator import TranslationPorts
from variants.translation_recipe import TranslationRecipe


def square(side: int, channels: int = 1) -> TranslationPorts:
    return TranslationPorts(given=(channels, side, side), shape=(channels, side, side))


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_one_logit_sees_exactly_one_patch(layers: int, pixels: int) -> None:
    torch.manual_seed(0)
    assert receptive_field(layers) == pixels
    recipe = TranslationRecipe(width=4, patch_layers=layers, norm_d="none")
    side = 3 * pixels
    assert reach(build_patchgan(square(side), recipe), side) == (pixels, pixels)


def test_published_weights() -> None:
    """The official code prints 2.769 M for six channels and batch norm."""
    recipe = TranslationRecipe(norm_d="batch", conditional_d=True)
    discriminator = build_patchgan(square(256, 3), recipe)
    assert sum(weight.numel() for weight in discriminator.parameters()) == 2_768_705
    strides = [part.stride for part in discriminator.modules() if isinstance(part, nn.Conv2d)]
    assert strides == [(2, 2)] * 3 + [(1, 1)] * 2


def test_the_first_and_the_last_layer_have_no_normalisation() -> None:
    discriminator = build_patchgan(square(64), TranslationRecipe(width=4))
    assert [sum(isinstance(part, nn.InstanceNorm2d) for part in stage.modules()) for stage in discriminator.stages] == [0, 1, 1, 1]


@pytest.mark.parametrize(("side", "layers", "logits"), [(28, 1, 12), (28, 3, 1), (256, 3, 30), (32, 2, 6)])
def test_number_of_logits(side: int, layers: int, logits: int) -> None:
    discriminator = build_patchgan(square(side), TranslationRecipe(width=2, patch_layers=layers))
    assert discriminator(torch.randn(2, 1, side, side)).logits.shape == (2, 1, logits, logits)


@pytest.mark.parametrize(("side", "most"), [(6, 1), (8, 1), (11, 1), (12, 2), (28, 3), (47, 3), (48, 4), (64, 4)])
def test_the_largest_number_of_layers_leaves_a_logit(side: int, most: int) -> None:
    assert most_layers((side, side)) == most
    discriminator = build_patchgan(square(side), TranslationRecipe(width=2, patch_layers=most))
    assert discriminator(torch.randn(2, 1, side, side)).logits.numel() >= 2
