"""The data of trials, and the drawn values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from synthetic_study import DEFAULT, LR_G, K, diverged, pruned, study, trial, tuning

from reports.palette import Style
from reports.plots import base
from reports.plots.search_history import alt, draw, search_history_data
from reports.plots.slices import alt as slice_alt
from reports.plots.slices import slices_data
from reports.plots.trials import MOST_DRAWN, draw_trials, first_trials, trials_data, value_axis
from reports.study import SearchedStudy
from reports.study_reader import read_study

STYLE = Style(colour="#2662fe")
TRIALS = [
    trial(0, values=[50.0]),
    diverged(1, {**DEFAULT, LR_G: 9e-3}),
    pruned(2, {**DEFAULT, K: 4}),
    trial(3, {**DEFAULT, LR_G: 1e-3}, values=[30.0]),
    trial(4, {K: 2}, values=[40.0]),
    trial(5, state="failed", values=None),
    trial(6, state="running", values=None),
]


@pytest.fixture(scope="module")
def found() -> SearchedStudy:
    read_ = read_study(study({"dcgan": tuning(TRIALS)}))
    assert read_ is not None
    return read_


def test_data_by_hand(found: SearchedStudy) -> None:
    data = trials_data(found, found.tunings[0])
    assert list(data["number"]) == [0, 1, 2, 3, 4]
    assert list(data["state"]) == ["complete", "diverged", "pruned", "complete", "complete"]
    assert list(data["default"]) == [True, False, False, False, False]
    assert list(data["value"].fillna(-1))[:2] == [50.0, -1.0]
    assert data["value"].max() < 1e9


def test_the_best_so_far_is_of_complete_trials_alone(found: SearchedStudy) -> None:
    data = search_history_data(found, found.tunings[0])
    assert list(data["best"]) == [50.0, 50.0, 50.0, 30.0, 30.0]
    assert alt("dcgan", data, found.objective) == "dcgan: the best classifier-FID of 5 trials is 30, of trial 3"


def test_nothing_complete_in_words() -> None:
    lost = read_study(study({"a": tuning([diverged(0, DEFAULT), diverged(1, DEFAULT)])}))
    assert lost is not None
    data = search_history_data(lost, lost.tunings[0])
    assert data["best"].isna().all()
    assert alt("a", data, lost.objective) == "a: none of 2 trials is complete"
    with base.axes(3, 2) as ax:
        draw(ax, data, STYLE, lost.objective)
        left, right = ax.get_xlim()
    assert left < 0
    assert right > 1


def test_a_slice_has_the_trials_with_its_dimension(found: SearchedStudy) -> None:
    lr_g, _, k = found.dimensions
    data = slices_data(found, found.tunings[0], lr_g)
    assert dict(zip(data["number"], data["setting"], strict=True)) == {0: 2e-4, 1: 9e-3, 2: 2e-4, 3: 1e-3}
    assert [type(value) for value in slices_data(found, found.tunings[0], k)["setting"]] == [int] * 5
    assert slice_alt("dcgan", data, lr_g, found.objective) == "dcgan, classifier-FID against lr_g, 4 trials, best 30 at 0.001"


def test_what_is_drawn_is_the_data(found: SearchedStudy) -> None:
    data = trials_data(found, found.tunings[0]).assign(x=[0, 1, 2, 3, 4])
    with base.axes(4, 3) as ax:
        value_axis(ax, data["value"], found.objective)
        draw_trials(ax, data, STYLE, found.objective)
        filled, hollow, ring, crosses, _ = (np.asarray(dots.get_offsets()).tolist() for dots in ax.collections)
        faces = [len(dots.get_facecolors()) for dots in ax.collections[:2]]
        low, high = ax.get_ylim()
    assert filled == [[0, 50.0], [3, 30.0], [4, 40.0]]
    assert [x for x, _ in hollow] == [2]
    assert ring == [[0, 50.0]]
    assert [x for x, _ in crosses] == [1]
    assert 0.9 < crosses[0][1] < 1  # in shares of the axes' height, at the end of the worst values
    assert low < 30
    assert high < 1e4
    assert faces == [1, 0]


def test_the_bad_end_is_below_where_higher_is_better() -> None:
    objectives = [{"key": "quality/precision_classifier", "direction": "higher"}]
    found = read_study(study({"a": tuning([trial(0, values=[0.5]), diverged(1, DEFAULT)])}, objectives=objectives))
    assert found is not None
    data = search_history_data(found, found.tunings[0])
    with base.axes(3, 2) as ax:
        draw(ax, data, STYLE, found.objective)
        crosses = [np.asarray(dots.get_offsets()).tolist() for dots in ax.collections][3]
    assert crosses[0][1] < 0.1


def test_of_many_trials_the_first_are_drawn(found: SearchedStudy) -> None:
    many = read_study(study({"a": tuning([trial(n, values=[1.0 + n], default=n == 900) for n in range(1000)])}))
    assert many is not None
    trials = first_trials(trials_data(many, many.tunings[0]))
    assert len(trials) == MOST_DRAWN + 1
    assert 900 in set(trials["number"])


def test_values_that_are_not_positive_have_a_plain_scale(found: SearchedStudy) -> None:
    data = trials_data(found, found.tunings[0])["value"]
    with base.axes(3, 2) as ax:
        value_axis(ax, data - 45, found.objective)
        assert ax.get_yscale() == "linear"
    with base.axes(3, 2) as ax:
        value_axis(ax, data * math.nan, found.objective)
        assert list(ax.get_yticks()) == []
