"""Plot of the spread between runs by its origin: a bar for each entry with the share of each stream, and its interval below."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from bench.core.colours import COLOURS
from reports.palette import INK, PAPER
from reports.plots.base import short_name
from reports.seed_spread import STREAMS, SpreadShares

STREAM_COLOURS = dict(zip(STREAMS, (COLOURS[10], COLOURS[11], COLOURS[6]), strict=True))
BAR, STEP = 0.34, 0.13  # heights in rows


def height(entries: int) -> float:
    """Return the height of the plot in inches."""
    return 1.1 + 0.62 * entries


def draw(ax: Axes, found: Mapping[str, SpreadShares]) -> None:
    """Draw a row for each entry: the shares as a stacked bar, and below it each share with its interval."""
    for row, spread in enumerate(found.values()):
        left = 0.0
        for i, (stream, share) in enumerate(spread.shares.items()):
            colour = STREAM_COLOURS[stream]
            label = STREAMS[stream] if row == 0 else None
            ax.barh(row, share.value, left=left, height=BAR, color=colour, edgecolor=PAPER, linewidth=0.6, label=label)
            left += share.value
            y = row + BAR / 2 + STEP * (i + 0.8)
            ax.hlines(y, share.interval.low, share.interval.high, color=colour, linewidth=1.6)
            ax.plot([share.value], [y], marker="o", markersize=3.5, color=colour)
    ax.set_yticks(range(len(found)))
    ax.set_yticklabels([short_name(name) for name in found], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.set_ylim(len(found) - 0.25, -0.35)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    ax.set_xlabel("share of the variance between runs", color=INK)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(STREAMS), frameon=False)


def alt(found: Mapping[str, SpreadShares]) -> str:
    """Return the plot in words."""
    parts = [
        f"{name}: {', '.join(f'{STREAMS[stream]} {100 * share.value:.0f} %' for stream, share in spread.shares.items())}"
        for name, spread in found.items()
    ]
    return "; ".join(parts)
