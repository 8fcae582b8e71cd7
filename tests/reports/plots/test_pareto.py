"""Pareto plot of two objectives."""

from __future__ import annotations

from typing import Any

import numpy as np
from synthetic_results import FID
from synthetic_study import diverged, study, trial, tuning

from reports.palette import Style
from reports.plots import base
from reports.plots.pareto import alt, draw, pareto_data
from reports.study_reader import read_study

OBJECTIVES = [{"key": FID, "direction": "lower"}, {"key": "quality/recall_classifier", "direction": "higher"}]


def test_the_front_is_what_the_study_says_of_complete_trials() -> None:
    values = [[40.0, 0.3], [30.0, 0.2], [50.0, 0.1]]
    trials: list[dict[str, Any]] = [trial(n, values=value) for n, value in enumerate(values)]
    trials.append({**diverged(3, {}), "values": [1e30, -1e30]})
    found = read_study(study({"a": tuning(trials, pareto=[1, 0, 3, 99])}, objectives=OBJECTIVES))
    assert found is not None
    data = pareto_data(found, found.tunings[0])
    rows = list(data.itertuples(index=False, name=None))
    assert rows == [(1, 30.0, 0.2, False, True), (0, 40.0, 0.3, True, True), (2, 50.0, 0.1, False, False)]
    with base.axes(3, 2) as ax:
        draw(ax, data, Style(colour="#2662fe"), found.objectives)
        others, front, ring = (np.asarray(dots.get_offsets()).tolist() for dots in ax.collections)
    assert (others, front, ring) == ([[50.0, 0.1]], [[30.0, 0.2], [40.0, 0.3]], [[40.0, 0.3]])
    assert alt("a", data, found.objectives) == "a, classifier-FID and recall of 3 trials; not beaten in both: 30 and 0.2, 40 and 0.3"
