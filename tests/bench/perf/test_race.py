"""Turns and ratios, with contenders whose pace is known."""

from __future__ import annotations

import math
from typing import cast

import pytest

from bench.perf.host import Host
from bench.perf.race import WARM_SECONDS, Rate, race, ratio


class Paced:
    """Does so many images a second, more in each turn, and remembers who worked when."""

    def __init__(self, name: str, pace: int, diary: list[tuple[str, float]]) -> None:
        self._name, self._pace, self._diary, self._turn = name, pace, diary, 0

    def go(self, seconds: float) -> tuple[int, float]:
        self._diary.append((self._name, seconds))
        self._turn += 1
        return round(self._pace * self._turn * seconds), seconds


def test_contenders_take_turns_in_an_order_that_turns_round() -> None:
    diary: list[tuple[str, float]] = []
    running = {name: Paced(name, pace, diary) for name, pace in (("a", 100), ("b", 50), ("c", 10))}
    steps: list[int] = []
    rates = race(cast("dict[str, Host]", running), turns=3, seconds=2.0, advance=steps.append)
    assert diary[:3] == [("a", WARM_SECONDS), ("b", WARM_SECONDS), ("c", WARM_SECONDS)]
    assert "".join(name for name, _ in diary[3:]) == "abcbcacab"
    assert rates["a"].turns == (200.0, 300.0, 400.0)  # the warm-up does not count
    assert sum(steps) == 12
    assert ratio(rates["a"], rates["b"]).turns == (2.0, 2.0, 2.0)


def test_the_middle_and_the_spread() -> None:
    rate = Rate(turns=(10.0, 20.0, 30.0, 40.0, 100.0))
    assert rate.median == 30.0
    assert rate.spread == pytest.approx((40.0 - 20.0) / 2 / 30.0)
    assert math.isnan(Rate(turns=(1.0,)).spread)
