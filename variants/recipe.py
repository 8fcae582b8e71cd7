"""The numbers of a GAN."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.spec import Count, NonNegative, Positive, Recipe

Share = Annotated[float, Field(ge=0, le=1)]


class GanRecipe(Recipe):
    """What every GAN has beside the common numbers. 0 turns a regulariser off."""

    loss: str = Field("non-saturating", description="a registered adversarial loss")
    k: Count = Field(1, description="discriminator updates in a round, each with fresh data")
    pack: Count = Field(1, description="examples that the discriminator judges together (PacGAN); batch_size / pack of them in a batch")
    lr_d: Positive = Field(2e-4, description="learning rate of the player d")
    real_label: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="target for real data; below 1: one-sided label smoothing")
    fake_label: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="target for generated data; above 0: two-sided smoothing")
    label_noise: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="share of pairs, real and generated, whose labels D is told the wrong way round"
    )
    norm_d: Literal["published", "batch", "none", "spectral"] = Field("published", description="normalisation in the discriminator")
    minibatch_std: bool = Field(False, description="whether D's head is told the spread of its batch (ProGAN)")
    gp: NonNegative = Field(0.0, description="weight of the gradient penalty between real and generated data (WGAN-GP)")
    dragan: NonNegative = Field(0.0, description="weight of the gradient penalty around real data (DRAGAN)")
    r1: NonNegative = Field(0.0, description="γ of the squared gradient at real data (R1)")
    r2: NonNegative = Field(0.0, description="γ of the squared gradient at generated data (R2)")
    penalty_every: Count = Field(1, description="updates of D between two with gradient penalties, which then weigh as much more")
    lecam: NonNegative = Field(0.0, description="weight of the LeCam regulariser")
    consistency: NonNegative = Field(0.0, description="weight of consistency regularisation (CR-GAN)")
    augment: str = Field(
        "",
        description="DiffAugment's policy, parts of color,translation,cutout; empty: none",
        pattern="^$|^(color|translation|cutout)(,(color|translation|cutout))*$",
    )
    instance_noise: NonNegative = Field(0.0, description="sd of the noise on all that D sees, at the start")
    instance_noise_images: Annotated[int, Field(ge=0)] = Field(
        0, description="real images after which that noise has gone to 0, linearly; 0: it stays"
    )
    drift: NonNegative = Field(0.0, description="weight of the squared logits of real data (ProGAN)")
    grow: Share = Field(0.0, description="share of the budget in which networks that can grow do so; 0: whole from the start")
    clip: NonNegative = Field(0.0, description="bound of the discriminator's weights (WGAN)")

    def bound_to_budget(self) -> str | None:
        """Growth is a share of the budget."""
        return "grow" if self.grow else super().bound_to_budget()
