"""Budgets of any unit, in words and in order."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reports.budget import RunBudget, budget_of


def params(**values: Any) -> dict[str, Any]:
    return {f"param:budget.{unit}": value for unit, value in values.items()}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (params(images="100000", generator_updates="None", train_seconds="None"), "100,000 real images"),
        (params(images="None", generator_updates="5000", train_seconds="None"), "5,000 G updates"),
        (params(images="None", generator_updates="None", train_seconds="60.0"), "60 train seconds"),
        (params(images="None", generator_updates="None", train_seconds="0.5"), "0.5 train seconds"),
        (params(images=math.nan, generator_updates="1"), "1 G update"),
        (params(images="100000"), "100,000 real images"),
        ({}, "an unrecorded budget"),
        (params(images="-5"), "an unrecorded budget"),
        (params(images="inf"), "an unrecorded budget"),
        (params(images="many"), "an unrecorded budget"),
    ],
)
def test_words(run: dict[str, Any], words: str) -> None:
    assert budget_of(run).words == words


def test_order_is_by_unit_then_amount() -> None:
    budgets = [
        RunBudget(unit="train_seconds", amount=1.0),
        RunBudget(unit="images", amount=9.0),
        RunBudget(unit="images", amount=1.0),
        RunBudget(),
    ]
    assert [budget.words for budget in sorted(budgets, key=lambda budget: budget.order)] == [
        "an unrecorded budget", "1 real image", "9 real images", "1 train second",
    ]  # fmt: skip
