"""Means over seeds at the evaluation points (marks) of curves, for plots with a line for each seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.budget import RunBudget

SEED = "seed"
MEAN = "mean"
MARKS = 100  # equal parts of a budget in seconds. Points of several seeds in the same part match. Runs log this number of points


def with_means(points: pd.DataFrame, runs: pd.DataFrame, length: RunBudget, *, by: Sequence[str] = ("entry",)) -> pd.DataFrame:
    """Return the points (entry, seed, images, seconds, value) with a column `line`, then the means over seeds (seed -1).

    `by` lists the columns that identify a line.
    A mean is at the mean of the seeds' images and seconds. It exists only if every seed of the entry has a value,
    because a mean over the surviving runs is biased.
    """
    keys = list(by)
    points = points.sort_values([*keys, "seed", "images"])  # sums of floats depend on the order
    grouped = points.assign(mark=_marks(points, length)).groupby([*keys, "mark"], as_index=False)
    found = grouped.agg(images=("images", "mean"), seconds=("seconds", "mean"), value=("value", "mean"), n=("seed", "nunique"))
    means = found[found["n"] == found["entry"].map(runs.groupby("entry")["seed"].nunique())]
    columns = [*keys, "seed", "line", "images", "seconds", "value"]
    lines = [points.assign(line=SEED)[columns], means.assign(seed=-1, line=MEAN)[columns]]
    return pd.concat([lines[0], lines[1].astype({"seed": points["seed"].dtype})], ignore_index=True)


def _marks(points: pd.DataFrame, length: RunBudget) -> pd.Series:
    """Return the key that matches points of several seeds: equal images or, with a budget in seconds, the same hundredth of it."""
    if length.unit != "train_seconds":
        return points["images"]
    return np.floor(points["seconds"] * MARKS / length.amount + 1e-6).clip(upper=MARKS)
