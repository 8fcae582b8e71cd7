"""Intervals, tests and verdicts against scipy, hand-worked values and simulation."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.metrics.cards import Direction
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
    # mean 2, sd 1, n 3: the quantile of t with 2 degrees of freedom is 4.30265, so 2 -+ 4.30265 / sqrt(3)
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


def test_welch_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    for n, m in ((3, 3), (3, 7), (10, 4)):
        x, y = rng.normal(0, 1, n), rng.normal(0.5, 3, m)
        difference, p, interval = stats.welch(x, y)
        theirs = scipy_stats.ttest_ind(x, y, equal_var=False)
        assert difference == pytest.approx(x.mean() - y.mean(), rel=1e-12)
        assert p == pytest.approx(theirs.pvalue, rel=1e-10)
        assert (interval.low, interval.high) == pytest.approx(tuple(theirs.confidence_interval()), rel=1e-10)


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1 is .04 .06 .06 .04, and never falls
    assert stats.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_rank_permutation_equals_scipy() -> None:
    x, y = [1.0, 2.0, 3.0, 7.0], [4.0, 5.0, 6.0, math.inf, math.inf]
    ranks = scipy_stats.rankdata([*x, *y])

    def statistic(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return a.mean(axis=axis) - b.mean(axis=axis)

    theirs = scipy_stats.permutation_test(
        (ranks[:4], ranks[4:]), statistic, vectorized=True, n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    splits = [abs(sum(chosen) / 4 - 5) >= abs(ranks[:4].mean() - 5) - 1e-12 for chosen in itertools.combinations(ranks, 4)]
    assert stats.rank_permutation(x, y) == pytest.approx(np.mean(splits))
    assert stats.rank_permutation(x, y) == pytest.approx(theirs, abs=0.02)  # two-sided as twice the smaller tail


def test_rank_permutation_of_three_against_three_cannot_decide() -> None:
    assert stats.rank_permutation([1, 2, 3], [4, 5, math.inf]) == pytest.approx(0.1)


def test_rank_permutation_of_many_runs_is_sampled_and_never_zero() -> None:
    p = stats.rank_permutation(list(range(15)), [*range(100, 114), math.inf])
    assert 0 < p < 1e-3
    assert p == stats.rank_permutation(list(range(15)), [*range(100, 114), math.inf])


def test_effect_is_the_ratio_of_geometric_means() -> None:
    (pair,) = stats.compare_all({"a": of(*A), "b": of(*B)}, "lower")
    expected = math.exp(np.log(B).mean() - np.log(A).mean())
    theirs = scipy_stats.ttest_ind(np.log(A), np.log(B), equal_var=False)
    low, high = theirs.confidence_interval()
    assert pair.test == "Welch on logs"
    assert pair.ratio == pytest.approx(expected)
    assert pair.interval is not None
    assert (pair.interval.low, pair.interval.high) == pytest.approx((math.exp(-high), math.exp(-low)))
    assert pair.p == pytest.approx(theirs.pvalue)
    assert (pair.better, pair.verdict, pair.p_better) == ("a", "clearly better", 1.0)


def test_higher_is_better_turns_the_ratio() -> None:
    (pair,) = stats.compare_all({"a": of(*A), "b": of(*B)}, "higher")
    assert pair.better == "b"
    assert pair.ratio == pytest.approx(math.exp(np.log(A).mean() - np.log(B).mean()))
    assert pair.interval is not None
    assert pair.interval.low < pair.ratio < pair.interval.high


def test_the_words_depend_on_the_ratio() -> None:
    close = {"a": of(100.0, 100.1, 100.2), "b": of(105.0, 105.1, 105.2)}
    (pair,) = stats.compare_all(close, "lower")
    assert (pair.verdict, pair.better) == ("significantly better", "a")
    (pair,) = stats.compare_all({"a": of(*A), "b": of(25.0, 27.0, 28.5)}, "lower")
    assert (pair.verdict, pair.better) == ("no significant difference", None)


def test_holm_counts_only_pairs_that_can_be_tested() -> None:
    samples = {"a": of(*A), "b": of(*B), "single": of(40.0)}
    pairs = stats.compare_all(samples, "lower")
    tested = [pair for pair in pairs if pair.p is not None]
    assert [(pair.a, pair.b) for pair in tested] == [("a", "b")]
    assert tested[0].p_holm == tested[0].p
    assert {pair.reason for pair in pairs if pair.p is None} == {"fewer than 3 seeds"}


def test_values_that_are_not_positive_are_compared_raw() -> None:
    (pair,) = stats.compare_all({"a": of(-0.01, 0.0, 0.01), "b": of(1.0, 1.1, 1.2)}, "lower")
    theirs = scipy_stats.ttest_ind([-0.01, 0.0, 0.01], [1.0, 1.1, 1.2], equal_var=False)
    assert (pair.test, pair.ratio, pair.verdict) == ("Welch", None, "significantly better")
    assert pair.p == pytest.approx(theirs.pvalue)


def test_one_scale_for_all_pairs() -> None:
    pairs = stats.compare_all({"a": of(*A), "b": of(*B), "c": of(-1.0, 0.0, 1.0)}, "lower")
    assert {pair.test for pair in pairs} == {"Welch"}


def test_a_failed_run_is_the_worst_rank() -> None:
    (pair,) = stats.compare_all({"a": of(*A), "b": of(20.0, 21.0, failures=1)}, "lower")
    assert pair.test == "rank permutation"
    assert pair.p_better == pytest.approx(3 / 9)
    assert pair.ratio is None
    assert pair.verdict == "no significant difference"


def test_enough_seeds_decide_against_failures() -> None:
    values = tuple(float(v) for v in range(1, 9))
    (pair,) = stats.compare_all({"a": of(*values), "b": of(failures=8)}, "lower")
    assert pair.p == pytest.approx(2 / math.comb(16, 8))
    assert (pair.verdict, pair.better, pair.p_better) == ("significantly better", "a", 1.0)


@pytest.mark.parametrize("failures", [3, 8])
def test_all_failed_on_both_sides_is_no_significant_difference(failures: int) -> None:
    (pair,) = stats.compare_all({"a": of(failures=failures), "b": of(failures=failures)}, "lower")
    assert (pair.p, pair.p_better, pair.verdict) == (1.0, 0.5, "no significant difference")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (of(1.0, 2.0), "fewer than 3 seeds"),
        (of(), "fewer than 3 seeds"),
        (of(5.0, 5.0, 5.0), "the seeds do not differ"),
        (of(1.0, 2.0, 3.0, unmeasured=1), "a finished run was not measured"),
    ],
)
def test_no_test_without_its_preconditions(other: Sample, reason: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (pair,) = stats.compare_all({"a": of(*A), "b": other}, "lower")
    assert (pair.p, pair.p_holm, pair.ratio, pair.better, pair.verdict, pair.reason) == (
        None,
        None,
        None,
        None,
        "no significant difference",
        reason,
    )


def test_a_metric_without_direction_is_not_compared() -> None:
    (pair,) = stats.compare_all({"a": of(*A), "b": of(*B)}, "none")
    assert (pair.p, pair.verdict, pair.reason) == (None, "no significant difference", "the metric has no direction")


@pytest.mark.parametrize("seeds", [3, 5])
def test_identical_variants_rarely_differ_significantly(seeds: int) -> None:
    """Any false verdict in at most 5 % of reports: 8 identical variants, seed sd 8 % of the metric."""
    rng = np.random.default_rng(20)
    reports = 800
    false = 0
    for _ in range(reports):
        draws = 40 * np.exp(rng.normal(0, 0.08, (8, seeds)))
        pairs = stats.compare_all({str(i): of(*row) for i, row in enumerate(draws.tolist())}, "lower")
        false += any(pair.better is not None for pair in pairs)
    assert 0 < false / reports <= 0.05


def test_different_variants_mostly_differ_significantly() -> None:
    """8 variants 15 % apart, seed sd 8 %, 5 seeds: at least 60 % of pairs decided, and rarely the wrong way."""
    rng = np.random.default_rng(21)
    decided = wrong = total = 0
    for _ in range(100):
        draws = 25 * 1.15 ** np.arange(8)[:, None] * np.exp(rng.normal(0, 0.08, (8, 5)))
        for pair in stats.compare_all({str(i): of(*row) for i, row in enumerate(draws.tolist())}, "lower"):
            total += 1
            decided += pair.better is not None
            wrong += pair.better == pair.b
    assert decided / total >= 0.6
    assert wrong / total <= 0.001


def test_noise_by_hand() -> None:
    """Values 1, 2, 3 have variance 1; errors .3, .4, .5 have the mean square 1/6."""
    found = stats.noise([1.0, 2.0, 3.0], [0.3, 0.4, 0.5])
    assert found is not None
    assert found.error == pytest.approx(math.sqrt(0.5 / 3))
    assert found.share == pytest.approx(0.5 / 3)


@pytest.mark.parametrize(
    ("values", "errors", "expected"),
    [
        ([], [], None),
        ([1.0, 2.0, 3.0], [NAN, NAN, NAN], None),
        ([1.0, 2.0], [0.3, 0.3], (0.3, None)),  # too few for a variance
        ([2.0, 2.0, 2.0], [0.3, 0.3, 0.3], (0.3, None)),  # none to have a share of
        ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], (5.0, 1.0)),  # at most all
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
    """The best of 3 exponentials is 1/3 in the mean; estimated from 7 draws each."""
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
