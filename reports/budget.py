"""Training budget in any unit. Runs in one cohort have the same budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "param:budget."
WORDS = {
    "images": ("real image", "real images"),
    "generator_updates": ("G update", "G updates"),
    "train_seconds": ("train second", "train seconds"),
}


@dataclass(frozen=True, kw_only=True)
class RunBudget:
    """Record of an amount of one unit. The unit is empty if the run did not record its budget."""

    unit: str = ""
    amount: float = 0.0

    @property
    def words(self) -> str:
        """The budget in words, e.g. "100,000 real images"."""
        if not self.unit:
            return "an unrecorded budget"
        return f"{self.number:,} {WORDS[self.unit][self.amount != 1]}"

    @property
    def number(self) -> float:
        """The amount, as an int if it is whole."""
        return int(self.amount) if self.amount.is_integer() else self.amount

    @property
    def order(self) -> tuple[int, float]:
        """Sort key: the unit, then the amount."""
        return (list(WORDS).index(self.unit) if self.unit else -1, self.amount)


def budget_of(run: Mapping[Any, Any]) -> RunBudget:
    """Return the budget of a run from its parameters. Exactly one unit is a number. Older runs have only images."""
    for unit in WORDS:
        amount = _positive(run.get(f"{PREFIX}{unit}"))
        if amount is not None:
            return RunBudget(unit=unit, amount=amount)
    return RunBudget()


def _positive(value: object) -> float | None:
    """Return a parameter's text as a number, or None if it is "None", missing or not a finite positive number."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
