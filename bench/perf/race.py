"""Time contenders in turns. Other load on the machine affects all of them, so ratios are more reliable than rates."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.perf.host import Runner

WARM_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Record of the images (or operations) per second in each turn."""

    turns: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over turns."""
        return statistics.median(self.turns)

    @property
    def spread(self) -> float:
        """Half the interquartile range divided by the median. NaN for a single turn."""
        if len(self.turns) < 2:
            return float("nan")
        low, _, high = statistics.quantiles(self.turns, n=4, method="inclusive")
        return (high - low) / 2 / self.median


def nothing(turns: int) -> None:
    """Ignore progress."""


def race(running: Mapping[str, Runner], *, turns: int, seconds: float, advance: Callable[[int], object] = nothing) -> dict[str, Rate]:
    """Measure the rate of each contender in a number of turns. Each round has a random order from a fixed seed."""
    for runner in running.values():
        runner.go(WARM_SECONDS)
        advance(1)
    found: dict[str, list[float]] = {name: [] for name in running}
    order, names = random.Random(0), list(running)
    for _ in range(turns):
        order.shuffle(names)
        for name in names:
            done, duration = running[name].go(seconds)
            found[name].append(done / duration)
            advance(1)
    return {name: Rate(turns=tuple(rates)) for name, rates in found.items()}


def ratio(one: Rate, other: Rate) -> Rate:
    """Return the ratio of two rates in each turn."""
    return Rate(turns=tuple(a / b for a, b in zip(one.turns, other.turns, strict=True)))
