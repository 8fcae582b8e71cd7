"""Plot of the shares of one entry's samples in the known modes, or in the bins of the training data, against the expected shares."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.palette import INK, Style

ShareKind: TypeAlias = Literal["modes", "bins"]  # a key of the evidence
COLUMNS = ["position", "generated", "real", "seeds"]
MOST = 10_000  # shares; the plot omits longer lists
IN_ORDER = 100  # at most this many modes are in the order of the data, and more are sorted by share
CLIP = 6.0  # the scale ends at this multiple of the largest real share
ERROR = 0.01  # tolerance for the sum of shares, which is 1


def mode_shares_data(evidence: Mapping[int, Mapping[str, Any]], kind: ShareKind) -> pd.DataFrame:
    """Return position, generated (mean over seeds), real, seeds (their number): a row for each mode or bin, in drawing order.

    `real` is the share of the training data in a bin, and an equal share for a mode. Bins are sorted by their real share, the largest first. Modes have the
    order of the data or, above `IN_ORDER`, are sorted by the generated share. `evidence` is the artifact of each seed.
    The means leave out seeds without valid shares, and seeds whose bins or number of modes differ from the most common ones.
    """
    found = {seed: shares for seed, own in sorted(evidence.items()) if (shares := _shares(own.get(kind), kind)) is not None}
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    usual = Counter(real for _, real in found.values()).most_common(1)[0][0]
    comparable = [generated for generated, real in found.values() if real == usual]
    data = pd.DataFrame({"generated": np.mean(comparable, axis=0), "real": usual, "seeds": len(comparable)})
    if kind == "bins":
        data = data.sort_values("real", ascending=False, kind="stable", ignore_index=True)
    elif len(data) > IN_ORDER:
        data = data.sort_values("generated", ascending=False, kind="stable", ignore_index=True)
    return data.assign(position=range(len(data)))[COLUMNS]


def _shares(own: object, kind: ShareKind) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return generated and real shares of a run, or None if they are missing or do not match."""
    if not isinstance(own, Mapping):
        return None
    if kind == "bins":
        generated, real = _checked(own.get("generated")), _checked(own.get("train"))
    else:
        generated, count = _checked(own.get("shares")), own.get("count")
        real = (1 / len(generated),) * len(generated) if generated and type(count) is int and count == len(generated) else None
    return (generated, real) if generated and real and len(generated) == len(real) else None


def _checked(values: object) -> tuple[float, ...] | None:
    """Return a list of shares, non-negative numbers with the sum 1, or None for any other evidence."""
    if not isinstance(values, list) or not 0 < len(values) <= MOST:
        return None
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in values):
        return None
    return tuple(map(float, values)) if abs(math.fsum(values) - 1) <= ERROR else None


def scale_end(panels: Sequence[pd.DataFrame]) -> float:
    """Return the end of the scale of these panels: the largest share, but at most `CLIP` times the largest real one."""
    largest, real = (max(float(data[column].max()) for data in panels) for column in ("generated", "real"))
    return min(max(largest, real), CLIP * real)


def is_clipped(data: pd.DataFrame, end: float) -> bool:
    """Return whether a panel has a share beyond the end of the scale."""
    return bool((data["generated"] > end).any())


def draw(ax: Axes, data: pd.DataFrame, style: Style, end: float) -> None:
    """Draw the generated shares as filled steps and the real ones as a line. A number gives a largest share beyond `end`."""
    heights, edges = _steps(data["generated"])
    ax.stairs(heights, edges, fill=True, color=style.colour, alpha=0.85, linewidth=0)
    heights, edges = _steps(data["real"])
    ax.stairs(heights, edges, baseline=None, color=INK, linewidth=1.2, zorder=3)
    ax.set_xlim(0, len(data))
    ax.set_ylim(0, end * 1.06)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10], integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    ax.grid(axis="x", visible=False)
    if is_clipped(data, end):
        where = int(data["generated"].to_numpy().argmax())
        right = where < len(data) / 2
        ax.annotate(
            f"↑ {share(float(data['generated'].max()))}", (where + 0.5, end), xytext=(6 if right else -6, 0), textcoords="offset points",
            ha="left" if right else "right", va="center", fontsize=8.5, annotation_clip=False,
        )  # fmt: skip


def _steps(shares: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return heights and edges of the steps. Neighbours of equal height are one step."""
    values = shares.to_numpy(dtype=float)
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return values[starts], np.append(starts, len(values))


def share(value: float) -> str:
    """Return a share in per cent with two digits."""
    return f"{100 * value:.2g} %" if value < 0.995 else f"{100 * value:.0f} %"


def alt(entry: str, data: pd.DataFrame, kind: ShareKind) -> str:
    """Return the panel in words: the largest share, and the number of empty modes or bins."""
    empty = int((data["generated"] == 0).sum())
    return f"{entry}: of {len(data):,} {kind} the largest has {share(float(data['generated'].max()))}; empty: {empty:,}"
