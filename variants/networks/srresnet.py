"""The networks of SRGAN: SRResNet, which enlarges images, and its discriminator (Ledig et al. 2017, arXiv 1609.04802, section 2.1, figure 4)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.began import Cut
from variants.networks.layers import Conv2d
from variants.networks.translation_layers import ResidualBlock, Size, choose, doubling, norm
from variants.networks.translator import (
    TranslationDiscriminator,
    TranslationGenerator,
    TranslationPorts,
    Translator,
    inputs_of_d,
    sides,
    stages_of_d,
)
from variants.translation_recipe import TranslationRecipe

PUBLISHED_WIDTH = 64
PUBLISHED_BLOCKS = 16
PUBLISHED_LAYERS = 4  # stride-2 layers of D, each after a layer of stride 1
DOUBLINGS = {2: 1, 4: 2}  # by the factor of the sides
WIDEST = 8  # largest number of channels of D, as a multiple of the width
DENSE = 16  # width of D's dense layer, as a multiple of the width
SMALLEST_OF_D = 4  # pixels of a side, to which smaller images are padded


def factor_of(ports: TranslationPorts) -> int:
    """Return the factor 2 or 4 between the sides of given and generated images, or 0 for other sizes."""
    return next(
        (factor for factor in DOUBLINGS if all(factor * low == high for low, high in zip(ports.given[1:], ports.shape[1:], strict=True))), 0
    )


def refuses(ports: TranslationPorts) -> str | None:
    """Return why SRResNet cannot have these ports, or None."""
    if factor_of(ports):
        return None
    return f"make both sides of an image 2 or 4 times as long, and cannot make {sides(ports.shape)} pixels from {sides(ports.given)}"


class SrResnet(TranslationGenerator):
    """Generator with residual blocks at the given size, a skip over all of them, and a doubling of the size for each factor of 2.

    Its output is linear, as published, and clamped to [-1, 1] with the gradient of the identity.
    """

    def __init__(self, ports: TranslationPorts, recipe: TranslationRecipe) -> None:
        height, side = ports.given[1:]
        super().__init__(ports, (height, side), "zeros", recipe.dropout)
        width, kind, way = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_g, "batch"), choose(recipe.upsample, "shuffle")
        blocks, bias = recipe.blocks or PUBLISHED_BLOCKS, kind == "none"
        self.read = nn.Sequential(Conv2d(ports.given[0], width, 9, 1, 4), nn.PReLU())
        self.blocks = nn.ModuleList(ResidualBlock(width, kind, nn.PReLU, dropout=recipe.dropout, bias=bias) for _ in range(blocks))
        self.after = nn.Sequential(Conv2d(width, width, 3, 1, 1, bias=bias), *norm(kind, width))
        ups = [layer for _ in range(DOUBLINGS[factor_of(ports)]) for layer in (doubling(width, width, way), nn.PReLU())]
        self.write = nn.Sequential(*ups, Conv2d(width, ports.shape[0], 9, 1, 4), Cut())
        self.masks.update({f"mask_{index}": (width, height, side) for index in range(blocks)})

    def translate(self, images: Tensor, labels: Tensor | None, extra: Mapping[str, Tensor]) -> Tensor:
        """Return enlarged images."""
        first = maps = self.read(images)
        for index, block in enumerate(self.blocks):
            maps = block(maps, extra.get(f"mask_{index}"))
        output: Tensor = self.write(first + self.after(maps))
        return output


def build_discriminator(ports: TranslationPorts, recipe: TranslationRecipe) -> TranslationDiscriminator:
    """Return the discriminator of the whole image: pairs of 3 x 3 convolutions, the second with stride 2, and two dense layers to logits [N, 1, 1, 1]."""
    width, kind = recipe.width or PUBLISHED_WIDTH, choose(recipe.norm_d, "batch")
    size: Size = (max(SMALLEST_OF_D, ports.shape[1]), max(SMALLEST_OF_D, ports.shape[2]))
    layers = stages_of_d(recipe, PUBLISHED_LAYERS, (min(size) - 1).bit_length() - 1, ports)  # the last layer has at least 2 pixels a side
    stages: list[nn.Module] = []
    channels = inputs_of_d(ports, recipe)
    for layer in range(2 * layers):
        outputs = width * min(2 ** (layer // 2), WIDEST)
        normalised = norm(kind, outputs) if layer else []
        convolution = Conv2d(channels, outputs, 3, 1 + layer % 2, 1, bias=not normalised)
        stages.append(nn.Sequential(convolution, *normalised, nn.LeakyReLU(0.2, inplace=True)))
        channels = outputs
    height, side = (-(-pixels // 2**layers) for pixels in size)
    head = nn.Sequential(
        nn.Flatten(), nn.Linear(channels * height * side, DENSE * width), nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(DENSE * width, 1), nn.Unflatten(1, (1, 1, 1)),
    )  # fmt: skip
    return TranslationDiscriminator(stages, head, size)


NETWORKS.register(
    "srresnet",
    Translator(
        build=SrResnet, discriminator=build_discriminator, refuses=refuses, blocks=True,
        idea="enlarges images 2 or 4 times: 16 residual blocks, pixel shuffles, and a D with dense layers, 64 channels as published",
    ),
)  # fmt: skip
