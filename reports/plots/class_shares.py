"""Plot of the share of each class among generated images, by the classifier, against its share among real images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.palette import INK, Style
from reports.plots.base import short_name

COLUMNS = ["seed", "position", "name", "generated", "real"]


def class_shares_data(evidence: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    """Return seed, position, name, generated, real: one row for each seed and class. `evidence` is the artifact of each seed.

    A seed without valid shares, or with lists of different lengths, gives no rows.
    """
    rows = []
    for seed, found in sorted(evidence.items()):
        names, shares = found.get("class_names"), found.get("class_share")
        if not isinstance(names, list) or not isinstance(shares, dict):
            continue
        generated, real = _shares(shares.get("generated")), _shares(shares.get("real"))
        if len(names) == len(generated) == len(real):
            rows += [(seed, i, str(name), generated[i], real[i]) for i, name in enumerate(names)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _shares(values: Any) -> list[float]:
    """Return a list of numbers from 0 to 1, not all 0. The list is empty for any other evidence."""
    if not isinstance(values, list) or not all(isinstance(value, (int, float)) and 0 <= value <= 1 for value in values):
        return []
    return [float(value) for value in values] if any(values) else []


def draw(ax: Axes, data: pd.DataFrame, style: Style, largest: float) -> None:
    """Draw the mean share over seeds as bars, each seed as a dot, and the real share as a tick. The axis ends at `largest`."""
    means = data.groupby("position", sort=True).agg(name=("name", "first"), generated=("generated", "mean"), real=("real", "mean"))
    ax.barh(means.index, means["generated"], color=style.colour, height=0.72, alpha=0.85)
    ax.scatter(data["generated"], data["position"], s=7, color=INK, alpha=0.55, linewidths=0, zorder=3)
    ax.vlines(means["real"], means.index - 0.36, means.index + 0.36, color=INK, linewidth=1.4, zorder=4)
    ax.set_yticks(list(means.index))
    ax.set_yticklabels([short_name(name) for name in means["name"]], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()
    ax.set_xlim(0, largest * 1.03)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")


def alt(entry: str, data: pd.DataFrame) -> str:
    """Return the panel in words: the rarest and the most frequent class."""
    means = data.groupby("name", sort=True)["generated"].mean()
    return f"{entry}: from {100 * means.min():.1f} % ({means.idxmin()}) to {100 * means.max():.1f} % ({means.idxmax()})"
