"""Formulas in words."""

from __future__ import annotations

from variants.formulas import symbols
from variants.losses import LOSSES


def test_only_the_symbols_of_a_formula_are_explained() -> None:
    assert symbols(LOSSES.get("wasserstein").formula) == "r and f are D's logits of real data x and of generated data G(z)"
    assert "σ" in symbols(LOSSES.get("non-saturating").formula)
    assert symbols("KL(q(z | x) ‖ N(0, 1))") == ""


def test_all_symbols_are_explained_where_no_formula_is_given() -> None:
    assert all(symbol in symbols() for symbol in ("r and f", "σ", "E ", "m ", "∇D", "x̂", "x̃", "T "))
