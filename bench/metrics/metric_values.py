"""Values of metrics. Each value is computed once. A metric that fails is NaN, with a reason."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod

import torch

from bench.core.errors import one_line
from bench.metrics.columns import BUILT_IN

log = logging.getLogger(__name__)

NO_REASON = "the value is {value}, and the metric gives no reason"


class MetricValues(ABC):
    """The values of metrics by key. `reported` has the keys whose failure was logged before, by this object or another one."""

    _logs = True  # False: do not log failures

    def __init__(self, reported: set[str]) -> None:
        self.reasons: dict[str, str] = {}  # the reason for each metric that is NaN
        self.raised: list[str] = []  # metrics whose code raised an error
        self._reported = reported
        self._values: dict[str, float] = {}
        self._computing: list[str] = []

    @abstractmethod
    def compute(self, key: str) -> float:
        """Call the function of a metric. It may raise anything."""

    def value(self, key: str) -> float:
        """Return the value of a registered metric, computed once. If the metric fails, log and record the reason and return NaN.

        Raises MemoryError, which is not a failure of the metric.
        """
        if key not in self._values:
            if key in self._computing:
                raise RecursionError(f"{' -> '.join([*self._computing, key])}: these metrics depend on each other")
            self._computing.append(key)
            try:
                self._values[key] = self._computed(key)
            finally:
                self._computing.pop()
        return self._values[key]

    def is_known(self, key: str) -> bool:
        """Return whether a metric has been computed and is finite."""
        return math.isfinite(self._values.get(key, math.nan))

    def unknown(self, reason: str) -> float:
        """Record why the current metric has no value, and return NaN: `return evidence.unknown("...")`."""
        self.reasons[self._computing[-1]] = one_line(reason)
        return math.nan

    def _computed(self, key: str) -> float:
        try:
            value = float(self.compute(key))
        except MemoryError:
            raise
        except ValueError as error:
            if key not in BUILT_IN:
                return self._failed(key, error)
            if self._logs:
                log.warning("%s cannot be determined: %s", key, one_line(error))
            return self.unknown(str(error))
        except (Exception, SystemExit) as error:  # a user's metric may raise anything, which must not fail the run
            if _no_memory(error):
                raise MemoryError(f"the metric {key}: {one_line(error)}") from error
            return self._failed(key, error)
        if not math.isfinite(value) and key not in self.reasons:
            return self.unknown(NO_REASON.format(value=value))
        return value

    def _failed(self, key: str, error: BaseException) -> float:
        if self._logs and key not in self._reported:
            self._reported.add(key)  # once: it fails in the same way at every evaluation point
            log.exception("the metric %s failed", key)
        self.raised.append(key)
        return self.unknown(f"{type(error).__name__}: {one_line(error)}")


def _no_memory(error: BaseException) -> bool:
    """Return whether torch is out of memory. On the CPU, torch has no exception class for this."""
    return isinstance(error, torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))
