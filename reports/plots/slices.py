"""Plot of the objective against one dimension of a search, while the other dimensions vary."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from bench.core.text import pluralise
from bench.metrics.columns import Card
from reports.palette import Style
from reports.plots.dimension_axis import DimensionAxis, setting_text
from reports.plots.trials import draw_trials, settings, trials_data, value_axis, value_text
from reports.study import SearchDimension, SearchedStudy, Tuning


def slices_data(study: SearchedStudy, tuning: Tuning, dimension: SearchDimension) -> pd.DataFrame:
    """Return number, state, value, default, setting of the trials with the dimension."""
    data = trials_data(study, tuning)
    found = data.assign(setting=settings(data, tuning, dimension.path))
    return found[found["setting"].notna()].reset_index(drop=True)


def draw(ax: Axes, data: pd.DataFrame, axis: DimensionAxis, style: Style, metric: Card) -> None:
    """Draw a dot for each trial."""
    value_axis(ax, data["value"], metric)
    places = [axis.apart(setting, number) for setting, number in zip(data["setting"], data["number"], strict=True)]
    draw_trials(ax, data.assign(x=places), style, metric)
    axis.dress_x(ax)


def alt(name: str, data: pd.DataFrame, dimension: SearchDimension, metric: Card) -> str:
    """Return the panel in words: the best trial and its setting."""
    ranked = data[data["state"] == "complete"].sort_values("value", ascending=metric.direction == "lower")
    best = (
        f", best {value_text(ranked.iloc[0]['value'])} at {setting_text(ranked.iloc[0]['setting'])}"
        if len(ranked)
        else ", none of them complete"
    )
    return f"{name}, {metric.title} against {dimension.name}, {pluralise(len(data), 'trial')}{best}"
