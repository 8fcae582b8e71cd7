"""Networks that grow from a few pixels to the full size (Karras et al. 2018, arXiv 1710.10196, table 2)."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from bench.core.config import NETWORKS
from variants.networks.backbone import Backbone, Discriminator, Ports
from variants.networks.equalised import GAIN, EqualConv2d, EqualLinear, PixelNorm
from variants.networks.growth import Position, enlarge, shrink
from variants.networks.sizes import channels, doublings
from variants.recipe import GanRecipe

MOST = 512  # largest number of channels, which the publication has at sides up to 32 pixels
PUBLISHED = 16_384  # published number of channels times pixels of a side, at larger sides


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator), each with a stage of two convolutions for each size."""
    sides = doublings("progressive", ports.data.shape)
    widths = channels(sides, recipe.width or max(1, min(MOST, PUBLISHED // sides[-1])), MOST)
    return GrowingGenerator(ports, widths, sides[0], recipe.grow), GrowingDiscriminator(ports, widths, sides[0], recipe)


def convolution(inputs: int, outputs: int, *after: nn.Module) -> list[nn.Module]:
    """Return a 3 x 3 convolution, its rectifier and the layers `after` it."""
    return [EqualConv2d(inputs, outputs, 3, gain=GAIN), nn.LeakyReLU(0.2), *after]


class GrowingGenerator(nn.Module):
    """Generator from latent vectors [N, latent] to images [N, C, side, side] at the stage's size."""

    def __init__(self, ports: Ports, widths: list[int], side: int, grow: float) -> None:
        super().__init__()
        first = widths[0]
        self.position = Position(len(widths), grow)
        self.start = nn.Sequential(
            PixelNorm(), EqualLinear(ports.latent, first * side**2, gain=GAIN), nn.Unflatten(1, (first, side, side)),
            nn.LeakyReLU(0.2), PixelNorm(), *convolution(first, first, PixelNorm()),
        )  # fmt: skip
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), *convolution(small, large, PixelNorm()), *convolution(large, large, PixelNorm()))
            for small, large in itertools.pairwise(widths)
        )
        self.to_image = nn.ModuleList(EqualConv2d(width, ports.data.shape[0], 1) for width in widths)

    def forward(self, z: Tensor) -> Tensor:
        """Return images of the stage. During its fade-in they are blended with the enlarged images of the previous stage."""
        stage, fade = self.position.now()
        coarse = fine = self.start(z)
        for block in list(self.blocks)[:stage]:
            coarse, fine = fine, block(fine)
        image: Tensor = self.to_image[stage](fine)
        return image if fade == 1.0 else enlarge(self.to_image[stage - 1](coarse)).lerp(image, fade)


class GrowingFeatures(nn.Module):
    """Network from images at the stage's size to feature maps [N, C, side, side] at the smallest size."""

    def __init__(self, channels: int, widths: list[int], position: Position, *, normalised: bool) -> None:
        super().__init__()
        self.position = position

        def block(large: int, small: int) -> nn.Module:
            norms = [[nn.BatchNorm2d(width)] if normalised else [] for width in (large, small)]
            return nn.Sequential(*convolution(large, large, *norms[0]), *convolution(large, small, *norms[1]), nn.AvgPool2d(2))

        self.from_image = nn.ModuleList(nn.Sequential(EqualConv2d(channels, width, 1, gain=GAIN), nn.LeakyReLU(0.2)) for width in widths)
        self.blocks = nn.ModuleList(block(large, small) for small, large in itertools.pairwise(widths))

    def forward(self, images: Tensor) -> Tensor:
        """Return feature maps of the smallest size."""
        stage, fade = self.position.now()
        maps: Tensor = self.from_image[stage](images)
        for index in reversed(range(stage)):
            maps = self.blocks[index](maps)
            if index == stage - 1 and fade < 1.0:
                maps = self.from_image[index](shrink(images)).lerp(maps, fade)
        return maps


class GrowingDiscriminator(Discriminator):
    """Discriminator of images at the stage's size. All stages share its head, which also reads the condition and the batch's spread."""

    features: GrowingFeatures

    def __init__(self, ports: Ports, widths: list[int], side: int, recipe: GanRecipe) -> None:
        first, normalised = widths[0], recipe.norm_d == "batch"
        features = GrowingFeatures(ports.seen[0], widths, Position(len(widths), recipe.grow), normalised=normalised)
        head = nn.Sequential(
            *convolution(first + ports.condition, first, *([nn.BatchNorm2d(first)] if normalised else [])),
            EqualConv2d(first, first, side, gain=GAIN, padding=0), nn.LeakyReLU(0.2), nn.Flatten(), EqualLinear(first, ports.outputs),
        )  # fmt: skip
        super().__init__(features, head)

    @property
    def position(self) -> Position:
        """Position of its growth."""
        return self.features.position


NETWORKS.register(
    "progressive",
    Backbone(
        build=build, idea="grows from a few pixels, equalised rates, pixel norm in G, 512 channels as published", grows=True, decodes=False
    ),
)
