"""Plot of the headline metric against train seconds. Each finished run is a dot, each entry's medians a ring, and the line is the front."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from bench.metrics.columns import TRAIN_SECONDS, Card
from reports.cohort import CohortEntry, numbers
from reports.format import number
from reports.palette import FAINT, INK, Palette
from reports.plots.base import short_name
from reports.plots.svg import mark_entry
from reports.plots.trials import scale_axis
from reports.stats import LARGEST

COLUMNS = ["entry", "kind", "seconds", "value", "front"]
SEED, MEDIAN = "seed", "median"


def quality_cost_data(entries: Sequence[CohortEntry], metric: Card) -> pd.DataFrame:
    """Return entry, kind ("seed" | "median"), seconds, value, front (bool, of medians).

    A seed is a finished run with both numbers. The median of the values is that of the ranking, in which failures are infinitely bad, and
    the median of the seconds that of the finished runs. An entry without finite medians has no median.
    """
    rows: list[tuple[str, str, float, float]] = []
    for entry in entries:
        runs = zip(numbers(entry.finished, TRAIN_SECONDS), numbers(entry.finished, metric.key), strict=True)
        seeds = [(entry.name, SEED, seconds, value) for seconds, value in runs if math.isfinite(value) and 0 < seconds < LARGEST]
        median = (entry.finished_median(TRAIN_SECONDS), entry.summary(metric.key).median)
        rows += seeds
        if seeds and all(map(math.isfinite, median)):
            rows.append((entry.name, MEDIAN, *median))
    data = pd.DataFrame(rows, columns=COLUMNS[:4]).astype({"seconds": float, "value": float})
    medians = data[data["kind"] == MEDIAN]
    best = set(front(list(zip(medians["entry"], medians["seconds"], medians["value"], strict=True)), metric))
    return data.assign(front=(data["kind"] == MEDIAN) & data["entry"].isin(best))


def front(points: Sequence[tuple[str, float, float]], metric: Card) -> list[str]:
    """Return the names of (name, seconds, value) that no other point beats: as fast and as good, and better in one. The fastest comes first."""
    sign = -1.0 if metric.direction == "higher" else 1.0
    scored = [(seconds, sign * value, name) for name, seconds, value in points]
    return [
        name
        for seconds, value, name in sorted(scored)
        if not any(s <= seconds and v <= value and (s, v) != (seconds, value) for s, v, _ in scored)
    ]


def draw(ax: Axes, data: pd.DataFrame, palette: Palette, metric: Card) -> None:
    """Draw the dots, a ring at each entry's medians and the front in steps. The legend has the order of the data."""
    names = [str(name) for name in dict.fromkeys(data["entry"])]
    handles = []
    for name in names:
        own, style = data[data["entry"] == name], palette[name]
        seeds, medians = own[own["kind"] == SEED], own[own["kind"] == MEDIAN]
        dots = ax.scatter(
            seeds["seconds"], seeds["value"], s=26, color=style.colour, marker=style.marker, linewidths=0, alpha=0.8, zorder=3
        )
        rings = ax.scatter(
            medians["seconds"], medians["value"], s=80, color=style.colour, marker=style.marker, edgecolors=INK, linewidths=1.2, zorder=4
        )
        mark_entry(name, dots, rings)
        handles.append(ax.scatter([], [], s=40, color=style.colour, marker=style.marker, linewidths=0))
    best = data[data["front"]].sort_values("seconds")
    ax.step(best["seconds"], best["value"], where="post", color=FAINT, linewidth=1.4, zorder=2)
    scale_axis(ax.xaxis, data["seconds"])
    scale_axis(ax.yaxis, data["value"])
    ax.set_xlabel("train seconds ↓")
    ax.set_ylabel(f"{metric.title} {metric.arrow}".strip(), parse_math=False)
    legend = ax.legend(
        handles, [short_name(name) for name in names], frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )
    for name, handle, text in zip(names, legend.legend_handles, legend.get_texts(), strict=True):
        text.set_parse_math(False)
        if handle is not None:
            mark_entry(name, handle, text)


def alt(data: pd.DataFrame, metric: Card) -> str:
    """Return the plot in words: the medians of each entry, those on the front first."""
    medians = data[data["kind"] == MEDIAN].sort_values(["front", "seconds"], ascending=[False, True])
    words: dict[bool, list[str]] = {True: [], False: []}
    for name, seconds, value, best in zip(medians["entry"], medians["seconds"], medians["value"], medians["front"], strict=True):
        words[bool(best)].append(f"{short_name(name)} {number(value)} at {number(seconds)} s")
    return f"{metric.title} against train seconds, medians; on the front: {', '.join(words[True]) or 'none'}; not on it: {', '.join(words[False]) or 'none'}"
