"""Metrics of planted failures: cached measurements, and a summary in one word."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from planted import Failure
from torch import Tensor

from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator, Measurement
from bench.metrics.columns import SE

NOISE = 3.0  # in standard errors (smaller steps are noise)


@dataclass
class Planted:
    """Planted failures of a dataset, with a cache of their measurements."""

    evaluator: Evaluator
    _rows: dict[tuple[str, float], Measurement] = field(default_factory=dict)
    _measured: list[tuple[Tensor, Measurement]] = field(default_factory=list)

    def of(self, failure: Failure, severity: float) -> Measurement:
        """Return the metrics of a failure with a severity. Equal sets of images are measured once."""
        row = failure.name, severity
        if row not in self._rows:
            self._rows[row] = self.measure(failure.make(self.evaluator.dataset, self.evaluator.n, severity))
        return self._rows[row]

    def measure(self, images: Tensor) -> Measurement:
        """Return the metrics of these images."""
        for known, found in self._measured:
            if torch.equal(known, images):
                return found
        with limited_threads(1):
            found = self.evaluator.full(images)
        self._measured.append((images, found))
        return found

    def path(self, failure: Failure, key: str) -> Path:
        """Return a metric at all severities of a failure."""
        return Path.of([self.of(failure, severity).values for severity in failure.severities], key)


@dataclass(frozen=True, kw_only=True)
class Path:
    """Values and standard errors of a metric at rising severities, without undetermined values."""

    points: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float]], key: str) -> Path:
        """Create a path from one measurement per severity. An unknown standard error becomes the largest known one."""
        known = [(row[key], row.get(f"{key}{SE}", math.nan)) for row in rows if math.isfinite(row[key])]
        largest = max((error for _, error in known if math.isfinite(error)), default=0.0)
        return cls(points=tuple((value, error if math.isfinite(error) else largest) for value, error in known))

    @property
    def moves(self) -> set[int]:
        """Return a set with 1 if the metric rises above its first value by more than noise, and -1 if it falls below."""
        return {_step(self.points[0], point) for point in self.points[1:]} - {0} if self.points else set()

    @property
    def word(self) -> str:
        """Return "rises", "falls" or "stays", ignoring noise, or "turns" if it does both."""
        steps = [_step(before, after) for at, before in enumerate(self.points) for after in self.points[at + 1 :]]
        if not {1, -1} & set(steps):
            return "stays"
        if {1, -1} <= set(steps):
            return "turns"
        end = _step(self.points[0], self.points[-1])
        return {1: "rises", -1: "falls", 0: "turns"}[end]  # 0: the last value differs from the first by at most noise


def _step(before: tuple[float, float], after: tuple[float, float]) -> int:
    """Return 1 for a step up, -1 for a step down, 0 for a step within noise."""
    difference, noise = after[0] - before[0], NOISE * math.hypot(before[1], after[1])
    return 0 if abs(difference) <= max(noise, 1e-9) else int(math.copysign(1, difference))
