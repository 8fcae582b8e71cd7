"""Plot of an entry's power spectrum: data, missing data and drawn lines."""

from __future__ import annotations

import math
from typing import Any

import pytest
from matplotlib.colors import to_hex

from reports.palette import INK, Style
from reports.plots import base
from reports.plots.power_spectrum import SMALLEST, alt, draw, limits, mean_power, power_spectrum_data

STYLE = Style(colour="#112233")
REAL = [100.0, 10.0, 1.0]


def spectrum(generated: Any, real: Any = REAL) -> dict[str, Any]:
    return {"spectrum": {"generated": generated, "real": real}}


def test_rows_by_hand_and_their_geometric_mean() -> None:
    data = power_spectrum_data({0: spectrum([100.0, 20.0, 4.0]), 1: spectrum([100.0, 5.0, 1.0])})
    assert data.values.tolist() == [[0, 1, 100, 100], [0, 2, 20, 10], [0, 3, 4, 1], [1, 1, 100, 100], [1, 2, 5, 10], [1, 3, 1, 1]]
    means = mean_power(data)
    assert means["cycles"].tolist() == [1, 2, 3]
    assert means["generated"].tolist() == pytest.approx([100.0, 10.0, 2.0])
    assert means["real"].tolist() == REAL
    assert limits([data]) == pytest.approx((1 / 1.5, 150))
    assert alt("a", data) == "a: furthest from real images at 3 cycles, with 2 times their power"


ODD: dict[str, Any] = {
    "missing": {},
    "a list": {"spectrum": [1.0]},
    "text": spectrum(["100", "10", "1"]),
    "another length": spectrum([100.0, 10.0]),
    "not a number": spectrum([math.nan, 10.0, 1.0]),
    "infinite": spectrum([math.inf, 10.0, 1.0]),
    "negative": spectrum([-1.0, 10.0, 1.0]),
    "truth values": spectrum([True, True, True]),
    "too large": spectrum([10**400, 10.0, 1.0]),
    "empty": spectrum([], []),
    "too many": spectrum([1.0] * 20_000, [1.0] * 20_000),
    "odd real powers": spectrum(REAL, [100.0, "10", 1.0]),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_artifact_is_left_out(case: str) -> None:
    assert power_spectrum_data({0: ODD[case]}).empty
    assert set(power_spectrum_data({0: ODD[case], 1: spectrum(REAL)})["seed"]) == {1}


def test_another_real_spectrum_is_not_mixed() -> None:
    data = power_spectrum_data({0: spectrum(REAL), 1: spectrum(REAL, [1.0, 1.0, 1.0]), 2: spectrum(REAL)})
    assert set(data["seed"]) == {0, 2}


def test_no_power_can_be_drawn() -> None:
    data = power_spectrum_data({0: spectrum([0.0, 0.0, 0.0])})
    assert data["generated"].tolist() == [SMALLEST] * 3
    with base.axes(3.4, 2.2) as ax:
        draw(ax, data, STYLE, limits([data]))
        base.picture(ax, "a")


def test_the_lines_are_the_data() -> None:
    data = power_spectrum_data({0: spectrum([100.0, 20.0, 4.0]), 1: spectrum([100.0, 5.0, 1.0])})
    with base.axes(3.4, 2.2) as ax:
        draw(ax, data, STYLE, (0.1, 1000.0))
        lines = [(to_hex(str(line.get_color())), list(line.get_ydata())) for line in ax.lines]
        assert ax.get_yscale() == "log"
        assert ax.get_ylim() == (0.1, 1000.0)
    assert lines[0] == (INK, REAL)
    assert lines[1:3] == [(STYLE.colour, [100.0, 20.0, 4.0]), (STYLE.colour, [100.0, 5.0, 1.0])]
    assert lines[3] == (STYLE.colour, pytest.approx([100.0, 10.0, 2.0]))
