"""The headline metric through training: every seed thin, the mean over seeds thick."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.cards import Card
from bench.results import curve
from reports.palette import FAINT, Palette
from reports.plots.base import drawable, end_labels, figure_of, plain, thousands
from reports.plots.svg import belongs

SEED = "seed"
MEAN = "mean"


def headline_curve_data(curves: pd.DataFrame, runs: pd.DataFrame, key: str) -> pd.DataFrame:
    """entry, seed, line ("seed" | "mean"), images, value. `runs` has run_id, entry and seed.

    Of many seeds or marks some are left out (`drawable`); means are of all seeds. A mean exists only where every seed of the entry has a value: a mean over the survivors would flatter.
    """
    points = curve(curves, (key,)).merge(runs[["run_id", "entry", "seed"]], on="run_id")
    points = points[points["value"].notna()][["entry", "seed", "images", "value"]].assign(line=SEED)
    seeds = runs.groupby("entry")["seed"].nunique()
    grouped = points.groupby(["entry", "images"], as_index=False).agg(value=("value", "mean"), n=("seed", "nunique"))
    complete = grouped[grouped["n"] == grouped["entry"].map(seeds)]
    means = complete[["entry", "images", "value"]].assign(seed=-1, line=MEAN)
    columns = ["entry", "seed", "line", "images", "value"]
    return pd.concat([drawable(points), drawable(means)])[columns].sort_values(["entry", "line", "seed", "images"], ignore_index=True)


def draw(ax: Axes, data: pd.DataFrame, palette: Palette, metric: Card, levels: dict[str, float], things: str = "images") -> None:
    """Draw the lines, log scale where all values are positive, and a grey level for each reference."""
    finite = data[data["value"].abs() < math.inf]
    if (finite["value"] > 0).all():
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(thousands)
        ax.yaxis.set_minor_formatter(lambda value, _: thousands(value) if f"{value:e}"[0] in "25" else "")
    ends: dict[str, float] = {}
    for (name, line, _), points in finite.groupby(["entry", "line", "seed"], sort=True):
        entry = str(name)
        style = palette[entry]
        thick = line == MEAN
        drawn = ax.plot(
            points["images"], points["value"], color=style.colour, marker=style.marker, markersize=5 if thick else 2.5,
            linewidth=2.2 if thick else 0.8, alpha=1.0 if thick else 0.45, dashes=style.dash if thick else (), zorder=3 if thick else 2,
        )  # fmt: skip
        belongs(entry, *drawn)
        if thick or entry not in ends:
            ends[entry] = float(points["value"].iloc[-1])
    for name, value in levels.items():
        ax.axhline(value, color=FAINT, linewidth=1, dashes=palette[name].dash, zorder=1)
    ax.set_xlabel(f"real {things} shown to the discriminator")
    ax.set_ylabel(f"{metric.title} {metric.arrow}".strip())
    ax.xaxis.set_major_formatter(thousands)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    ax.set_xlim(left=0)
    figure_of(ax).draw_without_rendering()  # the labels need the final layout
    labelled = {**ends, **levels}
    end_labels(ax, list(labelled), list(labelled.values()), [palette[name].colour for name in labelled])


def alt(data: pd.DataFrame, metric: Card) -> str:
    """The plot in words: where each mean ends."""
    last = data[data["line"] == MEAN].groupby("entry", sort=True).tail(1)
    ends = ", ".join(f"{plain(entry)} {value:.3g}" for entry, value in zip(last["entry"], last["value"], strict=True))
    return f"{metric.title} through training; means at the last mark: {ends or 'none'}"
