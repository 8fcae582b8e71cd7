"""Conditional GANs: the label is an input of the generator, and the discriminator uses it in one of three ways.

It is an input beside the data (Mirza and Osindero 2014), or a factor of an inner product with the features (Miyato and Koyama 2018).
In AC-GAN it is the target of a classifier (Odena et al. 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Latent, NonNegative, Recipe
from variants.gan import AdversarialObjective, GanNetworks
from variants.networks.backbone import Discriminator, Grows, Ports, build_backbone
from variants.networks.growth import Position
from variants.recipe import GanRecipe, as_gan_recipe, check_packs, recipe_of

CLASSES = "classes"  # name of the traversal of all classes


class ConditionalGanNetworks(GanNetworks):
    """Networks of a conditional GAN. The label is a one-hot vector beside z, and beside the discriminator's features of the data."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, recipe: GanRecipe, data: DataShape) -> None:
        super().__init__(generator, discriminator, recipe, data.kind)
        self.classes = data.classes

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """Return n latents with these labels [n]. Without labels, draw the classes uniformly."""
        if labels is None:
            labels = torch.randint(self.classes, (n,), generator=noise, device=noise.device)
        return super().draw(n, noise, labels)

    def inputs(self, latent: Latent) -> Tensor:
        """Return z and the one-hot labels, [n, z_dim + classes]."""
        assert latent.labels is not None
        return torch.cat([latent.z, one_hot(latent.labels, self.classes).to(latent.z.dtype)], dim=1)

    def condition(self, labels: Tensor | None) -> Tensor | None:
        """Return the one-hot labels of the packs, [N / pack, pack * classes]."""
        assert labels is not None
        return one_hot(labels, self.classes).float().reshape(len(labels) // self.pack, -1)

    def traversals(self, latent: Latent, columns: int) -> Mapping[str, Latent]:
        """Return the traversals, with one of the classes: each z in each class."""
        return {
            **super().traversals(latent, columns),
            CLASSES: latent.turned(torch.arange(min(self.classes, columns), device=latent.z.device)),
        }


class AuxiliaryGanNetworks(ConditionalGanNetworks):
    """Networks of AC-GAN. The label is an input only of the generator. Further outputs of the discriminator predict it."""

    def condition(self, labels: Tensor | None) -> None:
        """Return None, because the label is not an input of the discriminator."""


class ProjectionDiscriminator(nn.Module):
    """Discriminator with logits ψ(φ(x)) + yᵀVφ(x), with φ summed over space: Miyato and Koyama 2018 (arXiv 1802.05637), eq. 3."""

    def __init__(self, discriminator: Discriminator, labels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.discriminator = discriminator
        with torch.no_grad():
            discriminator.eval()
            width = self._pooled(discriminator.features(torch.zeros(2, *shape))).shape[1]
            discriminator.train()
        self.embedding = nn.Linear(labels, width, bias=False)

    @property
    def position(self) -> Position:
        """Position of a discriminator that grows. It raises AttributeError for other discriminators."""
        return cast("Grows", self.discriminator).position

    def forward(self, data: Tensor, labels: Tensor) -> Tensor:
        """Return logits [N, outputs] of data and labels [N, labels], one-hot."""
        features = self.discriminator.features(data)
        product = (self.embedding(labels.to(features.dtype)) * self._pooled(features)).sum(dim=1, keepdim=True)
        plain: Tensor = self.discriminator.judge(features)
        return plain + product

    @staticmethod
    def _pooled(features: Tensor) -> Tensor:
        return features.flatten(2).sum(dim=2) if features.dim() > 2 else features


def build_conditional(networks: str, recipe: Recipe, data: DataShape) -> ConditionalGanNetworks:
    """Return networks with labels beside z, and beside the data in the discriminator: Mirza and Osindero 2014 (arXiv 1411.1784), eq. 2."""
    recipe = _checked(recipe, data)
    ports = Ports(data=data, latent=recipe.z_dim + data.classes, copies=recipe.pack, condition=recipe.pack * data.classes)
    return ConditionalGanNetworks(*build_backbone(networks, ports, recipe), recipe, data)


def build_projection(networks: str, recipe: Recipe, data: DataShape) -> ConditionalGanNetworks:
    """Return networks with labels beside z, and projected onto the discriminator's features."""
    recipe = _checked(recipe, data)
    ports = Ports(data=data, latent=recipe.z_dim + data.classes, copies=recipe.pack)
    generator, discriminator = build_backbone(networks, ports, recipe)
    if not isinstance(discriminator, Discriminator):
        raise UserError(f"the discriminator of the networks {networks!r} has no features for a projection; choose other networks")
    projecting = ProjectionDiscriminator(discriminator, recipe.pack * data.classes, ports.seen)
    if recipe.norm_d == "spectral":
        nn.utils.parametrizations.spectral_norm(projecting.embedding)
    return ConditionalGanNetworks(generator, projecting, recipe, data)


def build_auxiliary(networks: str, recipe: Recipe, data: DataShape) -> AuxiliaryGanNetworks:
    """Return networks with labels beside z, which the discriminator predicts."""
    recipe = _checked(recipe, data)
    ports = Ports(data=data, latent=recipe.z_dim + data.classes, copies=recipe.pack, outputs=1 + recipe.pack * data.classes)
    return AuxiliaryGanNetworks(*build_backbone(networks, ports, recipe), recipe, data)


def _checked(recipe: Recipe, data: DataShape) -> GanRecipe:
    recipe = as_gan_recipe(recipe)
    check_packs(recipe)
    if not data.classes:
        raise UserError("a conditional GAN needs labels, and this data has none; choose a dataset with classes")
    return recipe


class AuxiliaryRecipe(GanRecipe):
    """The recipe of a GAN with an auxiliary classifier."""

    classify: NonNegative = Field(1.0, description="weight of the discriminator's cross-entropy on classes")


class AuxiliaryObjective(AdversarialObjective):
    """Objective of AC-GAN (Odena et al. 2017, arXiv 1610.09585, eq. 2 and 3): D and G both minimise D's error on the classes of data."""

    needs = AuxiliaryGanNetworks
    recipe: AuxiliaryRecipe

    def __init__(self, recipe: Recipe) -> None:
        recipe = recipe_of(AuxiliaryRecipe, recipe, "AC-GAN")
        super().__init__(recipe)
        self.formula += f"; D: - {recipe.classify:g} (log P(c | x) + log P(c | G(z, c))); G: - {recipe.classify:g} log P(c | G(z, c))"

    def beside_d(self, real: Tensor, fake: Tensor, batch: Batch, latent: Latent) -> Mapping[str, tuple[float, Tensor]]:
        """Return -log P(C = c | x) on real and on generated data."""
        weight = self.recipe.classify
        return {
            "class_loss_real": (weight, class_loss(real, batch.labels)), "class_loss_fake": (weight, class_loss(fake, latent.labels)),
        }  # fmt: skip

    def beside_g(self, fake: Tensor, latent: Latent) -> Mapping[str, tuple[float, Tensor]]:
        """Return -log P(C = c | x) on generated data."""
        return {"class_loss_g": (self.recipe.classify, class_loss(fake, latent.labels))}


def class_loss(logits: Tensor, labels: Tensor | None) -> Tensor:
    """Return -log P(C = c | x) [N] for logits [N / pack, pack * classes]."""
    assert labels is not None
    return cross_entropy(logits.reshape(len(labels), -1), labels, reduction="none")
