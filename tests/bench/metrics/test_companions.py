"""Companions of outputs: their access, order, half-samples and metrics."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from planted_translation import COLUMNS, evidence_of, noisy
from torch import Tensor

from bench.core.config import DATASETS
from bench.evaluation.evaluator import Evaluator
from bench.metrics.columns import FID_CLASSIFIER
from bench.metrics.columns.translation import TRANSLATION
from bench.metrics.companions import ABSENT, Companions
from bench.metrics.evidence import Evidence
from bench.metrics.half_sample_evidence import HalfSample, add_half_samples
from bench.metrics.translation import l1

KEYS = [found.key for found in TRANSLATION]
TOO_SMALL = "fidelity/ssim"  # digits have 8 x 8 pixels


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return Evaluator(DATASETS.get("digits"), errors=False, metrics=[FID_CLASSIFIER])


def parts(evaluator: Evaluator) -> tuple[Tensor, Tensor, Companions]:
    """Return outputs with equal rows among them, labels, and all companions."""
    test = evaluator.dataset.split("test")
    assert test.labels is not None
    outputs = noisy(test.data, 20.0, "first")
    outputs[100:200] = outputs[:100]  # equal outputs for different inputs
    given = 255 - test.data
    given[150:170] = given[50:70]  # equal inputs, too, but with other truths
    return (
        outputs,
        test.labels,
        Companions(
            given=given, truth=test.data, truth_labels=test.labels, back=255 - outputs, back_noisy=254 - outputs, again=noisy(test.data, 20.0, "again"),
            identity=(test.data[:300], outputs[:300]), target_classes=(0, 3),
        ),
    )  # fmt: skip


def measured(evaluator: Evaluator, outputs: Tensor, companions: Companions, labels: Tensor | None = None) -> dict[str, float]:
    """Return all metrics of translation with their standard errors."""
    order, companions = companions.ordered(outputs, labels)
    evidence = Evidence(outputs[order], evaluator._real, companions=companions)
    add_half_samples(evidence)
    values = {key: evidence.value(key) for key in (*KEYS, FID_CLASSIFIER)}
    values |= {f"{key} error": evidence.standard_error(key) for key in values}
    evidence.half_samples = ()
    return values


def permuted(companions: Companions, rows: Tensor, others: Tensor) -> Companions:
    assert companions.identity is not None
    changed: dict[str, Any] = {name: value[rows] for name, value in companions.tensors.items()}
    return replace(companions, **changed, identity=(companions.identity[0][others], companions.identity[1][others]))


def test_rows_stay_together_so_their_order_changes_no_bit(evaluator: Evaluator) -> None:
    outputs, labels, companions = parts(evaluator)
    noise = torch.Generator().manual_seed(0)
    rows, others = torch.randperm(len(outputs), generator=noise), torch.randperm(300, generator=noise)
    found = measured(evaluator, outputs, companions, labels)
    assert {key for key, value in found.items() if math.isnan(value)} == {TOO_SMALL, f"{TOO_SMALL} error"}
    assert all(value > 0 for key, value in found.items() if key.endswith("error") and TOO_SMALL not in key)
    again = measured(evaluator, outputs[rows], permuted(companions, rows, others), labels[rows])
    assert [value.hex() for value in again.values()] == [value.hex() for value in found.values()]


def test_a_truth_of_another_row_is_another_number(evaluator: Evaluator) -> None:
    outputs, labels, companions = parts(evaluator)
    assert companions.truth is not None
    found = measured(evaluator, outputs, companions, labels)
    other = measured(evaluator, outputs, replace(companions, truth=companions.truth.roll(1, dims=0)), labels)
    assert other["fidelity/l1"] > found["fidelity/l1"]
    assert other["cycle/l1"] == pytest.approx(found["cycle/l1"])


def test_requested_labels_decide_the_order_of_rows_that_are_equal_otherwise() -> None:
    outputs = torch.zeros(40, 1, 2, 2, dtype=torch.uint8)  # a network that ignores the requested domain
    labels = torch.arange(40) % 4
    rows = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    companions = Companions(given=outputs)
    orders = [companions.ordered(outputs, each)[0] for each in (labels, labels[rows])]
    assert torch.equal(labels[orders[0]], labels[rows][orders[1]])
    alone = [Companions().ordered(outputs, each)[0] for each in (labels, labels[rows])]
    assert torch.equal(*alone)  # without companions, labels have no influence, as in generation


def test_standard_errors_are_those_of_means(evaluator: Evaluator) -> None:
    outputs, labels, companions = parts(evaluator)
    assert companions.truth is not None
    found = measured(evaluator, outputs, companions, labels)
    rows = l1(outputs, companions.truth)
    assert found["fidelity/l1"] == pytest.approx(float(rows.mean()))
    assert found["fidelity/l1 error"] == pytest.approx(float(rows.std()) / math.sqrt(len(rows)), rel=0.5)
    assert found["identity/l1 error"] == pytest.approx(float(rows[:300].std()) / math.sqrt(300), rel=0.5)


def test_a_half_sample_has_the_companions_of_its_rows(evaluator: Evaluator) -> None:
    outputs, labels, companions = parts(evaluator)
    order, companions = companions.ordered(outputs, labels)
    evidence = Evidence(outputs[order], evaluator._real, companions=companions)
    add_half_samples(evidence, 2)
    half = evidence.half_samples[1]
    assert isinstance(half, HalfSample)
    for name in ("given", "truth", "truth_labels", "back", "back_noisy", "again"):
        assert torch.equal(getattr(half, name), getattr(evidence, name)[half.rows])
    alone = Evidence(
        half.data,
        evaluator._real,
        companions=Companions(truth=half.truth, truth_labels=half.truth_labels, back=half.back, given=half.given),
    )
    for key in (
        "fidelity/l1",
        "fidelity/psnr",
        "fidelity/feature_distance_classifier",
        "fidelity/class_accuracy",
        "cycle/l1",
        "quality/checkerboard",
    ):
        assert half.value(key) == pytest.approx(alone.value(key), rel=1e-6), key
    assert half.value("diversity/effective_share") == pytest.approx(alone.value("diversity/effective_share"), rel=0.05)  # other components
    assert len(half.identity_distances) == 150


def test_row_values_are_computed_once_for_all_half_samples(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def recording(x: Tensor, y: Tensor) -> Tensor:
        calls.append(len(x))
        return l1(x, y)

    monkeypatch.setattr("bench.metrics.translation.l1", recording)
    monkeypatch.setattr("bench.metrics.companions.l1", recording)
    outputs, _, companions = parts(evaluator)
    evidence = Evidence(outputs, evaluator._real, companions=companions)
    add_half_samples(evidence)
    for key in ("fidelity/l1", "cycle/l1", "identity/l1"):
        assert evidence.standard_error(key) > 0
    evidence.half_samples = ()
    assert sorted(calls) == [300, 500, 500]


def test_a_missing_companion_has_its_reason(evaluator: Evaluator) -> None:
    test = evaluator.dataset.split("test")
    evidence = Evidence(test.data, evaluator._real)
    reasons = {
        "fidelity/l1": "truth", "fidelity/psnr": "truth", "fidelity/ssim": "truth", "fidelity/feature_distance_classifier": "truth",
        "fidelity/class_accuracy": "truth_labels", "fidelity/target_accuracy": "target_classes", "cycle/l1": "given", "cycle/l1_noisy": "given",
        "identity/l1": "identity", "diversity/per_input": "again", "diversity/effective_share": "given",
    }  # fmt: skip
    assert {*reasons, "quality/checkerboard"} == set(KEYS)
    for key, name in reasons.items():
        assert math.isnan(evidence.value(key))
        assert evidence.reasons[key] == ABSENT[name]
    assert not evidence.raised
    for name in ABSENT:
        attribute = "identity_distances" if name == "identity" else name
        with pytest.raises(ValueError, match=ABSENT[name]):
            getattr(evidence, attribute)


def test_another_number_of_rows_is_refused() -> None:
    data = torch.zeros(5, 1, 2, 2, dtype=torch.uint8)
    with pytest.raises(ValueError, match="`back` has 4 rows, and there are 5 outputs"):
        Companions(given=data, back=data[:4]).ordered(data)


def test_accuracies_count_classes(evaluator: Evaluator) -> None:
    test = evaluator.dataset.split("test")
    assert test.labels is not None
    predicted = evaluator.classify(test.data)
    evidence = Evidence(test.data, evaluator._real, companions=Companions(truth_labels=test.labels, target_classes=(0, 3)))
    assert evidence.value("fidelity/class_accuracy") == float((predicted == test.labels).double().mean())
    assert evidence.value("fidelity/target_accuracy") == float(((predicted == 0) | (predicted == 3)).double().mean())


def test_domains_have_class_accuracy_and_intra_fid_by_the_requested_domain(evaluator: Evaluator) -> None:
    """In a task of domains, the requested label is a class of the data, so the metrics of conditional models apply."""
    test = evaluator.dataset.split("test")
    assert test.labels is not None
    right = Evidence(test.data, evaluator._real, asked=test.labels, companions=Companions(given=test.data))
    wrong = Evidence(test.data, evaluator._real, asked=(test.labels + 1) % 10, companions=Companions(given=test.data))
    assert right.value("modes/class_accuracy") > 0.95
    assert wrong.value("modes/class_accuracy") < 0.05
    assert right.value("quality/intra_fid_classifier") == pytest.approx(0.0, abs=1e-6)
    assert wrong.value("quality/intra_fid_classifier") > 10


def test_the_perfect_translation_has_perfect_values(evaluator: Evaluator) -> None:
    evidence = evidence_of(evaluator)
    found = {key: evidence.value(key) for key in COLUMNS if key != TOO_SMALL}
    evidence.half_samples = ()
    assert found["fidelity/l1"] == found["cycle/l1"] == found["diversity/per_input"] == found["fidelity/feature_distance_classifier"] == 0
    assert found["fidelity/psnr"] == pytest.approx(58.92, abs=0.01)
    assert found["quality/checkerboard"] == pytest.approx(0.0, abs=1e-9)
    assert found["diversity/effective_share"] == pytest.approx(1.0, abs=0.05)
