"""Health flags. Planted problems have a flag with their start, and healthy runs have no flags."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from bench.runs.health import D_TOO_STRONG, G_TOO_STRONG, NON_FINITE, VANISHING, Flag, flags

HEALTHY = {"loss_d": 1.3, "loss_g": 0.8, "p_real": 0.6, "p_fake": 0.4, "grad_norm_d": 2.0, "grad_norm_g": 1.0}


def run(marks: int = 40, **scalars: Callable[[int], float]) -> list[dict[str, float]]:
    """Return a healthy curve at 100, 200, ... images, with some scalars as functions of the number of the point."""
    return [{"images": 100.0 * (i + 1), **HEALTHY, **{name: value(i) for name, value in scalars.items()}} for i in range(marks)]


def found(curve: list[dict[str, float]], *, log_odds: bool = True) -> list[tuple[str, int]]:
    return [(flag.flag, flag.since_images) for flag in flags(curve, log_odds=log_odds)]


def confident(when: Callable[[int], bool]) -> dict[str, Callable[[int], float]]:
    """Return probabilities of a discriminator that is confident at some points."""
    return {"p_real": lambda i: 0.98 if when(i) else 0.6, "p_fake": lambda i: 0.02 if when(i) else 0.4}


def test_a_healthy_run_has_no_flags() -> None:
    assert found(run()) == []
    assert found([]) == []


def test_d_too_strong_starts_at_the_first_such_window() -> None:
    # D's cross-entropy is 1.0 before point 20 (2,100 images) and 0.04 after. Means of ten points are under 0.1 from point 30.
    assert found(run(**confident(lambda i: i >= 20))) == [(D_TOO_STRONG, 3000)]


def test_d_too_strong_depends_on_probabilities_only() -> None:
    assert found(run(loss_d=lambda i: -0.3)) == []  # the Jensen-Shannon loss of f-GAN at balance is cross-entropy - log 4
    assert found(run(**confident(lambda i: True), loss_d=lambda i: 2.3)) == [(D_TOO_STRONG, 1000)]  # with the loss of a classifier added
    assert found(run(p_real=lambda i: 1.0, p_fake=lambda i: 0.0)) == [(D_TOO_STRONG, 1000)]
    assert found(run(p_real=lambda i: 0.0, p_fake=lambda i: 1.0)) == [(G_TOO_STRONG, 1000)]


def test_g_too_strong_depends_on_p_fake_only() -> None:
    assert found(run(p_fake=lambda i: 0.95, loss_g=lambda i: -3.0)) == [(G_TOO_STRONG, 1000)]
    assert found(run(p_fake=lambda i: 0.90)) == []  # -log 0.90 = 0.105
    assert found(run(loss_g=lambda i: -0.7)) == []  # the minimax loss at balance


def test_balance_is_not_checked_if_logits_are_not_log_odds() -> None:
    assert found(run(loss_d=lambda i: -5.0, p_fake=lambda i: 0.99), log_odds=False) == []


def test_a_temporary_problem_is_not_reported() -> None:
    assert found(run(**confident(lambda i: i < 30))) == []


def test_nine_points_are_too_few_for_a_flag() -> None:
    assert found(run(marks=9, **confident(lambda i: True))) == []
    assert found(run(marks=10, **confident(lambda i: True))) == [(D_TOO_STRONG, 1000)]


def test_a_generator_gradient_that_vanishes_relative_to_its_start() -> None:
    assert found(run(grad_norm_g=lambda i: 1e-6)) == []  # small from the start
    # The norm halves at every point i. The median of ten is 1.5 * 0.5^(i - 4) of the first, which is under 2 % from i = 11.
    assert found(run(grad_norm_g=lambda i: 500.0 * 0.5**i)) == [(VANISHING, 1200)]
    assert found(run(grad_norm_g=lambda i: 500.0 if i < 20 else 10.1)) == []
    assert found(run(grad_norm_g=lambda i: 500.0 if i < 20 else 9.9)) == [(VANISHING, 2600)]  # most of the last ten are small
    assert found(run(grad_norm_g=lambda i: 0.0)) == [(VANISHING, 1000)]


def test_one_small_gradient_is_not_flagged() -> None:
    assert found(run(grad_norm_g=lambda i: 0.0 if i % 3 == 0 else 1.0)) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_named(value: float) -> None:
    curve = run(loss_g=lambda i: value if i >= 5 else 1.0)
    assert flags(curve, log_odds=True) == [Flag(flag=NON_FINITE, since_images=600, message=f"loss_g is {value}")]
