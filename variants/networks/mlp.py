"""Fully connected networks of three introductions to GANs. They differ in widths, batch norm and dropout."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from bench.core.config import NETWORKS
from variants.networks.backbone import Backbone, Discriminator, Generator, Ports
from variants.networks.layers import Dropout
from variants.recipe import GanRecipe


@dataclass(frozen=True, kw_only=True)
class MlpPlan:
    """Record of hidden widths, batch norm and dropout. `recipe.width` replaces the narrowest width and scales the other widths."""

    generator: tuple[int, ...]
    generator_norm: tuple[bool, ...]
    discriminator: tuple[int, ...]
    dropout: float = 0.0

    def scaled(self, widths: tuple[int, ...], narrowest: int) -> tuple[int, ...]:
        """Return the hidden widths for a recipe's width. With 0 they are the published widths."""
        return tuple(width * narrowest // min(widths) for width in widths) if narrowest else widths

    def build(self, ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
        """Return (generator, discriminator) for the ports."""
        return self._generator(ports, recipe), self._discriminator(ports, recipe)

    def _generator(self, ports: Ports, recipe: GanRecipe) -> nn.Module:
        layers: list[nn.Module] = []
        width = ports.latent
        for hidden, norm in zip(self.scaled(self.generator, recipe.width), self.generator_norm, strict=True):
            layers += [nn.Linear(width, hidden), *([nn.BatchNorm1d(hidden)] if norm else []), nn.LeakyReLU(0.2)]
            width = hidden
        layers += [nn.Linear(width, math.prod(ports.data.shape)), nn.Tanh()]
        return Generator(nn.Sequential(*layers), ports.data.shape)

    def _discriminator(self, ports: Ports, recipe: GanRecipe) -> nn.Module:
        # The condition joins at the first hidden layer, so a label costs one column of the next weights.
        layers: list[nn.Module] = []
        width = math.prod(ports.seen)
        first, *rest = self.scaled(self.discriminator, recipe.width)
        features = nn.Sequential(nn.Flatten(), *self._hidden(width, first, recipe))
        width = first + ports.condition
        for hidden in rest:
            layers += self._hidden(width, hidden, recipe)
            width = hidden
        layers.append(nn.Linear(width, ports.outputs))
        return Discriminator(features, nn.Sequential(*layers))

    def _hidden(self, width: int, hidden: int, recipe: GanRecipe) -> list[nn.Module]:
        # Not in place: dropout after an in-place LeakyReLU overwrites numbers that its gradient needs.
        norm = [nn.BatchNorm1d(hidden)] if recipe.norm_d == "batch" else []
        dropout = [Dropout(self.dropout)] if self.dropout else []
        return [nn.Linear(width, hidden), *norm, nn.LeakyReLU(0.2), *dropout]


MLP = MlpPlan(
    generator=(128, 256, 512, 1024),
    generator_norm=(False, True, True, True),
    discriminator=(512, 256),
)
MLP_SMALL = MlpPlan(
    generator=(128, 256, 512),
    generator_norm=(True, True, True),
    discriminator=(512, 256),
    dropout=0.3,
)
MLP_DROPOUT = MlpPlan(
    generator=(256, 512, 1024),
    generator_norm=(False, False, False),
    discriminator=(1024, 512, 256),
    dropout=0.5,
)

NETWORKS.register("mlp", Backbone(build=MLP.build, idea="G 128-256-512-1024 with batch norm, D 512-256"))
NETWORKS.register("mlp-small", Backbone(build=MLP_SMALL.build, idea="G 128-256-512 with batch norm, D 512-256 with dropout .3"))
NETWORKS.register("mlp-dropout", Backbone(build=MLP_DROPOUT.build, idea="G 256-512-1024, D 1024-512-256 with dropout .5"))
