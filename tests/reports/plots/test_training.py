"""The data of the training panels, and the drawn values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from synthetic_results import SyntheticRun, results

from bench.tracking.curves import CURVE_COLUMNS
from bench.tracking.results import Results
from reports.budget import RunBudget
from reports.palette import INK, Style
from reports.plots import base
from reports.plots.training import GRADIENTS, LOGITS, LOSSES, PANEL_MARKS, PROBABILITIES, Panel, alt, draw, own_panels, training_data
from reports.view import view

STYLE = Style(colour="#112233")


def data_of(found: Results, panel: Panel) -> pd.DataFrame:
    cohort = view(found).cohorts[0]
    return training_data(found.curves, cohort.runs, panel, cohort.length)


@pytest.mark.parametrize("panel", [LOSSES, PROBABILITIES, LOGITS, GRADIENTS])
def test_data_is_some_points_of_the_curves_in_order(panel: Panel) -> None:
    found = results([SyntheticRun(variant="a", seed=seed, fid=1.0) for seed in (1, 0)])
    data = data_of(found, panel)
    assert set(data["key"]) == set(panel.keys)
    assert len(data) == 2 * (2 + 1) * PANEL_MARKS
    for (seed, key), points in data[data["line"] == "seed"].groupby(["seed", "key"]):
        source = found.curves[(found.curves["run_id"] == f"a-{seed}") & (found.curves["key"] == key)].set_index("images")["value"]
        assert list(points["value"]) == list(source[points["images"]])
        assert points["images"].is_monotonic_increasing
        assert (points["images"].min(), points["images"].max()) == (1_500, 150_000)


def test_means_are_of_all_seeds() -> None:
    found = results([SyntheticRun(variant="a", seed=seed, fid=1.0) for seed in range(12)])
    data = data_of(found, LOSSES)
    means = data[(data["line"] == "mean") & (data["key"] == "train/loss_g")].set_index("images")["value"]
    source = found.curves[found.curves["key"] == "train/loss_g"].groupby("images")["value"].mean()
    assert means.to_dict() == pytest.approx(source[means.index].to_dict())
    assert data[data["line"] == "seed"]["seed"].nunique() == base.MOST_SEEDS


def test_no_mean_where_a_seed_has_ended() -> None:
    data = data_of(results([SyntheticRun(variant="a", fid=1.0), SyntheticRun(variant="a", seed=1, fid=1.0, status="diverged")]), LOSSES)
    assert data[data["line"] == "mean"]["images"].max() == 75_000
    assert data[data["line"] == "seed"]["images"].max() == 150_000


def test_missing_and_infinite_values_are_left_out() -> None:
    found = results([SyntheticRun(variant="a", fid=1.0)])
    found.curves.loc[found.curves["images"] < 120_000, "value"] = np.nan
    found.curves.loc[found.curves["images"] == 123_000, "value"] = np.inf
    assert sorted(set(data_of(found, LOSSES)["images"])) == [120_000, 121_500, *range(124_500, 150_001, 1_500)]


def test_no_probabilities_without_log_odds() -> None:
    assert data_of(results([SyntheticRun(variant="wgan", fid=1.0, log_odds=False)]), PROBABILITIES).empty


def drawn_lines(ax: Axes) -> set[tuple[object, bool, tuple[float, ...]]]:
    return {
        (line.get_color(), line.get_linewidth() > 1, tuple(np.asarray(line.get_ydata())))
        for line in ax.lines
        if len(np.asarray(line.get_xdata())) == PANEL_MARKS
    }


def test_what_is_drawn_is_the_data() -> None:
    data = data_of(results([SyntheticRun(variant="a", seed=seed, fid=1.0) for seed in range(3)]), PROBABILITIES)
    with base.axes(3, 2) as ax:
        draw(ax, data, STYLE, PROBABILITIES)
        lines = drawn_lines(ax)
        levels = [line for line in ax.lines if list(np.asarray(line.get_ydata())) == [0.5, 0.5]]
        limits = ax.get_ylim()
    colours = {"train/p_real": STYLE.colour, "train/p_fake": INK}
    expected = {
        (colours[str(key)], line == "mean", tuple(points["value"])) for (key, line, _), points in data.groupby(["key", "line", "seed"])
    }
    assert lines == expected
    assert len(lines) == 2 * (3 + 1)
    assert len(levels) == 1
    assert limits == (0.0, 1.0)


@pytest.mark.parametrize(("panel", "lowest", "scale"), [(GRADIENTS, 0.1, "log"), (GRADIENTS, 0.0, "linear"), (LOGITS, 0.1, "linear")])
def test_gradients_have_a_log_scale_where_all_are_positive(panel: Panel, lowest: float, scale: str) -> None:
    found = results([SyntheticRun(variant="a", fid=1.0)])
    found.curves.loc[(found.curves["key"] == panel.keys[1]) & (found.curves["images"] == 150_000), "value"] = lowest
    with base.axes(3, 2) as ax:
        draw(ax, data_of(found, panel), STYLE, panel)
        assert ax.get_yscale() == scale


def test_the_words_name_the_ends() -> None:
    frame = pd.DataFrame(
        [("a", k, "seed", s, 10, v) for s in (0, 1) for k, v in (("train/loss_d", 1.0 + s), ("train/loss_g", 3.0))],
        columns=["entry", "key", "line", "seed", "images", "value"],
    )
    assert alt("a", frame, LOSSES) == "a: D ends at 1.5, G ends at 3"


def test_every_other_number_of_training_has_a_panel_of_its_own() -> None:
    keys = [
        "train/k_t",
        "train/loss_d",
        "train/loss_of_a_third",
        "train/lr_g",
        "train/generator_updates",
        "quality/fid",
        "train/$x^2$",
        "train/_x",
    ]
    curves = pd.DataFrame([("run", 10 * step, 1.0, key, float(step)) for key in keys for step in range(3)], columns=list(CURVE_COLUMNS))
    panels = own_panels(curves)
    assert [panel.keys for panel in panels] == [("train/$x^2$",), ("train/_x",), ("train/k_t",), ("train/loss_of_a_third",)]
    runs = pd.DataFrame({"run_id": ["run"], "entry": ["a"], "seed": [0]})
    for panel in panels:
        data = training_data(curves, runs, panel, RunBudget(unit="images", amount=20))
        assert set(data["key"]) == set(panel.keys)
        with base.axes(3, 2) as ax:
            draw(ax, data, STYLE, panel)
            legend = ax.get_legend()
            assert legend is not None
            assert [text.get_text() for text in legend.get_texts()] == [panel.keys[0].removeprefix("train/")]
            base.picture(ax, alt("a", data, panel))  # rendering fails if text is parsed as a formula
