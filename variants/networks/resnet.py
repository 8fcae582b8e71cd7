"""The residual networks of SNGAN for small images (Miyato et al. 2018, arXiv 1802.05957, appendix B, tables for CIFAR-10)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports
from variants.networks.layers import Conv2d
from variants.networks.sizes import doublings
from variants.recipe import GanRecipe

PUBLISHED_WIDTH = 128  # channels of the discriminator. The generator is twice as wide
DOWN = (True, True, False, False)  # which of the discriminator's blocks halve the size


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator). G starts at 4 to 7 pixels and has a block for each doubling. Two of D's four blocks halve the size."""
    sides = doublings("resnet", ports.data.shape)
    width = recipe.width or PUBLISHED_WIDTH
    return _generator(ports, 2 * width, sides), _discriminator(ports, width, recipe)


def convolution(inputs: int, outputs: int, size: int, *, bias: bool = True) -> Conv2d:
    """Return a convolution that keeps the size, with Glorot's initial weights.

    As in the authors' code, their gain is 2 ** .5 on branches and 1 on shortcuts.
    """
    layer = Conv2d(inputs, outputs, size, 1, size // 2, bias=bias)
    nn.init.xavier_uniform_(layer.weight, math.sqrt(2.0) if size > 1 else 1.0)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ResidualSum(nn.Module):
    """Block that adds a branch and a shortcut."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, data: Tensor) -> Tensor:
        """Return feature maps [N, C_out, H_out, W_out]."""
        branch: Tensor = self.branch(data)
        return branch + self.shortcut(data)


class SumPool(nn.Module):
    """Layer from feature maps [N, C, H, W] to their sums [N, C]."""

    def forward(self, data: Tensor) -> Tensor:
        """Return sums over all pixels."""
        return data.sum(dim=(2, 3))


def doubling(width: int) -> ResidualSum:
    """Return G's block, which doubles the size. The shortcut's 1 x 1 convolution is before its doubling, with which it commutes.

    It has no biases, because batch norm on every path to the image removes them.
    """
    branch = nn.Sequential(
        nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Upsample(scale_factor=2), convolution(width, width, 3, bias=False),
        nn.BatchNorm2d(width), nn.ReLU(inplace=True), convolution(width, width, 3, bias=False),
    )  # fmt: skip
    return ResidualSum(branch, nn.Sequential(convolution(width, width, 1, bias=False), nn.Upsample(scale_factor=2)))


def judging(inputs: int, outputs: int, *, down: bool, first: bool = False, normalised: bool = False) -> ResidualSum:
    """Return D's block, with activations before convolutions but none on the image.

    The shortcut averages before its 1 x 1 convolution, because the two commute.
    """
    half = [nn.AvgPool2d(2)] if down else []
    before = [] if first else [*([nn.BatchNorm2d(inputs)] if normalised else []), nn.ReLU()]
    between = [nn.BatchNorm2d(outputs)] if normalised else []
    branch = [
        *before,
        convolution(inputs, outputs, 3, bias=not normalised),
        *between,
        nn.ReLU(inplace=True),
        convolution(outputs, outputs, 3),
    ]
    shortcut = [convolution(inputs, outputs, 1)] if down or inputs != outputs else []
    return ResidualSum(nn.Sequential(*branch, *half), nn.Sequential(*half, *shortcut))


def _generator(ports: Ports, width: int, sides: list[int]) -> nn.Module:
    start = nn.Linear(ports.latent, width * sides[0] ** 2)
    nn.init.xavier_uniform_(start.weight)
    nn.init.zeros_(start.bias)
    body = nn.Sequential(
        start, nn.Unflatten(1, (width, sides[0], sides[0])), *(doubling(width) for _ in sides[1:]),
        nn.BatchNorm2d(width), nn.ReLU(inplace=True), convolution(width, ports.data.shape[0], 3), nn.Tanh(),
    )  # fmt: skip
    return Generator(body, ports.data.shape)


def _discriminator(ports: Ports, width: int, recipe: GanRecipe) -> nn.Module:
    # A condition joins before the last block, so that its effect on the logit is not linear.
    normalised = recipe.norm_d == "batch"
    inputs = [ports.seen[0], width, width, width + ports.condition]
    blocks = [
        judging(wide, width, down=down, first=index == 0, normalised=normalised)
        for index, (wide, down) in enumerate(zip(inputs, DOWN, strict=True))
    ]
    last = nn.Linear(width, ports.outputs)
    nn.init.xavier_uniform_(last.weight)
    nn.init.zeros_(last.bias)
    return Discriminator(nn.Sequential(*blocks[:-1]), nn.Sequential(blocks[-1], nn.ReLU(inplace=True), SumPool(), last))


NETWORKS.register("resnet", Backbone(build=build, idea="SNGAN's residual blocks, batch norm in G, 256 and 128 channels as published"))
