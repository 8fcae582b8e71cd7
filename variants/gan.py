"""The GAN layer: backbones wired for unconditional sampling, and the adversarial objective that trains them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.errors import UserError
from bench.spec import Batch, DataShape, Latent, Networks, Objective, Player, Recipe, Step, Terms
from variants.losses import LOSSES
from variants.networks.backbone import Ports, build_backbone, has_batch_norm
from variants.penalties import clip_weights, gradient_penalty
from variants.recipe import GanRecipe


class GanNetworks(Networks):
    """A generator and a discriminator of any backbone."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, recipe: GanRecipe) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.z_dim = recipe.z_dim
        self.z_distribution = recipe.z_distribution
        self.pack = recipe.pack
        self.batch_coupled = has_batch_norm(discriminator)

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """n latents z [n, z_dim] by the recipe's distribution."""
        shape, device = (n, self.z_dim), noise.device
        if self.z_distribution == "uniform":
            return Latent(z=torch.rand(shape, generator=noise, device=device).mul_(2.0).sub_(1.0), labels=labels)
        return Latent(z=torch.randn(shape, generator=noise, device=device), labels=labels)

    def sample(self, latent: Latent) -> Tensor:
        """Final examples [n, *shape]."""
        return self.generate(latent)

    def generate(self, latent: Latent) -> Tensor:
        """What the discriminator is shown as fake."""
        made: Tensor = self.generator(latent.z)
        return made

    def packs(self, data: Tensor) -> Tensor:
        """Examples [N, C, ...] as what the discriminator judges together: [N / pack, pack * C, ...], each pack of neighbours.

        Lin et al. 2018 (arXiv 1712.04086), section 2: neighbours of a shuffled batch are independent, and so are fresh fakes.
        """
        if self.pack == 1:
            return data
        return data.reshape(len(data) // self.pack, self.pack * data.shape[1], *data.shape[2:])

    def judge(self, packs: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits [N / pack, outputs] of packs, in float32 whatever the precision of the forward pass."""
        logits: Tensor = self.discriminator(packs)
        return logits.float()

    def discriminate(self, data: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits [N / pack, outputs] of examples [N, *shape], and of their labels [N] in a conditional wiring."""
        return self.judge(self.packs(data), labels)

    def discriminate_both(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits of real and of fake data: one call on the joined batch, or two where batch norm would mix their statistics."""
        if self.batch_coupled:
            return self.discriminate(real, labels), self.discriminate(fake, labels)
        twice = None if labels is None else torch.cat([labels, labels])
        logits_real, logits_fake = self.discriminate(torch.cat([real, fake.to(real.dtype)]), twice).chunk(2)
        return logits_real, logits_fake


def build_gan(networks: str, recipe: Recipe, data: DataShape) -> GanNetworks:
    """The plain wiring: z into the generator, data into the discriminator."""
    recipe = as_gan_recipe(recipe)
    check_packs(recipe)
    generator, discriminator = build_backbone(networks, Ports(data=data, latent=recipe.z_dim, copies=recipe.pack), recipe)
    return GanNetworks(generator, discriminator, recipe)


class AdversarialObjective(Objective):
    """A discriminator d and a generator g on a registered loss, with the recipe's regularisers."""

    needs = GanNetworks

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe = as_gan_recipe(recipe)
        self.loss = LOSSES.get(recipe.loss)
        self.logits_are_log_odds = self.loss.log_odds
        _refuse_nonsense(recipe, self.loss.log_odds)
        self.players = (
            Player(name="d", modules=("discriminator",), lr=recipe.lr_d, loss=self.discriminator_loss, after=self.clip, updates=recipe.k),
            Player(name="g", modules=("generator",), lr=recipe.lr_g, loss=self.generator_loss),
        )

    def check(self, networks: Networks) -> None:
        """Refuse a per-sample penalty on a discriminator whose batch norm couples the samples."""
        super().check(networks)
        if self.recipe.gp and gan(networks).batch_coupled:
            raise UserError(
                "recipe.gp: a penalty on each sample's gradient needs a discriminator without batch norm; set recipe.norm_d=none"
            )

    def discriminator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """The loss of d on fresh fakes, which need no graph here."""
        nets = gan(networks)
        with torch.no_grad():
            fake = nets.generate(nets.draw(len(batch), step.noise, batch.labels))
        real_logits, fake_logits = nets.discriminate_both(batch.data, fake, batch.labels)
        loss = self.loss.discriminator(real_logits, fake_logits, self.recipe.real_label)
        log = self._logits(real_logits.detach(), fake_logits.detach())
        if self.recipe.gp:
            penalty = gradient_penalty(nets.judge, nets.packs(batch.data), nets.packs(fake), step.noise)
            loss = loss.mean() + self.recipe.gp * penalty.mean()
            log["gradient_penalty"] = penalty.detach()
        return Terms(loss=loss, log=log)

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """The loss of g against the frozen discriminator, on fakes of its own."""
        nets = gan(networks)
        fake = nets.generate(nets.draw(len(batch), step.noise, batch.labels))
        fake_logits = nets.discriminate(fake, batch.labels)
        return Terms(loss=self.loss.generator(fake_logits))

    def clip(self, networks: Networks, terms: Terms, step: Step) -> None:
        """WGAN's clipping, where the recipe has it."""
        if self.recipe.clip:
            clip_weights(gan(networks).discriminator, self.recipe.clip)

    def _logits(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        log = {"logit_real": real, "logit_fake": fake}
        if self.logits_are_log_odds:
            log |= {"p_real": real.sigmoid(), "p_fake": fake.sigmoid()}
        return log


def gan(networks: Networks) -> GanNetworks:
    """The networks as what `Objective.check` has found them to be."""
    if not isinstance(networks, GanNetworks):
        raise TypeError(f"not GAN networks: {type(networks).__name__}")
    return networks


def as_gan_recipe(recipe: Recipe) -> GanRecipe:
    """The recipe as a GAN's; any other kind is a mistake in a catalogue."""
    if not isinstance(recipe, GanRecipe):
        raise UserError(f"a GAN needs a GanRecipe, not a {type(recipe).__name__}")
    return recipe


def check_packs(recipe: GanRecipe) -> None:
    """A UserError unless a batch makes whole packs, at least two of them: batch norm in the discriminator needs a batch."""
    size, pack = recipe.batch_size, recipe.pack
    if pack > size // 2:
        raise UserError(
            f"recipe.pack={pack} is more than half of a batch of {size}: at most {max(1, size // 2)}, or a larger recipe.batch_size"
        )
    if size % pack:
        fitting = max(2, round(size / pack)) * pack
        raise UserError(f"recipe.pack: a batch of {size} makes no whole packs of {pack}; set recipe.batch_size={fitting}")


def _refuse_nonsense(recipe: GanRecipe, log_odds: bool) -> None:
    if recipe.real_label != 1.0 and not log_odds:
        raise UserError(f"recipe.real_label: smoothing is for losses on probabilities, not {recipe.loss!r}")
    if recipe.gp and recipe.clip:
        raise UserError("recipe.clip: clipping and a gradient penalty exclude each other; set one of recipe.clip and recipe.gp to 0")
