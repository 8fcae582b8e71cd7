"""Metrics of conditional models, which use the requested labels, and the sampling of these labels."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest
import small
import torch
from labelled import Labelled
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Examples, Networks, Split
from bench.evaluation.evaluator import Evaluator, Measurement
from bench.evaluation.generator import load_generator
from bench.evaluation.sampling import sample_labels
from bench.metrics.columns import FID_CLASSIFIER
from bench.runs.runner import run
from bench.tracking import results


class Uneven(Labelled):
    """A dataset with a tenth of its images in class 1."""

    def split(self, name: Split) -> Examples:
        return Examples(data=torch.zeros(100, 1, 8, 8, dtype=torch.uint8), labels=torch.tensor([0] * 90 + [1] * 10))


ACCURACY, INTRA = "modes/class_accuracy", "quality/intra_fid_classifier"


@cache
def evaluator() -> Evaluator:
    return Evaluator(DATASETS.get("digits"), errors=False, metrics=(ACCURACY, INTRA, FID_CLASSIFIER))


def measured(labels: Tensor) -> Measurement:
    return evaluator().full(DATASETS.get("digits").split("test").data, labels=labels)


def truth() -> Tensor:
    labels = DATASETS.get("digits").split("test").labels
    assert labels is not None
    return labels


def test_the_test_split_with_its_own_labels_is_as_good_as_the_classifier() -> None:
    found = measured(truth())
    right = evaluator().classify(DATASETS.get("digits").split("test").data) == truth()
    assert found.values[ACCURACY] == pytest.approx(float(right.double().mean()))
    assert found.values[ACCURACY] > 0.95
    assert found.values[INTRA] == pytest.approx(0.0, abs=1e-8)


def test_wrong_labels_cost_accuracy_and_distance() -> None:
    found = measured((truth() + 1) % 10)
    assert found.values[ACCURACY] < 0.05
    assert found.values[INTRA] > 10 * found.values[FID_CLASSIFIER]
    assert found.values[FID_CLASSIFIER] == pytest.approx(measured(truth()).values[FID_CLASSIFIER])


def test_labels_follow_their_images_whatever_the_order() -> None:
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    images = DATASETS.get("digits").split("test").data
    shuffled = evaluator().full(images[order], labels=truth()[order])
    assert shuffled.values == measured(truth()).values


def test_a_class_with_too_few_images_has_no_covariance() -> None:
    found = measured(torch.where(truth() == 3, 4, truth()))
    assert math.isnan(found.values[INTRA])
    assert "a Fréchet distance in 32 features needs more images than features, and class 3 has 0 images" in found.reasons[INTRA]


def test_without_labels_both_metrics_are_missing_and_the_protocol_is_the_same() -> None:
    whole = Evaluator(DATASETS.get("digits"), errors=False)
    assert not {ACCURACY, INTRA} & set(whole.keys)
    assert {ACCURACY, INTRA} == set(whole.protocol({"asked"})) - set(whole.protocol())
    assert set(whole.protocol()) == set(whole.keys)
    assert not {ACCURACY, INTRA} & set(evaluator().full(DATASETS.get("digits").split("test").data).values)


def test_labels_are_sampled_at_the_class_frequencies_of_the_data() -> None:
    networks = Networks()
    networks.classes = 2
    data = Uneven(name="uneven", classes=2)
    labels = sample_labels(networks, data, 4_000, seed=0)
    assert labels is not None
    assert abs(int(labels.sum()) - 400) < 4 * math.sqrt(4_000 * 0.1 * 0.9)
    assert torch.equal(labels, sample_labels(networks, data, 4_000, seed=0))  # type: ignore[arg-type]
    assert not torch.equal(labels, sample_labels(networks, data, 4_000, seed=1))  # type: ignore[arg-type]
    networks.classes = 0
    assert sample_labels(networks, data, 4_000, seed=0) is None


@pytest.mark.slow
def test_a_conditional_run_is_measured_and_sampled_by_class(uri: str, tmp_path: Path) -> None:
    result = run(small.config("cgan", **{"recipe.lr_g": 1e-3, "budget.images": 6_400}), small.context(uri, tmp_path / "runs"))
    assert result.status == "finished"
    found = results.load(uri, ("small",))
    assert 0 <= result.values[ACCURACY] <= 1
    assert {ACCURACY, INTRA} <= set((found.read_json(result.run_id, results.PROTOCOL) or {})["metrics"])
    assert found.names(result.run_id, results.LATENT) == [f"{results.LATENT}/classes.png"]
    generator = load_generator(result.run_id, uri)
    evaluator = Evaluator(DATASETS.get("digits"))
    images = generator.sample(evaluator.n)
    labels = sample_labels(generator.networks, generator.dataset, evaluator.n, seed=0)
    assert evaluator.full(images, labels=labels).values[ACCURACY] == result.values[ACCURACY]  # the same samples as in the evaluation
    threes = generator.sample(20, label=3)
    assert torch.equal(threes, generator.sample(20, label="3"))
    assert not torch.equal(threes, generator.sample(20, label=4))
    with pytest.raises(UserError, match=r"digits has no class 'ten'.* 0 to 9$"):
        generator.sample(20, label="ten")
    path = found.artifact(result.run_id, results.CONFIG)
    assert path is not None
    path.write_text(path.read_text().replace('"dataset": "digits"', '"dataset": "folder:/gone,size=8,crop=center,channels=1,test=1/7"'))
    generator = load_generator(result.run_id, uri)  # the dataset no longer exists
    assert torch.equal(threes, generator.sample(20, label="3"))
    with pytest.raises(UserError, match=r"class frequencies need the data.*/gone.*--class"):
        generator.sample(20)


def test_an_unconditional_run_cannot_sample_one_class(uri: str, tmp_path: Path) -> None:
    result = run(small.config(), small.context(uri, tmp_path / "runs"))
    with pytest.raises(UserError, match="label-smoothed is not a conditional model"):
        load_generator(result.run_id, uri).sample(4, label=3)
    assert ACCURACY not in result.values
