"""Shares of the spread against values computed by hand, closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.core import random_streams
from reports.seed_spread import ALL, STREAMS, spread, spread_shares

INIT, DATA, NOISE = (0.0, 2.0, 4.0), (10.0, 11.0, 12.0), (5.0, 5.0, 5.0)  # variances 4, 1, 0


def test_the_streams_are_those_of_training() -> None:
    assert tuple(STREAMS) == random_streams.TRAINING
    assert ALL == random_streams.ALL_TRAINING


def test_shares_by_hand() -> None:
    found = spread_shares({"init": INIT, "data": DATA, "noise": NOISE})
    assert found is not None
    assert [share.value for share in found.shares.values()] == pytest.approx([0.8, 0.2, 0.0])
    assert found.shares["noise"].interval.high == 0
    assert found.p_equal == 0  # one random stream has no spread


def test_the_interval_of_two_streams_is_that_of_the_f_distribution() -> None:
    """The interval of a share follows from that of the ratio of two variances, s1² / s2² / F."""
    one, two = np.random.default_rng(0).normal(0, 2, 6), np.random.default_rng(1).normal(0, 1, 9)
    found = spread_shares({"init": one.tolist(), "data": two.tolist()})
    assert found is not None
    ratio = one.var(ddof=1) / two.var(ddof=1)
    low, high = (ratio / scipy_stats.f.ppf(q, 5, 8) for q in (0.975, 0.025))
    interval = found.shares["init"].interval
    assert (interval.low, interval.high) == pytest.approx((low / (1 + low), high / (1 + high)), abs=0.01)
    assert found.p_equal == pytest.approx(scipy_stats.bartlett(one, two).pvalue)


@pytest.mark.parametrize(
    "values",
    [
        {"init": INIT, "data": DATA, "noise": (1.0, 2.0)},
        {"init": INIT, "data": DATA, "noise": ()},
        {"init": NOISE, "data": NOISE, "noise": NOISE},
    ],
)
def test_no_shares_without_three_seeds_each_or_without_spread(values: dict[str, tuple[float, ...]]) -> None:
    assert spread_shares(values) is None


def test_spread_is_the_standard_deviation_from_three_seeds() -> None:
    assert spread(INIT) == 2.0
    assert spread((1.0, 2.0)) is None


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("deviations", [(1.0, 1.0, 1.0), (3.0, 1.0, 1.0)])
def test_intervals_contain_the_true_share_and_equal_shares_are_rarely_separated(
    seeds: int, deviations: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.seed_spread.DRAWS", 2_000)
    random = np.random.default_rng([seeds, int(deviations[0])])
    true = deviations[0] ** 2 / math.fsum(deviation**2 for deviation in deviations)
    contained = separated = 0
    for _ in range(200):
        values = random.normal(size=(3, seeds)) * np.array(deviations)[:, None]
        found = spread_shares(dict(zip(STREAMS, values.tolist(), strict=True)))
        assert found is not None
        interval = found.shares["init"].interval
        contained += interval.low <= true <= interval.high
        separated += found.p_equal < 0.05
    assert contained >= 0.93 * 200
    assert (separated <= 0.08 * 200) == (deviations == (1.0, 1.0, 1.0))
