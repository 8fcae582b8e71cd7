"""Plots of training curves, with one panel for each entry. Thin lines are seeds, a thick line is their mean.

The panels show losses, probabilities, logits and gradient norms of D and G, and other logged numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bench.tracking.curves import curve
from reports.budget import RunBudget
from reports.format import thousands
from reports.palette import FAINT, INK, Style
from reports.plots.base import short_name, thinned
from reports.plots.seed_means import MEAN, SEED, with_means
from reports.plots.trials import between
from reports.stats import LARGEST

PANEL_MARKS = 50  # points of a line: panels are small and many


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Record of the one or two curves of a panel: keys, labels and an optional horizontal level."""

    keys: tuple[str, ...]
    words: tuple[str, ...]
    level: float | None = None
    limits: tuple[float, float] | None = None
    log: bool = False  # use a log scale if all values are positive


LOSSES = Panel(keys=("train/loss_d", "train/loss_g"), words=("D", "G"))
PROBABILITIES = Panel(keys=("train/p_real", "train/p_fake"), words=("p(real)", "p(fake)"), level=0.5, limits=(0.0, 1.0))
LOGITS = Panel(keys=("train/logit_real", "train/logit_fake"), words=("real", "generated"))
GRADIENTS = Panel(keys=("train/grad_norm_d", "train/grad_norm_g"), words=("D", "G"), log=True)
GROUP = "train/"
ELSEWHERE = {f"{GROUP}generator_updates", *(key for panel in (LOSSES, PROBABILITIES, LOGITS, GRADIENTS) for key in panel.keys)}


def own_panels(curves: pd.DataFrame) -> list[Panel]:
    """Return a panel for each scalar that only the objective logs. The list excludes learning rates and the scalars of other panels."""
    logged = (str(key) for key in curves["key"].unique())
    own = sorted(key for key in logged if key.startswith(GROUP) and key not in ELSEWHERE and not key.startswith(f"{GROUP}lr_"))
    return [Panel(keys=(key,), words=(short_name(key.removeprefix(GROUP)),)) for key in own]


def training_data(curves: pd.DataFrame, runs: pd.DataFrame, panel: Panel, length: RunBudget) -> pd.DataFrame:
    """Return entry, key, line ("seed" | "mean"), seed, images, value of the panel's curves, in this order.

    `length` is the budget of the runs. The data leave out missing and infinite values.
    `thinned` limits the lines, which have at most `PANEL_MARKS` points. Means are over all seeds (`with_means`).
    """
    points = curve(curves, panel.keys).merge(runs[["run_id", "entry", "seed"]], on="run_id")
    finite = points[points["value"].abs() < LARGEST]
    every = with_means(finite, runs, length, by=("entry", "key"))
    points = pd.concat([thinned(every[every["line"] == line]) for line in (SEED, MEAN)])
    columns = ["entry", "key", "line", "seed", "images", "value"]
    chosen = points.groupby(columns[:4])["images"].transform(_is_drawn).astype(bool)
    return points[chosen][columns].sort_values([*columns[:4], "images"], ignore_index=True)


def _is_drawn(line: pd.Series) -> pd.Series:
    """Return a mask of the points to draw: evenly spaced, with the first and the last."""
    mask = np.zeros(len(line), dtype=bool)
    mask[np.linspace(0, len(line) - 1, min(len(line), PANEL_MARKS)).round().astype(int)] = True
    return pd.Series(mask, index=line.index)


def draw(ax: Axes, data: pd.DataFrame, style: Style, panel: Panel) -> None:
    """Draw one entry's panel: the first curve in its colour, the second in ink."""
    if panel.log and (data["value"] > 0).all():
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(thousands)
        ax.yaxis.set_minor_formatter(between(float(data["value"].min()), float(data["value"].max())))
    handles = []
    for key, colour in zip(panel.keys, (style.colour, INK), strict=False):
        for (line, _), points in data[data["key"] == key].groupby(["line", "seed"], sort=True):
            thick = line == MEAN
            ax.plot(
                points["images"], points["value"], color=colour, linewidth=1.8 if thick else 0.7, alpha=1.0 if thick else 0.4,
                zorder=3 if thick else 2, label="_",
            )  # fmt: skip
        handles += ax.plot([], [], color=colour, linewidth=2)
    if panel.level is not None:
        ax.axhline(panel.level, color=FAINT, linewidth=0.9, dashes=(2, 2), zorder=1)
    if panel.limits is not None:
        ax.set_ylim(*panel.limits)
    ax.xaxis.set_major_formatter(thousands)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.margins(x=0.01)
    legend = ax.legend(
        handles, panel.words, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, borderaxespad=0, handlelength=2.4, columnspacing=1.4
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def alt(entry: str, data: pd.DataFrame, panel: Panel) -> str:
    """Return the panel in words: the last values, as means over seeds."""
    ends = []
    for key, word in zip(panel.keys, panel.words, strict=True):
        last = data[(data["key"] == key) & (data["line"] == SEED)].groupby("seed", sort=True)["value"].last()
        if len(last):
            ends.append(f"{word} ends at {last.mean():.3g}")
    return f"{entry}: {', '.join(ends)}"
