"""The fully connected networks that PacGAN's authors train on points (Lin et al. 2018, arXiv 1712.04086, section 4.1)."""

from __future__ import annotations

import math

from torch import nn

from bench.core.config import NETWORKS
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports
from variants.networks.layers import Maxout
from variants.recipe import GanRecipe

PUBLISHED_WIDTH = 200  # width of the discriminator. The generator is twice as wide
HIDDEN_G, HIDDEN_D = 4, 3
PIECES = 5
BATCH_SHARE = 0.05  # weight of each batch in the running statistics of batch norm


def build(ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator) for points, or for images as vectors."""
    width = recipe.width or PUBLISHED_WIDTH
    return _generator(ports, 2 * width), _discriminator(ports, width, recipe)


def _generator(ports: Ports, width: int) -> nn.Module:
    layers: list[nn.Module] = []
    inputs = ports.latent
    for _ in range(HIDDEN_G):
        layers += [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width, momentum=BATCH_SHARE), nn.ReLU(inplace=True)]
        inputs = width
    bound = [nn.Tanh()] if ports.data.kind == "image" else []  # points are unbounded
    return Generator(nn.Sequential(*layers, nn.Linear(width, math.prod(ports.data.shape)), *bound), ports.data.shape)


def _discriminator(ports: Ports, width: int, recipe: GanRecipe) -> nn.Module:
    def hidden(inputs: int) -> list[nn.Module]:
        norm = [nn.BatchNorm1d(width)] if recipe.norm_d == "batch" else []
        return [Maxout(inputs, width, PIECES), *norm]

    features = nn.Sequential(nn.Flatten(), *hidden(math.prod(ports.seen)))
    rest = [hidden(width + (ports.condition if index == 0 else 0)) for index in range(HIDDEN_D - 1)]
    return Discriminator(features, nn.Sequential(*(layer for layers in rest for layer in layers), nn.Linear(width, ports.outputs)))


NETWORKS.register(
    "mlp-2d", Backbone(build=build, idea="G 4 x 400 with batch norm, D 3 x 200 maxout: for points", kinds=("points", "image"))
)
