"""BEGAN's encoder and decoder (Berthelot et al. 2017, arXiv 1703.10717, section 3.5): 3 x 3 convolutions with ELU, without normalisation.

The decoder and the generator have the same architecture and separate weights.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports, joining
from variants.recipe import GanRecipe

PUBLISHED_WIDTH = 64
SMALLEST = 8  # pixels. Sides are halved while they are even and longer than this

Size = tuple[int, int]


class AsMaps(nn.Module):
    """Layer that reshapes vectors [N, C * H * W] to maps [N, C, H, W]."""

    def __init__(self, channels: int, size: Size) -> None:
        super().__init__()
        self.shape = (channels, *size)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return maps [N, C, H, W]."""
        return vectors.view(len(vectors), *self.shape)


class Cut(nn.Module):
    """Layer that clamps to [-1, 1] with the gradient of the identity. The paper's output is linear, and a tanh saturates at black."""

    def forward(self, values: Tensor) -> Tensor:
        """Return the clamped values."""
        return values.detach().clamp(-1.0, 1.0) + (values - values.detach())  # the second term is 0, with a gradient of 1


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator) for images of any size. They halve the image down to about 8 x 8 pixels."""
    width = recipe.width or PUBLISHED_WIDTH
    sizes = halvings((ports.data.shape[1], ports.data.shape[2]))
    return _generator(ports, width, sizes), _discriminator(ports, width, sizes, recipe)


def halvings(size: Size) -> list[Size]:
    """Return the size and its halvings. A size is halved while both sides are even and longer than 8."""
    sizes = [size]
    while all(side % 2 == 0 and side > SMALLEST for side in sizes[-1]):
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def _generator(ports: Ports, width: int, sizes: list[Size]) -> nn.Module:
    (height, side), channels = sizes[-1], ports.data.shape[0]
    layers: list[nn.Module] = [nn.Linear(ports.latent, width * height * side), AsMaps(width, sizes[-1])]
    for stage in range(len(sizes)):
        layers += [nn.Upsample(scale_factor=2.0, mode="nearest")] if stage else []
        layers += [*_convolution(width, width), *_convolution(width, width)]
    return Generator(nn.Sequential(*layers, nn.Conv2d(width, channels, 3, 1, 1), Cut()), ports.data.shape)


def _discriminator(ports: Ports, width: int, sizes: list[Size], recipe: GanRecipe) -> nn.Module:
    """Return the discriminator. At each halving its width grows by the first width, as published."""
    normalised = recipe.norm_d == "batch"
    widths = [width * (stage + 1) for stage in range(len(sizes))]
    layers: list[nn.Module] = [*_convolution(ports.seen[0], width)]
    for narrow, wide in pairwise(widths):
        layers += [*_convolution(narrow, narrow, normalised), *_convolution(narrow, wide, normalised, stride=2)]
    layers += [*_convolution(widths[-1], widths[-1], normalised), *_convolution(widths[-1], widths[-1], normalised)]
    height, side = sizes[-1]
    head = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * height * side, ports.outputs))
    return Discriminator(nn.Sequential(*layers), joining(widths[-1], ports.condition, head))


def _convolution(inputs: int, outputs: int, normalised: bool = False, stride: int = 1) -> list[nn.Module]:
    norm = [nn.BatchNorm2d(outputs)] if normalised else []
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not normalised), *norm, nn.ELU(inplace=True)]


NETWORKS.register(
    "began", Backbone(build=build, idea="3 x 3 convolutions with ELU, nearest up-sampling, no normalisation, 64 channels as published")
)
