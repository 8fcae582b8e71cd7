"""Metrics of diversity, compared with closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from bench.core.config import DATASETS
from bench.evaluation.evaluator import Evaluator, reference_images
from bench.metrics import diversity
from bench.metrics.columns import SE
from bench.metrics.diversity import (
    class_vendi_scores,
    duplicate_rate,
    duplicate_threshold,
    pair_distances,
    vendi_score,
    vendi_shares,
)
from bench.metrics.half_sample_evidence import add_half_samples

CLASSES, LEAST = "diversity/class_vendi", "diversity/class_vendi_least"


def test_pairs_are_neighbouring_rows() -> None:
    images = torch.zeros(5, 3, 4, 5, dtype=torch.uint8)
    images[1], images[3, 0, 0, 0], images[4] = 255, 7, 99  # the fifth image is in no pair
    assert pair_distances(images).tolist() == pytest.approx([255 * math.sqrt(60), 7.0], rel=1e-12)


def test_constant_images_are_at_distance_zero() -> None:
    assert pair_distances(torch.full((50, 1, 8, 8), 17, dtype=torch.uint8)).eq(0).all()


def test_noise_has_its_expected_distance_whatever_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    # The mean squared difference of two independent uniform bytes is (256^2 - 1) / 6. The mean distance is close to its root.
    images = torch.randint(0, 256, (2000, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    distances = pair_distances(images)
    assert float(distances.mean()) == pytest.approx(math.sqrt(784 * (256**2 - 1) / 6), rel=0.005)
    monkeypatch.setattr(diversity, "CHUNK", 1000)
    torch.testing.assert_close(pair_distances(images), distances, rtol=1e-13, atol=0)


@pytest.mark.parametrize("m", [1, 3, 8])
def test_equal_shares_of_m_directions_count_m(m: int) -> None:
    lengths = 1 + torch.arange(240).view(-1, 1)  # cosines do not depend on lengths
    assert vendi_score(lengths * torch.eye(8)[:m].repeat(240 // m, 1)) == pytest.approx(m, rel=1e-9)


def test_unequal_shares_count_the_exponential_of_their_entropy() -> None:
    rows = torch.eye(5)[[0] * 6 + [3] * 3 + [4]]
    entropy = -sum(share * math.log(share) for share in (0.6, 0.3, 0.1))
    assert vendi_score(rows) == pytest.approx(math.exp(entropy), rel=1e-9)


def test_vendi_score_is_that_of_the_kernel_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.randn(60, 9, generator=torch.Generator().manual_seed(0)) + 0.5
    cosines = torch.nn.functional.cosine_similarity(features.double()[:, None], features.double()[None], dim=2)
    shares = torch.linalg.eigvalsh(cosines / 60).clamp(min=1e-15)
    expected = math.exp(-float((shares * shares.log()).sum()))
    assert vendi_score(features) == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(diversity, "CHUNK", 20)
    assert vendi_score(features) == pytest.approx(expected, rel=1e-9)


def test_rows_of_zeros_are_one_direction_of_their_own() -> None:
    assert vendi_score(torch.zeros(10, 4)) == pytest.approx(1.0)
    assert vendi_score(torch.cat([torch.zeros(10, 4), torch.eye(4)[:1].repeat(10, 1)])) == pytest.approx(2.0)


def test_more_features_than_rows_count_no_more_than_rows() -> None:
    assert vendi_score(torch.eye(200)[:7]) == pytest.approx(7.0)


def test_duplicates_are_nearer_than_the_threshold() -> None:
    threshold = duplicate_threshold(torch.arange(1.0, 1002.0))
    assert threshold == pytest.approx(2.0)  # the 0.1 % quantile of 1..1001
    assert duplicate_rate(torch.tensor([0.0, 1.9, 2.0, 3.0]), threshold) == 0.5


def test_copies_are_duplicates_even_where_real_images_have_copies_too() -> None:
    assert duplicate_rate(torch.tensor([0.0, 0.0, 1.0, 3.0]), duplicate_threshold(torch.zeros(10))) == 0.5


def test_impossible_input_raises() -> None:
    with pytest.raises(ValueError, match="a pair needs two images, not 1"):
        pair_distances(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="some features are not finite"):
        vendi_score(torch.tensor([[1.0, torch.nan]]))
    with pytest.raises(ValueError, match="at least one image"):
        vendi_score(torch.zeros(0, 3))


def test_classes_have_vendi_scores_of_their_own() -> None:
    rows, classes = torch.eye(6)[[0, 1, 2, 3, 4, 4, 5, 0]], torch.tensor([0, 0, 0, 0, 2, 2, 2, 7])
    entropy = -sum(share * math.log(share) for share in (2 / 3, 1 / 3))
    assert class_vendi_scores(rows, classes) == pytest.approx({0: 4.0, 2: math.exp(entropy), 7: 1.0})


def test_a_share_is_at_most_one_and_a_class_without_images_has_none() -> None:
    assert vendi_shares({0: 2.0, 1: 9.0, 5: 3.0}, {0: 4.0, 1: 3.0, 2: 2.0}).tolist() == [0.5, 1.0, 0.0]


def test_one_kind_of_image_in_a_class_has_a_known_share() -> None:
    """A class of copies has the Vendi score 1. The other classes do not change, and the Vendi score of all images hardly changes."""
    dataset = DATASETS.get("digits")
    evaluator = Evaluator(dataset, errors=False, metrics=[CLASSES, LEAST, "diversity/vendi_score"])
    real = evaluator._real
    images = reference_images(dataset)
    rows = (evaluator.classify(images) == 3).nonzero()[:, 0]
    copies = images.clone()
    copies[rows] = images[rows[0]]
    before, after = evaluator.full(images).values, evaluator.full(copies).values
    assert before[CLASSES] > 0.9
    assert after[LEAST] == pytest.approx(1 / real.class_vendi[3])
    lost = min(class_vendi_scores(real.extractor("pixels")(images[rows]).features, rows * 0)[0] / real.class_vendi[3], 1) - after[LEAST]
    assert after[CLASSES] == pytest.approx(before[CLASSES] - lost / 10)
    assert after["diversity/vendi_score"] == pytest.approx(before["diversity/vendi_score"], rel=0.05)


def test_a_class_that_is_missing_has_the_least_share() -> None:
    dataset = DATASETS.get("digits")
    evaluator = Evaluator(dataset, samples=200, metrics=[CLASSES, LEAST])
    images = reference_images(dataset, 500)
    values = evaluator.full(images[evaluator.classify(images) != 3][:200]).values
    assert values[LEAST] == 0.0
    assert values[CLASSES] < 0.9
    assert 0 < values[f"{CLASSES}{SE}"] < 0.1


def test_a_half_sample_has_the_shares_of_its_images() -> None:
    dataset = DATASETS.get("digits")
    evaluator = Evaluator(dataset, samples=200, metrics=[CLASSES])
    evidence = evaluator._evidence(reference_images(dataset, 200))
    add_half_samples(evidence, 2)
    half = evidence.half_samples[1]
    alone = Evaluator(dataset, samples=100, metrics=[CLASSES])._evidence(half.data)
    assert half.value(CLASSES) == pytest.approx(alone.value(CLASSES))
    assert half.value(CLASSES) == pytest.approx(float(half.class_diversity.mean()))
