"""Selection of the extractors of a dataset."""

from __future__ import annotations

import pytest

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.metrics.extractors import classifier_is_ready, extractor_for, kinds_of


def test_labelled_images_have_a_classifier_and_pixels() -> None:
    assert kinds_of(DATASETS.get("digits")) == ("classifier", "pixels")
    assert classifier_is_ready(DATASETS.get("digits"))
    assert [extractor_for(kind, DATASETS.get("digits")).name for kind in ("classifier", "pixels")] == ["classifier", "pixels"]


def test_points_have_none() -> None:
    assert kinds_of(DATASETS.get("ring8")) == ()
    assert classifier_is_ready(DATASETS.get("ring8"))
    with pytest.raises(UserError, match=r"^ring8 has no extractor 'pixels'$"):
        extractor_for("pixels", DATASETS.get("ring8"))


def test_an_unknown_kind_is_one_line_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"^digits has no extractor 'pixel'; did you mean 'pixels'\?$"):
        extractor_for("pixel", DATASETS.get("digits"))
