"""The numbers of the training panels, and that just those are drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
from synthetic_results import Made, results

from bench.results import Results
from reports.palette import INK, Style
from reports.plots import base
from reports.plots.training import LOSSES, PROBABILITIES, Pair, alt, draw, training_data
from reports.view import view

STYLE = Style(colour="#112233")


def data_of(found: Results, pair: Pair) -> pd.DataFrame:
    return training_data(found.curves, view(found).cohorts[0].runs, pair)


def test_data_is_the_curves_in_order() -> None:
    found = results([Made(variant="a", seed=seed, fid=1.0) for seed in (1, 0)])
    data = data_of(found, LOSSES)
    assert len(data) == 2 * 2 * 100
    for (seed, key), points in data.groupby(["seed", "key"]):
        source = found.curves[(found.curves["run_id"] == f"a-{seed}") & (found.curves["key"] == key)]
        assert list(points["value"]) == list(source["value"])
        assert points["images"].is_monotonic_increasing


def test_missing_and_infinite_values_are_left_out() -> None:
    found = results([Made(variant="a", fid=1.0)])
    found.curves.loc[found.curves["images"] == 1500, "value"] = np.nan
    found.curves.loc[found.curves["images"] == 3000, "value"] = np.inf
    assert len(data_of(found, LOSSES)) == 2 * 98


def test_no_probabilities_without_log_odds() -> None:
    assert data_of(results([Made(variant="wgan", fid=1.0, log_odds=False)]), PROBABILITIES).empty


def test_what_is_drawn_is_the_data() -> None:
    data = data_of(results([Made(variant="a", seed=seed, fid=1.0) for seed in range(3)]), PROBABILITIES)
    with base.axes(3, 2) as ax:
        draw(ax, data, STYLE, PROBABILITIES)
        drawn = {(line.get_color(), tuple(np.asarray(line.get_ydata()))) for line in ax.lines if len(np.asarray(line.get_xdata())) == 100}
        levels = [line for line in ax.lines if list(np.asarray(line.get_ydata())) == [0.5, 0.5]]
        limits = ax.get_ylim()
    colours = {"train/p_real": STYLE.colour, "train/p_fake": INK}
    assert drawn == {(colours[str(key)], tuple(points["value"])) for (key, _), points in data.groupby(["key", "seed"])}
    assert len(drawn) == 6
    assert len(levels) == 1
    assert limits == (0.0, 1.0)


def test_the_words_name_the_ends() -> None:
    frame = pd.DataFrame(
        [("a", s, k, 10, v) for s in (0, 1) for k, v in (("train/loss_d", 1.0 + s), ("train/loss_g", 3.0))],
        columns=["entry", "seed", "key", "images", "value"],
    )
    assert alt("a", frame, LOSSES) == "a: D ends at 1.5, G ends at 3"
