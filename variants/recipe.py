"""The recipe of a GAN: its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from bench.core.errors import UserError, nearest
from bench.core.spec import Count, NonNegative, Positive, R, Recipe
from variants.augment import POLICIES
from variants.losses import LOSSES, AdversarialLoss

GRADIENT_PENALTIES = ("gp", "dragan", "r1", "r2")
Share = Annotated[float, Field(ge=0, le=1)]


class GanRecipe(Recipe):
    """The hyperparameters of every GAN. 0 turns a regulariser off."""

    loss: str = Field("non-saturating", description="a registered adversarial loss")
    k: Count = Field(1, description="discriminator updates in a round, each with fresh data")
    pack: Count = Field(1, description="examples that the discriminator judges together (PacGAN); batch_size / pack of them in a batch")
    lr_d: Positive = Field(2e-4, description="learning rate of the player d")
    real_label: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="target for real data; below 1: one-sided label smoothing")
    fake_label: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="target for generated data; above 0: two-sided smoothing")
    label_noise: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="share of pairs, real and generated, whose labels are exchanged for D"
    )
    norm_d: Literal["published", "batch", "none", "spectral"] = Field("published", description="normalisation in the discriminator")
    minibatch_std: bool = Field(False, description="whether D's head sees the spread of its batch (ProGAN)")
    gp: NonNegative = Field(0.0, description="weight of the gradient penalty between real and generated data (WGAN-GP)")
    dragan: NonNegative = Field(0.0, description="weight of the gradient penalty around real data (DRAGAN)")
    r1: NonNegative = Field(0.0, description="γ of the squared gradient at real data (R1)")
    r2: NonNegative = Field(0.0, description="γ of the squared gradient at generated data (R2)")
    penalty_every: Count = Field(1, description="updates of D between two with gradient penalties, which then weigh as much more")
    lecam: NonNegative = Field(0.0, description="weight of the LeCam regulariser")
    consistency: NonNegative = Field(0.0, description="weight of consistency regularisation (CR-GAN)")
    augment: str = Field("", description="DiffAugment's policy, parts of color,translation,cutout; empty: none")
    instance_noise: NonNegative = Field(0.0, description="sd of the noise on all that D sees, at the start")
    instance_noise_images: Annotated[int, Field(ge=0)] = Field(
        0, description="real images after which that noise has gone to 0, linearly; 0: it stays"
    )
    drift: NonNegative = Field(0.0, description="weight of the squared logits of real data (ProGAN)")
    grow: Share = Field(0.0, description="share of the budget in which networks that can grow do so; 0: whole from the start")
    clip: NonNegative = Field(0.0, description="bound of the discriminator's weights (WGAN)")

    @field_validator("augment", mode="before")
    @classmethod
    def _policy(cls, given: object) -> object:
        """The parts of a policy, given as text or as a list, as text."""
        text = ",".join(map(str, given)) if isinstance(given, list | tuple) else given
        if not isinstance(text, str) or not text:
            return text
        parts = text.split(",")
        for part in parts:
            if part not in POLICIES:
                raise ValueError(f"{part!r} is not an augmentation{nearest(part, POLICIES)}")
            if parts.count(part) > 1:
                raise ValueError(f"{part!r} occurs more than once")
        return text

    def sources(self) -> Mapping[str, str]:
        """The hash of a user's loss."""
        return {"loss": LOSSES.source(self.loss)}

    def bound_to_budget(self) -> str | None:
        """`grow`, which is a share of the budget."""
        return "grow" if self.grow else super().bound_to_budget()


def recipe_of(kind: type[R], recipe: Recipe, whose: str) -> R:
    """The recipe, typed as the kind that `whose` objective or networks need. Another kind is a UserError."""
    if not isinstance(recipe, kind):
        raise UserError(f"{whose} needs {'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}, not a {type(recipe).__name__}")
    return recipe


def as_gan_recipe(recipe: Recipe) -> GanRecipe:
    """The recipe as a GAN's."""
    return recipe_of(GanRecipe, recipe, "a GAN")


def check_packs(recipe: GanRecipe) -> None:
    """Raise a UserError unless a batch consists of at least two whole packs: batch norm in the discriminator needs a batch."""
    size, pack = recipe.batch_size, recipe.pack
    if pack > size // 2:
        raise UserError(
            f"recipe.pack={pack} is more than half of a batch of {size}: at most {max(1, size // 2)}, or a larger recipe.batch_size"
        )
    if size % pack:
        fitting = max(2, round(size / pack)) * pack
        raise UserError(f"recipe.pack: a batch of {size} does not divide into packs of {pack}; set recipe.batch_size={fitting}")


def refuse_nonsense(recipe: GanRecipe, loss: AdversarialLoss) -> None:
    """Raise a UserError for numbers that contradict each other."""
    soft = next(
        (name for name in ("real_label", "fake_label", "label_noise") if getattr(recipe, name) != GanRecipe.model_fields[name].default),
        None,
    )
    if soft and not loss.soft_labels:
        able = ", ".join(name for name, known in LOSSES if known.soft_labels)
        raise UserError(f"recipe.{soft}: the loss {recipe.loss!r} has no labels to change; those that have are {able}")
    if recipe.fake_label >= recipe.real_label:
        raise UserError(f"recipe.fake_label={recipe.fake_label} must be below recipe.real_label={recipe.real_label}")
    exclusive = [name for name in ("gp", "dragan", "clip") if getattr(recipe, name)]
    if len(exclusive) > 1:
        raise UserError(
            f"recipe.{exclusive[-1]}: clipping and a gradient penalty exclude each other, as do two penalties that hold the gradient near 1; "
            f"set one of {' and '.join(f'recipe.{name}' for name in exclusive)} to 0"
        )
    if recipe.instance_noise_images and not recipe.instance_noise:
        raise UserError("recipe.instance_noise_images says when instance noise ends, and recipe.instance_noise is 0")
    if recipe.penalty_every > 1 and not any(getattr(recipe, name) for name in GRADIENT_PENALTIES):
        raise UserError(
            f"recipe.penalty_every says how often gradient penalties are due, and there is none: leave it at 1, or set one of "
            f"{', '.join(f'recipe.{name}' for name in GRADIENT_PENALTIES)}"
        )
