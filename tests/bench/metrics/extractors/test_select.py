"""Selection of the extractors of a dataset."""

from __future__ import annotations

import pytest
from planted import Contaminated

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.evaluation.evaluator import Evaluator
from bench.metrics.columns import FID_CLASSIFIER
from bench.metrics.extractors import classifier_is_ready, extractor_for, kinds_of

KINDS = ("classifier", "distilled", "pixels")


def test_labelled_images_have_a_classifier_a_distilled_network_and_pixels() -> None:
    digits = DATASETS.get("digits")
    assert kinds_of(digits) == KINDS
    assert classifier_is_ready(digits)
    found = [extractor_for(kind, digits) for kind in KINDS]
    assert [extractor.name for extractor in found] == list(KINDS)
    assert len({extractor.weights_hash for extractor in found}) == len(KINDS)


def test_other_data_of_the_same_name_has_no_distilled_network() -> None:
    other = Contaminated(of=DATASETS.get("digits"), share=0.1)
    assert other.name == "digits"
    assert kinds_of(other) == ("classifier", "pixels")
    with pytest.raises(UserError, match=r"^digits has no extractor 'distilled'"):
        extractor_for("distilled", other)
    assert Evaluator(other).headline == FID_CLASSIFIER


def test_points_have_none() -> None:
    assert kinds_of(DATASETS.get("ring8")) == ()
    assert classifier_is_ready(DATASETS.get("ring8"))
    with pytest.raises(UserError, match=r"^ring8 has no extractor 'pixels'$"):
        extractor_for("pixels", DATASETS.get("ring8"))


def test_an_unknown_kind_is_one_line_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"^digits has no extractor 'pixel'; did you mean 'pixels'\?$"):
        extractor_for("pixel", DATASETS.get("digits"))
