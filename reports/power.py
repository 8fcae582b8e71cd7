"""Power of the verdicts: the seeds that would decide a pair, and the smallest difference that the recorded seeds could have shown.

Both use the observed means and spreads as if they were the true ones, on the scale of the test (logs for a ratio). So with few seeds they are
rough. The power is exact for normal values: an integral over both sample variances, because Welch's degrees of freedom depend on them. A
noncentral t with the true degrees of freedom is close for ten seeds or more, but too optimistic for three: 30 % instead of 19 %, for example.

The level of a test is alpha / (m - k), for m tested pairs of which k are decided: the level at which Holm's correction tests the next pair.
A pair below this level is decided, whatever the p of the other undecided pairs, as long as the k verdicts remain. If those pairs are decided,
too, Holm's level is higher and the pair needs fewer seeds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from bench.metrics.columns import Card
from reports.comparisons import Comparison, has_ratio, on_scale
from reports.stats import ALPHA, MIN_SEEDS, Sample, constant, moments

POWER = 0.8
MOST_SEEDS = 1000  # a larger number is not a plan
NODES, GRID = 24, 257  # points of the quadrature and of the table of critical values
TOLERANCE = 1e-12  # relative, of a root


@dataclass(frozen=True, kw_only=True)
class SeedsToDecide:
    """Record of the seeds of each entry that would decide a pair. Without an estimate, `seeds` is None and `why` has the reason."""

    seeds: int | None = None
    why: str = ""


BEYOND = SeedsToDecide(why=f"> {MOST_SEEDS:,}")
FAILED_RUNS = SeedsToDecide(why="runs failed")  # the power then depends on the failure rate, and may fall with more seeds


@dataclass(frozen=True, kw_only=True)
class SmallestDifference:
    """Record of the smallest ratio or difference that `seeds` seeds show with power `POWER`, if both entries have the median spread."""

    value: float
    ratio: bool
    seeds: int


@dataclass(frozen=True, kw_only=True)
class TablePower:
    """Record of the power of the tests of a table. `seeds` has the undecided pairs that were tested, by the names of their entries."""

    seeds: Mapping[tuple[str, str], SeedsToDecide]
    smallest: SmallestDifference | None


def table_power(samples: Mapping[str, Sample], pairs: Sequence[Comparison], metric: Card) -> TablePower:
    """Return the power of the tests of a table whose pairs have their verdicts. It is empty if no tested pair is undecided."""
    level = next_level(pairs)
    if level is None:
        return TablePower(seeds={}, smallest=None)
    undecided = [pair for pair in pairs if pair.p is not None and pair.better is None]
    tested = {name for pair in pairs if pair.p is not None for name in (pair.a, pair.b)}
    return TablePower(
        seeds={(pair.a, pair.b): seeds_to_decide(samples[pair.a], samples[pair.b], metric, level) for pair in undecided},
        smallest=smallest_difference([data for name, data in samples.items() if name in tested], metric, level),
    )


def next_level(pairs: Sequence[Comparison]) -> float | None:
    """Return the level at which Holm's correction tests the next undecided pair, or None if no tested pair is undecided."""
    undecided = sum(pair.p is not None and pair.better is None for pair in pairs)
    return ALPHA / undecided if undecided else None


def seeds_to_decide(one: Sample, two: Sample, metric: Card, level: float) -> SeedsToDecide:
    """Return the smallest number of seeds of each entry that decides a tested pair with power `POWER`."""
    if one.failures or two.failures:
        return FAILED_RUNS
    logs = has_ratio(metric, one, two)
    (mean_a, var_a), (mean_b, var_b) = (moments(on_scale(data.values, metric.direction, logs=logs)) for data in (one, two))
    difference = abs(mean_a - mean_b)
    if power(difference, var_a, var_b, MOST_SEEDS, level) < POWER:
        return BEYOND
    few, enough = MIN_SEEDS - 1, MOST_SEEDS  # the power increases with the seeds
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if power(difference, var_a, var_b, middle, level) >= POWER else (middle, enough)
    return SeedsToDecide(seeds=enough)


def smallest_difference(samples: Sequence[Sample], metric: Card, level: float) -> SmallestDifference | None:
    """Return the smallest difference of two entries with the median spread and the median number of seeds. Entries with failed runs are left out."""
    usable = [data for data in samples if not data.failures and data.n >= MIN_SEEDS and not constant(data.values)]
    if not usable:
        return None
    logs = all(has_ratio(metric, data, data) for data in usable)
    spread = statistics.median(math.sqrt(moments(on_scale(data.values, metric.direction, logs=logs))[1]) for data in usable)
    seeds = statistics.median_low(data.n for data in usable)
    error = spread * math.sqrt(2 / seeds)
    found = noncentrality(seeds, level) * error
    return SmallestDifference(value=math.exp(min(found, 700.0)) if logs else found, ratio=logs, seeds=seeds)


def power(difference: float, var_a: float, var_b: float, seeds: int, level: float) -> float:
    """Return the power of Welch's two-sided test at a level, for normal values with these true moments.

    Given the sample variances a and b, the test decides if the difference of the means exceeds t(freedom) sqrt((a + b) / n), with
    freedom = (n - 1) (a + b)^2 / (a^2 + b^2). The difference is normal and independent of them. The opposite verdict does not count.
    """
    total = var_a + var_b
    ratios, weights = _variance_ratios(seeds - 1)
    a, b = var_a * ratios[:, None], var_b * ratios[None, :]
    inverse = (a / total) ** 2 + (b / total) ** 2  # times (total / (a + b))^2, (n - 1) / freedom
    share = (a + b) / total
    critical = np.interp(inverse / share**2, *_critical_values(seeds - 1, level))
    decided = special.ndtr(difference / math.sqrt(total / seeds) - critical * np.sqrt(share))
    return float(weights @ decided @ weights)


def noncentrality(seeds: int, level: float) -> float:
    """Return the difference, in standard errors of the difference, that the test finds with power `POWER` if the spreads are equal."""

    def missing(value: float) -> float:
        return power(value * math.sqrt(2 / seeds), 1.0, 1.0, seeds, level) - POWER

    low, high = 0.0, 1.0
    while missing(high) < 0:
        low, high = high, 2 * high
    while high - low > TOLERANCE * high:  # bisection, because `scipy.optimize` takes 0.3 s to import
        middle = (low + high) / 2
        low, high = (middle, high) if missing(middle) < 0 else (low, middle)
    return high


@lru_cache(maxsize=1024)
def _variance_ratios(freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles of a sample variance over the true one (chi-squared over its degrees of freedom), and their quadrature weights."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return 2 * special.gammaincinv(freedom / 2, (nodes + 1) / 2) / freedom, weights / 2


@lru_cache(maxsize=1024)
def _critical_values(freedom: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of (n - 1) / (degrees of freedom of the test), from 1/2 to 1, and the critical values of t."""
    grid = np.linspace(0.5, 1.0, GRID)
    return grid, special.stdtrit(freedom / grid, 1 - level / 2)
