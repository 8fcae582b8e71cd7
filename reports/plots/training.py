"""D's and G's side of a training curve, one entry a panel: losses, or what D believes of real and generated images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.results import curve
from reports.palette import FAINT, INK, Style
from reports.plots.base import drawable, thousands


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two curves of one panel: their keys, the words at the panel's top and an optional level of balance."""

    keys: tuple[str, str]
    words: tuple[str, str]
    level: float | None = None
    limits: tuple[float, float] | None = None


LOSSES = Pair(keys=("train/loss_d", "train/loss_g"), words=("D", "G"))
PROBABILITIES = Pair(keys=("train/p_real", "train/p_fake"), words=("p(real)", "p(fake)"), level=0.5, limits=(0.0, 1.0))


def training_data(curves: pd.DataFrame, runs: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """entry, seed, key, images, value of both curves, in that order; missing values are left out, and so are some of many seeds or marks (`drawable`)."""
    points = curve(curves, pair.keys).merge(runs[["run_id", "entry", "seed"]], on="run_id")
    columns = ["entry", "seed", "key", "images", "value"]
    finite = drawable(points[np.isfinite(points["value"].astype(float))])
    return finite[columns].sort_values(columns[:4], ignore_index=True)


def draw(ax: Axes, data: pd.DataFrame, style: Style, pair: Pair) -> None:
    """Draw one entry's panel: the first curve in its colour, the second in ink, a line a seed."""
    colours = (style.colour, INK)
    for key, word, colour in zip(pair.keys, pair.words, colours, strict=True):
        curve = data[data["key"] == key]
        for _, points in curve.groupby("seed", sort=True):
            ax.plot(points["images"], points["value"], color=colour, linewidth=0.9, alpha=0.7, label="_")
        ax.plot([], [], color=colour, linewidth=2, label=word)
    if pair.level is not None:
        ax.axhline(pair.level, color=FAINT, linewidth=0.9, dashes=(2, 2), zorder=1)
    if pair.limits is not None:
        ax.set_ylim(*pair.limits)
    ax.xaxis.set_major_formatter(thousands)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.margins(x=0.01)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, borderaxespad=0, handlelength=2.4, columnspacing=1.4)


def alt(entry: str, data: pd.DataFrame, pair: Pair) -> str:
    """The panel in words: the last values, over seeds."""
    ends = []
    for key, word in zip(pair.keys, pair.words, strict=True):
        last = data[data["key"] == key].groupby("seed", sort=True)["value"].last()
        if len(last):
            ends.append(f"{word} ends at {last.mean():.3g}")
    return f"{entry}: {', '.join(ends)}"
