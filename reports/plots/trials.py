"""Markers of trials in the plots of a study: filled if complete, hollow if pruned, a cross if diverged, a ring for the default recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import MaxNLocator

from bench.metrics.columns import Card
from reports.format import thousands
from reports.palette import INK, PAPER, Style
from reports.study import SearchedStudy, Tuning

COLUMNS = ["number", "state", "value", "default"]
LEGEND = (
    "Filled: complete trials. Hollow: pruned trials, at their last value. Crosses: trials that diverged or could not be measured. "
    "Ring: default recipe."
)
MOST_DRAWN = 300  # trials in a plot
LONG = 5  # ratio of highest to lowest value above which the scale of `scale_axis` is logarithmic
WIDEST = 1e12  # largest ratio of highest to lowest value on a log scale
EDGE = 0.035  # of the axes' height: position of trials without a value


def trials_data(study: SearchedStudy, tuning: Tuning) -> pd.DataFrame:
    """Return number, state, value, default of the trials that measure their recipe. The value of a diverged trial is NaN."""
    rows = [(trial.number, trial.state, study.outcome(trial), trial.default) for trial in tuning.tried]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"value": float, "default": bool})


def settings(data: pd.DataFrame, tuning: Tuning, path: str) -> pd.Series:
    """Return the recorded values of a dimension for the trials of `data`, or None for a trial without it."""
    found = {trial.number: trial.params.get(path) for trial in tuning.tried}
    return pd.Series([found[number] for number in data["number"]], index=data.index, dtype=object)


def first_trials(data: pd.DataFrame) -> pd.DataFrame:
    """Return the trials to draw: the first `MOST_DRAWN`, and the default."""
    return data[(data["number"].rank(method="first") <= MOST_DRAWN) | data["default"]]


def draw_trials(ax: Axes, data: pd.DataFrame, style: Style, metric: Card) -> None:
    """Draw the trials with columns x, value, state and default. A trial without a value is at the bad end of the axis."""
    trials = first_trials(data)
    placed, lost = trials[trials["value"].notna()], trials[trials["value"].isna()]
    for state, face in (("complete", style.colour), ("pruned", "none")):
        own = placed[placed["state"] == state]
        ax.scatter(
            own["x"],
            own["value"],
            s=20,
            marker=style.marker,
            facecolors=face,
            edgecolors=style.colour,
            linewidths=1.1,
            zorder=3,
        )
    own = placed[placed["default"]]
    ax.scatter(own["x"], own["value"], s=75, facecolors="none", edgecolors=INK, linewidths=1.1, zorder=4)
    height = 1 - EDGE if metric.direction == "lower" else EDGE
    ax.scatter(lost["x"], [height] * len(lost), s=20, marker="x", color=INK, linewidths=1.2, transform=ax.get_xaxis_transform(), zorder=4)
    own = lost[lost["default"]]
    ax.scatter(
        own["x"], [height] * len(own), s=75, facecolors="none", edgecolors=INK, linewidths=1.1, transform=ax.get_xaxis_transform(), zorder=4
    )


def draw_places(ax: Axes, data: pd.DataFrame, colours: Sequence[str]) -> None:
    """Draw the trials with columns x, y, state and default at their settings, in these colours. A halo separates them from the background."""
    trials = first_trials(data.assign(colour=list(colours)))
    for state, own in trials.groupby("state", sort=True):
        if state == "diverged":
            for ink, width in ((PAPER, 3.2), (INK, 1.3)):
                ax.scatter(own["x"], own["y"], s=26, marker="x", color=ink, linewidths=width, zorder=4)
        else:
            faces = list(own["colour"]) if state == "complete" else "none"
            ax.scatter(own["x"], own["y"], s=26, facecolors="none", edgecolors=PAPER, linewidths=3.0, zorder=3)
            ax.scatter(own["x"], own["y"], s=26, facecolors=faces, edgecolors=INK, linewidths=1.1, zorder=4)
    own = trials[trials["default"]]
    for ink, width in ((PAPER, 3.2), (INK, 1.3)):
        ax.scatter(own["x"], own["y"], s=95, facecolors="none", edgecolors=ink, linewidths=width, zorder=5)


def value_axis(ax: Axes, values: pd.Series, metric: Card) -> None:
    """Set the vertical axis of an objective: a log scale if all values are positive, with space for crosses at the bad end."""
    finite = values[values.notna()]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (math.nan, math.nan)
    if low > 0 and high / WIDEST < low:
        ax.set_yscale("log")
        room = max((high / low) ** 0.12, 1.02)
        ax.set_ylim(low / room, high * room)
        ax.yaxis.set_major_formatter(thousands)
        ax.yaxis.set_minor_formatter(between(low, high))
    elif len(finite):
        room = 0.12 * (high - low) or 1.0
        ax.set_ylim(low - room, high + room)
    else:
        ax.set_yticks([])
    ax.set_ylabel(f"{metric.title} {metric.arrow}".strip(), parse_math=False)


def scale_axis(axis: Axis, values: pd.Series) -> None:
    """Set the scale of an axis for these values: logarithmic if they are positive and far apart."""
    low, high = float(values.min()), float(values.max())
    if 0 < LONG * low < high < WIDEST * low:
        (axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale)("log")
        axis.set_major_formatter(thousands)
        axis.set_minor_formatter(between(low, high))
    else:
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))


def between(low: float, high: float) -> Callable[[float, object], str]:
    """Return a formatter for the minor ticks of a log scale. It labels all ticks of a short scale and a few of a long one."""
    digits = "123456789" if high < 4 * low else "235" if high < 15 * low else "25"
    return lambda value, _: thousands(value) if f"{value:e}"[0] in digits else ""


def value_text(value: float) -> str:
    """Return a value for a sentence."""
    return "diverged" if math.isnan(value) else f"{value:.3g}"
