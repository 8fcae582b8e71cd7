"""The recipe of a translation: the hyperparameters of networks and objectives that make examples from given examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from bench.core.spec import Count, NonNegative, Positive, Recipe
from variants.losses import LOSSES
from variants.recipe import Share, recipe_of

NormChoice = Literal["published", "instance", "batch", "none"]


class TranslationRecipe(Recipe):
    """The hyperparameters of every translation. Weights are for data in [-1, 1]. A weight of 0 turns a term off."""

    batch_size: Annotated[int, Field(ge=1)] = Field(1, description="real images in a batch")
    lr_d: Positive = Field(2e-4, description="learning rate of the player d")
    k: Count = Field(1, description="updates of d in a round")
    g_updates: Count = Field(1, description="updates of g in a round")

    norm_g: NormChoice = Field("published", description="normalisation in the generator; published: that of the networks' paper")
    norm_d: NormChoice = Field("published", description="normalisation in the discriminator; published: that of the networks' paper")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="probability of dropout in G, in training and in evaluation: the only noise of a translation"
    )
    upsample: Literal["published", "transposed", "resize", "shuffle"] = Field(
        "published",
        description="transposed convolutions, convolutions after nearest up-sampling, or convolutions before a pixel shuffle",
    )
    blocks: Annotated[int, Field(ge=0, le=256)] = Field(0, description="residual blocks of G, if the networks have any; 0: as published")
    patch_layers: Annotated[int, Field(ge=0, le=16)] = Field(
        0, description="stride-2 layers of D, which set the size of its patches; 0: as published, or fewer for small images"
    )
    conditional_d: bool = Field(False, description="whether D gets the given image beside the real or generated image")

    loss: str = Field("non-saturating", description="a registered adversarial loss")
    adversarial: NonNegative = Field(1.0, description="weight of the adversarial loss of G")
    l1: NonNegative = Field(0.0, description="weight of the mean absolute difference from the paired target")
    mse: NonNegative = Field(0.0, description="weight of the mean squared difference from the paired target")
    cycle: NonNegative = Field(0.0, description="weight of the difference from the given image after the translation there and back")
    cycle_distance: Literal["l1", "mse"] = Field("l1", description="that difference: mean absolute, or mean squared")
    identity: NonNegative = Field(0.0, description="weight of the change that G makes to an example of its own target side")
    feature_matching: NonNegative = Field(
        0.0, description="weight of the difference between D's mean features of real and of generated data"
    )
    classify: NonNegative = Field(0.0, description="weight of the loss of D's class logits, for D on real and for G on generated data")
    gp: NonNegative = Field(0.0, description="weight of the gradient penalty between real and generated data (WGAN-GP)")
    pool: Annotated[int, Field(ge=0, le=65_536)] = Field(
        0, description="earlier generated images from which some inputs of D are drawn; 0: D gets only new images"
    )
    pretrain: Share = Field(0.0, description="share of the budget, from the start, in which G trains without D")

    def sources(self) -> Mapping[str, str]:
        """Return the hash of a user's loss."""
        return {"loss": LOSSES.source(self.loss)}

    def bound_to_budget(self) -> str | None:
        """Return `pretrain` if G trains without D at first, because it is a share of the budget."""
        return "pretrain" if self.pretrain else super().bound_to_budget()


def as_translation_recipe(recipe: Recipe) -> TranslationRecipe:
    """Return the recipe with the type of a translation's recipe. Raises a UserError for another type."""
    return recipe_of(TranslationRecipe, recipe, "a translation")
