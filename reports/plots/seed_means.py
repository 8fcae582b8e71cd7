"""Means over seeds at the marks of training, for every plot that has a line a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.budget import Budget

SEED = "seed"
MEAN = "mean"
MARKS = 100  # to which runs with a budget in seconds are matched; they log at as many


def with_means(points: pd.DataFrame, runs: pd.DataFrame, length: Budget, *, by: Sequence[str] = ("entry",)) -> pd.DataFrame:
    """The points (entry, seed, images, seconds, value) with a column `line`, and below them the means over seeds, seed -1, a line for each of `by`.

    A mean is at the mean of the seeds' images and seconds. It exists only where every seed of the entry has a value: a mean over the survivors would flatter.
    """
    keys = list(by)
    points = points.sort_values([*keys, "seed", "images"])  # sums of floats depend on the order
    grouped = points.assign(mark=_marks(points, length)).groupby([*keys, "mark"], as_index=False)
    found = grouped.agg(images=("images", "mean"), seconds=("seconds", "mean"), value=("value", "mean"), n=("seed", "nunique"))
    means = found[found["n"] == found["entry"].map(runs.groupby("entry")["seed"].nunique())]
    columns = [*keys, "seed", "line", "images", "seconds", "value"]
    lines = [points.assign(line=SEED)[columns], means.assign(seed=-1, line=MEAN)[columns]]
    return pd.concat([lines[0], lines[1].astype({"seed": points["seed"].dtype})], ignore_index=True)


def _marks(points: pd.DataFrame, length: Budget) -> pd.Series:
    """Which points of several seeds belong together: those at equal images; of a budget in seconds, where no images are equal, those in the same hundredth."""
    if length.unit != "train_seconds":
        return points["images"]
    return np.floor(points["seconds"] * MARKS / length.amount + 1e-6).clip(upper=MARKS)
