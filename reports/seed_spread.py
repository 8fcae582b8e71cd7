"""Spread between runs by its origin: the shares of initial weights, order of the data and noise in the variance of a metric.

Dufour, Efros, Perez 2026 (arXiv 2606.20536) study the origin of the differences between training seeds. Runs in which one random stream
follows the seed, and the others are fixed, give the variance that this stream causes. It is conditional on the fixed streams, and it
includes the sampling noise of the evaluation, whose latents always follow the seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.stats import ALPHA, MIN_SEEDS, Interval, constant, moments

STREAMS = {"init": "initial weights", "data": "order of the data", "noise": "noise"}  # as in a run's parameter `vary`
ALL = ",".join(STREAMS)
DRAWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Share:
    """Share of a stream in the sum of the variances, from 0 to 1, with its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class SpreadShares:
    """Record of the share of each stream. `p_equal` is the p of equal variances."""

    shares: dict[str, Share]
    p_equal: float


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation, or None below `MIN_SEEDS` values."""
    return math.sqrt(moments(values)[1]) if len(values) >= MIN_SEEDS else None


def spread_shares(values: Mapping[str, Sequence[float]]) -> SpreadShares | None:
    """Return the shares of independent streams, each with the values of its runs. None below `MIN_SEEDS` values, or without any spread.

    The interval is a generalised confidence interval (Weerahandi 1993, JASA 88). For normal values, the variance of a stream is
    distributed as s² (n - 1) / chi² with n - 1 degrees of freedom. The test of equal variances is Bartlett's (1937, Proc. R. Soc. A 160).
    """
    from scipy.stats import bartlett  # here, because the import takes 0.3 s, and most reports do not need it

    if min(map(len, values.values())) < MIN_SEEDS:
        return None
    still = {stream for stream, found in values.items() if constant(found)}
    if still == set(values):
        return None
    variances = np.array([0.0 if stream in still else moments(found)[1] for stream, found in values.items()])
    freedom = np.array([len(found) - 1 for found in values.values()])
    sampled = variances * freedom / np.random.default_rng(0).chisquare(freedom, (DRAWS, len(freedom)))
    ends = np.quantile(sampled / sampled.sum(axis=1, keepdims=True), (ALPHA / 2, 1 - ALPHA / 2), axis=0)
    shares = {
        stream: Share(value=float(variances[i] / variances.sum()), interval=Interval(low=float(ends[0, i]), high=float(ends[1, i])))
        for i, stream in enumerate(values)
    }
    return SpreadShares(shares=shares, p_equal=0.0 if still else float(bartlett(*values.values()).pvalue))
