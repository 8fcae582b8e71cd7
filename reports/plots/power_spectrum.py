"""Plot of the power of one entry's images at each radial frequency, against that of real test images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from reports.palette import INK, Style

COLUMNS = ["seed", "cycles", "generated", "real"]
MOST = 10_000  # frequencies: longer lists are not valid
SMALLEST, LARGEST = 1e-3, 1e12  # grey levels squared. SMALLEST replaces smaller powers, and no image has more than LARGEST
ROUNDING = 1e-3  # relative difference of the same power on two machines


def power_spectrum_data(evidence: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    """Return seed, cycles (along the shorter side), generated, real: a row for each seed and frequency. `evidence` is the artifact of each seed.

    The data has no seeds without a valid spectrum, and none whose real spectrum differs from the most common one by more than rounding. It replaces
    powers below `SMALLEST`, such as those of a constant image, by `SMALLEST`.
    """
    found = {seed: powers for seed, own in sorted(evidence.items()) if (powers := _powers(own.get("spectrum"))) is not None}
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    usual = max((real for _, real in found.values()), key=lambda real: sum(_agree(real, other) for _, other in found.values()))
    rows = [
        (seed, cycles, max(power, SMALLEST), max(usual[cycles - 1], SMALLEST))
        for seed, (generated, real) in found.items()
        if _agree(real, usual)
        for cycles, power in enumerate(generated, start=1)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _agree(powers: Sequence[float], others: Sequence[float]) -> bool:
    """Return whether two spectra are equal up to the rounding of different machines."""
    pairs = zip(powers, others, strict=False)
    return len(powers) == len(others) and all(math.isclose(*pair, rel_tol=ROUNDING, abs_tol=SMALLEST) for pair in pairs)


def _powers(own: object) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return generated and real powers of a run, or None if they are missing or do not match."""
    if not isinstance(own, Mapping):
        return None
    generated, real = _checked(own.get("generated")), _checked(own.get("real"))
    return (generated, real) if generated and real and len(generated) == len(real) else None


def _checked(values: object) -> tuple[float, ...] | None:
    """Return a list of powers, or None for any other evidence."""
    if not isinstance(values, list) or not 0 < len(values) <= MOST:
        return None
    return tuple(map(float, values)) if all(type(value) in (int, float) and 0 <= value <= LARGEST for value in values) else None


def mean_power(data: pd.DataFrame) -> pd.DataFrame:
    """Return cycles, generated (geometric mean over seeds), real: a row for each frequency."""
    logs = data.assign(generated=data["generated"].map(math.log))
    means = logs.groupby("cycles", sort=True, as_index=False).agg(generated=("generated", "mean"), real=("real", "first"))
    return means.assign(generated=means["generated"].map(math.exp))


def limits(panels: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """Return the ends of the scale that these panels share: their smallest and largest power."""
    low = min(float(data[["generated", "real"]].to_numpy().min()) for data in panels)
    high = max(float(data[["generated", "real"]].to_numpy().max()) for data in panels)
    return low / 1.5, high * 1.5


def draw(ax: Axes, data: pd.DataFrame, style: Style, ends: tuple[float, float]) -> None:
    """Draw each seed as a thin line, the mean over seeds as a thick line, and real images in black, on a log scale of power."""
    means = mean_power(data)
    ax.set_yscale("log")
    ax.plot(means["cycles"], means["real"], color=INK, linewidth=1.2, zorder=3)
    for _, points in data.groupby("seed", sort=True):
        ax.plot(points["cycles"], points["generated"], color=style.colour, linewidth=0.7, alpha=0.45, zorder=2)
    ax.plot(means["cycles"], means["generated"], color=style.colour, linewidth=2, dashes=style.dash, zorder=4)
    ax.set_xlim(1, max(2, int(data["cycles"].max())))
    ax.set_ylim(*ends)
    ax.set_xlabel("cycles per image side")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
    ax.yaxis.set_major_locator(LogLocator(numticks=5))
    ax.yaxis.set_minor_formatter(NullFormatter())


def alt(entry: str, data: pd.DataFrame) -> str:
    """Return the panel in words: the frequency where the power is furthest from that of real images."""
    means = mean_power(data)
    ratios = means["generated"] / means["real"]
    at = int(ratios.map(lambda ratio: abs(math.log(ratio))).to_numpy().argmax())
    return f"{entry}: furthest from real images at {means['cycles'].iloc[at]} cycles, with {ratios.iloc[at]:.2g} times their power"
