"""Plots as SVG: reproducible bytes, the reader's colour scheme, and text elements."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from reports.palette import DARK, INK, PAPER
from reports.plots import base


def plot_svg(label: str = "x") -> str:
    with base.axes(3, 2) as ax:
        ax.plot([0, 1], [0.123456, 1])
        ax.set_xlabel(label, parse_math=False)
        return base.picture(ax, "words").data.decode()


def test_the_same_bytes_and_no_date() -> None:
    assert plot_svg() == plot_svg()
    assert "<metadata>" not in plot_svg()


def test_ink_and_paper_are_variables_with_dark_values() -> None:
    svg = plot_svg()
    body = svg.split("</style>", 1)[1]
    assert INK not in body
    assert PAPER not in body
    assert "@media (prefers-color-scheme:dark)" in svg
    assert DARK[INK] in svg


@pytest.mark.parametrize("name", ["a <b> & $c_d$", "0.123456", "猫 👩‍🚀"])
def test_text_stays_text_to_the_last_digit(name: str) -> None:
    root = ElementTree.fromstring(plot_svg(name))
    assert name in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_settings_are_restored_and_a_users_own_have_no_effect() -> None:
    usual = plot_svg()
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert plot_svg() == usual
        assert mpl.rcParams["font.size"] == 30


def test_long_names_are_cut_in_plots() -> None:
    assert base.short_name("x" * 100) == "x" * 27 + "…"


@pytest.mark.parametrize("heights", [[5.0], [5.0, 5.0, 5.0], [1.0, 99.0, 98.0, 97.0], [0.0, 0.0, 100.0], [-50.0, 500.0]])
def test_labels_keep_their_order_their_distance_and_the_plot(heights: list[float]) -> None:
    placed = base.spaced(heights, gap=10, low=0, high=100)
    ordered = [y for _, _, y in sorted(zip(heights, range(len(heights)), placed, strict=True))]
    assert all(b - a >= 10 - 1e-9 for a, b in pairwise(ordered))
    assert min(placed) >= 0
    assert max(placed) <= 100


def test_of_many_seeds_and_points_the_first_and_evenly_spaced_ones_are_drawn() -> None:
    curves = pd.DataFrame(
        [
            (entry, seed, images)
            for entry, step in (("a", 1), ("b", 7))
            for seed in range(3, 30, 2)
            for images in range(step, 1001 * step, step)
        ],
        columns=["entry", "seed", "images"],
    )
    curves_to_draw = base.thinned(curves)
    for entry, step in (("a", 1), ("b", 7)):
        own = curves_to_draw[curves_to_draw["entry"] == entry]
        assert sorted(own["seed"].unique()) == list(range(3, 23, 2))
        marks = np.sort(own["images"].unique())
        assert (len(marks), marks[0], marks[-1]) == (base.MOST_MARKS, step, 1000 * step)
        assert set(np.diff(marks)) == {5 * step, 6 * step}
        assert len(own) == base.MOST_SEEDS * base.MOST_MARKS
    few = curves[(curves["seed"] < 23) & (curves["images"] <= 150)]
    assert base.thinned(few).equals(few)
    assert base.thinned(curves.iloc[:0]).empty
    assert base.seeds_drawn(curves, "every seed", "the first {most}") == "the first 10"
    assert base.seeds_drawn(few, "every seed", "the first {most}") == "every seed"
