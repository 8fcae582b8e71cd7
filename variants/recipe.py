"""The numbers of a GAN."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.spec import Count, NonNegative, Positive, Recipe


class GanRecipe(Recipe):
    """What every GAN has beside the common numbers. 0 turns a regulariser off."""

    loss: str = Field("non-saturating", description="a registered adversarial loss")
    k: Count = Field(1, description="discriminator updates in a round, each with fresh data")
    pack: Count = Field(1, description="examples that the discriminator judges together (PacGAN); batch_size / pack of them in a batch")
    lr_d: Positive = Field(2e-4, description="learning rate of the player d")
    real_label: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="target for real data; below 1: one-sided label smoothing")
    norm_d: Literal["published", "batch", "none"] = Field("published", description="normalisation in the discriminator")
    gp: NonNegative = Field(0.0, description="weight of the gradient penalty (WGAN-GP)")
    clip: NonNegative = Field(0.0, description="bound of the discriminator's weights (WGAN)")
