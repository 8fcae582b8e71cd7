"""Unrolled GAN: the generator's loss uses the discriminator after a few unrolled steps (Metz et al. 2017, arXiv 1611.02163)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from bench.core.errors import UserError
from bench.core.spec import Batch, Networks, Positive, Recipe, Step, Terms
from bench.training.precision import full_precision
from variants.formulas import adversarial
from variants.gan import AdversarialObjective, GanNetworks, gan
from variants.recipe import GRADIENT_PENALTIES, GanRecipe, recipe_of


class UnrolledRecipe(GanRecipe):
    """The recipe of an unrolled GAN: the recipe of a GAN, with the number and the learning rate of D's unrolled steps."""

    unroll: Annotated[int, Field(ge=1, le=100)] = Field(5, description="further steps of the discriminator in the generator's loss")
    unroll_lr: Positive = Field(0.01, description="learning rate of those steps, which are plain gradient descent")


class UnrolledObjective(AdversarialObjective):
    """Adversarial objective in which the discriminator judges the generator with its weights after `unroll` unrolled steps."""

    recipe: UnrolledRecipe

    def __init__(self, recipe: Recipe) -> None:
        recipe = recipe_of(UnrolledRecipe, recipe, "an unrolled GAN")
        super().__init__(recipe)
        beside = next(
            (name for name in (*GRADIENT_PENALTIES, "lecam", "consistency", "drift", "label_noise", "clip") if getattr(recipe, name)), None
        )
        if beside:
            raise UserError(
                f"recipe.{beside}={getattr(recipe, beside)} does not work in an unrolled GAN, whose unrolled steps use only the loss; set recipe.{beside}=0"
            )
        later = f"the negative loss of D, with D's weights after {recipe.unroll} more steps"
        self.formula = adversarial(recipe, self.loss, generator=later)

    def generator_loss(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Return -f_K: the negative loss of D with its weights after K steps, through which gradients flow back to G (section 2.2).

        It includes D's loss on real data, because D's later weights depend on G. At D's optimum the steps change nothing.
        Every step uses the same real batch and the same fakes. D's own weights do not change.
        """
        nets = gan(networks)
        fake = self.discriminator_input(nets.generate(nets.draw(len(batch), step.noise, batch.labels)), step)
        real = self.discriminator_input(batch.data, step)
        with full_precision(fake.device):
            fake, real = fake.float(), real.float()
            weights = {name: weight.detach().requires_grad_() for name, weight in nets.discriminator.named_parameters()}
            for _ in range(self.recipe.unroll):
                real_logits, fake_logits = (judged(nets, weights, data, batch.labels) for data in (real, fake))
                loss = self.loss.discriminator(real_logits, fake_logits, self.labels).mean()
                gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True, allow_unused=True, materialize_grads=True)
                moves = zip(weights.items(), gradients, strict=True)
                weights = {name: weight - self.recipe.unroll_lr * gradient for (name, weight), gradient in moves}
            real_logits, fake_logits = (judged(nets, weights, data, batch.labels) for data in (real, fake))
            return Terms(loss=-self.loss.discriminator(real_logits, fake_logits, self.labels))


def judged(nets: GanNetworks, weights: dict[str, Tensor], data: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return logits [N / pack, 1] of the discriminator with other weights."""
    condition = nets.condition(labels)
    outputs: Tensor = functional_call(nets.discriminator, weights, (nets.packs(data), *(() if condition is None else (condition,))))
    return outputs[:, :1]
