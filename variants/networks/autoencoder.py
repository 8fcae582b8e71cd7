"""Autoencoders from a backbone. Its discriminator, with a code in place of logits, is the encoder. Its generator is the decoder."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from bench.core.spec import DataShape, LatentRecipe, Recipe
from variants.networks.backbone import Backbone, Ports, build_backbone
from variants.recipe import GanRecipe

Norm = Literal["published", "batch", "none", "spectral"]


class Autoencoder(nn.Module):
    """Network from data [N, *shape] to codes [N, code] and on to reconstructions [N, *shape]."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, data: Tensor) -> Tensor:
        """Return the reconstruction [N, *shape]."""
        reconstruction: Tensor = self.decoder(self.encoder(data))
        return reconstruction


def build_pair(networks: str, recipe: Recipe, data: DataShape, *, latent: int, code: int, norm: Norm) -> tuple[nn.Module, nn.Module]:
    """Return (decoder of `latent` numbers, encoder to `code` numbers) of a registered backbone. `norm` is the encoder's normalisation."""
    backbone = NETWORKS.get(networks)
    if isinstance(backbone, Backbone) and not backbone.decodes:
        fitting = [name for name, found in NETWORKS if isinstance(found, Backbone) and found.decodes and data.kind in found.kinds]
        raise UserError(
            f"the networks {networks!r} make no autoencoders: their output depends on more than a code; set networks={' or '.join(fitting)}"
        )
    return build_backbone(networks, Ports(data=data, latent=latent, outputs=code), as_backbone_recipe(recipe, norm))


def as_backbone_recipe(recipe: Recipe, norm: Norm) -> GanRecipe:
    """Return a GAN recipe for backbones, with the common numbers of a recipe and all regularisers off."""
    return GanRecipe.model_validate({name: getattr(recipe, name) for name in LatentRecipe.model_fields} | {"norm_d": norm})
