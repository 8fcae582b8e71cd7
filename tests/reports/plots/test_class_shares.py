"""The data of the class histograms, and the drawn values."""

from __future__ import annotations

from typing import Any

import pytest

from reports.palette import Style
from reports.plots import base
from reports.plots.class_shares import alt, class_shares_data, draw

EVIDENCE: dict[int, dict[str, Any]] = {
    1: {"class_names": ["bag", "shoe"], "class_share": {"generated": [0.2, 0.8], "real": [0.5, 0.5]}},
    0: {"class_names": ["bag", "shoe"], "class_share": {"generated": [0.4, 0.6], "real": [0.5, 0.5]}},
}


def test_data_by_hand() -> None:
    rows = class_shares_data(EVIDENCE).itertuples(index=False, name=None)
    assert list(rows) == [(0, 0, "bag", 0.4, 0.5), (0, 1, "shoe", 0.6, 0.5), (1, 0, "bag", 0.2, 0.5), (1, 1, "shoe", 0.8, 0.5)]


@pytest.mark.parametrize(
    "broken", [{}, {"class_names": None}, {"class_names": ["bag"], "class_share": {"generated": [1.0], "real": []}}, {"class_share": None}]
)
def test_incomplete_evidence_gives_no_rows(broken: dict[str, Any]) -> None:
    assert class_shares_data({0: broken}).empty
    assert set(class_shares_data({**EVIDENCE, 2: broken})["seed"]) == {0, 1}


def test_what_is_drawn_is_the_data() -> None:
    data = class_shares_data(EVIDENCE)
    with base.axes(3, 2) as ax:
        draw(ax, data, Style(colour="#112233"), largest=0.8)
        bars = [bar.get_width() for bar in ax.patches]
        dots = sorted(map(tuple, ax.collections[0].get_offsets().tolist()))
        names = [label.get_text() for label in ax.get_yticklabels()]
    assert bars == pytest.approx([0.3, 0.7])
    assert dots == [(0.2, 0.0), (0.4, 0.0), (0.6, 1.0), (0.8, 1.0)]
    assert names == ["bag", "shoe"]


def test_the_words_name_the_ends() -> None:
    assert alt("a", class_shares_data(EVIDENCE)) == "a: from 30.0 % (bag) to 70.0 % (shoe)"
