"""Plot of the tuned recipe against the default one on fresh seeds, with one line for each variant."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from bench.metrics.columns import Card
from reports.format import thousands
from reports.palette import INK, Palette
from reports.plots.base import short_name
from reports.plots.svg import mark_entry
from reports.plots.trials import between, value_text
from reports.stats import Sample

COLUMNS = ["entry", "recipe", "value"]
RECIPES = ("default", "tuned")
ASIDE = 0.17  # of the line distance: offset of the two recipes from their line


def tuned_default_data(samples: Mapping[str, Mapping[str, Sample]]) -> pd.DataFrame:
    """Return entry, recipe (default | tuned), value of each seed, NaN for a failed run.

    `samples` has the samples of each variant by recipe."""
    rows = [
        (name, recipe, value)
        for name, found in samples.items()
        for recipe in RECIPES
        if recipe in found
        for value in (*found[recipe].values, *[math.nan] * found[recipe].failures)
    ]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"value": float})


def draw(ax: Axes, data: pd.DataFrame, palette: Palette, metric: Card) -> None:
    """Draw each seed: hollow for the default recipe, filled for the tuned one. Ticks are means, and crosses at the bad end are failures."""
    names = list(dict.fromkeys(data["entry"]))
    if (data["value"].dropna() > 0).all() and data["value"].notna().any():
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(thousands)
        ax.xaxis.set_minor_formatter(between(float(data["value"].min()), float(data["value"].max())))
    for (name, recipe), own in data.groupby(["entry", "recipe"], sort=True):
        style, y = palette[str(name)], names.index(str(name)) + (ASIDE if recipe == "tuned" else -ASIDE)
        values = own["value"].dropna()
        seeds = ax.scatter(
            values,
            [y] * len(values),
            s=26,
            facecolors=style.colour if recipe == "tuned" else "none",
            edgecolors=style.colour,
            linewidths=1.2,
            zorder=3,
        )
        if len(values) == len(own):
            mark_entry(str(name), ax.vlines(values.mean(), y - 0.13, y + 0.13, color=style.colour, linewidth=2, zorder=2))
        edge = 0.985 if metric.direction == "lower" else 0.015
        lost = [edge - 0.02 * i if metric.direction == "lower" else edge + 0.02 * i for i in range(len(own) - len(values))]
        crosses = ax.scatter(
            lost, [y] * len(lost), s=24, marker="x", color=INK, linewidths=1.3, transform=ax.get_yaxis_transform(), zorder=4
        )
        mark_entry(str(name), seeds, crosses)
    ax.set_yticks(range(len(names)))
    for name, label in zip(names, ax.set_yticklabels([short_name(name) for name in names], parse_math=False), strict=True):
        mark_entry(name, label)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(f"{metric.title} {metric.arrow}".strip(), parse_math=False)


def alt(data: pd.DataFrame, metric: Card) -> str:
    """Return the plot in words: the mean of each recipe."""
    parts = []
    for name, own in data.groupby("entry", sort=False):
        means = [f"{recipe} {value_text(found['value'].mean(skipna=False))}" for recipe, found in own.groupby("recipe", sort=True)]
        parts.append(f"{short_name(str(name))} {', '.join(means)}")
    return f"Mean {metric.title} on fresh seeds: {'; '.join(parts)}"
