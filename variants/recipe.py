"""The recipe of a GAN: its hyperparameters, and checks of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from bench.core.errors import UserError, nearest
from bench.core.spec import Count, LatentRecipe, NonNegative, Positive, R, Recipe
from variants.augment import POLICIES
from variants.losses import LOSSES, AdversarialLoss

GRADIENT_PENALTIES = ("gp", "dragan", "r1", "r2")
Share = Annotated[float, Field(ge=0, le=1)]


class GanRecipe(LatentRecipe):
    """The hyperparameters of every GAN. 0 turns a regulariser off."""

    loss: str = Field("non-saturating", description="a registered adversarial loss")
    k: Count = Field(1, description="discriminator updates per generator update, each with fresh data")
    pack: Count = Field(
        1, description="number of examples that the discriminator judges together as a pack (PacGAN); a batch has batch_size / pack packs"
    )
    lr_d: Positive = Field(2e-4, description="learning rate of the player d")
    real_label: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="target for real data; below 1: one-sided label smoothing")
    fake_label: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="target for generated data; above 0: two-sided smoothing")
    label_noise: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="share of pairs, real and generated, whose labels are exchanged for D"
    )
    norm_d: Literal["published", "batch", "none", "spectral"] = Field("published", description="normalisation in the discriminator")
    minibatch_std: bool = Field(False, description="whether D's last layers get the standard deviation of the batch (ProGAN)")
    gp: NonNegative = Field(0.0, description="weight of the gradient penalty between real and generated data (WGAN-GP)")
    dragan: NonNegative = Field(0.0, description="weight of the gradient penalty around real data (DRAGAN)")
    r1: NonNegative = Field(0.0, description="γ of the squared gradient at real data (R1)")
    r2: NonNegative = Field(0.0, description="γ of the squared gradient at generated data (R2)")
    penalty_every: Count = Field(1, description="interval n of gradient penalties: every n-th update of D has one, with n times the weight")
    lecam: NonNegative = Field(0.0, description="weight of the LeCam regulariser")
    consistency: NonNegative = Field(0.0, description="weight of consistency regularisation (CR-GAN)")
    augment: str = Field("", description="DiffAugment's policy, parts of color,translation,cutout; empty: none")
    instance_noise: NonNegative = Field(0.0, description="initial standard deviation of the noise on all data that D gets")
    instance_noise_images: Annotated[int, Field(ge=0)] = Field(
        0, description="real images over which the instance noise falls linearly to 0; 0: it stays constant"
    )
    drift: NonNegative = Field(0.0, description="weight of the squared logits of real data (ProGAN)")
    grow: Share = Field(
        0.0, description="share of the budget in which networks grow, if they can; 0: they have the full size from the start"
    )
    clip: NonNegative = Field(0.0, description="largest absolute value of the discriminator's weights (WGAN)")

    @field_validator("augment", mode="before")
    @classmethod
    def _policy(cls, given: object) -> object:
        """Return the text of a policy that is text or a list of parts."""
        text = ",".join(map(str, given)) if isinstance(given, list | tuple) else given
        if not isinstance(text, str) or not text:
            return text
        parts = text.split(",")
        for part in parts:
            if part not in POLICIES:
                raise ValueError(f"{part!r} is not an augmentation{nearest(part, POLICIES)}")
            if parts.count(part) > 1:
                raise ValueError(f"{part!r} occurs more than once; give it once")
        return text

    def sources(self) -> Mapping[str, str]:
        """Return the hash of a user's loss."""
        return {"loss": LOSSES.source(self.loss)}

    def bound_to_budget(self) -> str | None:
        """Return `grow` if the networks grow, because it is a share of the budget."""
        return "grow" if self.grow else super().bound_to_budget()


def recipe_of(kind: type[R], recipe: Recipe, whose: str) -> R:
    """Return the recipe with the type that `whose` objective or networks need. Raises a UserError for another type."""
    if not isinstance(recipe, kind):
        raise UserError(
            f"{whose} needs {'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}, not a {type(recipe).__name__}; change the variant's recipe"
        )
    return recipe


def as_gan_recipe(recipe: Recipe) -> GanRecipe:
    """Return the recipe with the type of a GAN's recipe. Raises a UserError for another type."""
    return recipe_of(GanRecipe, recipe, "a GAN")


def check_packs(recipe: GanRecipe) -> None:
    """Raise a UserError unless a batch consists of at least two complete packs, which batch norm in the discriminator needs."""
    size, pack = recipe.batch_size, recipe.pack
    if pack > size // 2:
        raise UserError(
            f"recipe.pack={pack} is more than half of a batch of {size}; set at most {max(1, size // 2)}, or a larger recipe.batch_size"
        )
    if size % pack:
        fitting = max(2, round(size / pack)) * pack
        raise UserError(f"recipe.pack={pack} does not divide a batch of {size}; set recipe.batch_size={fitting}")


def refuse_nonsense(recipe: GanRecipe, loss: AdversarialLoss) -> None:
    """Raise a UserError for hyperparameters that contradict each other."""
    soft = next(
        (name for name in ("real_label", "fake_label", "label_noise") if getattr(recipe, name) != GanRecipe.model_fields[name].default),
        None,
    )
    if soft and not loss.soft_labels:
        able = ", ".join(name for name, known in LOSSES if known.soft_labels)
        raise UserError(f"recipe.{soft} has no effect, because the loss {recipe.loss!r} has no labels; choose a loss with labels: {able}")
    if recipe.fake_label >= recipe.real_label:
        raise UserError(
            f"recipe.fake_label={recipe.fake_label} must be below recipe.real_label={recipe.real_label}; set a smaller fake_label"
        )
    exclusive = [name for name in ("gp", "dragan", "clip") if getattr(recipe, name)]
    if len(exclusive) > 1:
        raise UserError(
            f"{' and '.join(f'recipe.{name}' for name in exclusive)} exclude each other, because each of them limits D's gradient; set all but one to 0"
        )
    if recipe.instance_noise_images and not recipe.instance_noise:
        raise UserError(
            f"recipe.instance_noise_images={recipe.instance_noise_images} has no effect, because recipe.instance_noise is 0; set recipe.instance_noise, too"
        )
    if recipe.penalty_every > 1 and not any(getattr(recipe, name) for name in GRADIENT_PENALTIES):
        raise UserError(
            f"recipe.penalty_every={recipe.penalty_every} has no effect without a gradient penalty; set it to 1, or set one of "
            f"{', '.join(f'recipe.{name}' for name in GRADIENT_PENALTIES)}"
        )
