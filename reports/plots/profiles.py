"""Plot of performance profiles: the share of runs above each score, one line for each entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.palette import Palette
from reports.plots.base import short_name
from reports.plots.svg import mark_entry
from reports.scores import profile

LEVELS = 101


def profiles_data(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> pd.DataFrame:
    """Return entry, level, share of the scores {entry: {dataset: scores}}, at levels from the lowest to the highest score."""
    every = [score for by_data in scores.values() for own in by_data.values() for score in own]
    if not every:
        return pd.DataFrame(columns=["entry", "level", "share"])
    levels = np.linspace(min(*every, 0.0), max(every), LEVELS).tolist()
    rows = [
        (entry, float(level), share)
        for entry, by_data in scores.items()
        for level, share in zip(levels, profile(by_data, levels), strict=True)
    ]
    return pd.DataFrame(rows, columns=["entry", "level", "share"])


def draw(ax: Axes, data: pd.DataFrame, palette: Palette) -> None:
    """Draw a step line for each entry, and a legend in the order of the data."""
    names = [str(name) for name in dict.fromkeys(data["entry"])]
    for name, own in data.groupby("entry", sort=True):
        style = palette[str(name)]
        mark_entry(str(name), *ax.step(own["level"], own["share"], where="post", color=style.colour, linewidth=2, dashes=style.dash))
    ax.set_xlabel("score: 0 untrained, 1 real")
    ax.set_ylabel("share of runs above it")
    ax.set_ylim(-0.02, 1.04)
    handles = [ax.plot([], [], color=palette[name].colour, linewidth=2, dashes=palette[name].dash)[0] for name in names]
    legend = ax.legend(
        handles, [short_name(name) for name in names], frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )
    for name, handle, text in zip(names, legend.legend_handles, legend.get_texts(), strict=True):
        if handle is not None:
            mark_entry(name, handle, text)


def alt(data: pd.DataFrame) -> str:
    """Return the plot in words: each entry's median score."""
    medians = [
        f"{name} {float(own[own['share'] >= 0.5]['level'].max()) if (own['share'] >= 0.5).any() else float(own['level'].min()):.2f}"
        for name, own in data.groupby("entry", sort=True)
    ]
    return f"Half of the runs score above: {', '.join(medians)}"
