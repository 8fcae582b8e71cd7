"""Intervals, tests and verdicts against scipy, values computed by hand and simulation."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.metrics.columns import Direction
from reports import stats
from reports.stats import Sample

A = (25.2, 26.1, 28.0)
B = (31.8, 33.4, 35.0)
NAN = math.nan


def of(*values: float, failures: int = 0, unmeasured: int = 0) -> Sample:
    return Sample(values=values, failures=failures, unmeasured=unmeasured)


def test_statuses_decide_what_counts() -> None:
    statuses = ["finished", "diverged", "failed", "running", "interrupted", "pruned", "finished", "finished"]
    found = stats.sample([1.0, 2.0, NAN, 3.0, 4.0, 5.0, NAN, 6.0], statuses)
    assert found == of(1.0, 6.0, failures=2, unmeasured=1)
    assert found.n == 4


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1.7976931348623157e308])
def test_an_infinite_value_is_a_failure(value: float) -> None:
    assert stats.sample([value], ["finished"]) == of(failures=1)


def test_t_interval_equals_scipy() -> None:
    ours = stats.t_interval(A)
    theirs = scipy_stats.t.interval(0.95, 2, loc=np.mean(A), scale=scipy_stats.sem(A))
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx(theirs, rel=1e-12)


def test_t_interval_by_hand() -> None:
    # The mean is 2, and the sd 1. The quantile of t with 2 degrees of freedom is 4.30265, so the ends are 2 -+ 4.30265 / sqrt(3).
    ours = stats.t_interval((1.0, 2.0, 3.0))
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((-0.484138, 4.484138), abs=1e-6)


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 2.0), (5.0, 5.0, 5.0), (0.3, 0.1 + 0.2, 0.3), (0.0, 0.0, 0.0)])
def test_no_interval_is_invented(values: tuple[float, ...]) -> None:
    assert stats.t_interval(values) is None


def test_summary_of_finished_runs() -> None:
    found = stats.summarise(of(3.0, 1.0, 2.0), "lower")
    assert (found.n, found.failures, found.median, found.mean) == (3, 0, 2.0, 2.0)
    assert found.interval is not None


@pytest.mark.parametrize(("direction", "worst"), [("lower", math.inf), ("higher", -math.inf)])
def test_failures_are_infinitely_bad(direction: stats.Direction, worst: float) -> None:
    one = stats.summarise(of(1.0, 2.0, failures=1), direction)
    assert one.median == (2.0 if direction == "lower" else 1.0)
    assert (one.mean, one.interval) == (worst, None)
    assert stats.summarise(of(1.0, failures=2), direction).median == worst


def test_a_metric_without_a_bad_end_has_no_infinity() -> None:
    found = stats.summarise(of(0.8, 1.0, failures=1), "none")
    assert (found.median, found.mean) == pytest.approx((0.9, 0.9))


def test_an_empty_sample_has_no_values_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = stats.summarise(of(), "lower")
    assert found.n == 0
    assert math.isnan(found.median)
    assert math.isnan(found.mean)
    assert found.interval is None


def test_noise_by_hand() -> None:
    """The share is the mean square of the errors, 1/6 for 0.3, 0.4 and 0.5, divided by the variance of the values, 1."""
    found = stats.noise([1.0, 2.0, 3.0], [0.3, 0.4, 0.5])
    assert found is not None
    assert found.error == pytest.approx(math.sqrt(0.5 / 3))
    assert found.share == pytest.approx(0.5 / 3)


@pytest.mark.parametrize(
    ("values", "errors", "expected"),
    [
        ([], [], None),
        ([1.0, 2.0, 3.0], [NAN, NAN, NAN], None),
        ([1.0, 2.0], [0.3, 0.3], (0.3, None)),  # too few values for a variance
        ([2.0, 2.0, 2.0], [0.3, 0.3, 0.3], (0.3, None)),  # a variance of 0 has no share
        ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], (5.0, 1.0)),  # a share is at most 1
        ([1.0, 2.0, 3.0, NAN, math.inf], [0.3, 0.3, 0.3, 9.0, 9.0], (0.3, 0.09)),
    ],
)
def test_noise_of_odd_seeds(values: list[float], errors: list[float], expected: tuple[float, float | None] | None) -> None:
    found = stats.noise(values, errors)
    assert (found and (found.error, found.share)) == (expected and pytest.approx(expected))


def test_noise_is_the_share_of_variance_that_measuring_adds() -> None:
    rng = np.random.default_rng(0)
    training, measuring = rng.normal(30, 2.0, 20_000), rng.normal(0, 1.0, 20_000)
    found = stats.noise(list(training + measuring), [1.0] * 20_000)
    assert found is not None
    assert found.share == pytest.approx(1 / 5, rel=0.03)


@pytest.mark.parametrize(
    ("x", "y", "tau"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [2, 1, 3, 4], 4 / 6),
        ([1, 2], [3, 3], None),
        ([1], [1], None),
    ],
)
def test_rank_agreement_by_hand(x: list[float], y: list[float], tau: float | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stats.rank_agreement(x, y) == (None if tau is None else pytest.approx(tau))


@pytest.mark.parametrize("direction", ["lower", "higher"])
@pytest.mark.parametrize("failures", [0, 1, 3])
def test_the_expected_best_is_the_mean_over_all_subsets(direction: Direction, failures: int) -> None:
    values = [3.0, 1.5, 8.25, 3.0, 0.5]
    best, worst = (min, math.inf) if direction == "lower" else (max, -math.inf)
    everything = [*values, *[worst] * failures]
    found = stats.expected_best(values, failures, direction)
    assert len(found) == len(everything)
    for k, ours in enumerate(found, start=1):
        means = [best(subset) for subset in itertools.combinations(everything, k)]
        expected = sum(means) / len(means)
        assert math.isnan(ours) if math.isinf(expected) else ours == pytest.approx(expected, rel=1e-12)
        assert math.isnan(ours) == (k <= failures)


def test_the_ends_of_the_expected_best() -> None:
    assert stats.expected_best([], 0, "lower") == []
    assert all(map(math.isnan, stats.expected_best([], 3, "lower")))
    many = [float(value) for value in np.random.default_rng(0).gamma(3, 20, 2000)]
    found = stats.expected_best(many, 0, "lower")
    assert (found[0], found[-1]) == pytest.approx((np.mean(many), min(many)), rel=1e-9)
    assert all(one >= two for one, two in itertools.pairwise(found))


def test_the_expected_best_is_unbiased() -> None:
    """The mean of the estimates from 7 draws equals the expected best of 3 exponentials, 1/3."""
    draws = np.random.default_rng(1).exponential(size=(4000, 7))
    found = [stats.expected_best(list(row), 0, "lower")[2] for row in draws]
    assert np.mean(found) == pytest.approx(1 / 3, abs=4 * np.std(found) / math.sqrt(len(found)))


@pytest.mark.parametrize(
    ("values", "others", "direction", "share"),
    [
        ((10.0, 10.9, 11.1, 20.0), 0, "lower", 0.5),
        ((10.0, 10.9, 11.1, 20.0), 4, "lower", 0.25),
        ((10.0, 9.1, 8.9, 1.0), 0, "higher", 0.5),
        ((10.0,), 0, "lower", 1.0),
        ((), 3, "lower", None),
        ((0.0, 1.0), 0, "lower", None),
        ((-1.0, 1.0), 0, "higher", None),
        ((1.0,), 0, "none", None),
    ],
)
def test_the_share_of_trials_near_the_best(values: tuple[float, ...], others: int, direction: Direction, share: float | None) -> None:
    assert stats.near_best(values, others, direction) == share


@pytest.mark.parametrize(
    ("data", "low", "high"),
    [
        (of(*A), 0.2924, 1.0),  # (0.05 / 2) ** (1 / 3)
        (of(failures=3), 0.0, 0.7076),
        (of(*A, failures=2), 0.1466, 0.9473),
        (of(1.0, failures=1, unmeasured=2), 0.1941, 0.9937),
        (of(), 0.0, 1.0),
    ],
)
def test_the_interval_of_the_success_rate_is_that_of_clopper_and_pearson(data: Sample, low: float, high: float) -> None:
    assert (data.success.low, data.success.high) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("data", "expected"),
    [(of(1.0, failures=2), True), (of(failures=1), True), (of(1.0, 2.0, failures=9), False), (of(1.0), False), (of(), False)],
)
def test_failed_out(data: Sample, expected: bool) -> None:
    assert data.failed_out is expected
