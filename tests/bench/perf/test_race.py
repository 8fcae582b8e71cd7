"""Tests of the turns and ratios of contenders with a known rate."""

from __future__ import annotations

import math

import pytest

from bench.perf.race import WARM_SECONDS, Rate, race, ratio


class Paced:
    """Contender whose rate grows in each turn. It records its turns in `diary`."""

    def __init__(self, name: str, pace: int, diary: list[tuple[str, float]]) -> None:
        self._name, self._pace, self._diary, self._turn = name, pace, diary, 0

    def go(self, seconds: float) -> tuple[float, float]:
        self._diary.append((self._name, seconds))
        self._turn += 1
        return self._pace * self._turn * seconds, seconds


def test_each_works_once_a_round_and_in_no_fixed_order() -> None:
    diary: list[tuple[str, float]] = []
    steps: list[int] = []
    rates = race(
        {name: Paced(name, pace, diary) for name, pace in (("a", 100), ("b", 50), ("c", 10))}, turns=6, seconds=2.0, advance=steps.append
    )
    assert diary[:3] == [("a", WARM_SECONDS), ("b", WARM_SECONDS), ("c", WARM_SECONDS)]
    rounds = ["".join(name for name, _ in diary[start : start + 3]) for start in range(3, 21, 3)]
    assert {"".join(sorted(each)) for each in rounds} == {"abc"}
    assert len(set(rounds)) > 2
    assert rates["a"].turns == (200.0, 300.0, 400.0, 500.0, 600.0, 700.0)  # the warm-up is excluded
    assert sum(steps) == 21
    assert ratio(rates["a"], rates["b"]).turns == (2.0,) * 6


def test_the_median_and_the_spread() -> None:
    rate = Rate(turns=(10.0, 20.0, 30.0, 40.0, 100.0))
    assert rate.median == 30.0
    assert rate.spread == pytest.approx((40.0 - 20.0) / 2 / 30.0)
    assert math.isnan(Rate(turns=(1.0,)).spread)
