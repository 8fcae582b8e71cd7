"""Residual networks without normalisation, G and D alike, after R3GAN's (Huang et al. 2024, arXiv 2501.05441, section 4)."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports
from variants.networks.layers import Conv2d
from variants.networks.sizes import doublings
from variants.recipe import GanRecipe

PUBLISHED_WIDTH = 768  # channels at every size, for CIFAR-10
BLOCKS = 1  # blocks at each size, where the publication has two
EXPANSION = 2  # factor of the channels within a block
GROUP = 16  # channels of each group of the 3 x 3 convolution
DEPTH = 3  # convolutions of a block: m in the scale of the initial weights
SLOPE = 0.2
GAIN = math.sqrt(2.0 / (1.0 + SLOPE**2))

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear, Conv2d)


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator). They have the same blocks at the same sizes, in opposite orders."""
    sides = doublings("r3gan", ports.data.shape)
    width = recipe.width or PUBLISHED_WIDTH
    return _generator(ports, width, sides), _discriminator(ports, width, sides, recipe)


def initialised(layer: Layer, gain: float) -> Layer:
    """Draw the initial weights of a layer from N(0, gain² / fan-in), and return the layer."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class R3ganBlock(nn.Module):
    """Residual block x + f(x). f has three convolutions: 1 x 1 to more channels, grouped 3 x 3, and 1 x 1 back.

    f starts as 0, so that signals pass unchanged at any depth. The first two convolutions start at L ** (-1 / (2m - 2)) of He's scale.
    L is the number of blocks of the network, and m = 3: Zhang et al. 2019 (arXiv 1901.09321), section 2.
    """

    def __init__(self, width: int, blocks: int, *, normalised: bool = False) -> None:
        super().__init__()
        hidden = EXPANSION * width
        groups = next(count for count in range(max(1, hidden // GROUP), 0, -1) if hidden % count == 0)
        gain = GAIN * blocks ** (-1.0 / (2 * DEPTH - 2))
        norms = [[nn.BatchNorm2d(hidden)] if normalised else [] for _ in range(2)]
        self.branch = nn.Sequential(
            initialised(nn.Conv2d(width, hidden, 1), gain), *norms[0], nn.LeakyReLU(SLOPE, inplace=True),
            initialised(nn.Conv2d(hidden, hidden, 3, 1, 1, groups=groups), gain), *norms[1], nn.LeakyReLU(SLOPE, inplace=True),
            initialised(nn.Conv2d(hidden, width, 1, bias=False), 0.0),
        )  # fmt: skip

    def forward(self, data: Tensor) -> Tensor:
        """Return feature maps [N, C, H, W]."""
        change: Tensor = self.branch(data)
        return data + change


class Basis(nn.Module):
    """Layer from vectors [N, latent] to maps [N, C, side, side]. Each channel is a learned picture times a linear map of the vector."""

    def __init__(self, latent: int, width: int, side: int) -> None:
        super().__init__()
        self.pictures = nn.Parameter(torch.randn(width, side, side))
        self.linear = initialised(nn.Linear(latent, width, bias=False), 1.0)

    def forward(self, z: Tensor) -> Tensor:
        """Return maps [N, C, side, side]."""
        weights: Tensor = self.linear(z)
        return weights[:, :, None, None] * self.pictures.to(weights.dtype)


def _generator(ports: Ports, width: int, sides: list[int]) -> nn.Module:
    layers: list[nn.Module] = [Basis(ports.latent, width, sides[0])]
    for index in range(len(sides)):
        if index:
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear"))
        layers += [R3ganBlock(width, BLOCKS * len(sides)) for _ in range(BLOCKS)]
    layers.append(initialised(nn.Conv2d(width, ports.data.shape[0], 1, bias=False), 1.0))
    return Generator(nn.Sequential(*layers), ports.data.shape)


def _discriminator(ports: Ports, width: int, sides: list[int], recipe: GanRecipe) -> nn.Module:
    def blocks() -> list[nn.Module]:
        return [R3ganBlock(width, BLOCKS * len(sides), normalised=recipe.norm_d == "batch") for _ in range(BLOCKS)]

    layers: list[nn.Module] = [initialised(Conv2d(ports.seen[0], width, 1, bias=False), 1.0)]
    for _ in sides[1:]:
        layers += [*blocks(), nn.AvgPool2d(2)]  # equal to bilinear interpolation to half the size
    join = [initialised(nn.Conv2d(width + ports.condition, width, 1), 1.0)] if ports.condition else []
    head = nn.Sequential(
        *join, *blocks(), initialised(nn.Conv2d(width, width, sides[0], groups=width, bias=False), 1.0), nn.Flatten(),
        initialised(nn.Linear(width, ports.outputs, bias=False), 1.0),
    )  # fmt: skip
    return Discriminator(nn.Sequential(*layers), head)


NETWORKS.register("r3gan", Backbone(build=build, idea="residual blocks without normalisation, G and D alike, 768 channels as published"))
