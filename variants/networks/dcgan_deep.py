"""The DCGAN of four strided convolutions, for images of any size (Radford et al. 2015, arXiv 1511.06434).

Each convolution halves the size and rounds up, as in PacGAN for 28 x 28 pixels (Lin et al. 2018, arXiv 1712.04086, section 4.2).
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from bench.core.config import NETWORKS
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports, joining
from variants.networks.dcgan import AsImage
from variants.networks.layers import Conv2d, ConvTranspose2d
from variants.recipe import GanRecipe

PUBLISHED_WIDTH = 64
STAGES = 4
KERNEL, PADDING = 5, 2  # at stride 2: a size n becomes n / 2, rounded up

Size = tuple[int, int]


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator), each with four strided convolutions between the image and its fourth halving."""
    width = recipe.width or PUBLISHED_WIDTH
    sizes = [(ports.data.shape[1], ports.data.shape[2])]
    for _ in range(STAGES):
        height, side = sizes[-1]
        sizes.append(((height + 1) // 2, (side + 1) // 2))
    widths = [width * 2**stage for stage in range(STAGES)]
    return _generator(ports, widths, sizes), _discriminator(ports, widths, sizes[-1], recipe)


def _generator(ports: Ports, widths: list[int], sizes: list[Size]) -> nn.Module:
    channels = [*reversed(widths), ports.data.shape[0]]
    layers: list[nn.Module] = [AsImage(), ConvTranspose2d(ports.latent, channels[0], sizes[-1], bias=False)]
    for stage, (inputs, outputs) in enumerate(pairwise(channels), start=1):
        small, large = sizes[-stage], sizes[-stage - 1]
        odd = (large[0] - 2 * small[0] + 1, large[1] - 2 * small[1] + 1)  # 1, or 0 if the size is rounded up
        layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
        layers.append(ConvTranspose2d(inputs, outputs, KERNEL, 2, PADDING, output_padding=odd, bias=stage == STAGES))
    return Generator(nn.Sequential(*layers, nn.Tanh()), ports.data.shape)


def _discriminator(ports: Ports, widths: list[int], smallest: Size, recipe: GanRecipe) -> nn.Module:
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise([ports.seen[0], *widths])):
        normalised = index > 0 and recipe.norm_d != "none"
        norm = [nn.BatchNorm2d(outputs)] if normalised else []
        layers += [Conv2d(inputs, outputs, KERNEL, 2, PADDING, bias=not normalised), *norm, nn.LeakyReLU(0.2, inplace=True)]
    head = nn.Conv2d(widths[-1], ports.outputs, smallest)
    return Discriminator(nn.Sequential(*layers), joining(widths[-1], ports.condition, head))


NETWORKS.register("dcgan-deep", Backbone(build=build, idea="four strided convolutions of 5 x 5, batch norm, 64 channels as published"))
