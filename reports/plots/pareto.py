"""Plot of trials by two objectives, and of the front: trials that no other trial beats in both."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from bench.core.text import pluralise
from bench.metrics.columns import Card
from reports.palette import INK, Style
from reports.plots.trials import scale_axis, value_text
from reports.study import SearchedStudy, Tuning

COLUMNS = ["number", "x", "y", "default", "front"]


def pareto_data(study: SearchedStudy, tuning: Tuning) -> pd.DataFrame:
    """Return number, x (first objective), y (second), default, front (as the study recorded it) of the complete trials, sorted by x."""
    complete = [trial for trial in tuning.trials if len(trial.values) == 2]
    rows = [(trial.number, *trial.values, trial.default, trial.number in tuning.pareto) for trial in complete]
    data = pd.DataFrame(rows, columns=COLUMNS).astype({"x": float, "y": float, "default": bool, "front": bool})
    return data.sort_values(["x", "y", "number"], ignore_index=True)


def draw(ax: Axes, data: pd.DataFrame, style: Style, metrics: tuple[Card, ...]) -> None:
    """Draw the front filled and joined in steps, other trials hollow, a ring around the default recipe."""
    front, others = data[data["front"]], data[~data["front"]]
    better_right = metrics[0].direction == "higher"
    ax.step(front["x"], front["y"], where="pre" if better_right else "post", color=style.colour, linewidth=1.4, alpha=0.7, zorder=2)
    ax.scatter(others["x"], others["y"], s=18, facecolors="none", edgecolors=style.colour, linewidths=1.0, alpha=0.7, zorder=3)
    ax.scatter(front["x"], front["y"], s=24, color=style.colour, zorder=4)
    own = data[data["default"]]
    ax.scatter(own["x"], own["y"], s=75, facecolors="none", edgecolors=INK, linewidths=1.1, zorder=5)
    scale_axis(ax.xaxis, data["x"])
    scale_axis(ax.yaxis, data["y"])
    for axis, metric in ((ax.xaxis, metrics[0]), (ax.yaxis, metrics[1])):
        axis.set_label_text(f"{metric.title} {metric.arrow}".strip(), parse_math=False)


def alt(name: str, data: pd.DataFrame, metrics: tuple[Card, ...]) -> str:
    """Return the panel in words: the trials of the front."""
    front = ", ".join(
        f"{value_text(x)} and {value_text(y)}" for x, y in zip(data[data["front"]]["x"], data[data["front"]]["y"], strict=True)
    )
    return f"{name}, {metrics[0].title} and {metrics[1].title} of {pluralise(len(data), 'trial')}; not beaten in both: {front or 'none'}"
