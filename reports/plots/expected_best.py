"""Plot of the expected best value by number of random trials."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.metrics.columns import Card
from reports import stats
from reports.palette import Palette
from reports.plots.base import end_labels, figure_of, short_name
from reports.plots.svg import mark_entry
from reports.plots.trials import trials_data, value_axis, value_text
from reports.study import SearchedStudy

COLUMNS = ["entry", "trials", "value"]


def expected_best_data(study: SearchedStudy) -> pd.DataFrame:
    """Return entry, trials, value: the expected best of a number of random trials.

    A curve starts at the first number of trials that cannot all have diverged.
    The data leave out the default recipe, because it is not a random trial. A pruned trial has its last value.
    """
    rows = []
    for tuning in study.tunings:
        data = trials_data(study, tuning)
        random_trials = data[~data["default"]]
        values = [float(value) for value in random_trials["value"].dropna()]
        curve = stats.expected_best(values, len(random_trials) - len(values), study.objective.direction)
        rows += [(tuning.name, k, value) for k, value in enumerate(curve, start=1) if value == value]
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(ax: Axes, data: pd.DataFrame, palette: Palette, metric: Card) -> None:
    """Draw a line for each variant."""
    value_axis(ax, data["value"], metric)
    ends = {}
    for name, own in data.groupby("entry", sort=True):
        style = palette[str(name)]
        mark_entry(str(name), *ax.plot(own["trials"], own["value"], color=style.colour, dashes=style.dash, linewidth=1.8))
        ends[str(name)] = float(own["value"].iloc[-1])
    ax.set_xlabel("random trials")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlim(left=1)
    figure_of(ax).draw_without_rendering()  # the labels need the final layout
    end_labels(ax, list(ends), list(ends.values()), [palette[name].colour for name in ends])


def alt(data: pd.DataFrame, metric: Card) -> str:
    """Return the plot in words: both ends of each line."""
    parts = [
        f"{short_name(str(name))} " + ", ".join(f"{value_text(own['value'].iloc[i])} with {own['trials'].iloc[i]}" for i in (0, -1))
        for name, own in data.groupby("entry", sort=True)
    ]
    return f"Expected best {metric.title} by number of random trials: {'; '.join(parts)}"
