"""Axis of a searched dimension: logarithmic, linear, or with a slot for each of few values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from reports.plots.base import short_name
from reports.study import SearchDimension, SettingValue

MOST_SLOTS = 10  # whole numbers with one slot each
FEWEST_BINS, MOST_BINS = 3, 8
GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of this number, modulo 1, never cluster


@dataclass(frozen=True, kw_only=True)
class DimensionAxis:
    """Record of an axis from `low` to `high` in the dimension's values. Slots lie at 0, 1, ..."""

    name: str
    low: float
    high: float
    log: bool = False
    slots: tuple[SettingValue, ...] = ()

    def at(self, value: SettingValue) -> float:
        """Return the position of a value, or NaN if it has none."""
        if self.slots:
            return float(self.slots.index(value)) if value in self.slots else math.nan
        position = _value(value)
        return math.nan if self.log and position <= 0 else position

    def apart(self, value: SettingValue, trial: int) -> float:
        """Return the position of a value, shifted within a slot by the number of its trial, so that dots do not overlap."""
        return self.at(value) + (((trial * GOLDEN) % 1 - 0.5) * 0.56 if self.slots else 0.0)

    def edges(self, points: int) -> list[float]:
        """Return the edges of bins: one bin for each slot, or else a number of bins that suits the number of points."""
        if self.slots:
            return [i - 0.5 for i in range(len(self.slots) + 1)]
        bins = min(max(math.ceil(math.sqrt(points)), FEWEST_BINS), MOST_BINS)
        if self.log:
            return [float(edge) for edge in np.geomspace(self.low, self.high, bins + 1)]
        return [float(edge) for edge in np.linspace(self.low, self.high, bins + 1)]

    def dress_x(self, ax: Axes) -> None:
        """Set scale, limits, ticks and name of the horizontal axis."""
        if self.log:
            ax.set_xscale("log")
        ax.set_xlim(*self._limits())
        ax.set_xlabel(short_name(self.name), parse_math=False)
        self._ticks(ax.xaxis)

    def dress_y(self, ax: Axes) -> None:
        """Set scale, limits, ticks and name of the vertical axis."""
        if self.log:
            ax.set_yscale("log")
        ax.set_ylim(*self._limits())
        ax.set_ylabel(short_name(self.name), parse_math=False)
        self._ticks(ax.yaxis)

    def _limits(self) -> tuple[float, float]:
        if self.slots:
            return -0.5, len(self.slots) - 0.5
        if self.log:
            edge = (self.high / self.low) ** 0.04
            return self.low / edge, self.high * edge
        edge = 0.04 * (self.high - self.low)
        return self.low - edge, self.high + edge

    def _ticks(self, axis: Axis) -> None:
        if self.slots:
            axis.set_ticks(range(len(self.slots)), [short_name(setting_text(slot)) for slot in self.slots], parse_math=False)
        elif self.log:
            wide = self.high >= 30 * self.low
            axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
            axis.set_major_formatter(lambda value, _: short(value))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))


def axis_of(dimension: SearchDimension, values: Iterable[SettingValue]) -> DimensionAxis | None:
    """Return the axis of a dimension, or None without values. It includes trials outside the range, such as a default."""
    tried = [value for value in values if value is not None]
    if dimension.kind == "choice":
        slots = tuple(dict.fromkeys([*dimension.choices, *tried]))
        return DimensionAxis(name=dimension.name, low=0, high=len(slots) - 1, slots=slots) if slots else None
    log = dimension.kind == "log"
    numbers = [
        found for value in (dimension.low, dimension.high, *tried) if math.isfinite(found := _value(value)) and (found > 0 or not log)
    ]
    if not numbers:
        return None
    low, high = min(numbers), max(numbers)
    if dimension.kind == "int" and high - low < MOST_SLOTS and all(value.is_integer() for value in numbers):
        return DimensionAxis(name=dimension.name, low=low, high=high, slots=tuple(range(int(low), int(high) + 1)))
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 1, high + 1)
    return DimensionAxis(name=dimension.name, low=low, high=high, log=log)


def setting_text(value: SettingValue) -> str:
    """Return a setting as text: a number with three digits, a text unchanged."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return short(value) if isinstance(value, float) else str(value)


def short(value: float) -> str:
    """Return a number of a recipe as text: 0.5, 4.1e-4, 1e-5."""
    if value and abs(value) < 0.001:
        digits, _, power = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _value(value: SettingValue) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
