"""Metric cards."""

from __future__ import annotations

import pytest

from bench.cards import CARDS, CURVE, HEADLINE, card, measured
from bench.errors import UserError


@pytest.mark.parametrize("key", CARDS)
def test_a_card_is_complete(key: str) -> None:
    found = card(key)
    assert found.key == key
    assert found.group in {"train", "quality", "diversity", "modes", "memorisation", "perf"}
    assert found.meaning.endswith(".")
    assert found.arrow == {"lower": "↓", "higher": "↑", "none": ""}[found.direction]
    if key in measured():
        assert found.citation


def test_fid_is_never_called_fid_alone() -> None:
    assert all(found.title != "FID" for found in CARDS.values())
    assert HEADLINE in CURVE
    assert set(CURVE) <= set(measured())


def test_unknown_key() -> None:
    with pytest.raises(UserError, match="unknown metric 'quality/fid'; did you mean 'quality/fid_classifier'"):
        card("quality/fid")
