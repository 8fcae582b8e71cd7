"""The residual translator of CycleGAN: its published number of weights and its number of blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from variants.networks.translator import TranslationGenerator, TranslationPorts, build_translator
from variants.translation_recipe import TranslationRecipe


def resnet(side: int, **settings: object) -> TranslationGenerator:
    ports = TranslationPorts(given=(3, side, side), shape=(3, side, side))
    return build_translator("resnet-translator", ports, TranslationRecipe.model_validate(settings))


@pytest.mark.parametrize(("side", "weights"), [(256, 11_378_179), (128, 7_837_699)])
def test_published_weights(side: int, weights: int) -> None:
    """The official code prints 11.378 M for nine blocks. Six blocks are for smaller images."""
    assert sum(weight.numel() for weight in resnet(side).parameters()) == weights


@pytest.mark.parametrize(("settings", "blocks"), [({}, 6), ({"blocks": 2}, 2)])
def test_blocks(settings: dict[str, object], blocks: int) -> None:
    assert len(resnet(28, width=2, **settings).get_submodule("blocks")._modules) == blocks


def test_instance_norm_has_no_weights() -> None:
    norms = [part for part in resnet(28, width=2).modules() if isinstance(part, nn.InstanceNorm2d)]
    assert len(norms) == 5 + 2 * 6
    assert not any(part.affine or part.track_running_stats for part in norms)


def test_reflections_do_not_mark_the_border() -> None:
    """The first maps of a constant image are constant up to the border. With zeros they would not be."""
    generator = resnet(32, width=4, norm_g="none").double()
    first = next(part for part in generator.modules() if isinstance(part, nn.Conv2d))
    maps = first(torch.full((1, 3, 32, 32), 0.5, dtype=torch.float64))
    torch.testing.assert_close(maps, maps[:, :, 16:17, 16:17].expand_as(maps))
