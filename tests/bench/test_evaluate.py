"""Sampling and measuring: images are reproducible, planted failures move the metrics as their cards say, wrong input is refused."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from functools import cache

import pytest
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from bench import cards
from bench.cards import CURVE, measured
from bench.config import DATASETS
from bench.data.catalog import available
from bench.errors import UserError
from bench.evaluate import Evaluator, Measurement, check_samples, reference_images, sample
from bench.measure import wanted_of
from bench.metrics.extractors import Extractor
from bench.spec import Latent, Networks

CPU = torch.device("cpu")
MEASURED = measured()


class Tiny(Networks):
    """A generator with dropout and batch norm, so that a wrong mode shows; it can be made to draw labels and to break."""

    def __init__(self, *, broken: int = -1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(4, 64), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Tanh())
        self.layers[2].eval()  # one module is in evaluation mode already
        self.broken = broken
        self.autocast = False

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=torch.randn(n, 4, generator=noise), labels=labels)

    def sample(self, latent: Latent) -> Tensor:
        self.autocast = torch.is_autocast_enabled("cpu")
        made = self.layers(latent.z).view(-1, 1, 8, 8)
        if latent.labels is not None:
            made = torch.ones_like(made) * latent.labels.view(-1, 1, 1, 1) / 10
        if self.broken >= 0:
            made[self.broken % len(made), 0, 0, 0] = torch.nan
        return made


def draw(networks: Networks, *, n: int = 100, seed: int = 0, batch_size: int = 100, labels: Tensor | None = None) -> Tensor:
    return sample(networks, n=n, seed=seed, batch_size=batch_size, device=CPU, labels=labels)


@cache
def evaluator(samples: int = 0) -> Evaluator:
    return Evaluator(DATASETS.get("digits"), samples=samples)


@cache
def real_row() -> Measurement:
    return evaluator().full(reference_images(DATASETS.get("digits")))


def keep_classes(m: int) -> Tensor:
    """As many training images as the test split holds, of the first m classes."""
    train = DATASETS.get("digits").split("train")
    assert train.labels is not None
    kept = train.data[train.labels < m]
    return kept.repeat(8, 1, 1, 1)[:500]


def test_samples_depend_on_the_seed_alone() -> None:
    networks = Tiny()
    images = draw(networks)
    assert images.dtype == torch.uint8
    assert images.shape == (100, 1, 8, 8)
    assert images.float().std() > 10
    assert torch.equal(draw(networks, batch_size=7), images)
    assert not torch.equal(draw(networks, seed=1), images)


def test_sampling_leaves_the_networks_as_they_were() -> None:
    networks = Tiny()
    before = {name: module.training for name, module in networks.named_modules()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images = draw(networks)
    assert not networks.autocast
    assert not images.requires_grad
    assert {name: module.training for name, module in networks.named_modules()} == before
    assert set(before.values()) == {True, False}
    with pytest.raises(RuntimeError):
        draw(networks, labels=torch.zeros(3))  # too few, found out in the middle of sampling
    assert {name: module.training for name, module in networks.named_modules()} == before


def test_labels_reach_the_networks_in_order() -> None:
    labels = torch.arange(10).repeat(10)
    images = draw(Tiny(), labels=labels, batch_size=30)
    assert images.unique().numel() == 10
    assert torch.equal(images[:10], images[10:20])


def test_values_that_are_not_finite_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        draw(Tiny())
        assert not caplog.text
        draw(Tiny(broken=3), batch_size=50)
    assert "2 of 100 generated images" in caplog.text


def test_full_gives_every_card_and_curve_the_headline() -> None:
    measurement = real_row()
    assert tuple(measurement.values) == MEASURED
    assert all(math.isfinite(value) for value in measurement.values.values())
    curve = evaluator().curve(reference_images(DATASETS.get("digits")))
    assert tuple(curve.values) == CURVE
    assert curve.values["quality/fid_classifier"] == measurement.values["quality/fid_classifier"]


def test_evidence_holds_both_shares() -> None:
    evidence = real_row().evidence
    assert evidence["n"] == 500
    assert len(evidence["class_names"]) == 10
    for side in ("generated", "real"):
        assert len(evidence["class_share"][side]) == 10
        assert sum(evidence["class_share"][side]) == pytest.approx(1.0)


def test_real_images_are_good_and_the_test_split_itself_is_perfect() -> None:
    values = real_row().values
    assert values["quality/precision_classifier"] > 0.75
    assert values["quality/recall_classifier"] > 0.75
    assert values["diversity/pairwise_distance"] == pytest.approx(1.0, abs=0.05)
    assert (values["modes/classes_covered"], values["modes/collapse"]) == (10.0, 0.0)
    perfect = evaluator().full(DATASETS.get("digits").split("test").data).values
    assert perfect["quality/fid_classifier"] == pytest.approx(0.0, abs=1e-6)
    assert (perfect["quality/precision_classifier"], perfect["quality/recall_classifier"]) == (1.0, 1.0)
    assert (perfect["diversity/pairwise_distance"], perfect["modes/class_kl"]) == (1.0, 0.0)


def test_measuring_twice_is_bit_identical_and_order_matters_to_no_headline() -> None:
    images = reference_images(DATASETS.get("digits"))
    assert evaluator().full(images).values == real_row().values
    shuffled = evaluator().full(images.flip(0)).values
    exact = {
        "quality/precision_classifier",
        "quality/recall_classifier",
        "diversity/duplicate_rate",
        "modes/classes_covered",
        "modes/class_kl",
    }
    for key in exact | {"quality/fid_classifier"}:
        assert shuffled[key] == pytest.approx(real_row().values[key], rel=1e-6)


@pytest.mark.parametrize("m", [9, 5, 1])
def test_lost_classes_are_counted(m: int) -> None:
    values = evaluator().full(keep_classes(m)).values
    assert values["modes/classes_covered"] == m
    assert values["modes/class_kl"] == pytest.approx(math.log(10 / m), abs=0.15)
    assert values["modes/collapse"] == (1.0 if m <= 5 else 0.0)
    assert values["quality/precision_classifier"] > 0.75
    assert values["quality/recall_classifier"] < real_row().values["quality/recall_classifier"]
    assert values["quality/fid_classifier"] > 3 * real_row().values["quality/fid_classifier"]


def test_repeated_images_are_duplicates_and_collapse() -> None:
    real = reference_images(DATASETS.get("digits"))
    values = evaluator().full(torch.cat([real[:440], real[:60]])).values
    assert values["diversity/duplicate_rate"] == pytest.approx(120 / 500, abs=0.01)
    assert values["modes/collapse"] == 1.0
    assert values["modes/classes_covered"] == 10.0
    assert real_row().values["diversity/duplicate_rate"] < 0.02


def test_noise_on_images_costs_quality_in_order() -> None:
    real = reference_images(DATASETS.get("digits")).float()
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    rows = [evaluator().full((real + sd * noise).clamp(0, 255).round().to(torch.uint8)).values for sd in (0.0, 24.0, 64.0, 128.0)]
    distances = [row["quality/fid_classifier"] for row in rows]
    precisions = [row["quality/precision_classifier"] for row in rows]
    scores = [row["quality/classifier_score"] for row in rows]
    assert distances == sorted(distances)
    assert precisions == sorted(precisions, reverse=True)
    assert scores == sorted(scores, reverse=True)
    assert [row["quality/kid_classifier"] for row in rows[1:]] == sorted(row["quality/kid_classifier"] for row in rows[1:])


def test_noise_is_no_collapse_but_unjudged() -> None:
    noise = torch.randint(0, 256, (500, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    measurement = evaluator().full(noise)
    assert measurement.values["quality/precision_classifier"] < 0.05
    assert math.isnan(measurement.values["modes/collapse"])
    assert set(measurement.reasons) == {"modes/collapse"}
    assert measurement.values["quality/fid_classifier"] > 20 * real_row().values["quality/fid_classifier"]


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_constant_images_are_measured_and_never_good(grey: int) -> None:
    values = evaluator().full(torch.full((500, 1, 8, 8), grey, dtype=torch.uint8)).values
    assert values["diversity/pairwise_distance"] == 0.0
    assert values["diversity/duplicate_rate"] == 1.0
    assert values["quality/recall_classifier"] == 0.0
    assert values["quality/classifier_score"] == pytest.approx(1.0)
    assert values["modes/classes_covered"] == 1.0
    assert values["modes/collapse"] != 0.0  # 1, or not judged


def test_one_good_image_again_and_again_is_collapse() -> None:
    image = DATASETS.get("digits").split("test").data[:1]
    values = evaluator().full(image.repeat(500, 1, 1, 1)).values
    assert values["quality/precision_classifier"] == 1.0
    assert values["quality/recall_classifier"] == 1 / 500  # itself
    assert values["modes/collapse"] == 1.0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(500, 1, 8, 8), "images must be uint8 in 0..255, not float32"),
        (torch.zeros(500, 8, 8, dtype=torch.uint8), r"the shape \[N, 1, 8, 8\], not \[500, 8, 8\]"),
        (torch.zeros(500, 3, 8, 8, dtype=torch.uint8), r"not \[500, 3, 8, 8\]"),
        (torch.zeros(0, 1, 8, 8, dtype=torch.uint8), r"not \[0, 1, 8, 8\]"),
        (torch.zeros(499, 1, 8, 8, dtype=torch.uint8), "measures 500 images of digits, not 499"),
    ],
)
def test_wrong_images_are_one_clear_line(images: Tensor, message: str) -> None:
    for measure in (evaluator().full, evaluator().curve):
        with pytest.raises(UserError, match=message) as error:
            measure(images)
        assert "\n" not in str(error.value)


def test_fewer_samples_are_another_protocol() -> None:
    few = Evaluator(DATASETS.get("digits"), samples=10)
    assert tuple(few.full(reference_images(DATASETS.get("digits"), 10)).values) == MEASURED
    assert few.protocol().keys() == evaluator().protocol().keys() == set(MEASURED)
    assert all(few.protocol()[key] != evaluator().protocol()[key] for key in MEASURED)
    with pytest.raises(UserError, match=r"evaluation\.samples=9 is too few"):
        Evaluator(DATASETS.get("digits"), samples=9)


def test_protocol_follows_the_weights_and_the_version_of_each_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = Evaluator(DATASETS.get("digits")), Evaluator(DATASETS.get("digits"))
    assert ours.protocol_hash == other.protocol_hash
    assert len(set(ours.protocol().values())) == len(MEASURED)
    card = other.extractor.card.model_copy(update={"weights_sha256": "0" * 64})
    other.extractor = Extractor(card, other.extractor.card.network())
    changed = {key for key in MEASURED if other.protocol()[key] != ours.protocol()[key]}
    assert changed == set(MEASURED) - {"diversity/pairwise_distance"}  # the one metric of pixels
    assert other.protocol_hash != ours.protocol_hash
    before = ours.protocol()
    key = "modes/class_kl"
    monkeypatch.setitem(cards.CARDS, key, replace(cards.CARDS[key], version=cards.CARDS[key].version + 1))
    assert {name for name in MEASURED if ours.protocol()[name] != before[name]} == {key}


def test_reference_images_are_training_images_and_always_the_same() -> None:
    dataset = DATASETS.get("digits")
    images = reference_images(dataset)
    assert len(images) == 500
    assert torch.equal(reference_images(dataset, 20), images[:20])
    train = {image.numpy().tobytes() for image in dataset.split("train").data}
    assert all(image.numpy().tobytes() in train for image in images)
    assert not torch.equal(images, dataset.split("train").data[:500])
    with pytest.raises(UserError, match="1,298 is more than the 1,297 training images of digits"):
        reference_images(dataset, 1298)


def test_more_samples_than_the_row_real_has_images_are_refused() -> None:
    check_samples(evaluator(1297))
    with pytest.raises(UserError) as error:
        check_samples(evaluator(1298))
    sentence = "evaluation.samples: 1,298 is more than the 1,297 training images of digits, which the row `real` takes as many from"
    assert str(error.value) == sentence
    with pytest.raises(UserError) as other:
        wanted_of(DATASETS.get("digits")).check_count(1298)
    assert str(other.value) == sentence.replace("evaluation.samples", "images")


@pytest.mark.slow
def test_fashion_real_row_is_good_and_within_its_time() -> None:
    why_not = available("fashion-mnist")
    if why_not:
        pytest.skip(why_not)
    fashion = Evaluator(DATASETS.get("fashion-mnist"))
    images = reference_images(fashion.dataset)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            fashion.curve(images)  # measures the real side, where it is not stored yet
            started = time.process_time()
            fashion.curve(images)
            curve_seconds = time.process_time() - started
            values = fashion.full(images).values
            full_seconds = time.process_time() - started - curve_seconds
    finally:
        torch.set_num_threads(threads)
    assert values["quality/fid_classifier"] < 1.0
    assert values["quality/precision_classifier"] > 0.8
    assert values["quality/recall_classifier"] > 0.8
    assert values["diversity/duplicate_rate"] < 0.005
    assert (values["modes/classes_covered"], values["modes/collapse"]) == (10.0, 0.0)
    assert curve_seconds <= 2.0
    assert full_seconds <= 8.0
