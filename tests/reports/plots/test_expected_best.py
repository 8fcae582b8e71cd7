"""The expected best of random trials."""

from __future__ import annotations

import numpy as np
from synthetic_study import DEFAULT, diverged, pruned, study, trial, tuning

from reports.palette import palette
from reports.plots import base
from reports.plots.expected_best import alt, draw, expected_best_data
from reports.study_reader import read_study


def test_the_default_is_left_out_and_a_divergence_is_worst() -> None:
    trials = [trial(0, values=[1.0]), trial(1, values=[30.0]), diverged(2, DEFAULT), trial(3, values=[50.0]), trial(4, state="failed")]
    found = read_study(study({"b": tuning(trials), "a": tuning([trial(0), trial(1, values=[20.0])])}))
    assert found is not None
    data = expected_best_data(found)
    assert list(data.itertuples(index=False, name=None)) == [("a", 1, 20.0), ("b", 2, (30.0 + 30.0 + 50.0) / 3), ("b", 3, 30.0)]
    styles = palette(["a", "b"])
    with base.axes(6, 3) as ax:
        draw(ax, data, styles, found.objective)
        lines = {
            line.get_color(): np.asarray(line.get_ydata()).tolist()
            for line in ax.lines[::-1]
            if len(np.asarray(line.get_xdata())) and line.get_transform() == ax.transData
        }
    assert lines == {styles["a"].colour: [20.0], styles["b"].colour: [110 / 3, 30.0]}
    assert (
        alt(data, found.objective)
        == "Expected best classifier-FID by number of random trials: a 20 with 1, 20 with 1; b 36.7 with 2, 30 with 3"
    )


def test_a_pruned_trial_counts_with_its_last_value() -> None:
    stopped = pruned(1, DEFAULT)
    found = read_study(study({"a": tuning([trial(0), stopped])}))
    assert found is not None
    assert list(expected_best_data(found)["value"]) == [stopped["intermediate"][-1][1]]


def test_without_any_value_there_is_no_line() -> None:
    found = read_study(study({"a": tuning([trial(0), diverged(1, DEFAULT), diverged(2, DEFAULT)])}))
    assert found is not None
    assert expected_best_data(found).empty
