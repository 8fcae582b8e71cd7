"""Statistics for few training seeds: intervals, tests and verdicts. The unit of replication is the training seed.

Failed runs count: they are infinitely bad in medians and the worst rank in comparisons. Below `MIN_SEEDS` seeds there is
neither an interval nor a test, because 2 seeds cannot estimate the spread between seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special, stats

from bench.metrics.cards import Direction

Verdict = Literal["no significant difference", "significantly better", "clearly better"]
Test = Literal["", "Welch on logs", "Welch", "rank permutation"]

MIN_SEEDS = 3
ALPHA = 0.05
CLEAR_RATIO = 1.1  # "clearly better" is significantly better by at least this ratio
FAILED = ("diverged", "failed")  # outcomes of the variant; pruned, interrupted and running runs have none
MAX_PERMUTATIONS = 200_000
LARGEST = 1e75  # larger values count as infinite: SQL stores record infinity as the largest float, and a squared variance must fit a float
NEAR = 0.1  # relative distance within which a trial is near the best one


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Record of an entry's values of one metric, one for each seed. `unmeasured` counts finished runs without the metric."""

    values: tuple[float, ...]
    failures: int = 0
    unmeasured: int = 0

    @property
    def n(self) -> int:
        """The number of runs that count: measured ones and failures."""
        return len(self.values) + self.failures


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Record of the statistics of a sample. Median and mean are NaN for an empty sample; a failure makes the mean infinite."""

    n: int
    failures: int
    median: float
    mean: float
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Record of measurement noise. `share` is its part of the variance between seeds; None below `MIN_SEEDS` seeds or without variance."""

    error: float  # root mean square of the standard errors of single measurements
    share: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Record of the comparison of two entries on one metric.

    `ratio` is above 1 if `a` has the better values. Its interval has no correction for the number of pairs."""

    a: str
    b: str
    test: Test = ""
    p: float | None = None
    p_holm: float | None = None
    ratio: float | None = None
    interval: Interval | None = None
    p_better: float | None = None  # share of the seed pairs in which a has the better value; a tie counts as a half
    better: str | None = None
    verdict: Verdict = "no significant difference"
    reason: str = ""  # why there is no test


def sample(values: Iterable[float], statuses: Iterable[str]) -> Sample:
    """Return the sample of runs with these metric values and statuses. Runs that have not ended are left out."""
    measured: list[float] = []
    failures = unmeasured = 0
    for value, status in zip(values, statuses, strict=True):
        if status in FAILED:
            failures += 1
        elif status == "finished":
            if math.isnan(value):
                unmeasured += 1
            elif abs(value) >= LARGEST:
                failures += 1
            else:
                measured.append(float(value))
    return Sample(values=tuple(measured), failures=failures, unmeasured=unmeasured)


def summarise(data: Sample, direction: Direction) -> Summary:
    """Return median and mean with its Student-t interval. Failures are infinitely bad if the metric has a direction."""
    worst = {"lower": math.inf, "higher": -math.inf, "none": math.nan}[direction]
    values = [*data.values, *([worst] * data.failures if direction != "none" else [])]
    return Summary(
        n=data.n,
        failures=data.failures,
        median=float(np.median(values)) if values else math.nan,
        mean=math.fsum(values) / len(values) if values else math.nan,
        interval=None if data.failures else t_interval(data.values),
    )


def noise(values: Sequence[float], errors: Sequence[float]) -> Noise | None:
    """Return the measurement noise and its share of the variance between seeds: mean squared standard error over that variance, at most 1.

    Seeds whose value or error is missing or infinite are left out; None if no seed remains.
    """
    pairs = [(value, error) for value, error in zip(values, errors, strict=True) if math.isfinite(value) and math.isfinite(error)]
    if not pairs:
        return None
    squared = math.fsum(error**2 for _, error in pairs) / len(pairs)
    measured = [value for value, _ in pairs]
    if len(pairs) < MIN_SEEDS or _constant(measured):
        return Noise(error=math.sqrt(squared), share=None)
    return Noise(error=math.sqrt(squared), share=min(1.0, squared / _moments(measured)[1]))


def t_interval(values: Sequence[float], confidence: float = 1 - ALPHA) -> Interval | None:
    """Return Student's t interval of a mean. Return None below `MIN_SEEDS` values, or if all are equal, because such values do not estimate a spread."""
    n = len(values)
    if n < MIN_SEEDS or _constant(values):
        return None
    mean, variance = _moments(values)
    half = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * math.sqrt(variance / n)
    return Interval(low=mean - half, high=mean + half)


def compare_all(samples: Mapping[str, Sample], direction: Direction) -> list[Comparison]:
    """Compare every pair, with Holm's correction over the pairs that can be tested. Pairs come in the order of `samples`."""
    log_scale = all(value > 0 for data in samples.values() for value in data.values)
    return with_verdicts(
        [compare(a, b, samples[a], samples[b], direction, log_scale=log_scale) for a, b in itertools.combinations(samples, 2)]
    )


def with_verdicts(pairs: Sequence[Comparison]) -> list[Comparison]:
    """Return the pairs with their verdicts, after Holm's correction over the tested ones."""
    tested = [i for i, pair in enumerate(pairs) if pair.p is not None]
    adjusted = dict(zip(tested, holm([pair.p for pair in pairs if pair.p is not None]), strict=True))
    return [_judge(pair, adjusted.get(i)) for i, pair in enumerate(pairs)]


def compare(a: str, b: str, one: Sample, two: Sample, direction: Direction, *, log_scale: bool) -> Comparison:
    """Test one pair, or record why it cannot be tested; `with_verdicts` adds the verdict."""
    pair = Comparison(a=a, b=b)
    if direction == "none":
        return replace(pair, reason="the metric has no direction")
    if one.unmeasured or two.unmeasured:
        return replace(pair, reason="a finished run was not measured")
    if min(one.n, two.n) < MIN_SEEDS:
        return replace(pair, reason=f"fewer than {MIN_SEEDS} seeds")
    badness = [_badness(data, direction) for data in (one, two)]
    chance = _chance(*badness)
    if one.failures or two.failures:
        p = rank_permutation(*badness)
        return replace(pair, test="rank permutation", p=p, p_better=chance, better=_winner(pair, chance - 0.5))
    if _constant(one.values) or _constant(two.values):
        return replace(pair, p_better=chance, reason="the seeds do not differ")
    sign = 1.0 if direction == "lower" else -1.0
    x, y = ([math.log(v) for v in data.values] if log_scale else list(data.values) for data in (one, two))
    difference, p, interval = welch(y, x)
    pair = replace(pair, p=p, p_better=chance, better=_winner(pair, sign * difference))
    if not log_scale:
        return replace(pair, test="Welch")
    ends = sorted((_exp(sign * interval.low), _exp(sign * interval.high)))
    return replace(pair, test="Welch on logs", ratio=_exp(sign * difference), interval=Interval(low=ends[0], high=ends[1]))


def _judge(pair: Comparison, p_holm: float | None) -> Comparison:
    """Return the pair with its verdict. Without a significant test, no entry is better."""
    if p_holm is None or p_holm >= ALPHA or pair.better is None:
        return replace(pair, p_holm=p_holm, better=None, verdict="no significant difference")
    clear = pair.ratio is not None and (pair.ratio >= CLEAR_RATIO or pair.ratio * CLEAR_RATIO <= 1)
    return replace(pair, p_holm=p_holm, verdict="clearly better" if clear else "significantly better")


def _winner(pair: Comparison, advantage_of_a: float) -> str | None:
    if advantage_of_a == 0:
        return None
    return pair.a if advantage_of_a > 0 else pair.b


def welch(x: Sequence[float], y: Sequence[float], confidence: float = 1 - ALPHA) -> tuple[float, float, Interval]:
    """Return mean(x) - mean(y), its two-sided p and its interval.

    Welch 1947, Biometrika 34, with Welch-Satterthwaite degrees of freedom."""
    (mean_x, var_x), (mean_y, var_y) = _moments(x), _moments(y)
    a, b = var_x / len(x), var_y / len(y)
    error = math.sqrt(a + b)
    freedom = (a + b) ** 2 / (a**2 / (len(x) - 1) + b**2 / (len(y) - 1))
    difference = mean_x - mean_y
    p = 2 * float(special.stdtr(freedom, -abs(difference / error)))
    half = float(special.stdtrit(freedom, (1 + confidence) / 2)) * error
    return difference, p, Interval(low=difference - half, high=difference + half)


def rank_permutation(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the two-sided p of the difference in mean rank under all splits of the pooled runs.

    Above `MAX_PERMUTATIONS` splits, use random ones."""
    ranks = stats.rankdata([*x, *y])
    observed = abs(ranks[: len(x)].mean() - ranks.mean())
    splits = math.comb(len(ranks), len(x))
    if splits <= MAX_PERMUTATIONS:
        chosen = np.array(list(itertools.combinations(range(len(ranks)), len(x))))
        added = 0
    else:
        shuffles = np.random.default_rng(0).random((20_000, len(ranks)))
        chosen = shuffles.argsort(axis=1)[:, : len(x)]
        added = 1  # the observed split, so that p is never 0: Phipson & Smyth 2010
    extreme = np.abs(ranks[chosen].mean(axis=1) - ranks.mean()) >= observed - 1e-12
    return float((extreme.sum() + added) / (len(chosen) + added))


def rank_agreement(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return Kendall's tau-b of two lists: 1 for the same order, -1 for the reverse order, None if all values of a list are equal."""
    tau = float(stats.kendalltau(x, y).statistic) if len(x) > 1 else math.nan
    return None if math.isnan(tau) else tau


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values with Holm's correction for the chance of any false verdict: Holm 1979, Scand. J. Statist. 6."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def expected_best(values: Sequence[float], failures: int, direction: Direction) -> list[float]:
    """Return the expected best of k = 1, 2, ... n of n random trials, drawn without replacement.

    The estimate is unbiased for the best of k further trials.

    E_k = sum_i C(n - i, k - 1) x_(i) / C(n, k) for x sorted best first (the U-statistic of the minimum; Tang et al. 2020, ACL, eq. 5). A
    failure is infinitely bad, so E_k is NaN as long as k trials can all be failures (k <= failures).
    """
    n = len(values) + failures
    ordered = np.array(sorted(values, reverse=direction == "higher"))
    found = [math.nan] * min(failures, n)
    for k in range(len(found) + 1, n + 1):
        i = np.arange(1, n - k + 1)
        shares = k / n * np.cumprod([1.0, *((n - i - k + 1) / (n - i))])  # C(n - i, k - 1) / C(n, k), from i = 1 to n - k + 1
        found.append(float(shares @ ordered[: n - k + 1]))
    return found


def near_best(values: Sequence[float], others: int, direction: Direction) -> float | None:
    """Return the share of trials whose value is within the ratio `NEAR` of the best one. `others` counts trials without a value, which are not near.

    Return None if the metric has no direction, without values, or if a value is not positive and so has no ratio.
    """
    if direction == "none" or not values or min(values) <= 0:
        return None
    near = [value <= (1 + NEAR) * min(values) if direction == "lower" else value >= (1 - NEAR) * max(values) for value in values]
    return sum(near) / (len(values) + others)


def _chance(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the share of the pairs in which x is lower: Mann and Whitney's U over its largest value. A tie counts as a half."""
    return sum((a < b) + 0.5 * (a == b) for a in x for b in y) / (len(x) * len(y))


def _badness(data: Sample, direction: Direction) -> list[float]:
    """Return the values with signs such that lower is better, failures last."""
    sign = 1.0 if direction == "lower" else -1.0
    return [*(sign * value for value in data.values), *([math.inf] * data.failures)]


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and unbiased variance."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _constant(values: Sequence[float]) -> bool:
    """Return whether values are equal up to rounding, so that a t statistic would be rounding noise."""
    return max(values) - min(values) <= max(1e-12 * max(abs(value) for value in values), 1 / LARGEST)


def _exp(value: float) -> float:
    """Return the exponential; infinity if it overflows a float."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
