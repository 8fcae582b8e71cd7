"""Scores that can be averaged over data sets, and how long a run needed: for entries that were trained on several data sets.

A score is 0 where an entry is as good as an untrained generator and 1 where it is as good as real images. The scale is logarithmic where both
of these values are positive, else linear, for all entries alike. Aggregates are those of Agarwal et al. 2021 (arXiv 2108.13264). Their intervals are nominal: with few seeds a bootstrap covers less than it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.stats import Interval, Sample

RESAMPLES = 2_000
TRIMMED = 0.25  # of the scores at either end: what is left is their interquartile mean
CONFIDENCE = 0.95
LOWEST, HIGHEST = -1.0, 2.0  # scores: as far beyond either end of a scale as its ends are apart


@dataclass(frozen=True, kw_only=True)
class ScoreScale:
    """The values of the two rows for scale on one data set."""

    untrained: float
    real: float

    @property
    def usable(self) -> bool:
        """Whether the two are there and apart."""
        return math.isfinite(self.untrained) and math.isfinite(self.real) and self.untrained != self.real

    def score(self, value: float) -> float:
        """0 at `untrained`, 1 at `real`; from `LOWEST` to `HIGHEST` where a value lies beyond them. What is not finite is as bad as untrained.

        On a log scale a value of 0 or less has the score that small positive values tend to: metrics can be 0, and estimates can be negative.
        """
        if not math.isfinite(value):
            return 0.0
        untrained, real, own = (_log(each) if min(self.untrained, self.real) > 0 else each for each in (self.untrained, self.real, value))
        return min(max((untrained - own) / (untrained - real), LOWEST), HIGHEST)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """An entry over all data sets."""

    iqm: float
    interval: Interval  # nominal
    worst: float  # the lowest mean of a data set


def scores(data: Sample, scale: ScoreScale) -> tuple[float, ...]:
    """The scores of an entry's runs on one data set, a failed run counting as untrained."""
    return (*(scale.score(value) for value in data.values), *[0.0] * data.failures)


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of what is left when a quarter at either end is cut off, rounded down; NaN of nothing."""
    if not len(values):
        return math.nan
    ordered = np.sort(np.asarray(values, dtype=float))
    cut = int(TRIMMED * len(ordered))
    return float(ordered[cut : len(ordered) - cut].mean())


def aggregate(by_data: Mapping[str, Sequence[float]], *, seed: int = 0) -> Aggregate:
    """Over the scores of each data set, with a bootstrap that draws runs within each. Every data set has at least one score."""
    if not by_data or not all(len(own) for own in by_data.values()):
        raise ValueError("every data set needs a score")
    parts = [np.asarray(by_data[name], dtype=float) for name in sorted(by_data)]
    random = np.random.default_rng(seed)
    drawn = np.concatenate([part[random.integers(len(part), size=(RESAMPLES, len(part)))] for part in parts], axis=1)
    drawn.sort(axis=1)
    cut = int(TRIMMED * drawn.shape[1])
    means = drawn[:, cut : drawn.shape[1] - cut].mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Aggregate(
        iqm=interquartile_mean(np.concatenate(parts)),
        interval=Interval(low=float(low), high=float(high)),
        worst=min(float(part.mean()) for part in parts),
    )


def profile(by_data: Mapping[str, Sequence[float]], levels: Sequence[float]) -> list[float]:
    """The share of runs whose score is above each level, every data set weighing the same."""
    shares = [[float(np.mean(np.asarray(own) > level)) for own in by_data.values()] for level in levels]
    return [float(np.mean(share)) for share in shares]


def first_at(points: Sequence[tuple[float, float]], target: float, direction: str) -> float:
    """The position of the first (position, value) that is as good as a target; infinity where none is."""
    sign = -1.0 if direction == "higher" else 1.0
    return min((at for at, value in points if math.isfinite(value) and sign * value <= sign * target), default=math.inf)
