"""Scores that can be averaged over data sets, and the position at which a run reaches a target value.

A score is 0 for a value as good as an untrained generator and 1 for a value as good as real images. The scale is logarithmic if both
reference values are positive, else linear. It is the same for all entries. The aggregates follow Agarwal et al. 2021 (arXiv 2108.13264). Their
intervals are nominal, because with few seeds a bootstrap interval covers less than its level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.stats import Interval, Sample

RESAMPLES = 2_000
TRIMMED = 0.25  # share of the scores that the interquartile mean drops at either end
CONFIDENCE = 0.95
LOWEST, HIGHEST = -1.0, 2.0  # bounds of scores: one length of the scale beyond either end


@dataclass(frozen=True, kw_only=True)
class ScoreScale:
    """Record of the values of the two reference rows on one data set."""

    untrained: float
    real: float

    @property
    def usable(self) -> bool:
        """Return whether both values are finite and differ."""
        return math.isfinite(self.untrained) and math.isfinite(self.real) and self.untrained != self.real

    def score(self, value: float) -> float:
        """Return 0 at `untrained` and 1 at `real`, within `LOWEST` and `HIGHEST`. A value that is not finite scores 0.

        On a log scale, a value of 0 or less has the limit score of small positive values: metrics can be 0, and estimates can be negative.
        """
        if not math.isfinite(value):
            return 0.0
        untrained, real, own = (_log(each) if min(self.untrained, self.real) > 0 else each for each in (self.untrained, self.real, value))
        return min(max((untrained - own) / (untrained - real), LOWEST), HIGHEST)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """Record of an entry's scores, aggregated over all data sets."""

    iqm: float
    interval: Interval  # of nominal level
    worst: float  # the lowest mean score of a data set


def scores(data: Sample, scale: ScoreScale) -> tuple[float, ...]:
    """Return the scores of an entry's runs on one data set. A failed run scores 0."""
    return (*(scale.score(value) for value in data.values), *[0.0] * data.failures)


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """Return the mean without a quarter of the values, rounded down, at either end. Without values, return NaN."""
    if not len(values):
        return math.nan
    ordered = np.sort(np.asarray(values, dtype=float))
    cut = int(TRIMMED * len(ordered))
    return float(ordered[cut : len(ordered) - cut].mean())


def aggregate(by_data: Mapping[str, Sequence[float]], *, seed: int = 0) -> Aggregate:
    """Return the aggregate of the scores of all data sets, with a bootstrap over the runs within each data set.

    Raise a ValueError for a data set without a score."""
    if not by_data or not all(len(own) for own in by_data.values()):
        raise ValueError("every data set needs a score; got an empty list")
    parts = [np.asarray(by_data[name], dtype=float) for name in sorted(by_data)]
    random = np.random.default_rng(seed)
    resampled = np.concatenate([part[random.integers(len(part), size=(RESAMPLES, len(part)))] for part in parts], axis=1)
    resampled.sort(axis=1)
    cut = int(TRIMMED * resampled.shape[1])
    means = resampled[:, cut : resampled.shape[1] - cut].mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Aggregate(
        iqm=interquartile_mean(np.concatenate(parts)),
        interval=Interval(low=float(low), high=float(high)),
        worst=min(float(part.mean()) for part in parts),
    )


def improvability(by_entry: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, tuple[float, str]]:
    """Return how far each entry is from the best one on the data where it is farthest, and that data.

    The distance is that of mean scores, so it is at least 0. It is the largest loss from choosing this entry for all data. TabArena
    (Erickson et al. 2025, arXiv 2506.16791) reports such a loss in per cent of the error.
    """
    means = {name: {data: float(np.mean(own)) for data, own in by_data.items()} for name, by_data in by_entry.items()}
    best = {data: max(found[data] for found in means.values()) for data in next(iter(means.values()))}
    losses = {name: {data: best[data] - own for data, own in found.items()} for name, found in means.items()}
    return {name: max(((loss, data) for data, loss in sorted(found.items())), key=lambda pair: pair[0]) for name, found in losses.items()}


def win_rate(one: Mapping[str, Sequence[float]], two: Mapping[str, Sequence[float]]) -> float:
    """Return the share of the pairs of runs in which the first entry has the higher score. A tie counts as a half.

    Pairs are of the same data, and every data set has the same weight.
    """
    shares = [
        np.mean((np.subtract.outer(own, two[data]) > 0) + 0.5 * (np.subtract.outer(own, two[data]) == 0)) for data, own in one.items()
    ]
    return float(np.mean(shares))


def profile(by_data: Mapping[str, Sequence[float]], levels: Sequence[float]) -> list[float]:
    """Return the share of runs with a score above each level. Every data set has the same weight."""
    shares = [[float(np.mean(np.asarray(own) > level)) for own in by_data.values()] for level in levels]
    return [float(np.mean(share)) for share in shares]


def first_at(points: Sequence[tuple[float, float]], target: float, direction: str) -> float:
    """Return the position of the first (position, value) as good as the target, or infinity if there is none."""
    sign = -1.0 if direction == "higher" else 1.0
    return min((at for at, value in points if math.isfinite(value) and sign * value <= sign * target), default=math.inf)
