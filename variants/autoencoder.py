"""EBGAN and BEGAN, whose discriminator is an autoencoder with a large reconstruction error on generated data."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from bench.core.spec import (
    Batch,
    Count,
    DataShape,
    Kind,
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
from variants.gan import GanNetworks
from variants.networks.autoencoder import Autoencoder, Norm, as_backbone_recipe, build_pair
from variants.recipe import Share, recipe_of


class AutoencoderGanRecipe(LatentRecipe):
    """The recipe of GANs with an autoencoder. These have no logits, so the recipe has no adversarial loss, labels or penalties on logits."""

    k: Count = Field(1, description="discriminator updates per generator update, each with fresh data")
    lr_d: Positive = Field(2e-4, description="learning rate of the player d")
    norm_d: Norm = Field(
        "published", description="normalisation in the discriminator's encoder; that of its decoder is that of the generator"
    )
    code_dim: Annotated[int, Field(ge=1, le=65_536)] = Field(
        64, description="width of the code between the discriminator's encoder and decoder"
    )


class EbganRecipe(AutoencoderGanRecipe):
    """The recipe of EBGAN."""

    margin: Positive = Field(10.0, description="energy above which generated data does not change the discriminator's loss")
    pulling_away: NonNegative = Field(0.1, description="weight of the pulling-away term on the codes of generated data")


class BeganRecipe(AutoencoderGanRecipe):
    """The recipe of BEGAN."""

    gamma: Share = Field(
        0.5, description="γ: ratio of the errors on generated and on real data at equilibrium; a lower value gives less diverse data"
    )
    lambda_k: NonNegative = Field(1e-3, description="λ_k: step size of the balance k_t")


class AutoencoderGanNetworks(GanNetworks):
    """Networks with a generator, and an autoencoder as discriminator."""

    discriminator: Autoencoder

    def __init__(self, generator: nn.Module, discriminator: Autoencoder, recipe: AutoencoderGanRecipe, kind: Kind = "image") -> None:
        super().__init__(generator, discriminator, as_backbone_recipe(recipe, recipe.norm_d), kind)

    def reconstruct_both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return reconstructions of real and of fake data, each [N, *shape], in float32."""
        return self.discriminate_both(real, fake)


def build_autoencoder_gan(networks: str, recipe: Recipe, data: DataShape) -> AutoencoderGanNetworks:
    """Return the networks of a GAN with an autoencoder. Its encoder is the backbone's discriminator, its decoder a second generator."""
    recipe = recipe_of(AutoencoderGanRecipe, recipe, "a GAN with an autoencoder")
    code = recipe.code_dim
    generator, encoder = build_pair(networks, recipe, data, latent=recipe.z_dim, code=code, norm=recipe.norm_d)
    decoder, _ = build_pair(networks, recipe, data, latent=code, code=code, norm=recipe.norm_d)
    return AutoencoderGanNetworks(generator, Autoencoder(encoder, decoder), recipe, data.kind)


def energy(data: Tensor, reconstruction: Tensor) -> Tensor:
    """Return |Dec(Enc(x)) - x| [N], the Euclidean norm: Zhao et al. 2017, eq. 5."""
    return torch.linalg.vector_norm((reconstruction.float() - data.float()).flatten(1), dim=1)


def absolute_error(data: Tensor, reconstruction: Tensor) -> Tensor:
    """Return L(v) = |v - D(v)| [N], a mean over the elements of an example: Berthelot et al. 2017, eq. 1 with η = 1."""
    return (reconstruction.float() - data.float()).abs().flatten(1).mean(dim=1)


def pulling_away(codes: Tensor) -> Tensor:
    """Return the mean squared cosine of all pairs of codes [N, c], a scalar: Zhao et al. 2017, eq. 4.

    It is 0 for orthogonal codes and 1 for parallel codes. For codes S of length 1 the sum over all pairs is |SᵀS|², which costs N c²
    instead of N² c. It includes the N pairs of a code with itself.
    """
    unit = normalize(codes.float(), dim=1)
    n = len(unit)
    return ((unit.t() @ unit).square().sum() - n) / (n * (n - 1))


class EbganObjective(Objective):
    """Objective of EBGAN. The discriminator gives low energies to real data, and energies of at least a margin to generated data."""

    needs = AutoencoderGanNetworks
    formula = (
        "D: E(x) + max(0, m - E(G(z))); G: E(G(z)) + w PT, with E(x) = |Dec(Enc(x)) - x| and PT the mean squared cosine of pairs of codes"
    )

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        recipe = recipe_of(EbganRecipe, recipe, "EBGAN")
        self.margin, self.weight = recipe.margin, recipe.pulling_away
        self.players = (
            Player(name="d", modules=("discriminator",), lr=recipe.lr_d, loss=self.discriminator_loss, updates=recipe.k),
            Player(name="g", modules=("generator",), lr=recipe.lr_g, loss=self.generator_loss),
        )

    def discriminator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return D(x) + [m - D(G(z))]⁺ [N]: Zhao et al. 2017, eq. 1."""
        nets, real = autoencoder_gan(networks), batch.data
        fake = fresh_fakes(nets, len(batch), step)
        real_again, fake_again = nets.reconstruct_both(real, fake)
        real_energy, fake_energy = energy(real, real_again), energy(fake, fake_again)
        loss = real_energy + relu(self.margin - fake_energy)
        return Terms(loss=loss, log={"real_error": real_energy.detach(), "fake_error": fake_energy.detach()})

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return D(G(z)) [N], with the pulling-away term: Zhao et al. 2017, eq. 2 and section 2.4."""
        nets = autoencoder_gan(networks)
        fake = nets.generate(nets.draw(len(batch), step.noise, batch.labels))
        codes = nets.discriminator.encoder(fake)
        loss = energy(fake, nets.discriminator.decoder(codes))
        apart = pulling_away(codes)
        return Terms(loss=loss + self.weight * apart, log={"pulling_away": apart.detach()})


class BeganObjective(Objective):
    """Objective of BEGAN. The discriminator reconstructs real but not generated data. A weight k_t balances the two errors."""

    needs = AutoencoderGanNetworks
    formula = "D: L(x) - k_t L(G(z)); G: L(G(z)); k_t grows by λ_k (γ L(x) - L(G(z))), with L(x) the mean of |D(x) - x| over the elements of an example"
    k_t: Tensor  # weight of generated data in the discriminator's loss

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        recipe = recipe_of(BeganRecipe, recipe, "BEGAN")
        self.gamma, self.lambda_k = recipe.gamma, recipe.lambda_k
        self.register_buffer("k_t", torch.zeros(()))
        self.players = (
            Player(
                name="d", modules=("discriminator",), lr=recipe.lr_d, loss=self.discriminator_loss, after=self.balance, updates=recipe.k
            ),
            Player(name="g", modules=("generator",), lr=recipe.lr_g, loss=self.generator_loss),
        )

    def discriminator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return L(x) - k_t L(G(z)) [N]: Berthelot et al. 2017, section 3.4. Logs the measure of convergence M = L(x) + |γ L(x) - L(G(z))|."""
        nets, real = autoencoder_gan(networks), batch.data
        fake = fresh_fakes(nets, len(batch), step)
        real_again, fake_again = nets.reconstruct_both(real, fake)
        real_error, fake_error = absolute_error(real, real_again), absolute_error(fake, fake_again)
        mean_real, mean_fake = real_error.detach().mean(), fake_error.detach().mean()
        log = {
            "real_error": mean_real,
            "fake_error": mean_fake,
            "convergence": mean_real + (self.gamma * mean_real - mean_fake).abs(),
            "k_t": self.k_t.clone(),
        }
        return Terms(loss=real_error - self.k_t * fake_error, log=log)

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return L(G(z)) [N]: Berthelot et al. 2017, section 3.4."""
        nets = autoencoder_gan(networks)
        fake = nets.generate(nets.draw(len(batch), step.noise, batch.labels))
        return Terms(loss=absolute_error(fake, nets.read(fake)))

    def balance(self, networks: Networks, terms: Terms, step: Step) -> None:
        """Set k_{t+1} = k_t + λ_k (γ L(x) - L(G(z))), clamped to [0, 1], on D's batch: Berthelot et al. 2017, section 3.4."""
        self.k_t.add_(self.lambda_k * (self.gamma * terms.log["real_error"] - terms.log["fake_error"])).clamp_(0.0, 1.0)


def fresh_fakes(nets: AutoencoderGanNetworks, n: int, step: Step) -> Tensor:
    """Return generated data [n, *shape] for the discriminator, without a graph."""
    with torch.no_grad():
        return nets.generate(nets.draw(n, step.noise))


def autoencoder_gan(networks: Networks) -> AutoencoderGanNetworks:
    """Return the networks with the type of a GAN with an autoencoder. `Objective.check` checks the type earlier, with a message for users."""
    if not isinstance(networks, AutoencoderGanNetworks):
        raise TypeError(f"expected AutoencoderGanNetworks, got {type(networks).__name__}; build the networks with `build_autoencoder_gan`")
    return networks
