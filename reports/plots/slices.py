"""The objective against one dimension of a search, the others being what they were."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from bench.core.text import pluralise
from bench.metrics.cards import Card
from reports.palette import Style
from reports.plots.dimension_axis import DimensionAxis, said
from reports.plots.trials import draw_trials, settings, trials_data, value_axis, words
from reports.study import Dimension, Study, Tuning


def slices_data(study: Study, tuning: Tuning, dimension: Dimension) -> pd.DataFrame:
    """number, state, value, default, setting of the trials that have the dimension."""
    data = trials_data(study, tuning)
    found = data.assign(setting=settings(data, tuning, dimension.path))
    return found[found["setting"].notna()].reset_index(drop=True)


def draw(ax: Axes, data: pd.DataFrame, axis: DimensionAxis, style: Style, metric: Card) -> None:
    """Draw a mark a trial."""
    value_axis(ax, data["value"], metric)
    places = [axis.apart(setting, number) for setting, number in zip(data["setting"], data["number"], strict=True)]
    draw_trials(ax, data.assign(x=places), style, metric)
    axis.dress_x(ax)


def alt(name: str, data: pd.DataFrame, dimension: Dimension, metric: Card) -> str:
    """The panel in words: where the best trial lies."""
    ranked = data[data["state"] == "complete"].sort_values("value", ascending=metric.direction == "lower")
    best = f", best {words(ranked.iloc[0]['value'])} at {said(ranked.iloc[0]['setting'])}" if len(ranked) else ", none of them complete"
    return f"{name}, {metric.title} against {dimension.name}, {pluralise(len(data), 'trial')}{best}"
