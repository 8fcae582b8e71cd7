"""The drawn shares and intervals are those of the data."""

from __future__ import annotations

import numpy as np
import pytest

from reports.plots import base
from reports.plots.seed_spread import alt, draw
from reports.seed_spread import STREAMS, SpreadShares, spread_shares

VALUES = {"init": (0.0, 2.0, 4.0), "data": (10.0, 11.0, 12.0), "noise": (1.0, 2.0, 3.0)}


@pytest.fixture
def found() -> dict[str, SpreadShares]:
    shares = spread_shares(VALUES)
    assert shares is not None
    return {"a": shares, "b <i>": shares}


def test_what_is_drawn_is_the_data(found: dict[str, SpreadShares]) -> None:
    with base.axes(6, 3) as ax:
        draw(ax, found)
        widths = [bar.get_width() for bar in ax.patches]
        intervals = [segment[:, 0].tolist() for line in ax.collections for segment in line.get_segments()]  # type: ignore[attr-defined]
        labels = [text.get_text() for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    expected = [share for shares in found.values() for share in shares.shares.values()]
    assert np.allclose(widths, [share.value for share in expected])
    assert np.allclose(intervals, [(share.interval.low, share.interval.high) for share in expected])
    assert labels == list(STREAMS.values())


def test_the_words_have_every_share(found: dict[str, SpreadShares]) -> None:
    assert alt(found).startswith("a: initial weights 67 %, order of the data 17 %, noise 17 %; b")
