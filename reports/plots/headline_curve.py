"""Plot of the headline metric through training, against images or seconds. Thin lines are seeds, a thick line is their mean."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.metrics.columns import Card
from bench.tracking.curves import curve
from reports.budget import RunBudget
from reports.format import count, thousands
from reports.palette import FAINT, Palette
from reports.plots.base import end_labels, figure_of, short_name, thinned
from reports.plots.seed_means import MEAN, SEED, with_means
from reports.plots.svg import mark_entry
from reports.stats import LARGEST

Against: TypeAlias = Literal["images", "seconds"]  # a column of the data


def headline_curve_data(curves: pd.DataFrame, runs: pd.DataFrame, key: str, length: RunBudget) -> pd.DataFrame:
    """Return entry, seed, line ("seed" | "mean"), images, seconds, value.

    `runs` has run_id, entry and seed. `length` is their budget.
    The data leave out missing and infinite values, and `thinned` limits the lines. Means are over all seeds (`with_means`).
    """
    points = curve(curves, (key,)).merge(runs[["run_id", "entry", "seed"]], on="run_id")
    finite = np.isfinite(points["seconds"].astype(float)) & (points["value"].abs() < LARGEST)
    every = with_means(points[finite], runs, length)
    points = pd.concat([thinned(every[every["line"] == line]) for line in (SEED, MEAN)])
    return points.sort_values(["entry", "line", "seed", "images"], ignore_index=True)


def draw(
    ax: Axes, data: pd.DataFrame, palette: Palette, metric: Card, levels: dict[str, float], things: str = "images",
    against: Against = "images",
) -> None:  # fmt: skip
    """Draw the lines and a grey level for each reference row, on a log scale if all values are positive."""
    if (data["value"] > 0).all() and all(level > 0 for level in levels.values()):
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(thousands)
        ax.yaxis.set_minor_formatter(lambda value, _: thousands(value) if f"{value:e}"[0] in "25" else "")
    ends: dict[str, float] = {}
    for (name, line, _), points in data.groupby(["entry", "line", "seed"], sort=True):
        entry = str(name)
        style = palette[entry]
        thick = line == MEAN
        lines = ax.plot(
            points[against], points["value"], color=style.colour, marker=style.marker, markersize=5 if thick else 2.5,
            linewidth=2.2 if thick else 0.8, alpha=1.0 if thick else 0.45, dashes=style.dash if thick else (), zorder=3 if thick else 2,
        )  # fmt: skip
        mark_entry(entry, *lines)
        if thick or entry not in ends:
            ends[entry] = float(points["value"].iloc[-1])
    for name, value in levels.items():
        ax.axhline(value, color=FAINT, linewidth=1, dashes=palette[name].dash, zorder=1)
    ax.set_xlabel("seconds of training" if against == "seconds" else f"real {things} used in training")
    ax.set_ylabel(f"{metric.title} {metric.arrow}".strip(), parse_math=False)
    ax.xaxis.set_major_formatter(_seconds if against == "seconds" else thousands)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    ax.set_xlim(left=0)
    figure_of(ax).draw_without_rendering()  # the labels need the final layout
    labelled = {**ends, **levels}
    end_labels(ax, list(labelled), list(labelled.values()), [palette[name].colour for name in labelled])


def _seconds(value: float, _position: float = 0) -> str:
    return f"{value:,g}"


def alt(data: pd.DataFrame, metric: Card, against: Against = "images") -> str:
    """Return the plot in words: the last value of each mean."""
    last = data[data["line"] == MEAN].groupby("entry", sort=True).tail(1)
    at = [f" at {count(seconds)} s" if against == "seconds" else "" for seconds in last["seconds"]]
    ends = ", ".join(f"{short_name(entry)} {value:.3g}{when}" for entry, value, when in zip(last["entry"], last["value"], at, strict=True))
    return f"{metric.title} through training{' against seconds of training' if against == 'seconds' else ''}; means at the last evaluation point: {ends or 'none'}"
