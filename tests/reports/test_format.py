"""Numbers and lists as text."""

from __future__ import annotations

import math
import string

import pytest

from reports import format as fmt
from reports.stats import Interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234"),
        (99.96, "100"),
        (25.94, "25.9"),
        (9.996, "10.0"),
        (3.14159, "3.14"),
        (0.9996, "1.00"),
        (0.42, "0.420"),
        (0.00123, "0.0012"),
        (0.0, "0"),
        (-2.5, "−2.50"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (1.7976931348623157e308, "∞"),
        (-1e75, "−∞"),
        (1.25e12, "1.25e12"),
        (-1e9, "−1.00e9"),
        (999_999_999.0, "999,999,999"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert fmt.number(value) == text


def test_the_rest() -> None:
    assert fmt.count(2343.6) == "2,344"
    assert [fmt.count(value) for value in (math.nan, math.inf, 3e30)] == ["–", "∞", "3.00e30"]
    assert fmt.interval(Interval(low=1.0, high=2.0)) == "[1.00, 2.00]"
    assert fmt.interval(None) == ""
    assert [fmt.shorten(["a", "b", "c"], most) for most in (3, 2)] == [["a", "b", "c"], ["a", "2 more"]]
    assert [fmt.percent(share) for share in (0.0, 0.004, 0.07, 1.0)] == ["0 %", "< 1 %", "7 %", "100 %"]
    assert [fmt.p_value(p) for p in (None, 0.0004, 0.0312, 1.0)] == ["–", "< .001", ".031", "1.000"]
    assert [fmt.join_words(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (500, "500"), (37_500, "37.5k"), (112_512, "112.5k"), (1_500_000, "1.5M")])
def test_images_on_an_axis(value: float, text: str) -> None:
    assert fmt.thousands(value) == text


def test_letters_beyond_the_alphabet() -> None:
    found = [fmt.letters_of(index, string.ascii_lowercase) for index in (0, 25, 26, 27, 51, 52, 701, 702)]
    assert found == ["a", "z", "aa", "ab", "az", "ba", "zz", "aaa"]
