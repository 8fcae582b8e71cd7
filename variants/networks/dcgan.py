"""A small DCGAN for square images whose side is a multiple of 4, such as 28x28 (Radford et al. 2015, arXiv 1511.06434)."""

from __future__ import annotations

from torch import Tensor, nn

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports, joining
from variants.networks.layers import Conv2d, ConvTranspose2d
from variants.recipe import GanRecipe

PUBLISHED_WIDTH = 112


class AsImage(nn.Module):
    """Layer that reshapes vectors [N, C] to images [N, C, 1, 1]."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Return images [N, C, 1, 1]."""
        return vectors[:, :, None, None]


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator), each with two strided convolutions between the image and a quarter of its size."""
    channels, height, side = ports.data.shape
    if height != side or side % 4 or side < 8:
        raise UserError(
            f"the networks 'dcgan' take square images of 8, 12, 16, ... pixels, not {height}x{side}; set other networks or another size"
        )
    width = recipe.width or PUBLISHED_WIDTH
    return _generator(ports.latent, width, channels, side, ports), _discriminator(ports, width, side, recipe)


def _generator(latent: int, width: int, channels: int, side: int, ports: Ports) -> nn.Module:
    body = nn.Sequential(
        AsImage(),
        ConvTranspose2d(latent, 2 * width, side // 4, 1, 0, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    return Generator(body, ports.data.shape)


def _discriminator(ports: Ports, width: int, side: int, recipe: GanRecipe) -> nn.Module:
    normalised = recipe.norm_d != "none"

    def convolution(inputs: int, outputs: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(outputs)] if normalised else []
        return [Conv2d(inputs, outputs, 4, 2, 1, bias=not normalised), *norm, nn.LeakyReLU(0.2, inplace=True)]

    features = nn.Sequential(*convolution(ports.seen[0], width), *convolution(width, 2 * width))
    head = nn.Conv2d(2 * width, ports.outputs, side // 4, 1, 0, bias=False)
    return Discriminator(features, joining(2 * width, ports.condition, head))


NETWORKS.register("dcgan", Backbone(build=build, idea="two strided convolutions, batch norm, 112 channels as published"))
