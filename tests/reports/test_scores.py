"""Scores over data sets, against closed forms and scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import trim_mean

from reports.scores import (
    HIGHEST,
    LOWEST,
    RESAMPLES,
    ScoreScale,
    aggregate,
    first_at,
    improvability,
    interquartile_mean,
    profile,
    scores,
    win_rate,
)
from reports.stats import Sample


def test_a_score_is_0_untrained_and_1_real_on_a_log_scale() -> None:
    scale = ScoreScale(untrained=200.0, real=0.5)
    assert [scale.score(value) for value in (200.0, 10.0, 0.5)] == pytest.approx([0.0, 0.5, 1.0])
    assert scale.score(400.0) < 0
    assert scale.score(0.1) > 1


def test_more_may_be_better_and_values_may_be_zero() -> None:
    assert ScoreScale(untrained=0.0, real=0.8).score(0.2) == pytest.approx(0.25)
    assert ScoreScale(untrained=0.1, real=0.9).score(0.3) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("scale", "at_zero"),
    [
        (ScoreScale(untrained=115.0, real=0.24), HIGHEST),  # a Fréchet distance: lower is better
        (ScoreScale(untrained=0.05, real=0.85), LOWEST),  # a share: higher is better
        (ScoreScale(untrained=0.1, real=-1e-3), 0.1 / 0.101),  # an unbiased estimate, which is negative for real images
        (ScoreScale(untrained=0.0, real=0.8), 0.0),
    ],
)
def test_scores_do_not_jump_at_zero(scale: ScoreScale, at_zero: float) -> None:
    small = [10.0**-power for power in range(2, 301)]
    values = [*(-value for value in small), 0.0, *reversed(small)]
    found = [scale.score(value) for value in values]
    better = 1 if scale.real > scale.untrained else -1
    assert found == sorted(found, reverse=better < 0), "a better value has a lower score than a worse one"
    at = values.index(0.0)
    assert found[at - 1 : at + 2] == pytest.approx([at_zero] * 3)


@pytest.mark.parametrize(("untrained", "real"), [(100.0, 1.0), (1.0, 100.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_scores_are_bounded(untrained: float, real: float) -> None:
    scale = ScoreScale(untrained=untrained, real=real)
    for value in (-1e300, -1.0, 0.0, 1e-300, 1.0, 1e300):
        assert LOWEST <= scale.score(value) <= HIGHEST
    assert (scale.score(untrained), scale.score(real)) == (0.0, 1.0)


def test_the_scale_is_the_same_for_all_values() -> None:
    scale = ScoreScale(untrained=100.0, real=1.0)
    assert scale.score(0.1) == pytest.approx(1.5)
    assert scale.score(0.01) == HIGHEST
    assert scale.score(0.0) == scale.score(-0.5) == HIGHEST, "scores of 0 and below must be the highest; a linear scale gives about 1"


@pytest.mark.parametrize("real", [200.0, math.nan, math.inf])
def test_rows_that_give_no_scale(real: float) -> None:
    assert not ScoreScale(untrained=200.0, real=real).usable


def test_a_failed_run_counts_as_untrained() -> None:
    scale = ScoreScale(untrained=100.0, real=1.0)
    assert scores(Sample(values=(10.0, math.inf), failures=2), scale) == pytest.approx((0.5, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 30])
def test_the_interquartile_mean_equals_scipy(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(list(values)) == pytest.approx(float(trim_mean(values, 0.25)))


def test_nothing_has_no_mean() -> None:
    assert math.isnan(interquartile_mean([]))
    with pytest.raises(ValueError, match="every data set needs a score"):
        aggregate({"a": [1.0], "b": []})


def test_the_bootstrap_draws_within_each_data_set() -> None:
    # With one run per data set, resamples are equal, even if the data sets differ.
    alone = aggregate({"a": [0.1], "b": [0.9]})
    assert (alone.interval.low, alone.interval.high) == pytest.approx((alone.iqm, alone.iqm))
    assert alone.worst == 0.1


def test_the_bootstrap_equals_all_resamples() -> None:
    parts = {"a": [0.1, 0.4, 0.5], "b": [0.2, 0.9]}
    exact = sorted(
        interquartile_mean([*one, *two])
        for one in itertools.product(parts["a"], repeat=3)
        for two in itertools.product(parts["b"], repeat=2)
    )
    found = aggregate(parts)
    assert found.iqm == pytest.approx(interquartile_mean([0.1, 0.4, 0.5, 0.2, 0.9]))
    assert found.interval.low == pytest.approx(float(np.quantile(exact, 0.025)), abs=0.03)
    assert found.interval.high == pytest.approx(float(np.quantile(exact, 0.975)), abs=0.03)
    assert aggregate(parts) == found
    assert RESAMPLES >= 1000


def test_a_profile_by_hand() -> None:
    assert profile({"a": [0.2, 0.6], "b": [0.8]}, [0.0, 0.5, 0.7, 0.8]) == [1.0, 0.75, 0.5, 0.0]


@pytest.mark.parametrize(
    ("direction", "target", "expected"),
    [("lower", 50.0, 20.0), ("lower", 10.0, math.inf), ("higher", 60.0, 10.0), ("higher", 90.0, math.inf)],
)
def test_the_first_mark_that_is_as_good(direction: str, target: float, expected: float) -> None:
    assert first_at([(10.0, 80.0), (20.0, 40.0), (30.0, math.nan), (40.0, 45.0)], target, direction) == expected


def test_improvability_is_the_largest_loss_by_hand() -> None:
    found = improvability({"a": {"x": (0.9, 0.7), "y": (0.5,)}, "b": {"x": (0.6,), "y": (0.6, 0.4)}, "c": {"x": (0.8,), "y": (0.1, 0.3)}})
    assert {name: (pytest.approx(loss), data) for name, (loss, data) in found.items()} == {
        "a": (0.0, "x"),
        "b": (0.2, "x"),
        "c": (0.3, "y"),
    }


def test_win_rates_by_hand() -> None:
    """The win rate weights data sets equally. The first entry wins 3 of 4 pairs and ties one on x, and wins none on y."""
    one, two = {"x": (0.9, 0.5), "y": (0.1,)}, {"x": (0.5, 0.4), "y": (0.2, 0.3, 0.4)}
    assert win_rate(one, two) == pytest.approx((3.5 / 4 + 0) / 2)
    assert win_rate(one, two) + win_rate(two, one) == pytest.approx(1)
    assert win_rate(one, one) == 0.5
