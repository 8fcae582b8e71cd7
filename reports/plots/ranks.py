"""Plot of the entries' ranks by several metrics (`reports.extractor_ranks`) side by side. Lines of entries that the metrics rank differently cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from bench.metrics.columns import card
from reports.format import number
from reports.palette import FAINT, INK, Palette
from reports.plots.base import short_name
from reports.plots.svg import mark_entry


def draw(ax: Axes, data: pd.DataFrame, palette: Palette, marked: Sequence[str]) -> None:
    """Draw a column for each metric and a line for each entry. Marked entries have thick lines, and each dot has its value."""
    keys = list(dict.fromkeys(data["key"]))
    for entry, own in data.groupby("entry", sort=True):
        style, thick = palette[str(entry)], entry in marked
        lines = ax.plot(
            [keys.index(key) for key in own["key"]], own["position"], color=style.colour, marker=style.marker, markersize=6 if thick else 4.5,
            linewidth=2.6 if thick else 1.1, alpha=1.0 if thick or not marked else 0.6, zorder=3 if thick else 2,
        )  # fmt: skip
        mark_entry(str(entry), *lines)
    for i, key in enumerate(keys):
        for row in data[data["key"] == key].to_dict("records"):
            _label(ax, i, row, last=i == len(keys) - 1, first=i == 0)
    ax.set_xticks(range(len(keys)), [f"{card(key).title} {card(key).arrow}".strip() for key in keys])
    ax.set_xlim(-0.75, len(keys) - 0.25)
    ax.set_ylim(data["position"].max() + 0.5, 0.5)
    ax.set_yticks([])
    ax.xaxis.tick_top()
    ax.tick_params(axis="x", length=0, pad=4)
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)
    for i in range(len(keys)):
        ax.axvline(i, color=FAINT, linewidth=0.8, zorder=1)


def _label(ax: Axes, x: int, row: Mapping[object, object], *, first: bool, last: bool) -> None:
    """Draw name and value next to the first and the last column, and only the value at the columns between."""
    value, y = number(float(str(row["value"]))), float(str(row["position"]))
    name = short_name(str(row["entry"]))
    if first or last:
        words = f"{name}  {value}" if first else f"{value}  {name}"
        label = ax.text(
            x + (-0.06 if first else 0.06), y, words, ha="right" if first else "left", va="center", fontsize=9, color=INK, parse_math=False
        )
    else:
        label = ax.text(x + 0.04, y, value, ha="left", va="bottom", fontsize=7.5, color=FAINT)
    mark_entry(str(row["entry"]), label)


def alt(data: pd.DataFrame) -> str:
    """Return the plot in words: the order by each metric."""
    orders = [
        f"by {card(str(key)).title}: {', '.join(own.sort_values('position')['entry'])}" for key, own in data.groupby("key", sort=False)
    ]
    return "Best first " + "; ".join(orders)
