"""Comparison of entries, with and without failed runs, against scipy, values computed by hand and simulation."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bench.metrics.columns import Card
from reports.comparisons import Comparison, compare, compare_all, holm, least_favourable, p_below, welch, with_verdicts
from reports.scores import ScoreScale
from reports.stats import Sample

A = (25.2, 26.1, 28.0)
B = (31.8, 33.4, 35.0)
REFERENCES = ScoreScale(untrained=210.0, real=0.1)
LOWER = Card(key="quality/mine", title="mine", direction="lower", meaning="A distance.")
HIGHER, NEITHER, DIFFERENCE = replace(LOWER, direction="higher"), replace(LOWER, direction="none"), replace(LOWER, scale="difference")


def of(*values: float, failures: int = 0, unmeasured: int = 0) -> Sample:
    return Sample(values=values, failures=failures, unmeasured=unmeasured)


def with_failures(one: Sample, two: Sample, metric: Card = LOWER, references: ScoreScale = REFERENCES) -> Comparison:
    (pair,) = compare_all({"a": one, "b": two}, metric, references)
    return pair


def test_welch_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    for n, m in ((3, 3), (3, 7), (10, 4)):
        x, y = rng.normal(0, 1, n), rng.normal(0.5, 3, m)
        difference, p, interval = welch(x, y)
        theirs = scipy_stats.ttest_ind(x, y, equal_var=False)
        assert difference == pytest.approx(x.mean() - y.mean(), rel=1e-12)
        assert p == pytest.approx(theirs.pvalue, rel=1e-10)
        assert (interval.low, interval.high) == pytest.approx(tuple(theirs.confidence_interval()), rel=1e-10)


def test_holm_by_hand() -> None:
    # The sorted p-values .01 .02 .03 .04 times 4 3 2 1 are .04 .06 .06 .04. Adjusted p-values never fall.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_effect_is_the_ratio_of_geometric_means() -> None:
    (pair,) = compare_all({"a": of(*A), "b": of(*B)}, LOWER)
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
    (pair,) = compare_all({"a": of(*A), "b": of(*B)}, HIGHER)
    assert pair.better == "b"
    assert pair.ratio == pytest.approx(math.exp(np.log(A).mean() - np.log(B).mean()))
    assert pair.interval is not None
    assert pair.interval.low < pair.ratio < pair.interval.high


def test_the_words_depend_on_the_ratio() -> None:
    close = {"a": of(100.0, 100.1, 100.2), "b": of(105.0, 105.1, 105.2)}
    (pair,) = compare_all(close, LOWER)
    assert (pair.verdict, pair.better) == ("significantly better", "a")
    (pair,) = compare_all({"a": of(*A), "b": of(25.0, 27.0, 28.5)}, LOWER)
    assert (pair.verdict, pair.better) == ("no significant difference", None)


def test_holm_counts_only_pairs_that_can_be_tested() -> None:
    samples = {"a": of(*A), "b": of(*B), "single": of(40.0)}
    pairs = compare_all(samples, LOWER)
    tested = [pair for pair in pairs if pair.p is not None]
    assert [(pair.a, pair.b) for pair in tested] == [("a", "b")]
    assert tested[0].p_holm == tested[0].p
    assert {pair.reason for pair in pairs if pair.p is None} == {"fewer than 3 seeds"}


def test_values_that_are_not_positive_are_compared_raw() -> None:
    (pair,) = compare_all({"a": of(-0.01, 0.0, 0.01), "b": of(1.0, 1.1, 1.2)}, LOWER)
    theirs = scipy_stats.ttest_ind([-0.01, 0.0, 0.01], [1.0, 1.1, 1.2], equal_var=False)
    assert (pair.test, pair.ratio, pair.verdict) == ("Welch", None, "significantly better")
    assert pair.p == pytest.approx(theirs.pvalue)


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
        (pair,) = compare_all({"a": of(*A), "b": other}, LOWER)
    assert (pair.p, pair.p_holm, pair.ratio, pair.better, pair.verdict, pair.reason) == (
        None,
        None,
        None,
        None,
        "no significant difference",
        reason,
    )


def test_a_metric_without_direction_is_not_compared() -> None:
    (pair,) = compare_all({"a": of(*A), "b": of(*B)}, NEITHER)
    assert (pair.p, pair.verdict, pair.reason) == (None, "no significant difference", "the metric has no direction")


@pytest.mark.parametrize("seeds", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_identical_variants_rarely_differ_significantly(seeds: int) -> None:
    """At most 5 % of reports on 8 identical variants have a false verdict. The sd over seeds is 8 % of the metric."""
    rng = np.random.default_rng(20)
    reports = 800
    false = 0
    for _ in range(reports):
        draws = 40 * np.exp(rng.normal(0, 0.08, (8, seeds)))
        pairs = compare_all({str(i): of(*row) for i, row in enumerate(draws.tolist())}, LOWER)
        false += any(pair.better is not None for pair in pairs)
    assert 0 < false / reports <= 0.05


def test_different_variants_mostly_differ_significantly() -> None:
    """At least 60 % of pairs of 8 variants that are 15 % apart have a verdict. At most 0.1 % have a wrong one."""
    rng = np.random.default_rng(21)
    decided = wrong = total = 0
    for _ in range(100):
        draws = 25 * 1.15 ** np.arange(8)[:, None] * np.exp(rng.normal(0, 0.08, (8, 5)))
        for pair in compare_all({str(i): of(*row) for i, row in enumerate(draws.tolist())}, LOWER):
            total += 1
            decided += pair.better is not None
            wrong += pair.better == pair.b
    assert decided / total >= 0.6
    assert wrong / total <= 0.001


def test_the_test_of_a_pair_depends_on_no_third_entry() -> None:
    """An entry with values that are not positive changes only its own pairs, whose test does not use logarithms."""
    alone = with_failures(of(*A), of(*B))
    pairs = compare_all({"a": of(*A), "b": of(*B), "c": of(-1.0, 0.0, 1.0)}, LOWER)
    assert [pair.test for pair in pairs] == ["Welch on logs", "Welch", "Welch"]
    assert (pairs[0].p, pairs[0].ratio, pairs[0].interval) == (alone.p, alone.ratio, alone.interval)


def test_the_card_decides_whether_a_metric_has_ratios() -> None:
    (pair,) = compare_all({"a": of(*A), "b": of(*B)}, DIFFERENCE)
    assert (pair.test, pair.ratio, pair.verdict, pair.better) == ("Welch", None, "significantly better", "a")
    assert pair.p == pytest.approx(scipy_stats.ttest_ind(A, B, equal_var=False).pvalue)


GOOD, BAD = (20.0, 20.6, 19.7, 20.2, 20.4), (200.0, 205.0, 195.0, 210.0, 190.0)


@pytest.mark.parametrize("references", [REFERENCES, ScoreScale(untrained=math.nan, real=math.nan)])
@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_failures_do_not_protect_a_bad_variant(failures: int, references: ScoreScale) -> None:
    good = {f"v{i}": of(*(value + i for value in GOOD)) for i in range(7)}
    pairs = compare_all({**good, "bad": of(*BAD[failures:], failures=failures)}, LOWER, references)
    against = [pair for pair in pairs if pair.b == "bad"]
    assert {(pair.verdict, pair.better) for pair in against} == {("clearly better", pair.a) for pair in against} or failures == 3
    assert all(pair.better == pair.a for pair in against)


def test_frequent_failures_alone_lose_and_are_not_clearly_worse() -> None:
    """An entry that fails in half of 20 seeds is significantly worse, but not clearly worse, if its finished runs are equal."""
    values = [float(v) for v in 25 * np.exp(0.08 * np.random.default_rng(3).normal(size=20))]
    pair = with_failures(of(*values), of(*values[::2], failures=10))
    assert (pair.better, pair.verdict, pair.failures) == ("a", "significantly better", "b failed in 10 of 20 seeds")
    assert pair.ratio is not None
    assert pair.ratio < 1.1


def test_a_verdict_in_favour_of_an_entry_with_a_failure_needs_many_seeds() -> None:
    def better(seeds: int) -> str | None:
        random = np.random.default_rng(0)
        a, b = (level * np.exp(0.08 * random.normal(size=seeds)) for level in (20.0, 60.0))
        return with_failures(of(*a[:-1].tolist(), failures=1), of(*b.tolist())).better

    assert [better(seeds) for seeds in (3, 5, 30)] == [None, None, "a"]


@pytest.mark.parametrize("references", [ScoreScale(untrained=math.nan, real=0.1), ScoreScale(untrained=210.0, real=-0.1)])
def test_without_reference_rows_a_failure_wins_nothing(references: ScoreScale) -> None:
    a, b = [*np.linspace(20, 21, 29)], [*np.linspace(60, 62, 30)]
    assert with_failures(of(*a, failures=1), of(*b), references=references).better is None
    assert with_failures(of(*a), of(*b, failures=1), references=references).better == "a"
    both = with_failures(of(*a, failures=1), of(*b, failures=1), references=references)
    assert both.p is None
    assert "both failed" in both.reason


@pytest.mark.parametrize(("finished", "failures"), [((30.0,), 4), ((), 3), ((), 8)])
def test_fewer_than_two_finished_runs_are_not_tested(finished: tuple[float, ...], failures: int) -> None:
    pair = with_failures(of(*A), of(*finished, failures=failures))
    n = len(finished) + failures
    assert (pair.p, pair.better, pair.reason) == (None, None, f"b failed in {failures} of {n} seeds")
    both = with_failures(of(failures=3), of(failures=failures))
    assert (both.p, both.better) == (None, None)


def test_a_failed_run_is_the_worst_in_the_share_of_better_pairs() -> None:
    assert with_failures(of(*A), of(20.0, 21.0, failures=1)).p_better == pytest.approx(3 / 9)


def test_levels_follow_the_direction() -> None:
    """On a metric for which higher is better, the pair with inverted values has the same result."""
    references = ScoreScale(untrained=1 / REFERENCES.untrained, real=1 / REFERENCES.real)
    one, two = of(*GOOD), of(*BAD[1:], failures=1)
    flipped = [replace(data, values=tuple(1 / value for value in data.values)) for data in (one, two)]
    lower, higher = with_failures(one, two), with_failures(flipped[0], flipped[1], HIGHER, references)
    assert (higher.p, higher.ratio) == pytest.approx((lower.p, lower.ratio))
    assert higher.better == lower.better == "a"


RUNS = st.lists(st.floats(0.1, 210.0) | st.none(), min_size=3, max_size=12)
LOW = st.lists(st.floats(0.1, 30.0) | st.floats(20.0, 22.0) | st.none(), min_size=3, max_size=12)
HIGH = st.lists(st.floats(150.0, 170.0) | st.floats(0.1, 170.0) | st.none(), min_size=6, max_size=12)
HIGHEST = st.lists(st.floats(190.0, 210.0), min_size=6, max_size=12)


def data_of(runs: list[float | None]) -> Sample:
    values = [value for value in runs if value is not None]
    return Sample(values=tuple(values), failures=len(runs) - len(values))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(RUNS | LOW | HIGH, RUNS | HIGHEST, st.data())
def test_a_failure_never_turns_a_verdict_in_its_entrys_favour(
    one: list[float | None], two: list[float | None], data: st.DataObject
) -> None:
    """A failure favours its entry for no values between the reference rows, no number of failures, no scale and no direction."""
    finished = [i for i, value in enumerate(one) if value is not None]
    replaced = data.draw(st.sampled_from(finished)) if finished else 0
    changed = [None if i == replaced else value for i, value in enumerate(one)]
    for metric in (LOWER, HIGHER, DIFFERENCE):
        references = ScoreScale(untrained=0.1, real=210.0) if metric is HIGHER else REFERENCES
        before, after = (compare("a", "b", data_of(runs), data_of(two), metric, references) for runs in (one, changed))
        if after.better == "a" and after.p is not None and after.p < 0.999:
            assert before.better == "a"
            assert before.p is not None
            assert after.p >= before.p * (1 - 1e-9)


CLOSE = st.lists(st.floats(20.0, 22.0), min_size=6, max_size=12)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(RUNS | LOW | HIGH | HIGHEST | CLOSE, min_size=3, max_size=5), st.data())
def test_in_a_table_a_failure_never_turns_a_verdict_in_its_entrys_favour(table: list[list[float | None]], data: st.DataObject) -> None:
    """With Holm's correction, a failure changes p for all pairs of its entry, but never in favour of this entry."""
    finished = [i for i, value in enumerate(table[0]) if value is not None]
    replaced = data.draw(st.sampled_from(finished)) if finished else 0
    changed = [[None if i == replaced else value for i, value in enumerate(table[0])], *table[1:]]
    before, after = (compare_all({str(i): data_of(runs) for i, runs in enumerate(each)}, LOWER, REFERENCES) for each in (table, changed))
    for one, two in zip(before, after, strict=True):
        assert two.better != "0" or one.better == "0"
        assert (two.better, two.verdict) != ("0", "clearly better")


def test_other_significant_pairs_do_not_help_an_entry_with_failures() -> None:
    """Holm's factor of the pair that an entry with failures wins stays 3, and does not fall to 1."""
    won = Comparison(a="a", b="b", p=0.02, better="a", failed=frozenset("a"))
    others = [Comparison(a="a", b="c", p=1e-6, better="c", failed=frozenset("a")), Comparison(a="b", b="c", p=1e-6, better="c")]
    assert [pair.better for pair in with_verdicts([won, *others])] == [None, "c", "c"]
    assert [pair.better for pair in with_verdicts([replace(won, failed=frozenset()), *others])] == ["a", "c", "c"]


X = st.lists(st.floats(-3, 3), min_size=2, max_size=8) | st.lists(st.floats(2.4, 2.5), min_size=5, max_size=8)
Y = st.lists(st.floats(-3, 3), min_size=3, max_size=8) | st.lists(st.floats(2.9, 3), min_size=5, max_size=8)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(X, Y, st.lists(st.sampled_from((-3.0, 3.0)) | st.floats(-3, 3), min_size=1, max_size=3))
def test_no_value_between_the_levels_is_less_favourable(x: list[float], y: list[float], failed: list[float]) -> None:
    assume(max(y) - min(y) > 1e-3 and max(x) - min(x) > 1e-3)
    bound = least_favourable(x, len(failed), y, (-3.0, 3.0), finished=len(y))
    assert bound >= min(0.5, p_below([*x, *failed], y)) - 1e-12
    assert least_favourable(x, 0, y, (-3.0, 3.0), finished=len(y)) == p_below(x, y)
