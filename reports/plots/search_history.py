"""Plot of a search in the order of its trials, with the best value so far."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.core.text import pluralise
from bench.metrics.columns import Card
from reports.palette import Style
from reports.plots.trials import draw_trials, trials_data, value_axis, value_text
from reports.study import SearchedStudy, Tuning


def search_history_data(study: SearchedStudy, tuning: Tuning) -> pd.DataFrame:
    """Return number, state, value, default, best: the best value of the complete trials so far, NaN before the first."""
    data = trials_data(study, tuning)
    complete = data["value"].where(data["state"] == "complete")
    best = complete.cummin() if study.objective.direction == "lower" else complete.cummax()
    return data.assign(best=best.ffill())


def draw(ax: Axes, data: pd.DataFrame, style: Style, metric: Card) -> None:
    """Draw the best value so far as a step line, and a dot for each trial."""
    value_axis(ax, data["value"], metric)
    known = data[data["best"].notna()]
    ax.step(known["number"], known["best"], where="post", color=style.colour, linewidth=1.6, alpha=0.7, zorder=2)
    draw_trials(ax, data.assign(x=data["number"]), style, metric)
    ax.set_xlim(-0.6, float(data["number"].max()) + 0.6)  # fixed limits, which crosses do not extend
    ax.set_xlabel("trial")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))


def alt(name: str, data: pd.DataFrame, metric: Card) -> str:
    """Return the panel in words: the best value and its trial."""
    known = data[data["best"].notna()]
    if known.empty:
        return f"{name}: none of {pluralise(len(data), 'trial')} is complete"
    last = known["best"].iloc[-1]
    found = known[known["best"] == last]["number"].iloc[0]
    return f"{name}: the best {metric.title} of {pluralise(len(data), 'trial')} is {value_text(last)}, of trial {found}"
