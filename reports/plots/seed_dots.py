"""Plot in a table cell: a dot for each seed, with the interval of the mean. All cells of a column share one scale."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from reports import document
from reports.format import number
from reports.palette import FAINT, INK, RULE, Style
from reports.plots.svg import FONTS, follow_scheme
from reports.stats import Sample, Summary

WIDTH, HEIGHT, MARGIN = 140, 22, 8
LABEL, LETTER = 28, 6  # pixels: the least width of a tick's label, and the width of a letter


@dataclass(frozen=True, kw_only=True)
class DotScale:
    """Record of the scale of a cell, in pixels from its left edge. It is logarithmic if all values are positive."""

    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """Return the position of a value, clipped to the cell."""
        turn = math.log if self.log else float
        if self.log and value <= 0:
            return float(MARGIN)
        span = turn(self.high) - turn(self.low)
        share = (turn(value) - turn(self.low)) / span if span > 0 else 0.5  # both ends are equal for very large numbers
        return MARGIN + (WIDTH - 2 * MARGIN) * min(max(share, 0.0), 1.0)


def scale_of(values: Iterable[float]) -> DotScale | None:
    """Return a scale of all finite values, or None without any."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    log = low > sys.float_info.min  # a log scale cannot extend below this number
    if log:
        return DotScale(low=low / 1.06, high=high * 1.06, log=True)
    edge = (high - low) * 0.05 or 1.0
    return DotScale(low=low - edge, high=high + edge, log=False)


def dots(data: Sample, summary: Summary, scale: DotScale, style: Style) -> document.Picture:
    """Return the cell: interval as a bar, mean as a tick, seeds as dots, and a cross at the right edge for each failure."""
    middle = HEIGHT / 2
    parts = [f'<line x1="0" x2="{WIDTH}" y1="{middle}" y2="{middle}" style="stroke: {RULE}"/>']
    if summary.interval is not None:
        left, right = scale.at(summary.interval.low), scale.at(summary.interval.high)
        parts.append(
            f'<rect x="{left:.1f}" y="{middle - 5}" width="{max(right - left, 1):.1f}" height="10" rx="2" fill="{style.colour}" opacity="0.22"/>'
        )
        x = scale.at(summary.mean)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{middle - 7}" y2="{middle + 7}" stroke="{style.colour}" stroke-width="2"/>')
    parts += [
        f'<circle cx="{scale.at(value):.1f}" cy="{middle}" r="3.2" fill="{style.colour}" fill-opacity="0.85"/>' for value in data.values
    ]
    for i in range(data.failures):
        x = WIDTH - 5 - 9 * i
        parts.append(f'<path d="M{x - 3} {middle - 3}l6 6m0 -6l-6 6" style="stroke: {INK}" stroke-width="1.6" fill="none"/>')
    return document.Picture(data=_svg(parts, HEIGHT), media="image/svg+xml", alt=values_text(data))


def axis(scale: DotScale) -> document.Picture:
    """Return the shared scale, for the column title."""
    ticks = _ticks(scale)
    parts = [f'<line x1="0" x2="{WIDTH}" y1="17" y2="17" style="stroke: {FAINT}"/>']
    for tick in ticks:
        x = scale.at(tick)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="14" y2="20" style="stroke: {FAINT}"/>')
        parts.append(f'<text x="{x:.1f}" y="11" font-size="10" text-anchor="middle" style="fill: {INK}">{number(tick)}</text>')
    return document.Picture(data=_svg(parts, HEIGHT), media="image/svg+xml", alt=f"scale from {number(ticks[0])} to {number(ticks[-1])}")


def values_text(data: Sample) -> str:
    """Return the cell as text: every seed's value, and failures."""
    return " · ".join([*(number(value) for value in data.values), *["failed"] * data.failures])


def _ticks(scale: DotScale) -> list[float]:
    """Return round values in the scale, with enough distance from each other and from the ends for their labels."""
    decades = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1) if scale.log else ()
    wide = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    found = (
        wide if scale.log and scale.high > 4 * scale.low else MaxNLocator(nbins=4, steps=[1, 2, 5, 10]).tick_values(scale.low, scale.high)
    )
    ticks: list[float] = []
    for tick in sorted(float(value) for value in found if scale.low <= value <= scale.high):
        x, room = scale.at(tick), _room(tick)
        if room / 2 <= x <= WIDTH - room / 2 and (not ticks or x - scale.at(ticks[-1]) >= (room + _room(ticks[-1])) / 2):
            ticks.append(tick)
    return ticks or [math.sqrt(scale.low * scale.high) if scale.log else (scale.low + scale.high) / 2]


def _room(tick: float) -> float:
    """Return the width of a tick's label with a gap, in pixels."""
    return max(LABEL, LETTER * len(number(tick)) + 4)


def _svg(parts: Sequence[str], height: int) -> bytes:
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="{FONTS}">'
    )
    return follow_scheme(root + "".join(parts) + "</svg>").encode()
