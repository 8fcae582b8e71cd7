"""The data of the progress plot, and the drawn values and colours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic_results import FID, SyntheticRun, results, synthetic_runs

from bench.metrics.columns import card
from reports.budget import RunBudget
from reports.palette import palette
from reports.plots import base
from reports.plots.headline_curve import alt, draw, headline_curve_data
from reports.view import view

TWO = {"b": (20.0, 21.0, 22.0), "a": (10.0, 11.0, 12.0)}


def frames(runs: list[SyntheticRun]) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = results(runs)
    return found.curves, view(found).cohorts[0].runs


IMAGES = RunBudget(unit="images", amount=150_000)


def test_data_by_hand() -> None:
    data = headline_curve_data(*frames(synthetic_runs(TWO)), FID, IMAGES)
    assert list(data["entry"].unique()) == ["a", "b"]
    last = data[(data["images"] == 150_000) & (data["entry"] == "a")]
    assert list(zip(last["line"], last["seed"], last["value"], strict=True)) == [
        ("mean", -1, 11.0),
        ("seed", 0, 10.0),
        ("seed", 1, 11.0),
        ("seed", 2, 12.0),
    ]
    assert len(data) == 2 * 4 * (3 + 1)


def test_a_mean_needs_every_seed() -> None:
    runs = [*synthetic_runs({"a": (10.0, 11.0)}), SyntheticRun(variant="a", seed=2, fid=12.0, status="diverged")]
    data = headline_curve_data(*frames(runs), FID, IMAGES)
    assert list(data[data["line"] == "mean"]["images"]) == [37_500, 75_000]
    assert list(data[(data["line"] == "seed") & (data["seed"] == 0)]["images"]) == [37_500, 75_000, 112_500, 150_000]


def test_what_is_drawn_is_the_data_in_the_entrys_colour() -> None:
    styles = palette(TWO)
    data = headline_curve_data(*frames(synthetic_runs(TWO)), FID, IMAGES)
    with base.axes(6, 4) as ax:
        draw(ax, data, styles, card(FID), {"untrained": 210.0})
        lines = {
            (line.get_color(), line.get_linewidth() > 2, tuple(np.asarray(line.get_xdata())), tuple(np.asarray(line.get_ydata())))
            for line in ax.lines
            if len(np.asarray(line.get_xdata())) == 4
        }
        labels = {text.get_text(): text.get_color() for text in ax.texts}
    expected = {
        (styles[str(entry)].colour, line == "mean", tuple(points["images"]), tuple(points["value"]))
        for (entry, line, _), points in data.groupby(["entry", "line", "seed"])
    }
    assert lines == expected
    assert labels == {name: styles[name].colour for name in ("a", "b", "untrained")}


def test_against_seconds_a_mean_is_at_the_mean_of_the_seeds_seconds() -> None:
    curves, runs = frames(synthetic_runs({"a": (10.0, 12.0)}))
    curves.loc[curves["run_id"] == "a-1", "seconds"] *= 3
    data = headline_curve_data(curves, runs, FID, IMAGES)
    means = data[data["line"] == "mean"]
    assert list(means["seconds"]) == [15.0, 30.0, 45.0, 60.0]  # the first is the mean of 7.5 and 22.5 seconds
    assert list(means["value"]) == [110.0, 44.0, 22.0, 11.0]
    with base.axes(6, 4) as ax:
        draw(ax, data, palette("a"), card(FID), {}, against="seconds")
        lines = {
            (line.get_linewidth() > 2, tuple(np.asarray(line.get_xdata())), tuple(np.asarray(line.get_ydata())))
            for line in ax.lines
            if len(np.asarray(line.get_xdata())) == 4
        }
        assert ax.get_xlabel() == "seconds of training"
    assert lines == {(line == "mean", tuple(own["seconds"]), tuple(own["value"])) for (line, _), own in data.groupby(["line", "seed"])}
    assert alt(data, card(FID), "seconds").endswith(": a 11 at 60 s")


def test_infinite_and_missing_values_are_left_out_and_end_the_mean() -> None:
    curves, runs = frames(synthetic_runs({"a": (10.0, 12.0)}))
    own = (curves["run_id"] == "a-1") & (curves["key"] == FID)
    curves.loc[own & (curves["images"] == 75_000), "value"] = np.inf
    curves.loc[own & (curves["images"] == 112_500), "value"] = np.nan
    data = headline_curve_data(curves, runs, FID, IMAGES)
    assert list(data[data["line"] == "mean"]["images"]) == [37_500, 150_000]
    assert list(data[data["seed"] == 1]["images"]) == [37_500, 150_000]
    assert np.isfinite(data["value"]).all()


@pytest.mark.parametrize(("values", "scale"), [((1.0, 2.0, 3.0), "log"), ((-1.0, 0.0, 1.0), "linear")])
def test_the_scale_fits_the_values(values: tuple[float, ...], scale: str) -> None:
    data = headline_curve_data(*frames(synthetic_runs({"a": values})), FID, IMAGES)
    with base.axes(6, 4) as ax:
        draw(ax, data, palette(["a"]), card(FID), {})
        assert ax.get_yscale() == scale


def test_the_words_name_the_ends() -> None:
    assert alt(headline_curve_data(*frames(synthetic_runs(TWO)), FID, IMAGES), card(FID)).endswith(": a 11, b 21")
