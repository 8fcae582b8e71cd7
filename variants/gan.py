"""The networks of an unconditional GAN, and the adversarial objective that trains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Kind, Latent, Networks, Objective, Player, Recipe, Step, Terms
from variants.augment import augment, crop_and_flip, instance_noise
from variants.formulas import adversarial
from variants.losses import LOSSES, Labels
from variants.networks.backbone import Grows, Ports, TakesMore, Traverses, build_backbone, draw_latents, has_batch_norm
from variants.networks.growth import Position
from variants.penalties import clip_weights, consistency, dragan_penalty, gradient_penalty, lecam, squared_gradient
from variants.recipe import GRADIENT_PENALTIES, GanRecipe, as_gan_recipe, check_packs, refuse_nonsense

LECAM_DECAY = 0.99  # decay of the running means, as published


class GanNetworks(Networks):
    """Networks of an unconditional GAN: a generator and a discriminator of any backbone."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, recipe: GanRecipe, kind: Kind = "image") -> None:
        super().__init__()
        self.kind = kind
        self.generator = generator
        self.discriminator = discriminator
        self.z_dim = recipe.z_dim
        self.z_distribution = recipe.z_distribution
        self.pack = recipe.pack
        self.batch_coupled = has_batch_norm(discriminator) or recipe.minibatch_std
        # The result is cached, because an isinstance check of a `Protocol` class takes longer than drawing a batch.
        self._generator_takes_more = isinstance(generator, TakesMore)
        self._growing = tuple(name for name, part in self.named_children() if isinstance(part, Grows))

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        """Return n latents z [n, z_dim] from the recipe's distribution."""
        z = draw_latents(n, self.z_dim, self.z_distribution, noise)
        extra = cast("TakesMore", self.generator).draw_extra(n, noise) if self._generator_takes_more else {}
        return Latent(z=z, labels=labels, extra=extra)

    def at(self, step: Step) -> None:
        """Set the position of networks that grow."""
        for name in self._growing:
            self._position(name).follow(step)

    def prepare(self, data: Tensor) -> Tensor:
        """Return real data at the discriminator's current resolution."""
        return self._position("discriminator").prepare(data) if "discriminator" in self._growing else data

    def sample(self, latent: Latent) -> Tensor:
        """Return final examples [n, *shape], clamped to the range of images."""
        samples = self.generate(latent)
        if "generator" in self._growing:
            samples = self._position("generator").finish(samples)
        return samples.clamp(-1.0, 1.0) if self.kind == "image" else samples

    def generate(self, latent: Latent) -> Tensor:
        """Return the fake data for the discriminator, at its current resolution."""
        generator, inputs = self.generator, self.inputs(latent)
        samples: Tensor = generator(inputs, latent.extra) if self._generator_takes_more else generator(inputs)
        return samples

    def _position(self, name: str) -> Position:
        return cast("Grows", self.get_submodule(name)).position

    def traversals(self, latent: Latent, columns: int) -> Mapping[str, Latent]:
        """Return the traversals of the generator, if it has any."""
        return self.generator.traversals(latent, columns) if isinstance(self.generator, Traverses) else {}

    def inputs(self, latent: Latent) -> Tensor:
        """Return the vectors [n, ports.latent] that the generator reads: z. Subclasses add codes or labels."""
        return latent.z

    def packs(self, data: Tensor) -> Tensor:
        """Return examples [N, C, ...] in packs [N / pack, pack * C, ...] that the discriminator judges together.

        A pack consists of adjacent examples. These are independent in a shuffled batch and in generated data: Lin et al. 2018
        (arXiv 1712.04086), section 2.
        """
        if self.pack == 1:
            return data
        return data.reshape(len(data) // self.pack, self.pack * data.shape[1], *data.shape[2:])

    def condition(self, labels: Tensor | None) -> Tensor | None:
        """Return the discriminator's input [N / pack, c] for the labels [N] of packs, or None for an unconditional GAN."""
        return None

    def read(self, packs: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return all outputs [N / pack, outputs] of the discriminator for packs. They are float32 at any precision of the forward pass.

        The first column is the logit of being real. Some subclasses have more columns.
        """
        condition = self.condition(labels)
        outputs: Tensor = self.discriminator(packs) if condition is None else self.discriminator(packs, condition)
        return outputs.float()

    def judge(self, packs: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits [N / pack, 1] of packs."""
        return self.read(packs, labels)[:, :1]

    def discriminate(self, data: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return all outputs of the discriminator [N / pack, outputs] for examples [N, *shape], with labels [N] in a conditional GAN."""
        return self.read(self.packs(data), labels)

    def discriminate_both(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the outputs of the discriminator for real and for fake data.

        It calls the discriminator once on both batches together, or twice if batch norm mixes their statistics.
        """
        if self.batch_coupled:
            return self.discriminate(real, labels), self.discriminate(fake, labels)
        twice = None if labels is None else torch.cat([labels, labels])
        logits_real, logits_fake = self.discriminate(torch.cat([real, fake.to(real.dtype)]), twice).chunk(2)
        return logits_real, logits_fake


def build_gan(networks: str, recipe: Recipe, data: DataShape) -> GanNetworks:
    """Return the networks of an unconditional GAN: z is the generator's input, data is the discriminator's input."""
    recipe = as_gan_recipe(recipe)
    check_packs(recipe)
    generator, discriminator = build_backbone(networks, Ports(data=data, latent=recipe.z_dim, copies=recipe.pack), recipe)
    return GanNetworks(generator, discriminator, recipe, data.kind)


class AdversarialObjective(Objective):
    """Objective of a discriminator d and a generator g with a registered loss and the recipe's regularisers."""

    needs: type[Networks] = GanNetworks
    mean_real: Tensor  # running means of D's logits, for LeCam
    mean_fake: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe = as_gan_recipe(recipe)
        self.loss = LOSSES.get(recipe.loss)
        self.labels = Labels(real=recipe.real_label, fake=recipe.fake_label)
        self.logits_are_log_odds = self.loss.log_odds
        self.formula = adversarial(recipe, self.loss)
        refuse_nonsense(recipe, self.loss)
        if recipe.lecam:
            self.register_buffer("mean_real", torch.zeros(()))
            self.register_buffer("mean_fake", torch.zeros(()))
        self.players = (
            Player(
                name="d",
                modules=("discriminator",),
                lr=recipe.lr_d,
                loss=self.discriminator_loss,
                after=self.after_discriminator,
                updates=recipe.k,
            ),
            Player(name="g", modules=("generator",), lr=recipe.lr_g, loss=self.generator_loss),
        )

    def check(self, networks: Networks) -> None:
        """Raise a UserError for a per-sample penalty on a discriminator with batch norm, and for augmentations of points."""
        super().check(networks)
        penalty = next((name for name in GRADIENT_PENALTIES if getattr(self.recipe, name)), None)
        if penalty and has_batch_norm(gan(networks).discriminator):  # minibatch std is allowed: ProGAN and StyleGAN use it with a penalty
            raise UserError(
                f"recipe.{penalty} does not work with batch norm in the discriminator, because it penalises the gradient of each sample; set recipe.norm_d=none"
            )
        picture = next((name for name in ("augment", "consistency") if getattr(self.recipe, name)), None)
        if picture and gan(networks).kind != "image":
            raise UserError(f"recipe.{picture} works only on images, and this data is {gan(networks).kind}; omit it")

    def discriminator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return the loss of d on new fakes, which need no gradient."""
        nets = gan(networks)
        with torch.no_grad():
            latent = nets.draw(len(batch), step.noise, batch.labels)
            fake = self.discriminator_input(nets.generate(latent), step)
            real = self.discriminator_input(batch.data, step)
        real_outputs, fake_outputs = nets.discriminate_both(real, fake, batch.labels)
        real_logits, fake_logits = real_outputs[:, :1], fake_outputs[:, :1]
        loss = self.loss.discriminator(*self._with_label_noise(real_logits, fake_logits, step), self.labels)
        log = self._logits(real_logits.detach(), fake_logits.detach())
        for name, (weight, term) in self.beside_d(real_outputs[:, 1:], fake_outputs[:, 1:], batch, latent).items():
            loss = loss.mean() + weight * term.mean()
            log[name] = term.detach()
        for name, weight, penalty in self._penalties(nets, real, fake, batch.labels, step):
            loss = loss.mean() + weight * penalty.mean()
            log[name] = penalty.detach()
        if self.recipe.drift:
            loss = loss.mean() + self.recipe.drift * real_logits.square().mean()
        if self.recipe.lecam:
            loss = loss.mean() + self.recipe.lecam * lecam(real_logits, fake_logits, self.mean_real, self.mean_fake).mean()
        if self.recipe.consistency:
            changed = nets.discriminate(crop_and_flip(real, step.noise), batch.labels)[:, :1]
            log["consistency"] = (difference := consistency(real_logits, changed)).detach()
            loss = loss.mean() + self.recipe.consistency * difference.mean()
        return Terms(loss=loss, log=log)

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return the loss of g against the frozen discriminator, on new fakes. A relativistic loss also uses d's last real batch."""
        nets = gan(networks)
        latent = nets.draw(len(batch), step.noise, batch.labels)
        fake = self.discriminator_input(nets.generate(latent), step)
        if self.loss.sees_real:
            real_outputs, fake_outputs = nets.discriminate_both(self.discriminator_input(batch.data, step), fake, batch.labels)
        else:
            real_outputs = fake_outputs = nets.discriminate(fake, batch.labels)
        loss = self.loss.generator(fake_outputs[:, :1], real_outputs[:, :1])
        for weight, term in self.beside_g(fake_outputs[:, 1:], latent).values():
            loss = loss.mean() + weight * term.mean()
        return Terms(loss=loss, log=self.logged(fake_outputs[:, 1:].detach(), latent))

    def beside_d(self, real: Tensor, fake: Tensor, batch: Batch, latent: Latent) -> Mapping[str, tuple[float, Tensor]]:
        """Return the further terms of d's loss as {name: (weight, term)}, from its further outputs [N / pack, outputs - 1]."""
        return {}

    def beside_g(self, fake: Tensor, latent: Latent) -> Mapping[str, tuple[float, Tensor]]:
        """Return the further terms of g's loss as {name: (weight, term)}, from d's further outputs [N / pack, outputs - 1]."""
        return {}

    def logged(self, fake: Tensor, latent: Latent) -> Mapping[str, Tensor]:
        """Return values to log from d's further outputs [N / pack, outputs - 1] at g's update."""
        return {}

    def discriminator_input(self, data: Tensor, step: Step) -> Tensor:
        """Return the discriminator's input: data with the recipe's instance noise and augmentation."""
        recipe = self.recipe
        if recipe.instance_noise:
            share = max(0.0, 1.0 - step.images / recipe.instance_noise_images) if recipe.instance_noise_images else 1.0
            data = instance_noise(data, recipe.instance_noise * share, step.noise)
        return augment(data, recipe.augment, step.noise) if recipe.augment else data

    def after_discriminator(self, networks: Networks, terms: Terms, step: Step) -> None:
        """Clip weights (WGAN) and update running means of logits (LeCam), if the recipe has them."""
        if self.recipe.clip:
            clip_weights(gan(networks).discriminator, self.recipe.clip)
        if self.recipe.lecam:
            self.mean_real.lerp_(terms.log["logit_real"].mean(), 1.0 - LECAM_DECAY)
            self.mean_fake.lerp_(terms.log["logit_fake"].mean(), 1.0 - LECAM_DECAY)

    def _with_label_noise(self, real: Tensor, fake: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Return real and fake logits. Label noise exchanges some pairs."""
        if not self.recipe.label_noise:
            return real, fake
        wrong = torch.rand(real.shape, generator=step.noise, device=real.device) < self.recipe.label_noise
        return torch.where(wrong, fake, real), torch.where(wrong, real, fake)

    def _penalties(
        self, nets: GanNetworks, real: Tensor, fake: Tensor, labels: Tensor | None, step: Step
    ) -> Iterator[tuple[str, float, Tensor]]:  # fmt: skip
        """Yield (name, weight, penalty [N]) of every gradient penalty of this update."""
        recipe = self.recipe

        def judge(packs: Tensor) -> Tensor:
            return nets.judge(packs, labels)

        if step.index % recipe.penalty_every:
            return
        real, fake, often = nets.packs(real), nets.packs(fake), recipe.penalty_every
        if recipe.gp:
            yield "gradient_penalty", often * recipe.gp, gradient_penalty(judge, real, fake, step.noise)
        if recipe.dragan:
            yield "gradient_penalty", often * recipe.dragan, dragan_penalty(judge, real, step.noise)
        if recipe.r1:
            yield "r1", often * recipe.r1, squared_gradient(judge, real)
        if recipe.r2:
            yield "r2", often * recipe.r2, squared_gradient(judge, fake)

    def _logits(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        log = {"logit_real": real, "logit_fake": fake}
        if self.logits_are_log_odds:
            log |= {"p_real": real.sigmoid(), "p_fake": fake.sigmoid()}
        return log


def gan(networks: Networks) -> GanNetworks:
    """Return the networks with the type of a GAN. `Objective.check` checks the type earlier, with a message for users."""
    if not isinstance(networks, GanNetworks):
        raise TypeError(f"expected GanNetworks, got {type(networks).__name__}; build the networks with `build_gan`")
    return networks
