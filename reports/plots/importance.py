"""Plot of the share of the objective's variance that each dimension of a search explains."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.palette import INK, Style
from reports.plots.base import short_name
from reports.study import Tuning

COLUMNS = ["path", "mean", "sd"]


def importance_data(tuning: Tuning) -> pd.DataFrame:
    """Return path, mean, sd, the most important first. sd is NaN if the study has none."""
    rows = sorted(((found.path, found.mean, found.sd) for found in tuning.importance), key=lambda row: (-row[1], row[0]))
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(ax: Axes, data: pd.DataFrame, style: Style) -> None:
    """Draw a bar for each dimension, the most important on top, with its standard deviation as a line."""
    places = list(range(len(data)))
    ax.barh(places, data["mean"], color=style.colour, height=0.66, alpha=0.85)
    ax.hlines(places, data["mean"] - data["sd"].fillna(0), data["mean"] + data["sd"].fillna(0), color=INK, linewidth=1.4)
    ax.set_yticks(places)
    ax.set_yticklabels([short_name(path.removeprefix("recipe.")) for path in data["path"]], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()
    ax.set_xlim(0, max(1.0, float((data["mean"] + data["sd"].fillna(0)).max())))
    ax.set_xlabel("share of the variance")


def alt(name: str, data: pd.DataFrame) -> str:
    """Return the bars in words."""
    parts = [
        f"{path.removeprefix('recipe.')} {mean:.2f}" + ("" if sd != sd else f" ± {sd:.2f}")
        for path, mean, sd in data.itertuples(index=False)
    ]
    return f"{name}, share of the variance explained: {', '.join(parts)}"
