"""Power of the verdicts: against published tables, a simulation, and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats
from synthetic_results import SyntheticRun, references, results, synthetic_runs

from bench.metrics.columns import FID_CLASSIFIER, card
from reports.comparisons import Comparison, compare_all, welch
from reports.power import BEYOND, FAILED_RUNS, POWER, next_level, noncentrality, power, seeds_to_decide, smallest_difference, table_power
from reports.stats import ALPHA, Sample
from reports.view import view

METRIC = card(FID_CLASSIFIER)
DIFFERENCE = replace(METRIC, scale="difference")
NEAR = {"a": (10.0, 10.2, 10.4), "b": (10.3, 10.5, 10.1), "c": (20.0, 21.0, 22.0)}


def spread(mean: float, sd: float, n: int = 3) -> Sample:
    """Return values whose mean and standard deviation are exactly these."""
    scores = np.linspace(-1, 1, n)
    return Sample(values=tuple(float(value) for value in mean + sd * scores / scores.std(ddof=1)))


@pytest.mark.parametrize(
    ("effect", "level", "seeds"), [(0.2, 0.05, 394), (0.5, 0.05, 64), (0.8, 0.05, 26), (0.5, 0.01, 96), (0.8, 0.01, 39)]
)
def test_the_number_of_seeds_is_that_of_cohens_tables(effect: float, level: float, seeds: int) -> None:
    """Cohen 1992 (Psychol. Bull. 112), table 2: sample sizes for 80 % power and equal spreads, by Student's test. Welch's may need one more."""
    needed = seeds_to_decide(spread(0.0, 1.0), spread(effect, 1.0), DIFFERENCE, level)
    assert needed.seeds is not None
    assert abs(needed.seeds - seeds) <= 1
    assert power(effect, 1.0, 1.0, needed.seeds, level) >= POWER > power(effect, 1.0, 1.0, needed.seeds - 1, level)


@pytest.mark.parametrize(("sd_a", "sd_b", "seeds"), [(0.08, 0.08, 3), (0.08, 0.08, 8), (0.02, 0.15, 5), (0.02, 0.06, 3)])
def test_the_power_is_that_of_simulated_tests(sd_a: float, sd_b: float, seeds: int) -> None:
    """Of 10,000 Welch tests on normal values, also with unequal spreads, the expected share is significant."""
    random = np.random.default_rng(0)
    difference, level, repeats = 0.2, ALPHA / 4, 10_000
    x = random.normal(0.0, sd_a, (repeats, seeds))
    y = random.normal(difference, sd_b, (repeats, seeds))
    found = stats.ttest_ind(x, y, axis=1, equal_var=False)
    share = float(np.mean((found.pvalue < level) & (found.statistic < 0)))
    expected = power(difference, sd_a**2, sd_b**2, seeds, level)
    assert 0.05 < expected < 0.999
    assert share == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("noncentral", [2.0, 3.0, 4.0])
def test_many_seeds_have_the_power_of_the_noncentral_t(noncentral: float) -> None:
    for seeds, error in ((20, 0.01), (200, 0.001)):
        freedom = 2 * (seeds - 1)
        expected = 1 - special.nctdtr(freedom, noncentral, special.stdtrit(freedom, 0.975))
        assert power(noncentral * math.sqrt(2 / seeds), 1.0, 1.0, seeds, 0.05) == pytest.approx(expected, abs=error)


def test_without_a_difference_half_of_the_error_is_in_each_direction() -> None:
    for level in (0.05, 0.01):
        assert power(0.0, 1.0, 1.0, 500, level) == pytest.approx(level / 2, rel=0.02)


def test_the_noncentrality_has_this_power() -> None:
    for seeds, level in ((3, ALPHA / 300), (3, ALPHA / 28), (5, ALPHA), (1000, ALPHA)):
        assert power(noncentrality(seeds, level) * math.sqrt(2 / seeds), 1.0, 1.0, seeds, level) == pytest.approx(POWER)
    assert noncentrality(10_000, 0.05) == pytest.approx(stats.norm.ppf(0.975) + stats.norm.ppf(0.8), abs=1e-3)


def test_the_smallest_difference_is_shown_by_its_number_of_seeds() -> None:
    """Two entries that differ by it need exactly the recorded seeds."""
    samples = [spread(1.0, 0.08, 5), spread(2.0, 0.08, 5), spread(5.0, 0.5, 5)]
    found = smallest_difference(samples, DIFFERENCE, ALPHA / 3)
    assert found is not None
    assert (found.ratio, found.seeds) == (False, 5)
    pair = (spread(0.0, 0.08, 5), spread(found.value * 1.0001, 0.08, 5))
    assert seeds_to_decide(*pair, DIFFERENCE, ALPHA / 3).seeds == 5
    fewer = (spread(0.0, 0.08, 5), spread(found.value * 0.99, 0.08, 5))
    assert (seeds_to_decide(*fewer, DIFFERENCE, ALPHA / 3).seeds or 0) > 5


def test_ratios_are_on_logs() -> None:
    logs = [spread(3.0, 0.08, 3), spread(3.5, 0.08, 3)]
    values = [Sample(values=tuple(map(math.exp, data.values))) for data in logs]
    on_logs, plain = smallest_difference(values, METRIC, ALPHA), smallest_difference(logs, DIFFERENCE, ALPHA)
    assert on_logs is not None
    assert plain is not None
    assert on_logs.ratio
    assert math.log(on_logs.value) == pytest.approx(plain.value)
    assert seeds_to_decide(*values, METRIC, ALPHA).seeds == seeds_to_decide(*logs, DIFFERENCE, ALPHA).seeds


def test_equal_means_need_more_than_any_number() -> None:
    assert seeds_to_decide(spread(1.0, 0.1), spread(1.0, 0.2), METRIC, ALPHA) == BEYOND


def test_failed_runs_have_no_estimate() -> None:
    failed = replace(spread(1.0, 0.1), failures=1)
    assert seeds_to_decide(failed, spread(1.2, 0.1), METRIC, ALPHA) == FAILED_RUNS
    assert smallest_difference([failed], METRIC, ALPHA) is None


@pytest.mark.parametrize("data", [Sample(values=(1.0, 2.0)), Sample(values=(1.0, 1.0, 1.0))])
def test_no_spread_no_smallest_difference(data: Sample) -> None:
    assert smallest_difference([data], METRIC, ALPHA) is None


def test_the_level_is_that_of_the_next_pair_in_holms_order() -> None:
    """A pair below the level is decided even if no other undecided pair is."""
    pairs = compare_all({name: Sample(values=values) for name, values in NEAR.items()}, METRIC)
    assert [pair.better is not None for pair in pairs] == [False, True, True]
    assert next_level(pairs) == ALPHA
    assert next_level([replace(pairs[0], better="a")]) is None
    assert next_level([Comparison(a="a", b="b", reason="fewer than 3 seeds")]) is None
    assert next_level(pairs[:1] * 4) == ALPHA / 4


def test_a_table_has_the_undecided_pairs() -> None:
    samples = {name: Sample(values=values) for name, values in NEAR.items()}
    found = table_power(samples, compare_all(samples, METRIC), METRIC)
    assert set(found.seeds) == {("a", "b")}
    assert found.smallest is not None
    assert found.smallest.ratio
    separate = {name: samples[name] for name in "ac"}
    assert table_power(separate, compare_all(separate, METRIC), METRIC).seeds == {}


def test_an_undecided_pair_needs_more_seeds_than_it_has() -> None:
    random = np.random.default_rng(1)
    for n in (3, 5, 10):
        for _ in range(50):
            x, y = (
                Sample(values=tuple(random.normal(mean, sd, n)))
                for mean, sd in ((0.0, 1.0), (random.uniform(0, 3), random.uniform(0.2, 3)))
            )
            needed = seeds_to_decide(x, y, DIFFERENCE, ALPHA)
            assert welch(x.values, y.values)[1] < ALPHA or needed == BEYOND or (needed.seeds or 0) > n


def test_the_cohort_has_its_power() -> None:
    (cohort,) = view(results([*synthetic_runs(NEAR), SyntheticRun(variant="b", seed=3, status="failed"), *references()])).cohorts
    assert cohort.power.seeds == {("a", "b"): FAILED_RUNS, ("b", "c"): FAILED_RUNS}
    assert cohort.power.smallest is not None
