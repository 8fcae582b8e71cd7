"""The positions of a dimension's values."""

from __future__ import annotations

import math

import pytest

from reports.plots import base
from reports.plots.dimension_axis import axis_of, setting_text
from reports.study import SearchDimension, SettingValue

LOG = SearchDimension(path="recipe.lr_g", kind="log", low=1e-5, high=1e-2)
INT = SearchDimension(path="recipe.k", kind="int", low=1, high=5)
CHOICE = SearchDimension(path="recipe.norm", kind="choice", choices=("batch", "none"))


def test_a_log_axis_holds_a_default_outside_the_range() -> None:
    axis = axis_of(LOG, [1e-6, 1e-3, None])
    assert axis is not None
    assert (axis.low, axis.high, axis.log) == (1e-6, 1e-2, True)
    assert axis.edges(9) == pytest.approx([1e-6, 1e-6 * 1e4 ** (1 / 3), 1e-6 * 1e4 ** (2 / 3), 1e-2])
    assert len(axis.edges(10_000)) == 9
    assert math.isnan(axis.at(0.0))
    assert math.isnan(axis.at("x"))


def test_few_whole_numbers_and_choices_have_slots() -> None:
    axis = axis_of(INT, [7])
    assert axis is not None
    assert axis.slots == (1, 2, 3, 4, 5, 6, 7)
    assert (axis.at(3), axis.edges(3)[:2]) == (2.0, [-0.5, 0.5])
    other = axis_of(CHOICE, ["none", "group"])
    assert other is not None
    assert other.slots == ("batch", "none", "group")
    assert math.isnan(other.at("layer"))
    assert all(abs(other.apart("none", trial) - 1.0) <= 0.28 for trial in range(50))


def test_many_whole_numbers_are_a_line() -> None:
    axis = axis_of(SearchDimension(path="n", kind="int", low=1, high=1e6), [3])
    assert axis is not None
    assert (axis.slots, axis.at(10)) == ((), 10.0)


@pytest.mark.parametrize(
    ("dimension", "values"),
    [(SearchDimension(path="a", kind="log"), []), (SearchDimension(path="a", kind="log", low=-1, high=0), [-3]), (SearchDimension(path="a", kind="choice"), [None])],
)  # fmt: skip
def test_without_any_value_there_is_no_axis(dimension: SearchDimension, values: list[SettingValue]) -> None:
    assert axis_of(dimension, values) is None


@pytest.mark.parametrize("dimension", [LOG, INT, CHOICE, SearchDimension(path="a", kind="linear", low=0.0, high=1.0), SearchDimension(path="b", kind="log", low=1e-4, high=1e-3)])  # fmt: skip
def test_both_axes_are_set(dimension: SearchDimension) -> None:
    axis = axis_of(dimension, [])
    assert axis is not None
    with base.axes(3, 2) as ax:
        axis.dress_x(ax)
        axis.dress_y(ax)
        base.picture(ax, "")
        assert ax.get_xlim() == ax.get_ylim()
        assert (ax.get_xlabel(), ax.get_ylabel()) == (dimension.name, dimension.name)
        labels = [label.get_text() for label in ax.get_xticklabels()]
    assert any(labels)


def test_a_single_value_still_has_a_range() -> None:
    for kind, low, high in (("log", 1.0, 4.0), ("linear", 1.0, 3.0)):
        axis = axis_of(SearchDimension(path="a", kind=kind), [2.0])  # type: ignore[arg-type]
        assert axis is not None
        assert (axis.low, axis.high) == (low, high)


@pytest.mark.parametrize(
    ("value", "words"),
    [(2e-4, "2e-4"), (4.123e-4, "4.12e-4"), (0.01, "0.01"), (0.5, "0.5"), (12345.0, "12,345"), (3, "3"), (True, "true"), ("a", "a"), (None, "None")],
)  # fmt: skip
def test_settings_as_text(value: SettingValue, words: str) -> None:
    assert setting_text(value) == words
