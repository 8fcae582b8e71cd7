"""The networks of a large comparison of GANs, after InfoGAN's (Lucic et al. 2018, arXiv 1711.10337, appendix)."""

from __future__ import annotations

from torch import nn

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports
from variants.networks.layers import Conv2d, ConvTranspose2d
from variants.recipe import GanRecipe

PUBLISHED_WIDTH = 64  # channels of the outer convolutions. The inner convolutions are twice as wide, and the linear layers sixteen times
INNER, LINEAR = 2, 16


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator), each with two strided convolutions and two linear layers."""
    _, height, side = ports.data.shape
    if height != side or side % 4 or side < 4:
        raise UserError(
            f"the networks 'lucic' take square images of 4, 8, 12, ... pixels, not {height}x{side}; set other networks or another size"
        )
    width = recipe.width or PUBLISHED_WIDTH
    return _generator(ports, width, side // 4), _discriminator(ports, width, side // 4, recipe)


def _generator(ports: Ports, width: int, side: int) -> nn.Module:
    linear, inner = LINEAR * width, INNER * width
    body = nn.Sequential(
        nn.Linear(ports.latent, linear, bias=False), nn.BatchNorm1d(linear), nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(linear, inner * side**2, bias=False), nn.BatchNorm1d(inner * side**2), nn.LeakyReLU(0.2, inplace=True),
        nn.Unflatten(1, (inner, side, side)),
        nn.ConvTranspose2d(inner, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2, inplace=True),
        ConvTranspose2d(width, ports.data.shape[0], 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    return Generator(body, ports.data.shape)


def _discriminator(ports: Ports, width: int, side: int, recipe: GanRecipe) -> nn.Module:
    normalised = recipe.norm_d != "none"
    linear, inner = LINEAR * width, INNER * width
    features = nn.Sequential(
        Conv2d(ports.seen[0], width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
        Conv2d(width, inner, 4, 2, 1, bias=not normalised), *([nn.BatchNorm2d(inner)] if normalised else []), nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(),
    )  # fmt: skip
    head = nn.Sequential(
        nn.Linear(inner * side**2 + ports.condition, linear, bias=not normalised), *([nn.BatchNorm1d(linear)] if normalised else []),
        nn.LeakyReLU(0.2, inplace=True), nn.Linear(linear, ports.outputs),
    )  # fmt: skip
    return Discriminator(features, head)


NETWORKS.register(
    "lucic", Backbone(build=build, idea="two strided convolutions and two linear layers, batch norm, 64 channels as published")
)
