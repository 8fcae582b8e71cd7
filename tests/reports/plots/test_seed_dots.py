"""Plot of one dot per seed, at the position of its value."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from reports.palette import Style
from reports.plots.seed_dots import MARGIN, WIDTH, DotScale, axis, dots, scale_of, values_text
from reports.stats import Sample, summarise

STYLE = Style(colour="#112233")


def positions(sample: Sample, scale: DotScale) -> list[float]:
    svg = dots(sample, summarise(sample, "lower"), scale, STYLE).data.decode()
    ElementTree.fromstring(svg)
    return [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]


def test_positive_values_are_on_a_log_scale() -> None:
    scale = scale_of([1.0, 10.0, 100.0])
    assert scale is not None
    left, middle, right = (scale.at(value) for value in (1.0, 10.0, 100.0))
    assert middle - left == pytest.approx(right - middle)
    assert left > MARGIN
    assert right < WIDTH - MARGIN


def test_other_values_are_on_a_linear_scale() -> None:
    scale = scale_of([-1.0, 0.0, 1.0])
    assert scale is not None
    assert scale.at(0.0) == pytest.approx(WIDTH / 2)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf]])
def test_no_values_no_scale(values: list[float]) -> None:
    assert scale_of(values) is None


@pytest.mark.parametrize("values", [[5.0], [0.0], [0.0, 0.0]])
def test_one_value_is_inside(values: list[float]) -> None:
    scale = scale_of(values)
    assert scale is not None
    assert MARGIN <= scale.at(values[0]) <= WIDTH - MARGIN


def test_a_dot_for_each_seed_and_a_cross_for_each_failure() -> None:
    scale = DotScale(low=1.0, high=100.0, log=True)
    sample = Sample(values=(2.0, 20.0), failures=2)
    assert positions(sample, scale) == pytest.approx([scale.at(2.0), scale.at(20.0)], abs=0.06)
    picture = dots(sample, summarise(sample, "lower"), scale, STYLE)
    assert picture.data.decode().count("<path") == 2
    assert picture.alt == values_text(sample) == "2.00 · 20.0 · failed · failed"


def test_the_interval_is_drawn_only_where_there_is_one() -> None:
    scale = DotScale(low=1.0, high=100.0, log=True)
    two, three = Sample(values=(2.0, 3.0)), Sample(values=(2.0, 3.0, 4.0))
    assert b"<rect" not in dots(two, summarise(two, "lower"), scale, STYLE).data
    assert b"<rect" in dots(three, summarise(three, "lower"), scale, STYLE).data


@pytest.mark.parametrize(
    "values", [(25.0, 55.0), (9.4, 12.7), (0.1, 200.0), (1.0, 1.0), (-1.0, 1.0), (1e-4, 1e5), (99.0, 101.0), (0.03, 1.2)]
)
def test_ticks_are_inside_and_apart(values: tuple[float, float]) -> None:
    scale = scale_of(values)
    assert scale is not None
    labels = re.findall(r'<text x="([\d.]+)".*?>([^<]+)</text>', axis(scale).data.decode())
    xs, rooms = [float(x) for x, _ in labels], [6 * len(words) for _, words in labels]
    assert xs
    assert all(xs[i + 1] - xs[i] >= (rooms[i] + rooms[i + 1]) / 2 for i in range(len(xs) - 1))
    assert all(14 <= x <= WIDTH - 14 for x in xs)
    assert all(b - a >= 27.9 for a, b in pairwise(xs))


def test_equal_numbers_too_large_for_an_edge_are_in_the_middle() -> None:
    scale = scale_of([-1e30, -1e30])
    assert scale is not None
    assert scale.at(-1e30) == pytest.approx(WIDTH / 2)
