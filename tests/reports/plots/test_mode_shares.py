"""Plots of the shares of modes and bins: data, missing data and drawn values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

from reports.palette import INK, Style
from reports.plots import base
from reports.plots.mode_shares import IN_ORDER, alt, draw, is_clipped, mode_shares_data, scale_end

STYLE = Style(colour="#112233")
TRAIN = [0.2, 0.5, 0.3]


def bins(generated: Any, train: Any = TRAIN) -> dict[str, Any]:
    return {"bins": {"generated": generated, "train": train}}


def modes(shares: Any, count: Any = 4) -> dict[str, Any]:
    return {"modes": {"count": count, "found": 1, "shares": shares}}


def test_bins_by_hand_the_fullest_of_real_data_first() -> None:
    data = mode_shares_data({0: bins([0.1, 0.6, 0.3]), 1: bins([0.3, 0.0, 0.7])}, "bins")
    assert list(data["real"]) == [0.5, 0.3, 0.2]
    assert list(data["generated"]) == pytest.approx([0.3, 0.5, 0.2])
    assert list(data["position"]) == [0, 1, 2]
    assert set(data["seeds"]) == {2}


def test_modes_keep_the_order_of_the_data_and_are_due_equal_shares() -> None:
    data = mode_shares_data({0: modes([0.1, 0.6, 0.3, 0.0]), 1: modes([0.3, 0.2, 0.5, 0.0])}, "modes")
    assert list(data["generated"]) == pytest.approx([0.2, 0.4, 0.4, 0.0])
    assert list(data["real"]) == [0.25] * 4


@pytest.mark.parametrize(("count", "ordered"), [(IN_ORDER, False), (IN_ORDER + 1, True), (1000, True)])
def test_many_modes_come_by_their_mean_share(count: int, ordered: bool) -> None:
    random = np.random.default_rng(0)
    lists = [random.dirichlet(np.ones(count)).tolist() for _ in range(2)]
    data = mode_shares_data({seed: modes(own, count) for seed, own in enumerate(lists)}, "modes")
    mean = np.mean(lists, axis=0)
    assert list(data["generated"]) == list(np.sort(mean)[::-1] if ordered else mean)
    assert list(data["position"]) == list(range(count))


ODD: dict[str, Any] = {
    "missing": {},
    "a list": {"bins": [0.1], "modes": [0.1]},
    "text": bins(["0.2", "0.5", "0.3"]) | modes("1111"),
    "another length": bins([0.5, 0.5]) | modes([0.5, 0.5]),
    "not a number": bins([math.nan, 0.5, 0.5]) | modes([math.nan, 0.5, 0.25, 0.25]),
    "infinite": bins([math.inf, 0.5, 0.5]) | modes([math.inf, 0.5, 0.25, 0.25]),
    "negative": bins([-0.1, 0.6, 0.5]) | modes([-0.1, 0.6, 0.25, 0.25]),
    "counts": bins([10, 20, 30]) | modes([1, 1, 1, 1]),
    "none": bins([0.0, 0.0, 0.0]) | modes([0.0, 0.0, 0.0, 0.0]),
    "truth values": bins([True, False, False]) | modes([True, False, False, False]),
    "empty": bins([], []) | modes([], 0),
    "too many": bins([1e-5] * 100_000, [1e-5] * 100_000) | modes([1e-5] * 100_000, 100_000),
    "an odd count": bins(None, TRAIN) | modes([0.25] * 4, 4.0),
    "odd real shares": bins([0.2, 0.5, 0.3], [0.2, "0.5", 0.3]) | modes([0.25] * 4, "4"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_evidence_is_left_out(case: str) -> None:
    assert mode_shares_data({0: ODD[case]}, "bins").empty
    assert mode_shares_data({0: ODD[case]}, "modes").empty
    both = {0: ODD[case], 1: bins(TRAIN) | modes([0.25] * 4)}
    assert list(mode_shares_data(both, "bins")["seeds"]) == [1] * 3
    assert list(mode_shares_data(both, "modes")["seeds"]) == [1] * 4


def test_other_bins_are_not_mixed() -> None:
    longer, other = bins([0.25] * 4, [0.25] * 4), bins([0.9, 0.1, 0.0], [0.4, 0.4, 0.2])
    data = mode_shares_data({0: longer, 1: bins([0.1, 0.6, 0.3]), 2: other, 3: bins([0.3, 0.4, 0.3])}, "bins")
    assert list(data["generated"]) == pytest.approx([0.5, 0.3, 0.2])
    assert set(data["seeds"]) == {2}


def stairs(ax: Any) -> list[tuple[bool, list[float]]]:
    """Return whether each drawn path is filled, and its height at each position."""
    found = []
    for patch in ax.patches:
        assert isinstance(patch, StepPatch)
        heights, edges, _ = patch.get_data()
        found.append((bool(patch.get_fill()), list(np.repeat(heights, np.diff(edges).astype(int)))))
        assert to_hex(patch.get_facecolor() if patch.get_fill() else patch.get_edgecolor()) == (STYLE.colour if patch.get_fill() else INK)
    return found


def test_what_is_drawn_is_the_data_in_one_path_each() -> None:
    data = mode_shares_data({0: modes([0.2, 0.2, 0.6, 0.0])}, "modes")
    with base.axes(3.4, 1.9) as ax:
        draw(ax, data, STYLE, 0.6)
        assert stairs(ax) == [(True, list(data["generated"])), (False, list(data["real"]))]
        assert ax.get_xlim() == (0, 4)
        assert not ax.texts


def test_one_scale_that_an_enormous_share_does_not_flatten() -> None:
    count = 200
    panels = [mode_shares_data({0: modes([first] + [(1 - first) / (count - 1)] * (count - 1), count)}, "modes") for first in (0.5, 0.006)]
    assert scale_end(panels) == pytest.approx(6 / count)
    assert scale_end(panels[1:]) == pytest.approx(0.006)
    assert [is_clipped(data, 6 / count) for data in panels] == [True, False]
    with base.axes(3.4, 1.9) as ax:
        draw(ax, panels[0], STYLE, 6 / count)
        assert [text.get_text() for text in ax.texts] == ["↑ 50 %"]
        assert ax.get_ylim()[1] < 0.04
        assert stairs(ax)[0][1] == list(panels[0]["generated"])


def test_the_words() -> None:
    data = pd.DataFrame({"position": [0, 1], "generated": [0.0, 1.0], "real": [0.5, 0.5], "seeds": 1})
    assert alt("a", data, "bins") == "a: of 2 bins the largest has 100 %; empty: 1"
