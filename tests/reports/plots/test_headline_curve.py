"""The numbers of the progress plot, and that just those are drawn, each in its entry's colour."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic_results import FID, Made, made, results

from bench.cards import card
from reports.palette import palette
from reports.plots import base
from reports.plots.headline_curve import alt, draw, headline_curve_data
from reports.view import view

TWO = {"b": (20.0, 21.0, 22.0), "a": (10.0, 11.0, 12.0)}


def frames(runs: list[Made]) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = results(runs)
    return found.curves, view(found).cohorts[0].runs


def test_data_by_hand() -> None:
    data = headline_curve_data(*frames(made(TWO)), FID)
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
    runs = [*made({"a": (10.0, 11.0)}), Made(variant="a", seed=2, fid=12.0, status="diverged")]
    data = headline_curve_data(*frames(runs), FID)
    assert list(data[data["line"] == "mean"]["images"]) == [37_500, 75_000]
    assert list(data[(data["line"] == "seed") & (data["seed"] == 0)]["images"]) == [37_500, 75_000, 112_500, 150_000]


def test_what_is_drawn_is_the_data_in_the_entrys_colour() -> None:
    styles = palette(TWO)
    data = headline_curve_data(*frames(made(TWO)), FID)
    with base.axes(6, 4) as ax:
        draw(ax, data, styles, card(FID), {"untrained": 210.0})
        drawn = {
            (line.get_color(), line.get_linewidth() > 2, tuple(np.asarray(line.get_xdata())), tuple(np.asarray(line.get_ydata())))
            for line in ax.lines
            if len(np.asarray(line.get_xdata())) == 4
        }
        labels = {text.get_text(): text.get_color() for text in ax.texts}
    expected = {
        (styles[str(entry)].colour, line == "mean", tuple(points["images"]), tuple(points["value"]))
        for (entry, line, _), points in data.groupby(["entry", "line", "seed"])
    }
    assert drawn == expected
    assert labels == {name: styles[name].colour for name in ("a", "b", "untrained")}


@pytest.mark.parametrize(("values", "scale"), [((1.0, 2.0, 3.0), "log"), ((-1.0, 0.0, 1.0), "linear")])
def test_the_scale_fits_the_values(values: tuple[float, ...], scale: str) -> None:
    data = headline_curve_data(*frames(made({"a": values})), FID)
    with base.axes(6, 4) as ax:
        draw(ax, data, palette(["a"]), card(FID), {})
        assert ax.get_yscale() == scale


def test_the_words_name_the_ends() -> None:
    assert alt(headline_curve_data(*frames(made(TWO)), FID), card(FID)).endswith("means at the last mark: a 11, b 21")
