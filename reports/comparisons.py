"""Comparison of two entries over few training seeds: Welch's test, failed runs included, and verdicts after Holm's correction.

The test of a pair depends only on that pair, the metric's card and the reference rows. A failed run has no value, so the test of
"A is better than B" assigns values to failed runs:

- The failed runs of B have the value of its worst finished run (with the degrees of freedom of the finished runs), or the worst level.
  The test uses the smaller p. So the spread that a failure adds does not protect B.
- Each failed run of A has the best or the worst level. The test uses the largest p (`least_favourable`), with Bonferroni's correction.
  So A cannot win by a failure, whatever value between the levels the failed run would have had.

The levels are the ends of the span of the reference rows `real` and `untrained` and of all values of the pair.
docs/simulate_verdicts.py measures error rates and power.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy import special

from bench.core.text import pluralise
from bench.metrics.columns import Card, Direction
from reports.scores import ScoreScale
from reports.stats import ALPHA, MIN_SEEDS, Interval, Sample, constant, moments

Verdict = Literal["no significant difference", "significantly better", "clearly better"]
Test = Literal["", "Welch on logs", "Welch"]

CLEAR_RATIO = 1.1  # "clearly better" is significantly better by at least this ratio
Levels = tuple[float, float]  # the best and the worst value of a failed run
UNKNOWN = ScoreScale(untrained=math.nan, real=math.nan)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Record of the comparison of two entries on one metric.

    `ratio` and its interval are of the finished runs. `ratio` is above 1 if `a` has the better values. The interval has no correction for
    the number of pairs.
    """

    a: str
    b: str
    test: Test = ""
    p: float | None = None
    p_holm: float | None = None
    ratio: float | None = None
    interval: Interval | None = None
    p_better: float | None = (
        None  # share of the seed pairs in which a has the better value. A tie counts as a half, a failed run as the worst value
    )
    better: str | None = None
    verdict: Verdict = "no significant difference"
    reason: str = ""  # why there is no test
    failures: str = ""  # which entry failed in how many seeds
    failed: frozenset[str] = frozenset()  # entries with failed runs


def compare_all(samples: Mapping[str, Sample], metric: Card, references: ScoreScale = UNKNOWN) -> list[Comparison]:
    """Compare every pair, with Holm's correction over the pairs that can be tested. Pairs come in the order of `samples`."""
    return with_verdicts([compare(a, b, samples[a], samples[b], metric, references) for a, b in itertools.combinations(samples, 2)])


def with_verdicts(pairs: Sequence[Comparison]) -> list[Comparison]:
    """Return the pairs with their verdicts, after Holm's correction over the tested ones.

    A p in favour of an entry with failed runs is multiplied by the number of all pairs instead (Bonferroni). This number is never less
    than Holm's factor. With Holm's factor, a failure that makes other pairs significant could relax the correction of a pair in which its entry is better.
    """
    adjusted = iter(holm([pair.p for pair in pairs if pair.p is not None]))
    return [_judge(pair, None if pair.p is None else _strict(pair, next(adjusted), len(pairs))) for pair in pairs]


def _strict(pair: Comparison, p_holm: float, pairs: int) -> float:
    """Return the adjusted p, with Bonferroni's correction if the better entry has failed runs."""
    return min(1.0, pairs * pair.p) if pair.p is not None and pair.better in pair.failed else p_holm


def compare(a: str, b: str, one: Sample, two: Sample, metric: Card, references: ScoreScale = UNKNOWN) -> Comparison:
    """Test one pair, or record why it cannot be tested. `with_verdicts` adds the verdict."""
    failures = "; ".join(failed_words(name, data) for name, data in ((a, one), (b, two)) if data.failures)
    pair = Comparison(a=a, b=b, failures=failures, failed=frozenset(name for name, data in ((a, one), (b, two)) if data.failures))
    reason = _untestable({a: one, b: two}, metric)
    if reason:
        return replace(pair, reason=reason)
    pair = replace(pair, p_better=_chance(_badness(one, metric.direction), _badness(two, metric.direction)))
    if constant(one.values) or constant(two.values):
        return replace(pair, reason="the seeds do not differ")
    logs = has_ratio(metric, one, two)
    x, y = (on_scale(data.values, metric.direction, logs=logs) for data in (one, two))
    levels = _levels((*one.values, *two.values), references, metric.direction, logs=logs)
    if levels is None and one.failures and two.failures:
        return replace(pair, reason="runs of both failed, and no reference rows give them a value")
    p_a, p_b = _p_better(x, one.failures, y, two.failures, levels), _p_better(y, two.failures, x, one.failures, levels)
    pair = replace(pair, p=min(1.0, 2 * min(p_a, p_b)), better=None if p_a == p_b else a if p_a < p_b else b)
    if not logs:
        return replace(pair, test="Welch")
    difference, _, interval = welch(y, x)
    return replace(pair, test="Welch on logs", ratio=_exp(difference), interval=Interval(low=_exp(interval.low), high=_exp(interval.high)))


def equivalence(one: Sample, two: Sample, metric: Card) -> float | None:
    """Return the p of "the difference is below the card's margin", on finished runs: the larger of two one-sided Welch tests.

    Schuirmann 1987, J. Pharmacokinet. Biopharm. 15. None without a margin on the scale of the pair.
    """
    logs = has_ratio(metric, one, two)
    if metric.same_within is None or (metric.scale == "ratio" and not logs):
        return None
    margin = math.log(metric.same_within) if logs else metric.same_within
    x, y = (on_scale(data.values, "lower", logs=logs) for data in (one, two))
    return max(p_below(x, y, shift=margin), p_below(y, x, shift=margin))


def failed_words(name: str, data: Sample) -> str:
    """Return how many seeds of an entry failed, in words."""
    return f"{name} failed in {data.failures} of {pluralise(data.n, 'seed')}"


def has_ratio(metric: Card, one: Sample, two: Sample) -> bool:
    """Return whether a pair is compared by its ratio: the card says so and every value is positive."""
    return metric.scale == "ratio" and min(*one.values, *two.values) > 0


def on_scale(values: Sequence[float], direction: Direction, *, logs: bool) -> list[float]:
    """Return values, or their logs, with signs such that lower is better."""
    sign = -1.0 if direction == "higher" else 1.0
    return [sign * (math.log(value) if logs else value) for value in values]


def _untestable(samples: Mapping[str, Sample], metric: Card) -> str:
    """Return the reason why a pair has no test, or an empty text if it has one."""
    if metric.direction == "none":
        return "the metric has no direction"
    if any(data.unmeasured for data in samples.values()):
        return "a finished run was not measured"
    if min(data.n for data in samples.values()) < MIN_SEEDS:
        return f"fewer than {MIN_SEEDS} seeds"
    return "; ".join(failed_words(name, data) for name, data in samples.items() if data.failed_out)


def _levels(values: Sequence[float], references: ScoreScale, direction: Direction, *, logs: bool) -> Levels | None:
    """Return the best and the worst value that a failed run may have, on the scale of the test, or None without usable reference rows."""
    everything = (*values, references.real, references.untrained)
    if not references.usable or (logs and min(everything) <= 0):
        return None
    scaled = on_scale(everything, direction, logs=logs)
    return min(scaled), max(scaled)


def _p_better(x: Sequence[float], x_failed: int, y: Sequence[float], y_failed: int, levels: Levels | None) -> float:
    """Return the one-sided p of "x is better (lower) than y", with values for failed runs. It is 1 if the failed runs of x have no level."""
    if x_failed and levels is None:
        return 1.0
    found = [least_favourable(x, x_failed, [*y, *[max(y)] * y_failed], levels, finished=len(y))]
    if y_failed and levels is not None:
        found.append(least_favourable(x, x_failed, [*y, *[levels[1]] * y_failed], levels, finished=len(y) + y_failed))
    return min(found)


def least_favourable(x: Sequence[float], failed: int, y: Sequence[float], levels: Levels | None, *, finished: int) -> float:
    """Return the largest one-sided p of "x is lower than y" over all values between the levels that the failed runs of x may have.

    Where t is positive, t is a quasi-concave function of these values (an affine function over a norm of affine functions). So t is
    smallest at a corner, where i runs have the best level and the others the worst. With failed runs, the test uses the degrees of
    freedom of the smaller sample, because Welch's degrees of freedom are never fewer. Only the first `finished` values of y have degrees of freedom.
    """
    if not failed or levels is None:
        return p_below(x, y, _welch(x, y[:finished])[2])
    freedom = min(len(x) + failed, finished) - 1
    corners = ([*x, *[levels[0]] * i, *[levels[1]] * (failed - i)] for i in range(failed + 1))
    return max(p_below(corner, y, freedom) for corner in corners)


def welch(x: Sequence[float], y: Sequence[float], confidence: float = 1 - ALPHA) -> tuple[float, float, Interval]:
    """Return mean(x) - mean(y), its two-sided p and its interval: Welch 1947, Biometrika 34, with Welch-Satterthwaite degrees of freedom."""
    difference, error, freedom = _welch(x, y)
    half = float(special.stdtrit(freedom, (1 + confidence) / 2)) * error
    p = 2 * float(special.stdtr(freedom, -abs(difference / error)))
    return difference, p, Interval(low=difference - half, high=difference + half)


def p_below(x: Sequence[float], y: Sequence[float], freedom: float | None = None, shift: float = 0.0) -> float:
    """Return the one-sided p of "mean(x) is lower than mean(y) + shift" by Welch's test, with other degrees of freedom if given."""
    difference, error, own = _welch(x, y)
    return float(special.stdtr(own if freedom is None else freedom, (difference - shift) / error))


def _welch(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Return mean(x) - mean(y), its standard error and the degrees of freedom."""
    (mean_x, var_x), (mean_y, var_y) = moments(x), moments(y)
    a, b = var_x / len(x), var_y / len(y)
    return mean_x - mean_y, math.sqrt(a + b), (a + b) ** 2 / (a**2 / (len(x) - 1) + b**2 / (len(y) - 1))


def _judge(pair: Comparison, p_holm: float | None) -> Comparison:
    """Return the pair with its verdict. No entry with failed runs is clearly better."""
    if p_holm is None or p_holm >= ALPHA or pair.better is None:
        return replace(pair, p_holm=p_holm, better=None, verdict="no significant difference")
    clear = pair.ratio is not None and (pair.ratio >= CLEAR_RATIO if pair.better == pair.a else pair.ratio * CLEAR_RATIO <= 1)
    clear = clear and pair.better not in pair.failed
    return replace(pair, p_holm=p_holm, verdict="clearly better" if clear else "significantly better")


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values with Holm's correction for the chance of any false verdict: Holm 1979, Scand. J. Statist. 6."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def _chance(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the share of the pairs in which x is lower: Mann and Whitney's U over its largest value. A tie counts as a half."""
    return sum((a < b) + 0.5 * (a == b) for a in x for b in y) / (len(x) * len(y))


def _badness(data: Sample, direction: Direction) -> list[float]:
    """Return the values with signs such that lower is better, failures last."""
    sign = 1.0 if direction == "lower" else -1.0
    return [*(sign * value for value in data.values), *([math.inf] * data.failures)]


def _exp(value: float) -> float:
    """Return the exponential, or infinity if it overflows a float."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
