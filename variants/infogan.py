"""InfoGAN: latent codes that the discriminator predicts from generated data (Chen et al. 2016, arXiv 1606.03657)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Latent, NonNegative, Recipe
from variants.gan import AdversarialObjective, GanNetworks
from variants.networks.backbone import Ports, build_backbone
from variants.recipe import GanRecipe, recipe_of

CODE, CONTINUOUS = "code", "continuous"  # parts of the latent
REACH = 2.0  # traversals of continuous codes go from -2 to 2, as in the paper's figure 2. Training draws codes from [-1, 1]


class InfoRecipe(GanRecipe):
    """The recipe of InfoGAN: the recipe of a GAN, with codes and their weights."""

    categories: Annotated[int, Field(ge=2, le=1000)] = Field(10, description="values of the categorical code")
    continuous: Annotated[int, Field(ge=0, le=100)] = Field(2, description="continuous codes, U[-1, 1]")
    info: NonNegative = Field(1.0, description="λ of the categorical code's mutual information")
    info_continuous: NonNegative = Field(0.1, description="λ of the continuous codes' mutual information")


class InfoGanNetworks(GanNetworks):
    """Networks of InfoGAN with codes beside z.

    The discriminator's further outputs are Q: logits of the category, and the mean of each continuous code.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, recipe: InfoRecipe, data: DataShape) -> None:
        super().__init__(generator, discriminator, recipe, data.kind)
        self.categories, self.continuous = recipe.categories, recipe.continuous

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """Return n latents with their codes: categories [n], and continuous codes [n, c] in [-1, 1]."""
        plain = super().draw(n, noise)
        code = torch.randint(self.categories, (n,), generator=noise, device=noise.device)
        continuous = torch.rand((n, self.continuous), generator=noise, device=noise.device).mul_(2.0).sub_(1.0)
        return Latent(z=plain.z, extra={**plain.extra, CODE: code, CONTINUOUS: continuous})

    def inputs(self, latent: Latent) -> Tensor:
        """Return z and the codes, [n, z_dim + categories + continuous]."""
        code = one_hot(latent.extra[CODE], self.categories).to(latent.z.dtype)
        return torch.cat([latent.z, code, latent.extra[CONTINUOUS]], dim=1)

    def traversals(self, latent: Latent, columns: int) -> Mapping[str, Latent]:
        """Return the traversals of each z, over the categories and along each continuous code."""
        device = latent.z.device
        found = {
            **super().traversals(latent, columns),
            CODE: latent.turned(torch.arange(min(self.categories, columns), device=device), part=CODE),
        }
        for index in range(self.continuous):
            turned = latent.turned(torch.linspace(-REACH, REACH, columns, device=device), part=CONTINUOUS, column=index)
            found[f"{CONTINUOUS}-{index + 1}"] = turned
        return found


def build_infogan(networks: str, recipe: Recipe, data: DataShape) -> InfoGanNetworks:
    """Return networks with codes beside z, and Q beside the discriminator's logit."""
    recipe = _as_info_recipe(recipe)
    codes = recipe.categories + recipe.continuous
    ports = Ports(data=data, latent=recipe.z_dim + codes, outputs=1 + codes)
    return InfoGanNetworks(*build_backbone(networks, ports, recipe), recipe, data)


class InfoObjective(AdversarialObjective):
    """Objective of InfoGAN: the minimax game minus λ L_I(G, Q) (eq. 6). D's features, Q and G all maximise L_I."""

    needs = InfoGanNetworks
    recipe: InfoRecipe

    def __init__(self, recipe: Recipe) -> None:
        recipe = _as_info_recipe(recipe)
        super().__init__(recipe)
        self.formula += f"; D and G: - {recipe.info:g} log Q(c | G(z, c)) + {recipe.info_continuous:g} (c' - Q(G(z, c)))²/2"

    def beside_d(self, real: Tensor, fake: Tensor, batch: Batch, latent: Latent) -> Mapping[str, tuple[float, Tensor]]:
        """Return the loss of Q on the codes of generated data."""
        return self._unread(fake, latent)

    def beside_g(self, fake: Tensor, latent: Latent) -> Mapping[str, tuple[float, Tensor]]:
        """Return the same loss for G."""
        return self._unread(fake, latent)

    def logged(self, fake: Tensor, latent: Latent) -> Mapping[str, Tensor]:
        """Return the bound on the category's mutual information, in nats."""
        return {"mutual_information": information_bound(fake[:, : self.recipe.categories], latent.extra[CODE])}

    def _unread(self, logits: Tensor, latent: Latent) -> Mapping[str, tuple[float, Tensor]]:
        recipe = self.recipe
        category, means = logits[:, : recipe.categories], logits[:, recipe.categories :]
        unread = {"code_loss": (recipe.info, cross_entropy(category, latent.extra[CODE], reduction="none"))}
        if recipe.continuous:
            unread["continuous_loss"] = (recipe.info_continuous, gaussian_loss(means, latent.extra[CONTINUOUS]))
        return unread


def information_bound(logits: Tensor, code: Tensor) -> Tensor:
    """Return L_I = E[log Q(c | x)] + H(c) [N], for a code that is uniform over its values: eq. 5. It is at most log(values), in nats."""
    return math.log(logits.shape[1]) - cross_entropy(logits, code, reduction="none")


def gaussian_loss(means: Tensor, codes: Tensor) -> Tensor:
    """Return -log Q(c | x) [N] up to a constant, for independent Gaussians of variance 1: Σ (c - μ)² / 2."""
    return 0.5 * (codes - means).square().sum(dim=1)


def _as_info_recipe(recipe: Recipe) -> InfoRecipe:
    recipe = recipe_of(InfoRecipe, recipe, "InfoGAN")
    if recipe.pack > 1:
        raise UserError(f"recipe.pack={recipe.pack} does not work in InfoGAN, because each code belongs to one example; set recipe.pack=1")
    return recipe
