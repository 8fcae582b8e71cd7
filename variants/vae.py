"""The variational autoencoder (Kingma and Welling 2014, arXiv 1312.6114)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.core.errors import UserError
from bench.core.spec import (
    Batch,
    DataShape,
    Kind,
    Latent,
    LatentRecipe,
    Networks,
    NonNegative,
    Objective,
    Player,
    Positive,
    Recipe,
    Step,
    Terms,
)
from variants.networks.autoencoder import Norm, build_pair
from variants.recipe import recipe_of

LEAST = 1e-6  # minimum distance of a probability from 0 and from 1


class VaeRecipe(LatentRecipe):
    """The recipe of a VAE."""

    z_distribution: Literal["normal"] = Field("normal", description="N(0, 1): the prior")
    norm_encoder: Norm = Field("published", description="normalisation in the encoder, a backbone's discriminator")
    likelihood: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli", description="distribution of data given z: bernoulli for pixels in [0, 1], gaussian for any values"
    )
    sd: Positive = Field(0.1, description="standard deviation of the gaussian likelihood")
    beta: NonNegative = Field(1.0, description="weight of the rate (the KL term); 1: the evidence lower bound")


class VaeNetworks(Networks):
    """Networks of a VAE: an encoder to a Gaussian over z, and a decoder to the mean of the data."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, z_dim: int, kind: Kind = "image") -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.z_dim = z_dim
        self.kind = kind

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """Return n latents z [n, z_dim] from the prior."""
        return Latent(z=torch.randn((n, self.z_dim), generator=noise, device=noise.device), labels=labels)

    def sample(self, latent: Latent) -> Tensor:
        """Return the mean of the data given z [n, *shape]."""
        decoded: Tensor = self.decoder(latent.z)
        return decoded

    def posterior(self, data: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x), each [N, z_dim], in float32."""
        mean, log_variance = self.encoder(data).float().chunk(2, dim=1)
        return mean, log_variance


class VaeObjective(Objective):
    """Objective of a VAE. Its one player, g, trains encoder and decoder to maximise the evidence lower bound."""

    needs = VaeNetworks
    formula = "KL(q(z | x) ‖ N(0, 1)) - log p(x | z), z from q(z | x)"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe = recipe_of(VaeRecipe, recipe, "a VAE")
        self.players = (Player(name="g", modules=("encoder", "decoder"), lr=recipe.lr_g, loss=self.loss),)

    def check(self, networks: Networks) -> None:
        """Raise a UserError for a Bernoulli likelihood of points, and for a standard deviation without a Gaussian likelihood."""
        super().check(networks)
        kind = vae(networks).kind
        if self.recipe.likelihood == "bernoulli" and self.recipe.sd != VaeRecipe.model_fields["sd"].default:
            raise UserError(
                f"recipe.sd={self.recipe.sd:g} has no effect with recipe.likelihood=bernoulli; set recipe.likelihood=gaussian, too"
            )
        if self.recipe.likelihood == "bernoulli" and kind != "image":
            raise UserError(f"recipe.likelihood=bernoulli works only on images, and this data is {kind}; set recipe.likelihood=gaussian")

    def loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return -ELBO [N] in nats, of one z for each example: Kingma and Welling 2014, eq. 10, with β on the rate."""
        nets = vae(networks)
        mean, log_variance = nets.posterior(batch.data)
        noise = torch.randn(mean.shape, generator=step.noise, device=mean.device)
        decoded = nets.sample(Latent(z=mean + (0.5 * log_variance).exp() * noise)).float()
        likelihood = (
            bernoulli(batch.data, decoded) if self.recipe.likelihood == "bernoulli" else gaussian(batch.data, decoded, self.recipe.sd)
        )
        rate, distortion = rate_of(mean, log_variance), -likelihood
        log = {"rate": rate.detach(), "distortion": distortion.detach(), "elbo": -(rate + distortion).detach()}
        return Terms(loss=distortion + self.recipe.beta * rate, log=log)


def rate_of(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(q(z | x) || N(0, 1)) [N] in nats: Kingma and Welling 2014, appendix B."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=1)


def bernoulli(data: Tensor, decoded: Tensor) -> Tensor:
    """Return log p(x | z) [N] of pixels and probabilities, both given in [-1, 1]: Kingma and Welling 2014, appendix C.1."""
    x, p = 0.5 * (data.float() + 1.0), (0.5 * (decoded + 1.0)).clamp(LEAST, 1.0 - LEAST)
    return (x * p.log() + (1.0 - x) * (1.0 - p).log()).flatten(1).sum(dim=1)


def gaussian(data: Tensor, decoded: Tensor, sd: float) -> Tensor:
    """Return log N(x; mean, sd²) [N]: Kingma and Welling 2014, appendix C.2, with one sd for all elements."""
    scaled = (data.float() - decoded).flatten(1) / sd
    return -(0.5 * scaled.square() + math.log(sd) + 0.5 * math.log(2.0 * math.pi)).sum(dim=1)


def vae(networks: Networks) -> VaeNetworks:
    """Return the networks with the type of a VAE. `Objective.check` checks the type earlier, with a message for users."""
    if not isinstance(networks, VaeNetworks):
        raise TypeError(f"expected VaeNetworks, got {type(networks).__name__}; build the networks with `build_vae`")
    return networks


def build_vae(networks: str, recipe: Recipe, data: DataShape) -> VaeNetworks:
    """Return the networks of a VAE. The encoder is the backbone's discriminator, and the decoder its generator."""
    recipe = recipe_of(VaeRecipe, recipe, "a VAE")
    decoder, encoder = build_pair(networks, recipe, data, latent=recipe.z_dim, code=2 * recipe.z_dim, norm=recipe.norm_encoder)
    return VaeNetworks(encoder, decoder, recipe.z_dim, data.kind)
