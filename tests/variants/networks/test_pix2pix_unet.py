"""The U-Net of pix2pix: its published number of weights, its depth by size, and the layers with dropout."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from variants.networks.pix2pix_unet import Pix2pixUnet
from variants.networks.translator import TranslationPorts, build_translator
from variants.translation_recipe import TranslationRecipe


def unet(rows: int, columns: int, **settings: object) -> Pix2pixUnet:
    torch.manual_seed(0)
    ports = TranslationPorts(given=(3, rows, columns), shape=(3, rows, columns))
    built = build_translator("pix2pix-unet", ports, TranslationRecipe.model_validate(settings))
    assert isinstance(built, Pix2pixUnet)
    return built


def test_published_weights() -> None:
    """The official code prints 54.414 M for `unet_256` with batch norm."""
    assert sum(weight.numel() for weight in unet(256, 256, norm_g="batch").parameters()) == 54_413_955


@pytest.mark.parametrize(
    ("size", "downs", "padded"),
    [((8, 8), 3, (8, 8)), ((28, 28), 5, (32, 32)), ((64, 64), 6, (64, 64)), ((512, 512), 8, (512, 512)), ((16, 40), 4, (16, 48))],
)
def test_the_depth_follows_from_the_smaller_side(size: tuple[int, int], downs: int, padded: tuple[int, int]) -> None:
    built = unet(*size, width=2)
    assert (len(built.down), len(built.up), built.size) == (downs, downs, padded)


def test_the_first_and_the_innermost_layer_have_no_normalisation() -> None:
    built = unet(32, 32, width=4)

    def norms(stages: nn.ModuleList) -> list[int]:
        return [sum(isinstance(part, nn.InstanceNorm2d) for part in stage.modules()) for stage in stages]

    assert norms(built.down) == [0, 1, 1, 1, 0]
    assert norms(built.up) == [1, 1, 1, 1, 0]


def test_dropout_is_in_the_three_innermost_layers_of_the_decoder() -> None:
    built = unet(28, 28, width=4, dropout=0.5)
    assert built.masks == {"mask_0": (32, 2, 2), "mask_1": (16, 4, 4), "mask_2": (8, 8, 8)}
    assert unet(8, 8, width=4).masks == {"mask_0": (8, 2, 2), "mask_1": (4, 4, 4)}  # never in the last layer


def test_published_dropout_has_512_channels() -> None:
    with torch.device("meta"):
        assert unet(256, 256).masks == {"mask_0": (512, 2, 2), "mask_1": (512, 4, 4), "mask_2": (512, 8, 8)}


def test_the_innermost_pixel_reaches_the_output() -> None:
    """With instance norm at one pixel, the innermost layer would be 0, and its weights would get no gradient."""
    built = unet(32, 32, width=4)
    built(torch.rand(2, 3, 32, 32)).square().sum().backward()
    innermost = [part for part in built.down[-1].modules() if isinstance(part, nn.Conv2d)]
    assert innermost[0].weight.grad is not None
    assert innermost[0].weight.grad.abs().max() > 0


def test_skips_pass_details() -> None:
    """Without the maps of the innermost layer, the output still depends on each pixel."""
    built = unet(32, 32, width=4, norm_g="none").double()
    nn.init.zeros_(built.down[-1][1].weight)  # type: ignore[index]  # the innermost convolution
    data = torch.rand(1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    built(data)[0, 0, 16, 16].backward()
    assert data.grad is not None
    assert data.grad[0, :, 14:19, 14:19].abs().sum() > 0
