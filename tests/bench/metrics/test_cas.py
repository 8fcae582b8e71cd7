"""The classification accuracy score. It has known best and worst values, and does not depend on the order of images."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest
import small
import torch

from bench.core import random_streams
from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.evaluation.evaluator import Evaluator
from bench.metrics import cas
from bench.metrics.cas import classification_accuracy_score
from bench.metrics.columns import FID_CLASSIFIER, SE
from bench.runs.runner import run
from bench.tracking import results
from tests.support.labelled import PATTERNS, PLAIN

KEY = "quality/cas"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the training to a few steps."""
    monkeypatch.setattr(cas, "EPOCHS", 2)
    monkeypatch.setattr(cas, "LEAST_STEPS", 30)


def split(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    train = PATTERNS.split("train")
    assert train.labels is not None
    return train.data[:n], train.labels[:n]


@pytest.mark.slow
def test_real_images_teach_the_classes_and_noise_does_not() -> None:
    images, labels = split(120)
    assert classification_accuracy_score(images, labels, PATTERNS) > 0.95
    wrong = (labels + 1) % 3
    assert classification_accuracy_score(images, wrong, PATTERNS) < 0.05
    noise = torch.randint(0, 256, images.shape, generator=random_streams.stream(0, "noise")).to(torch.uint8)
    assert 0.1 < classification_accuracy_score(noise, labels, PATTERNS) < 0.6  # random predictions give 1/3


def test_a_class_that_is_never_generated_is_never_right() -> None:
    images, labels = split(120)
    rows = labels < 2
    assert classification_accuracy_score(images[rows], labels[rows], PATTERNS) == pytest.approx(2 / 3, abs=0.05)


def test_the_score_is_a_function_of_the_images_alone(quick: None) -> None:
    images, labels = split(40)
    torch.manual_seed(1)
    first = classification_accuracy_score(images, labels, PATTERNS)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    assert classification_accuracy_score(images, labels, PATTERNS) == first
    assert torch.equal(torch.random.get_rng_state(), state)


def evaluator(**settings: object) -> Evaluator:
    return Evaluator(DATASETS.get("digits"), samples=100, cas=True, metrics=[KEY, FID_CLASSIFIER], **settings)  # type: ignore[arg-type]


def test_the_evaluator_measures_it_with_labels_and_without_standard_error(quick: None) -> None:
    train = DATASETS.get("digits").split("train")
    assert train.labels is not None
    images, labels = train.data[:100], train.labels[:100]
    found = evaluator().full(images, labels=labels)
    assert 0 <= found.values[KEY] <= 1
    assert f"{KEY}{SE}" not in found.values
    assert f"{FID_CLASSIFIER}{SE}" in found.values
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert evaluator().full(images[order], labels=labels[order]).values[KEY] == found.values[KEY]
    assert KEY not in evaluator().full(images).values


def test_the_protocol_of_other_metrics_does_not_change() -> None:
    digits = DATASETS.get("digits")
    plain, more = (Evaluator(digits, cas=cas).protocol({"asked"}) for cas in (False, True))
    assert more.keys() - plain.keys() == {KEY}
    assert {key: more[key] for key in plain} == plain


def test_data_without_labels_is_one_line() -> None:
    for dataset in (PLAIN, DATASETS.get("ring8"), DATASETS.get("stacked-digits")):
        with pytest.raises(UserError, match=r"has no labelled images .*: omit evaluation.cas$"):
            Evaluator(dataset, cas=True)


@pytest.mark.parametrize(("variant", "measured"), [("cgan", True), ("dcgan", False)])
def test_a_run_records_it_if_the_variant_is_conditional(
    variant: str, measured: bool, quick: None, uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        config = small.config(variant, dataset="digits", **{"evaluation.marks": 0, "evaluation.samples": 50, "evaluation.cas": True})
        result = run(config, small.context(uri, tmp_path / "runs"))
    assert (result.status, result.reason) == ("finished", "")
    assert (KEY in result.values) == measured
    assert ("quality/cas is not measured" in caplog.text) != measured
    if measured:
        assert 0 <= result.values[KEY] <= 1
        assert math.isfinite(float(results.load(uri, ("small",)).runs.iloc[0][KEY]))
