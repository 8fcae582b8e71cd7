"""Helpers of all plots: theme, figure, labels and SVG output. Equal data give equal pictures."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.core.text import harmless
from reports import document
from reports.palette import FAINT, INK, PAPER, RULE
from reports.plots import svg

MOST_SEEDS = 10  # lines of an entry
MOST_MARKS = 200  # points of a line
LABEL_MAX = 28  # characters of an entry's name in a plot; tables show the whole name


@contextmanager
def axes(width: float, height: float) -> Iterator[Axes]:
    """Context manager that yields axes in a new figure with the theme of the report, and then restores matplotlib's settings. Sizes are in inches."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a user's matplotlibrc does not change a report
        mpl.rcParams.update(_theme())
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the reader's fonts draw the text
        figure = Figure(figsize=(width, height), layout="constrained")
        ax = figure.add_subplot()
        sns.despine(ax=ax)
        yield ax


def _theme() -> Any:  # its keys are literals in matplotlib's stubs
    ours = {
        "font.family": "DejaVu Sans",  # part of matplotlib, so text has the same size on every machine; `picture` replaces it
        "font.size": 9,
        "axes.labelsize": 9,
        "axes.titlesize": 10,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.linewidth": 0.8,
        "grid.linewidth": 0.6,
        "grid.color": RULE,
        "axes.edgecolor": FAINT,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.labelcolor": INK,
        "text.color": INK,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "svg.fonttype": "none",
        "svg.hashsalt": "ganbench",
        "path.simplify": True,
    }
    return {**sns.axes_style("ticks"), **ours}


def picture(ax: Axes, alt: str) -> document.Picture:
    """Return the axes' figure as SVG without a date. Its ink and paper follow the reader's colour scheme."""
    buffer = io.StringIO()
    figure_of(ax).savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    image_text = svg.minified(buffer.getvalue())
    return document.Picture(data=image_text.encode(), media="image/svg+xml", alt=alt, grouped=svg.has_groups(image_text))


def figure_of(ax: Axes) -> Figure:
    """Return the figure of the axes."""
    if not isinstance(ax.figure, Figure):
        raise TypeError("expected axes of a whole figure, not of a subfigure; create them with `axes`")
    return ax.figure


def short_name(name: str) -> str:
    """Return a name as a label, shortened if it is long."""
    label = " ".join(harmless(name).split())
    return label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…"


def end_labels(ax: Axes, names: Sequence[str], heights: Sequence[float], colours: Sequence[str]) -> None:
    """Draw names at the right edge in their colours, each as near as possible to its height (in data units), without overlap."""
    if not names:
        return
    points = ax.transData.transform(np.column_stack([np.zeros(len(heights)), heights]))[:, 1]
    low, high = ax.transAxes.transform([(0, 0), (0, 1)])[:, 1]
    spread = spaced(points, gap=13 * ax.figure.dpi / 72, low=low, high=high)
    for name, y, target, colour in zip(names, spread, points, colours, strict=True):
        where = ((y - low) / (high - low), (target - low) / (high - low))
        line = ax.plot([1.0, 1.025], where[::-1], transform=ax.transAxes, color=colour, linewidth=0.8, clip_on=False)
        label = ax.text(1.032, where[0], short_name(name), transform=ax.transAxes, color=colour, va="center", fontsize=9, parse_math=False)
        svg.mark_entry(name, *line, label)


def spaced(heights: Sequence[float] | np.ndarray[Any, np.dtype[Any]], *, gap: float, low: float, high: float) -> list[float]:
    """Return heights with distances of at least `gap`, in the same order, within the bounds if they fit."""
    order = np.argsort(heights, kind="stable")
    placed = [min(max(float(heights[i]), low), high) for i in order]
    for _ in range(2):
        for k in range(1, len(placed)):
            placed[k] = max(placed[k], placed[k - 1] + gap)
        overflow = placed[-1] - high
        if overflow > 0:
            placed[-1] = high
            for k in range(len(placed) - 2, -1, -1):
                placed[k] = min(placed[k], placed[k + 1] - gap)
    result = [0.0] * len(placed)
    for k, i in enumerate(order):
        result[int(i)] = placed[k]
    return result


def thinned(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points to draw of curves (entry, seed, images, ...).

    They are the first `MOST_SEEDS` seeds of an entry, at `MOST_MARKS` evenly spaced points.
    More lines or points would overlap and make the page too large.
    """
    seeds = points.groupby("entry")["seed"].transform(lambda seed: seed.rank(method="dense"))
    marks = points.groupby("entry")["images"].transform(_is_drawn)
    return points[(seeds <= MOST_SEEDS) & marks.astype(bool)]


def _is_drawn(images: pd.Series) -> pd.Series:
    marks = np.sort(images.unique())
    chosen = marks[np.unique(np.linspace(0, len(marks) - 1, min(len(marks), MOST_MARKS)).round().astype(int))]
    return images.isin(chosen)


def seeds_drawn(runs: pd.DataFrame, one: str, few: str) -> str:
    """Return the words for the lines of a plot of these runs: `one` if every seed is drawn, else `few` with their number."""
    return one if runs.groupby("entry")["seed"].nunique().max() <= MOST_SEEDS else few.format(most=MOST_SEEDS)
