"""Colour scale of values: viridis, which suits colour blindness and print. Its bright end is best."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from bench.metrics.columns import Card
from reports.format import number

STEPS = 12  # colours of the strip
STRIP = (0.0, 1.045, 0.42, 0.045)  # left, bottom, width, height, in axes


@dataclass(frozen=True, kw_only=True)
class ColourScale:
    """Record of a scale from the lowest value to the highest, logarithmic if all values are positive."""

    low: float
    high: float
    log: bool
    best: str  # the better end: lower | higher

    def of(self, value: float) -> str:
        """Return the colour of a value, "#rrggbb"."""
        turn = math.log if self.log else float
        span = turn(self.high) - turn(self.low)
        share = min(max((turn(value) - turn(self.low)) / span, 0.0), 1.0) if span > 0 else 0.5
        return self.at(share)

    def at(self, share: float) -> str:
        """Return the colour at a fraction of the way from low to high."""
        colours = mpl.colormaps["viridis_r" if self.best == "lower" else "viridis"]
        return to_hex(colours(round(share * 32) / 32))

    def draw(self, ax: Axes, metric: Card) -> None:
        """Draw the scale as a strip above the axes, with its end values and the metric's title."""
        left, bottom, width, height = STRIP
        for i in range(STEPS):
            corner = (left + width * i / STEPS, bottom)
            colour = self.at(i / (STEPS - 1))
            ax.add_patch(Rectangle(corner, width / STEPS, height, transform=ax.transAxes, clip_on=False, facecolor=colour, linewidth=0))
        ends = [number(self.low), *([number(self.high)] if self.low < self.high else [])]
        words = f"{metric.title} {' – '.join(ends)}"
        ax.text(left + width + 0.02, bottom + height / 2, words, transform=ax.transAxes, va="center", fontsize=8, parse_math=False)


def colour_scale(values: Iterable[float], metric: Card) -> ColourScale | None:
    """Return the scale of all finite values, or None without any."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    return ColourScale(low=min(finite), high=max(finite), log=min(finite) > 0, best=metric.direction)
