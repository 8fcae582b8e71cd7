"""Bars of hyperparameter importance."""

from __future__ import annotations

import math

import pytest
from synthetic_study import LR_G, K, random_trials, study, tuning

from reports.palette import Style
from reports.plots import base
from reports.plots.importance import alt, draw, importance_data
from reports.study_reader import read_study


def test_the_most_important_is_first_and_drawn_as_it_is() -> None:
    shares = {K: {"mean": 0.2, "sd": None}, LR_G: {"mean": 0.7, "sd": 0.1}}
    found = read_study(study({"a": tuning(random_trials(6), importance=shares)}))
    assert found is not None
    data = importance_data(found.tunings[0])
    assert list(data["path"]) == [LR_G, K]
    assert list(data["mean"]) == [0.7, 0.2]
    assert math.isnan(data["sd"][1])
    with base.axes(3, 2) as ax:
        draw(ax, data, Style(colour="#2662fe"))
        bars = [patch.get_width() for patch in ax.patches]  # type: ignore[attr-defined]
        labels = [label.get_text() for label in ax.get_yticklabels()]
        right = ax.get_xlim()[1]
    assert (bars, labels, right) == ([0.7, 0.2], ["lr_g", "k"], 1.0)
    assert alt("a", data).endswith("lr_g 0.70 ± 0.10, k 0.20")


@pytest.mark.parametrize("importance", [None, {}])
def test_without_any_there_are_no_rows(importance: object) -> None:
    found = read_study(study({"a": tuning(random_trials(3), importance=importance)}))
    assert found is not None
    assert importance_data(found.tunings[0]).empty
