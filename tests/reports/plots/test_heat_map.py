"""The background of medians, and the trials on it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from synthetic_study import DEFAULT, DIMENSIONS, LR_D, LR_G, K, diverged, pruned, study, trial, tuning, usual

from reports.palette import RULE
from reports.plots import base
from reports.plots.colour_scale import STEPS, colour_scale
from reports.plots.dimension_axis import DimensionAxis, axis_of
from reports.plots.heat_map import alt, bins_data, draw, heat_map_data, pairs
from reports.study import SearchDimension, SearchedStudy
from reports.study_reader import read_study

RATES = [1e-4, 1.2e-4, 5e-3, 6e-3]


def at(number: int, lr_g: float, k: int, value: float) -> dict[str, object]:
    return trial(number, {LR_G: lr_g, LR_D: 2e-4, K: k}, values=[value])


def known(trials: list[dict[str, object]]) -> SearchedStudy:
    found = read_study(study({"dcgan": tuning(trials)}))
    assert found is not None
    return found


def both(found: SearchedStudy) -> tuple[SearchDimension, SearchDimension, DimensionAxis, DimensionAxis]:
    x, _, y = found.dimensions
    axes = axis_of(x, []), axis_of(y, [])
    assert axes[0] is not None
    assert axes[1] is not None
    return x, y, axes[0], axes[1]


def test_medians_by_hand() -> None:
    """The medians equal those of three bins of lr_g (edges 1e-5, 1e-4, 1e-3, 1e-2) for each k."""
    lost = [diverged(n, {LR_G: 5e-3, LR_D: 2e-4, K: 5}) for n in (5, 6)]
    stopped = pruned(7, {LR_G: 2e-5, LR_D: 2e-4, K: 2})
    trials = [at(0, 2e-4, 1, 30.0), at(1, 3e-4, 1, 50.0), at(2, 4e-4, 1, 34.0), at(3, 5e-3, 1, 80.0), at(4, 5e-3, 5, 60.0), *lost, stopped]
    found = known(trials)
    x, y, across, up = both(found)
    data = heat_map_data(found, found.tunings[0], x, y)
    bins = bins_data(data, across, up, "lower").fillna(-1)
    rows = {(round(row.left, 8), row.bottom): (row.value, row.n) for row in bins.itertuples()}
    edges = [round(edge, 8) for edge in across.edges(8)]
    assert rows == {
        (edges[0], 0.5): (pytest.approx(data["value"].iloc[-1]), 1),
        (edges[1], -0.5): (34.0, 3),
        (edges[2], -0.5): (80.0, 1),
        (edges[2], 3.5): (-1, 3),  # two of three trials diverged
    }


def test_a_divergence_is_infinitely_bad_in_a_median() -> None:
    trials = [at(n, 2e-4, 1, 30.0 + n) for n in range(4)] + [diverged(9, {LR_G: 2e-4, LR_D: 2e-4, K: 1})]
    found = known(trials)
    x, y, across, up = both(found)
    data = heat_map_data(found, found.tunings[0], x, y)
    assert list(bins_data(data, across, up, "lower")["value"]) == [32.0]
    assert list(bins_data(data, across, up, "higher")["value"]) == [31.0]


def test_below_five_trials_there_are_dots_alone() -> None:
    found = known([at(n, 2e-4, 1, 30.0) for n in range(4)])
    x, y, across, up = both(found)
    assert bins_data(heat_map_data(found, found.tunings[0], x, y), across, up, "lower").empty


def test_a_trial_without_the_dimension_is_in_no_map() -> None:
    found = known([at(0, 2e-4, 1, 30.0), trial(1, {LR_G: 2e-4}, values=[1.0]), trial(2, {K: 2}, values=[1.0])])
    x, y, _, _ = both(found)
    assert list(heat_map_data(found, found.tunings[0], x, y)["number"]) == [0]


def test_every_bin_and_trial_is_drawn_in_one_scale() -> None:
    found = read_study(usual(20))
    assert found is not None
    x, y, across, up = both(found)
    maps = [heat_map_data(found, own, x, y) for own in found.tunings]
    scale = colour_scale([value for data in maps for value in data["value"]], found.objective)
    assert scale is not None
    assert scale.high == max(data["value"].max() for data in maps)
    bins = bins_data(maps[0], across, up, "lower")
    with base.axes(3.4, 2.5) as ax:
        draw(ax, maps[0], bins, across, up, scale, found.objective)
        colours = [to_hex(patch.get_facecolor()) for patch in ax.patches]
        places = {tuple(place) for dots in ax.collections for place in np.asarray(dots.get_offsets()).tolist()}
        picture = base.picture(ax, alt("dcgan", maps[0], x, y, found.objective))
    assert colours[: len(bins)] == [RULE if math.isnan(value) else scale.of(value) for value in bins["value"]]
    assert len(colours) == len(bins) + STEPS
    assert len(places) == len(maps[0])
    assert len(picture.data) < 40_000
    assert picture.alt.startswith("dcgan, classifier-FID over lr_g and k, 20 trials: best ")


def test_the_bright_end_is_the_best() -> None:
    found = known([at(0, 2e-4, 1, 30.0), at(1, 2e-4, 1, 300.0)])
    scale = colour_scale([30.0, 300.0, math.nan, math.inf], found.objective)
    assert scale is not None
    assert (scale.low, scale.high, scale.of(30.0), scale.of(300.0)) == (30.0, 300.0, "#fde725", "#440154")
    assert colour_scale([math.nan], found.objective) is None
    single = colour_scale([3.0], found.objective)
    assert single is not None
    assert single.of(3.0) == single.at(0.5)


def test_which_pairs_are_worth_a_map() -> None:
    found = read_study(usual(3))
    assert found is not None
    assert [(x.name, y.name) for x, y in pairs(found.dimensions)] == [("lr_g", "k"), ("lr_g", "lr_d")]
    assert pairs(found.dimensions[:1]) == []
    assert pairs(found.dimensions[2:]) == []
    choice = SearchDimension(path="recipe.norm", kind="choice", choices=("batch", "none"))
    dropout = SearchDimension(path="recipe.dropout", kind="linear", low=0, high=1)
    assert [(x.name, y.name) for x, y in pairs([choice, dropout])] == [("dropout", "norm")]
    penalty = SearchDimension(path="recipe.gp", kind="log", low=0.1, high=100)
    assert [(x.name, y.name) for x, y in pairs([penalty, found.dimensions[0]])] == []
    assert [(x.name, y.name) for x, y in pairs([choice, dropout, *found.dimensions])] == [("lr_g", "k"), ("lr_g", "lr_d")]


def test_words_without_a_complete_trial() -> None:
    found = known([diverged(0, DEFAULT)])
    x, y, _, _ = both(found)
    words = alt("dcgan", heat_map_data(found, found.tunings[0], x, y), x, y, found.objective)
    assert words == "dcgan, classifier-FID over lr_g and k, 1 trial, none of them complete"
    assert len(DIMENSIONS) == 3
