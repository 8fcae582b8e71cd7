"""Selection of the extractors of a dataset."""

from __future__ import annotations

import pytest
import torch
from planted import Contaminated

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Judged
from bench.data.derived.canny import CannyPlan
from bench.data.derived.downscaled import Downscaled
from bench.data.derived.edges import EdgePairs
from bench.evaluation.evaluator import Evaluator
from bench.metrics.columns import FID_CLASSIFIER
from bench.metrics.extractors import classifier_is_ready, extractor_for, kinds_of
from bench.metrics.extractors.select import judge_of, packed_classifier

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


JUDGED = [name for name, dataset in DATASETS if isinstance(dataset, Judged) and dataset.judge.name == "digits"]


@pytest.mark.parametrize("name", JUDGED)
def test_the_judge_of_a_derived_dataset_lends_its_classifier_and_distilled_network(name: str) -> None:
    dataset, digits = DATASETS.get(name), DATASETS.get("digits")
    assert kinds_of(dataset) == KINDS
    assert classifier_is_ready(dataset)
    assert packed_classifier(dataset) == "", "a shipped classifier needs not be sent to workers"
    assert extractor_for("distilled", dataset) is extractor_for("distilled", digits)
    examples = digits.split("test").data[:50]
    lent = extractor_for("classifier", dataset)(examples)
    assert torch.equal(lent.features, extractor_for("classifier", digits)(examples).features)
    own, theirs = extractor_for("pixels", dataset), extractor_for("pixels", digits)
    assert own.weights_hash != theirs.weights_hash, "pixel features are not fitted on the dataset itself"


def test_the_classifier_of_a_judge_predicts_its_classes() -> None:
    dataset = DATASETS.get("digits-unpaired")
    assert isinstance(dataset, Judged)
    examples = dataset.split("test")
    predicted = extractor_for("classifier", dataset)(examples.data).predictions
    assert examples.labels is not None
    assert (predicted == torch.tensor(dataset.judge_classes)[examples.labels]).double().mean() > 0.95


def test_the_classifier_of_domains_chooses_among_the_domains() -> None:
    dataset, digits = DATASETS.get("digits-domains"), DATASETS.get("digits")
    found, judge = extractor_for("classifier", dataset), extractor_for("classifier", digits)
    assert found.weights_hash != judge.weights_hash
    examples = dataset.split("test")
    assert examples.labels is not None
    assert (found(examples.data).predictions == examples.labels).double().mean() > 0.95
    assert set(found(digits.split("test").data).predictions.tolist()) == {0, 1, 2}


def test_the_judge_of_a_judge_has_the_last_word() -> None:
    edges = EdgePairs(name="edges", title="Edges", origin=DATASETS.get("digits-domains"), plan=CannyPlan(sigma=0.0, low=200, high=400))
    assert judge_of(edges) is DATASETS.get("digits")
    assert (edges.judge_classes, edges.class_names) == ((1, 4, 7), ("1", "4", "7"))
    assert extractor_for("classifier", edges) is extractor_for("classifier", DATASETS.get("digits"))


def test_derived_data_of_unknown_content_gets_a_classifier_of_its_judge() -> None:
    other = Contaminated(of=DATASETS.get("digits"), share=0.1)
    derived = Downscaled(name="small", title="Small", origin=other, factor=2)
    assert kinds_of(derived) == kinds_of(other) == ("classifier", "pixels")
    assert classifier_is_ready(derived) == classifier_is_ready(other)
