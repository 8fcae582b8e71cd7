"""How one entry fills the known modes, or the bins of the training data: its share of each against what is due."""

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
MOST = 10_000  # shares; lists that are longer are left out
IN_ORDER = 100  # modes: up to here they are in the order of the data, more are sorted
CLIP = 6.0  # times the largest real share: where the scale ends
ERROR = 0.01  # by which shares may miss a sum of 1


def mode_shares_data(evidence: Mapping[int, Mapping[str, Any]], kind: ShareKind) -> pd.DataFrame:
    """position, generated (mean over seeds), real, seeds (how many), a row a mode or bin in the order drawn. `evidence` is the artifact of each seed.

    Real is the share of the training data in a bin, and an equal share of each mode. Bins come by their real share, the largest first; modes as the data has
    them, or above `IN_ORDER` by the generated one. Seeds without shares that make sense are left out, and so are those with other bins, or
    another number of modes, than most.
    """
    found = {seed: shares for seed, own in sorted(evidence.items()) if (shares := _shares(own.get(kind), kind)) is not None}
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    usual = Counter(real for _, real in found.values()).most_common(1)[0][0]
    kept = [generated for generated, real in found.values() if real == usual]
    data = pd.DataFrame({"generated": np.mean(kept, axis=0), "real": usual, "seeds": len(kept)})
    if kind == "bins":
        data = data.sort_values("real", ascending=False, kind="stable", ignore_index=True)
    elif len(data) > IN_ORDER:
        data = data.sort_values("generated", ascending=False, kind="stable", ignore_index=True)
    return data.assign(position=range(len(data)))[COLUMNS]


def _shares(own: object, kind: ShareKind) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Generated and real shares of a run, as far as they are shares of the same things."""
    if not isinstance(own, Mapping):
        return None
    if kind == "bins":
        generated, real = _checked(own.get("generated")), _checked(own.get("train"))
    else:
        generated, count = _checked(own.get("shares")), own.get("count")
        real = (1 / len(generated),) * len(generated) if generated and type(count) is int and count == len(generated) else None
    return (generated, real) if generated and real and len(generated) == len(real) else None


def _checked(values: object) -> tuple[float, ...] | None:
    """A list of shares: numbers from 0 up whose sum is 1; None for anything else."""
    if not isinstance(values, list) or not 0 < len(values) <= MOST:
        return None
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in values):
        return None
    return tuple(map(float, values)) if abs(math.fsum(values) - 1) <= ERROR else None


def scale_end(panels: Sequence[pd.DataFrame]) -> float:
    """Where the scale of these panels ends: at the largest share of all, but at no more than `CLIP` times the largest real one."""
    largest, real = (max(float(data[column].max()) for data in panels) for column in ("generated", "real"))
    return min(max(largest, real), CLIP * real)


def is_clipped(data: pd.DataFrame, end: float) -> bool:
    """Whether a panel has a share beyond the end of the scale."""
    return bool((data["generated"] > end).any())


def draw(ax: Axes, data: pd.DataFrame, style: Style, end: float) -> None:
    """Draw the generated shares as filled steps and the real ones as a line in ink; a largest share beyond `end` is written where it is cut."""
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
    """Heights and edges of the steps, neighbours of the same height as one."""
    values = shares.to_numpy(dtype=float)
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return values[starts], np.append(starts, len(values))


def share(value: float) -> str:
    """A share in per cent, to two digits."""
    return f"{100 * value:.2g} %" if value < 0.995 else f"{100 * value:.0f} %"


def alt(entry: str, data: pd.DataFrame, kind: ShareKind) -> str:
    """The panel in words: the largest share, and how many are empty."""
    empty = int((data["generated"] == 0).sum())
    return f"{entry}: of {len(data):,} {kind} the fullest has {share(float(data['generated'].max()))}; empty: {empty:,}"
