"""What planted failures do to the metrics: measured once, and put into words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from planted import Failure
from torch import Tensor

from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator, Measurement
from bench.metrics.cards import SE

NOISE = 3.0  # standard errors that a step may be without meaning anything


@dataclass
class Planted:
    """The planted failures of one data set, each set of images measured when first asked for, once."""

    evaluator: Evaluator
    _rows: dict[tuple[str, float], Measurement] = field(default_factory=dict)
    _measured: list[tuple[Tensor, Measurement]] = field(default_factory=list)

    def of(self, failure: Failure, severity: float) -> Measurement:
        """What a failure of that severity measures; sets that are equal are one set."""
        row = failure.name, severity
        if row not in self._rows:
            self._rows[row] = self.measure(failure.make(self.evaluator.dataset, self.evaluator.n, severity))
        return self._rows[row]

    def measure(self, images: Tensor) -> Measurement:
        """What these images measure."""
        for known, found in self._measured:
            if torch.equal(known, images):
                return found
        with limited_threads(1):
            found = self.evaluator.full(images)
        self._measured.append((images, found))
        return found

    def path(self, failure: Failure, key: str) -> Path:
        """A metric along the severities of a failure."""
        return Path.of([self.of(failure, severity).values for severity in failure.severities], key)


@dataclass(frozen=True, kw_only=True)
class Path:
    """A metric at rising severities: where it was determined, its value and its standard error."""

    points: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float]], key: str) -> Path:
        """From a measurement for each severity. An unknown standard error (too few images in a half) is the largest known one."""
        known = [(row[key], row.get(f"{key}{SE}", math.nan)) for row in rows if math.isfinite(row[key])]
        largest = max((error for _, error in known if math.isfinite(error)), default=0.0)
        return cls(points=tuple((value, error if math.isfinite(error) else largest) for value, error in known))

    @property
    def moves(self) -> set[int]:
        """1 if it is above its beginning somewhere, -1 if below, within noise."""
        return {_step(self.points[0], point) for point in self.points[1:]} - {0} if self.points else set()

    @property
    def word(self) -> str:
        """`rises`, `falls` or `stays`, within noise; `turns` where it does both."""
        steps = [_step(before, after) for at, before in enumerate(self.points) for after in self.points[at + 1 :]]
        if not {1, -1} & set(steps):
            return "stays"
        if {1, -1} <= set(steps):
            return "turns"
        end = _step(self.points[0], self.points[-1])
        return {1: "rises", -1: "falls", 0: "turns"}[end]  # 0: there and back, each step within noise


def _step(before: tuple[float, float], after: tuple[float, float]) -> int:
    """1 or -1 for a step up or down, 0 for one within noise."""
    difference, noise = after[0] - before[0], NOISE * math.hypot(before[1], after[1])
    return 0 if abs(difference) <= max(noise, 1e-9) else int(math.copysign(1, difference))
