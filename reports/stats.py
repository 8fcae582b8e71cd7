"""Statistics of few training seeds. The unit of replication is the training seed. `reports.comparisons` compares entries.

A failed run is infinitely bad in medians. Below `MIN_SEEDS` seeds there is neither an interval nor a test, because
2 seeds cannot estimate the spread between seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.metrics.columns import Direction

MIN_SEEDS = 3
MIN_SURVIVORS = 2  # finished runs beside failed ones. Fewer runs have no spread
ALPHA = 0.05
FAILED = ("diverged", "failed")  # outcomes of the variant. Pruned, interrupted and running runs have none
LARGEST = 1e75  # larger values are infinite: SQL stores record infinity as the largest float, and a squared variance must fit a float
NEAR = 0.1  # relative distance within which a trial is near the best one


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Record of a 95 % confidence interval."""

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
        """The number of measured and failed runs."""
        return len(self.values) + self.failures

    @property
    def failed_out(self) -> bool:
        """True if runs failed and fewer than `MIN_SURVIVORS` finished, too few for a statement about the mean."""
        return self.failures > 0 and self.finished < MIN_SURVIVORS

    @property
    def finished(self) -> int:
        """The number of finished runs, measured or not."""
        return len(self.values) + self.unmeasured

    @property
    def success(self) -> Interval:
        """The 95 % interval of the share of runs that finish: Clopper and Pearson 1934, Biometrika 26. [0, 1] without runs."""
        low = float(special.betaincinv(self.finished, self.failures + 1, ALPHA / 2)) if self.finished else 0.0
        high = float(special.betaincinv(self.finished + 1, self.failures, 1 - ALPHA / 2)) if self.failures else 1.0
        return Interval(low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Record of the statistics of a sample. Median and mean are NaN for an empty sample. A failure makes the mean infinite."""

    n: int
    failures: int
    median: float
    mean: float
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Record of measurement noise. `share` is its part of the variance between seeds, or None below `MIN_SEEDS` seeds or without variance."""

    error: float  # root mean square of the standard errors of single measurements
    share: float | None


def sample(values: Iterable[float], statuses: Iterable[str]) -> Sample:
    """Return the sample of runs with these metric values and statuses. Pruned, interrupted and running runs are left out."""
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

    Seeds whose value or error is missing or infinite are left out. Return None if no seed remains.
    """
    pairs = [(value, error) for value, error in zip(values, errors, strict=True) if math.isfinite(value) and math.isfinite(error)]
    if not pairs:
        return None
    squared = math.fsum(error**2 for _, error in pairs) / len(pairs)
    measured = [value for value, _ in pairs]
    if len(pairs) < MIN_SEEDS or constant(measured):
        return Noise(error=math.sqrt(squared), share=None)
    return Noise(error=math.sqrt(squared), share=min(1.0, squared / moments(measured)[1]))


def t_interval(values: Sequence[float], confidence: float = 1 - ALPHA) -> Interval | None:
    """Return Student's t interval of a mean. Return None below `MIN_SEEDS` values, or if all are equal, because such values do not estimate a spread."""
    n = len(values)
    if n < MIN_SEEDS or constant(values):
        return None
    mean, variance = moments(values)
    half = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * math.sqrt(variance / n)
    return Interval(low=mean - half, high=mean + half)


def rank_agreement(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return Kendall's tau-b of two lists: 1 for the same order, -1 for the reverse order, None if all values of a list are equal."""
    from scipy.stats import kendalltau  # here, because the import takes 0.3 s, and a provisional report does not need it

    tau = float(kendalltau(x, y).statistic) if len(x) > 1 else math.nan
    return None if math.isnan(tau) else tau


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


def moments(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and unbiased variance."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def constant(values: Sequence[float]) -> bool:
    """Return whether values are equal up to rounding, so that a t statistic would be rounding noise."""
    return max(values) - min(values) <= max(1e-12 * max(abs(value) for value in values), 1 / LARGEST)
