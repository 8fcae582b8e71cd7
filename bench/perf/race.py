"""Contenders that take turns: whatever else the machine does meets all of them, so ratios hold where rates do not."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.perf.host import Runner

WARM_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Images a second (or operations a second) in each of the turns."""

    turns: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.turns)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, over the median."""
        if len(self.turns) < 2:
            return float("nan")
        low, _, high = statistics.quantiles(self.turns, n=4, method="inclusive")
        return (high - low) / 2 / self.median


def nothing(turns: int) -> None:
    """Tell nobody."""


def race(running: Mapping[str, Runner], *, turns: int, seconds: float, advance: Callable[[int], object] = nothing) -> dict[str, Rate]:
    """The rate of each contender over so many turns of so many seconds, each round in another random order, always the same ones."""
    for runner in running.values():
        runner.go(WARM_SECONDS)
        advance(1)
    found: dict[str, list[float]] = {name: [] for name in running}
    order, names = random.Random(0), list(running)
    for _ in range(turns):
        order.shuffle(names)
        for name in names:
            done, taken = running[name].go(seconds)
            found[name].append(done / taken)
            advance(1)
    return {name: Rate(turns=tuple(rates)) for name, rates in found.items()}


def ratio(one: Rate, other: Rate) -> Rate:
    """Round by round."""
    return Rate(turns=tuple(a / b for a, b in zip(one.turns, other.turns, strict=True)))
