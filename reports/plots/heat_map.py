"""Plot of the objective over two dimensions of a search: medians in bins as background, trials as dots."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from bench.core.text import pluralise
from bench.metrics.columns import Card, Direction
from reports.palette import RULE
from reports.plots.colour_scale import ColourScale
from reports.plots.dimension_axis import DimensionAxis, setting_text
from reports.plots.trials import draw_places, settings, trials_data, value_text
from reports.study import SearchDimension, SearchedStudy, Tuning

FEWEST = 5  # trials; with fewer trials, the map has dots and no bins
BIN_COLUMNS = ["left", "right", "bottom", "top", "value", "n"]


def heat_map_data(study: SearchedStudy, tuning: Tuning, x: SearchDimension, y: SearchDimension) -> pd.DataFrame:
    """Return number, state, value, default, x_setting, y_setting of the trials with both dimensions."""
    data = trials_data(study, tuning)
    found = data.assign(x_setting=settings(data, tuning, x.path), y_setting=settings(data, tuning, y.path))
    return found[found["x_setting"].notna() & found["y_setting"].notna()].reset_index(drop=True)


def bins_data(data: pd.DataFrame, x: DimensionAxis, y: DimensionAxis, direction: Direction) -> pd.DataFrame:
    """Return left, right, bottom, top, value, n: the bins with trials and their median. Below `FEWEST` trials there are no bins.

    A diverged trial is infinitely bad, and an infinite median is NaN. A pruned trial has its last value.
    """
    if len(data) < FEWEST:
        return pd.DataFrame(columns=BIN_COLUMNS)
    edges = {"x": x.edges(len(data)), "y": y.edges(len(data))}
    cell = {}
    for name, axis in (("x", x), ("y", y)):
        places = [axis.at(setting) for setting in data[f"{name}_setting"]]
        cell[name] = np.clip(np.searchsorted(edges[name], places, side="right") - 1, 0, len(edges[name]) - 2)
    worst = -math.inf if direction == "higher" else math.inf
    placed = pd.DataFrame({**cell, "value": data["value"].fillna(worst)})
    rows = []
    for place, own in placed.groupby(["x", "y"], sort=True)["value"]:
        i, j = (int(str(index)) for index in place)
        median = float(np.median(own))
        rows.append(
            (edges["x"][i], edges["x"][i + 1], edges["y"][j], edges["y"][j + 1], median if math.isfinite(median) else math.nan, len(own))
        )
    return pd.DataFrame(rows, columns=BIN_COLUMNS)


def draw(ax: Axes, data: pd.DataFrame, bins: pd.DataFrame, x: DimensionAxis, y: DimensionAxis, scale: ColourScale, metric: Card) -> None:
    """Draw the bins in the colours of their medians (grey if the median diverged), the trials on top, and the scale above."""
    for left, right, bottom, top, value, _ in bins.itertuples(index=False, name=None):
        colour = RULE if math.isnan(value) else scale.of(value)
        ax.add_patch(Rectangle((left, bottom), right - left, top - bottom, facecolor=colour, linewidth=0, zorder=1))
    trials = zip(data["number"], data["x_setting"], data["y_setting"], strict=True)
    places = [(x.apart(across, number), y.apart(up, number)) for number, across, up in trials]
    colours = [RULE if math.isnan(value) else scale.of(value) for value in data["value"]]
    draw_places(ax, data.assign(x=[place[0] for place in places], y=[place[1] for place in places]), colours)
    x.dress_x(ax)
    y.dress_y(ax)
    ax.grid(visible=False)
    scale.draw(ax, metric)


def alt(name: str, data: pd.DataFrame, x: SearchDimension, y: SearchDimension, metric: Card) -> str:
    """Return the map in words: the best trial and the worst."""
    ranked = data[data["state"] == "complete"].sort_values("value", ascending=metric.direction == "lower")
    start = f"{name}, {metric.title} over {x.name} and {y.name}, {pluralise(len(data), 'trial')}"
    if ranked.empty:
        return f"{start}, none of them complete"
    ends = [
        f"{which} {value_text(row['value'])} at {x.name} {setting_text(row['x_setting'])}, {y.name} {setting_text(row['y_setting'])}"
        for which, row in (("best", ranked.iloc[0]), ("worst", ranked.iloc[-1]))
    ]
    return f"{start}: {'; '.join(ends)}; {pluralise(int((data['state'] == 'diverged').sum()), 'divergence')}"


def pairs(dimensions: Sequence[SearchDimension]) -> list[tuple[SearchDimension, SearchDimension]]:
    """Return the pairs of dimensions to map: a learning rate against k, and two learning rates.

    Without a learning rate, the first range is used. Without k, the first dimension with few values is used.
    """
    ranges = [dimension for dimension in dimensions if dimension.kind in ("log", "linear")]
    steps = [dimension for dimension in dimensions if dimension.kind in ("int", "choice")]
    ranges.sort(key=lambda dimension: (dimension.kind != "log", not dimension.name.startswith("lr")))
    steps.sort(key=lambda dimension: dimension.name != "k")
    rates = [dimension for dimension in ranges if dimension.name.startswith("lr")]
    return [*zip(ranges[:1], steps[:1], strict=False), *list(itertools.pairwise(rates))[:1]]
