"""Ranks of the entries by Fréchet distances on different features, and the entries on which these metrics disagree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED, PIXELS, card
from reports.cohort import Cohort

TITLE = "Do the extractors agree?"  # of the section that shows the ranks
KEYS = (FID_DISTILLED, FID_CLASSIFIER, PIXELS, "quality/fid_photo", "quality/fid_inception")
FEWEST = 3  # entries; the order of two has no information
COLUMNS = ["entry", "key", "value", "rank", "position"]


def ranked(cohort: Cohort) -> pd.DataFrame:
    """Return the ranks of the entries that have all of the metrics, as `ranks_data`. The frame is empty with too few entries or metrics.

    Medians are over the finished runs, because failures do not depend on the features.
    """
    medians = {entry.name: {key: entry.finished_median(key) for key in KEYS} for entry in cohort.entries}
    keys = [key for key in KEYS if any(math.isfinite(found[key]) for found in medians.values())]
    while len(keys) > 1:
        whole = {name: found for name, found in medians.items() if all(math.isfinite(found[key]) for key in keys)}
        if len(whole) >= FEWEST:
            return ranks_data(whole, keys)
        keys.pop()
    return ranks_data({}, ())


def ranks_data(medians: Mapping[str, Mapping[str, float]], keys: Sequence[str]) -> pd.DataFrame:
    """Return entry, key, value, rank (1 is best, and equal values share their mean rank) and position.

    Positions are 1, 2, ... from the top, ties by name.
    `medians` has the values of each entry by key.
    """
    rows: list[tuple[str, str, float, float, int]] = []
    for key in keys:
        sign = -1.0 if card(key).direction == "higher" else 1.0
        ordered = sorted(medians, key=lambda name: (sign * medians[name][key], name))
        ranks = pd.Series([sign * medians[name][key] for name in ordered]).rank()
        rows += [(name, key, float(medians[name][key]), float(ranks[i]), i + 1) for i, name in enumerate(ordered)]
    return pd.DataFrame(rows, columns=COLUMNS)


def contested(data: pd.DataFrame) -> list[str]:
    """Return the entries whose ranks by two metrics differ by at least half of the number of entries (and at least two)."""
    spread = data.groupby("entry", sort=True)["rank"].agg(lambda found: found.max() - found.min())
    return [str(name) for name, apart in spread.items() if apart >= max(2.0, len(spread) / 2)]
