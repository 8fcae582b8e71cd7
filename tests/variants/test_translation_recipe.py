"""The recipe of a translation: its bounds, and its fields that are shares of the budget."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench.core.errors import UserError
from variants.recipe import GanRecipe
from variants.translation_recipe import TranslationRecipe, as_translation_recipe


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("z_dim", 8), ("dropout", 1.0), ("dropout", -0.1), ("blocks", -1), ("patch_layers", -1), ("pool", -1), ("pretrain", 1.1), ("k", 0),
        ("l1", -1.0), ("cycle", float("inf")), ("lr_d", 0.0), ("norm_g", "spectral"), ("upsample", "bilinear"), ("lambda_l1", 100.0),
    ],
)  # fmt: skip
def test_values_out_of_bounds(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        TranslationRecipe.model_validate({field: value})


def test_every_field_has_a_description() -> None:
    assert all(field.description for field in TranslationRecipe.model_fields.values())


@pytest.mark.parametrize(
    ("settings", "bound"),
    [({}, None), ({"pretrain": 0.5}, "pretrain"), ({"pretrain": 1.0}, "pretrain"), ({"decay_from": 0.5}, "decay_from")],
)
def test_shares_of_the_budget(settings: dict[str, object], bound: str | None) -> None:
    assert TranslationRecipe.model_validate(settings).bound_to_budget() == bound


def test_another_recipe_is_refused() -> None:
    with pytest.raises(UserError, match="a translation needs a TranslationRecipe, not a GanRecipe"):
        as_translation_recipe(GanRecipe())
    recipe = TranslationRecipe(l1=100.0)
    assert as_translation_recipe(recipe) is recipe
