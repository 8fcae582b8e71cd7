"""The networks of DiscoGAN: an encoder and a decoder without skips, and the discriminator of DCGAN (Kim et al. 2017, arXiv 1703.05192)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.layers import Conv2d
from variants.networks.translation_layers import Size, choose, doubling, drop, multiples, norm
from variants.networks.translator import (
    TranslationDiscriminator,
    TranslationGenerator,
    TranslationPorts,
    Translator,
    halvings,
    inputs_of_d,
    stages_of_d,
)
from variants.translation_recipe import TranslationRecipe

PUBLISHED_WIDTH = 64
PUBLISHED_STAGES = 4  # from 64 pixels to 4
WIDEST = 8  # largest number of channels, as a multiple of the width
WITH_DROPOUT = 3  # innermost layers of the decoder that have dropout, if the recipe has it. The publication has none


def most_stages(shape: tuple[int, ...]) -> int:
    """Return the largest number of halvings that leaves two pixels of the padded image, so that instance norm is not 0 everywhere."""
    return max(1, halvings(shape) - 1)


def padded(shape: tuple[int, ...], stages: int) -> Size:
    """Return the size of images of this shape after padding."""
    return multiples(shape[1:], 2**stages, least=2 ** (stages + 1))


class DiscoConv(TranslationGenerator):
    """Generator of 4 x 4 convolutions with stride 2 and their mirror, with batch norm in all layers but the first and the last.

    Its output is a tanh for images in [-1, 1], where the official code has a sigmoid for images in [0, 1].
    """

    def __init__(self, ports: TranslationPorts, recipe: TranslationRecipe) -> None:
        stages = min(PUBLISHED_STAGES, most_stages(ports.given))
        super().__init__(ports, padded(ports.given, stages), "reflect", recipe.dropout)
        width, kind, way = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_g, "batch"), choose(recipe.upsample, "transposed")
        bias = kind == "none"
        widths = [width * min(2**depth, WIDEST) for depth in range(stages)]
        encoder: list[nn.Module] = []
        for depth, outputs in enumerate(widths):
            inputs = widths[depth - 1] if depth else ports.given[0]
            normalised = norm(kind, outputs) if depth else []
            encoder += [Conv2d(inputs, outputs, 4, 2, 1, bias=bias), *normalised, nn.LeakyReLU(0.2, inplace=True)]
        self.encoder, self.decoder = nn.Sequential(*encoder), nn.ModuleList()
        for index, depth in enumerate(reversed(range(1, stages))):
            outputs = widths[depth - 1]
            doubled = doubling(widths[depth], outputs, way, bias=bias)
            self.decoder.append(nn.Sequential(doubled, *norm(kind, outputs), nn.ReLU(inplace=True)))
            if index < WITH_DROPOUT:
                self.masks[f"mask_{index}"] = (outputs, *(side >> depth for side in self.size))
        self.out = nn.Sequential(doubling(width, ports.shape[0], way, bias=bias), nn.Tanh())

    def translate(self, images: Tensor, labels: Tensor | None, extra: Mapping[str, Tensor]) -> Tensor:
        """Return images of the padded size."""
        maps = self.encoder(images)
        for index, stage in enumerate(self.decoder):
            maps = drop(stage(maps), extra.get(f"mask_{index}"), self.dropout)
        output: Tensor = self.out(maps)
        return output


def build_discriminator(ports: TranslationPorts, recipe: TranslationRecipe) -> TranslationDiscriminator:
    """Return the discriminator of the whole image: logits [N, 1, 1, 1]. Published features are those of the second to the last hidden layer."""
    width, kind = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_d, "batch")
    layers = stages_of_d(recipe, PUBLISHED_STAGES, most_stages(ports.shape), ports)
    size = padded(ports.shape, layers)
    widths = [width * min(2**layer, WIDEST) for layer in range(layers)]
    stages: list[nn.Module] = []
    for layer, outputs in enumerate(widths):
        inputs = widths[layer - 1] if layer else inputs_of_d(ports, recipe)
        normalised = norm(kind, outputs) if layer else []
        stages.append(nn.Sequential(Conv2d(inputs, outputs, 4, 2, 1, bias=kind == "none"), *normalised, nn.LeakyReLU(0.2, inplace=True)))
    whole: Size = (size[0] >> layers, size[1] >> layers)
    return TranslationDiscriminator(stages, nn.Conv2d(widths[-1], 1, whole, bias=kind == "none"), size)


NETWORKS.register(
    "disco-conv",
    Translator(
        build=DiscoConv, discriminator=build_discriminator,
        idea="translates images: four strided convolutions and their mirror without skips, and DCGAN's D, 64 channels as published",
    ),
)  # fmt: skip
