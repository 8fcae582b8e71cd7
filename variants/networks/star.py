"""The networks of StarGAN: one generator for all domains, and a discriminator that classifies domains (Choi et al. 2018, arXiv 1711.09020)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from bench.core.config import NETWORKS
from variants.networks.layers import Conv2d
from variants.networks.translation_layers import ResidualBlock, Size, choose, doubling, multiples, norm
from variants.networks.translator import (
    TranslationDiscriminator,
    TranslationGenerator,
    TranslationPorts,
    Translator,
    inputs_of_d,
    stages_of_d,
)
from variants.translation_recipe import TranslationRecipe

PUBLISHED_WIDTH = 64
PUBLISHED_BLOCKS = 6
PUBLISHED_LAYERS = 6  # stride-2 layers of D, from 128 pixels to 2
QUARTER = 4  # the blocks work at a quarter of the size
SMALLEST_OF_G, SMALLEST_OF_D = 8, 4  # pixels of a side, to which smaller images are padded


class StarTranslator(TranslationGenerator):
    """Generator that reads the image and a plane for each domain, 1 in the planes of the target domain and 0 in the others.

    All padding is with zeros: with reflections, the planes would only add constants, which the instance norm of the next layer removes.
    Instance norm has weights and no running statistics, so that it is the same in training and in evaluation.
    """

    def __init__(self, ports: TranslationPorts, recipe: TranslationRecipe) -> None:
        super().__init__(ports, multiples(ports.given[1:], QUARTER, least=SMALLEST_OF_G), "zeros", recipe.dropout)
        self.domains = ports.domains
        width, kind = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_g, "instance")
        way, bias = choose(recipe.upsample, "transposed"), kind == "none"
        blocks, deep = recipe.blocks or PUBLISHED_BLOCKS, QUARTER * width

        def normalised(channels: int) -> list[nn.Module]:
            return [*norm(kind, channels, affine=True), nn.ReLU(inplace=True)]

        self.encoder = nn.Sequential(
            Conv2d(ports.given[0] + ports.domains, width, 7, 1, 3, bias=bias), *normalised(width),
            Conv2d(width, 2 * width, 4, 2, 1, bias=bias), *normalised(2 * width),
            Conv2d(2 * width, deep, 4, 2, 1, bias=bias), *normalised(deep),
        )  # fmt: skip
        self.blocks = nn.ModuleList(
            ResidualBlock(deep, kind, nn.ReLU, dropout=recipe.dropout, bias=bias, affine=True) for _ in range(blocks)
        )
        self.decoder = nn.Sequential(
            doubling(deep, 2 * width, way, bias=bias), *normalised(2 * width),
            doubling(2 * width, width, way, bias=bias), *normalised(width),
            Conv2d(width, ports.shape[0], 7, 1, 3, bias=bias), nn.Tanh(),
        )  # fmt: skip
        self.masks.update({f"mask_{index}": (deep, *(side // QUARTER for side in self.size)) for index in range(blocks)})

    def translate(self, images: Tensor, labels: Tensor | None, extra: Mapping[str, Tensor]) -> Tensor:
        """Return images of the padded size, in the domains `labels` [N]."""
        if self.domains:
            if labels is None:
                raise ValueError("a generator for several domains needs the labels of the target domains")
            planes = one_hot(labels, self.domains).to(images.dtype)[:, :, None, None].expand(-1, -1, *images.shape[2:])
            images = torch.cat([images, planes], dim=1)
        maps = self.encoder(images)
        for index, block in enumerate(self.blocks):
            maps = block(maps, extra.get(f"mask_{index}"))
        output: Tensor = self.decoder(maps)
        return output


def receptive_field(layers: int) -> int:
    """Return the side of a patch in pixels: 5 * 2 ** layers - 2, which is 3 pixels of the last layer's input, and 2r + 2 for each layer of stride 2."""
    return 5 * 2**layers - 2


def build_discriminator(ports: TranslationPorts, recipe: TranslationRecipe) -> TranslationDiscriminator:
    """Return the discriminator with a logit for each patch, [N, 1, h, w], and with logits of domains. As published, it has no normalisation."""
    width, kind = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_d, "none")
    size: Size = (max(SMALLEST_OF_D, ports.shape[1]), max(SMALLEST_OF_D, ports.shape[2]))
    layers = stages_of_d(recipe, PUBLISHED_LAYERS, min(size).bit_length() - 2, ports)  # the last layer has at least 2 pixels a side
    widths = [width * 2**layer for layer in range(layers)]
    stages: list[nn.Module] = []
    for layer, outputs in enumerate(widths):
        inputs = widths[layer - 1] if layer else inputs_of_d(ports, recipe)
        normalised = norm(kind, outputs, affine=True) if layer else []
        stages.append(nn.Sequential(Conv2d(inputs, outputs, 4, 2, 1), *normalised, nn.LeakyReLU(0.01, inplace=True)))
    whole: Size = (size[0] >> layers, size[1] >> layers)
    classes = nn.Sequential(nn.Conv2d(widths[-1], ports.domains, whole, bias=False), nn.Flatten()) if ports.domains else None
    return TranslationDiscriminator(stages, nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False), size, classes=classes)


NETWORKS.register(
    "star",
    Translator(
        build=StarTranslator, discriminator=build_discriminator, domains=True, blocks=True,
        idea="translates images to any of several domains: the domain as planes, residual blocks, a patch D with classes, 64 channels as published",
    ),
)  # fmt: skip
