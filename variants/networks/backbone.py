"""Backbones: functions from ports and a recipe to a generator and a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from bench.core.spec import DataShape, Latent
from variants.networks.equalised import Equalised
from variants.networks.growth import Position
from variants.recipe import GanRecipe


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Record of the input and output sizes that a model needs from a backbone."""

    data: DataShape  # of the generator's output
    latent: int  # width of the generator's input: z, codes and condition together
    copies: int = 1  # examples that the discriminator sees at once, stacked as channels
    outputs: int = 1  # numbers that the discriminator returns for one input
    condition: int = 0  # width of the vector that the discriminator sees beside the data

    @property
    def seen(self) -> tuple[int, ...]:
        """Shape of the discriminator's input."""
        return (self.data.shape[0] * self.copies, *self.data.shape[1:])


class Generator(nn.Module):
    """Generator from latent vectors [N, latent] to data [N, *shape]: images in [-1, 1], or unbounded points."""

    def __init__(self, body: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.body = body
        self._shape = shape

    def forward(self, z: Tensor) -> Tensor:
        """Return data [N, *shape]."""
        data: Tensor = self.body(z)
        return data.reshape(len(z), *self._shape)


@runtime_checkable
class TakesMore(Protocol):
    """Generator with further inputs (noise maps, a second style): `forward(vectors, extra)` takes the result of `draw_extra`."""

    def draw_extra(self, n: int, noise: torch.Generator) -> Mapping[str, Tensor]:
        """Return parts of the latents by name, each [n, ...]."""
        ...


@runtime_checkable
class Traverses(Protocol):
    """Generator with traversals of its latents."""

    def traversals(self, latent: Latent, columns: int) -> Mapping[str, Latent]:
        """Return latents that vary in one part, as `Networks.traversals` does."""
        ...


@runtime_checkable
class Grows(Protocol):
    """Network whose resolution grows in training."""

    @property
    def position(self) -> Position:
        """Position of its growth."""
        ...


class Discriminator(nn.Module):
    """Discriminator from data [N, *seen], and a condition [N, c] if the ports have one, to logits [N, outputs].

    `features` reads the data. `head` reads the features and the condition, and the spread of the batch if the recipe has it.
    """

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head
        self.sees_spread = False

    def forward(self, data: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return logits [N, outputs]."""
        return self.judge(self.features(data), condition)

    def judge(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return logits [N, outputs] of the output of `features`."""
        if self.sees_spread:
            spread = minibatch_std(features)
            condition = spread if condition is None else torch.cat([condition, spread.to(condition.dtype)], dim=1)
        if condition is not None:
            condition = condition.to(features.dtype)
            if features.dim() == 4:
                condition = condition[:, :, None, None].expand(-1, -1, *features.shape[2:])
            features = torch.cat([features, condition], dim=1)
        logits: Tensor = self.head(features)
        return logits.flatten(1)


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """Record of a registered pair of networks.

    `kinds`: the kinds of data that it can generate. `grows`: whether it supports `recipe.grow`. `decodes`: whether its generator's output
    depends on one vector alone, so that it can be the decoder of an autoencoder.
    """

    build: Callable[[Ports, GanRecipe], tuple[nn.Module, nn.Module]]
    idea: str
    kinds: tuple[str, ...] = ("image",)
    grows: bool = False
    decodes: bool = True


def build_backbone(name: str, ports: Ports, recipe: GanRecipe) -> tuple[nn.Module, nn.Module]:
    """Return (generator, discriminator) of a registered backbone for these ports. Raises a UserError for data that it does not support."""
    backbone = NETWORKS.get(name)
    if not isinstance(backbone, Backbone) or ports.data.kind not in backbone.kinds:
        makers = [other for other, found in NETWORKS if isinstance(found, Backbone) and ports.data.kind in found.kinds]
        advice = f"; set networks={' or '.join(makers)}" if makers else ""
        if not isinstance(backbone, Backbone):
            raise UserError(f"the networks {name!r} are not a generator and a discriminator{advice}")
        raise UserError(f"the networks {name!r} generate {' or '.join(backbone.kinds)} data, not {ports.data.kind}{advice}")
    if recipe.grow and not backbone.grows:
        growing = [other for other, found in NETWORKS if isinstance(found, Backbone) and found.grows]
        raise UserError(f"recipe.grow: the networks {name!r} do not grow; set recipe.grow=0 or networks={' or '.join(growing)}")
    if recipe.minibatch_std:
        ports = replace(ports, condition=ports.condition + 1)
    plain = recipe.model_copy(update={"norm_d": "none"}) if recipe.norm_d == "spectral" else recipe
    generator, discriminator = backbone.build(ports, plain)
    if recipe.norm_d == "spectral":
        normalise_spectrum(discriminator)
    if recipe.minibatch_std:
        if not isinstance(discriminator, Discriminator):
            raise UserError(f"recipe.minibatch_std: the networks {name!r} do not support it; set recipe.minibatch_std=false")
        discriminator.sees_spread = True
    return generator, discriminator


def normalise_spectrum(module: nn.Module) -> None:
    """Divide every weight matrix by its largest singular value: Miyato et al. 2018 (arXiv 1802.05957), algorithm 1, in torch's version."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | Equalised):
            if not part.weight.is_meta and not part.weight.any():  # a weight of zeros cannot be scaled to norm 1
                nn.init.orthogonal_(part.weight)
            nn.utils.parametrizations.spectral_norm(part)
        if isinstance(part, Equalised):
            part.scale = 1.0  # spectral norm removes the scale of the weight


def draw_latents(n: int, width: int, distribution: str, noise: torch.Generator) -> Tensor:
    """Return latents [n, width] from N(0, 1), or from U[-1, 1]."""
    shape, device = (n, width), noise.device
    if distribution == "uniform":
        return torch.rand(shape, generator=noise, device=device).mul_(2.0).sub_(1.0)
    return torch.randn(shape, generator=noise, device=device)


def joining(width: int, condition: int, head: nn.Module) -> nn.Module:
    """Return a head for feature maps [N, width, H, W] with a condition. It mixes both first, because a linear head only adds them."""
    if not condition:
        return head
    return nn.Sequential(nn.Conv2d(width + condition, width, 1), nn.LeakyReLU(0.2, inplace=True), head)


def minibatch_std(features: Tensor) -> Tensor:
    """Return the mean over all features of their standard deviation over the batch, as [N, 1].

    It is the statistic of Karras et al. 2018 (arXiv 1710.10196), section 3.
    """
    spread = (features.float().var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
    return spread.to(features.dtype).expand(len(features), 1)


def has_batch_norm(module: nn.Module) -> bool:
    """Return whether a module has batch norm, so that a sample's output depends on the rest of its batch."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())
