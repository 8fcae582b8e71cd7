"""The mean of a metric's parts."""

from __future__ import annotations

from torch import Tensor


def mean(values: Tensor) -> float:
    """Return the mean of all values, computed in float64."""
    return float(values.double().mean())
