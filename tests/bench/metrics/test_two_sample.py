"""The two-sample test, compared with scikit-learn's neighbours in the union of both sides and with closed forms."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.registry import load_catalogs
from bench.evaluation.evaluator import Evaluator, reference_images
from bench.metrics.evidence import Evidence
from bench.metrics.half_sample_evidence import add_half_samples
from bench.metrics.neighbours import K, find_neighbours, nearest_to, overlap
from bench.metrics.two_sample import compared, recognised

KEYS = tuple(f"quality/nn_accuracy{side}_classifier" for side in ("", "_generated", "_real"))


def normal(n: int, d: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sides(generated: Tensor, real: Tensor) -> tuple[float, float]:
    """Return the accuracies of generated and of real rows by the tested functions."""
    found, m = find_neighbours(real), min(len(generated), len(real))
    chosen = compared(found, len(generated))
    none = torch.zeros(0, len(generated))
    whole = overlap(found, find_neighbours(generated), none.bool(), none, nearest=chosen.nearest)
    own = find_neighbours(generated[:m]).nearest
    of_generated = recognised(own, nearest_to(generated[:m], real[chosen.rows])[0])
    return float(of_generated.mean()), float(1 - whole.closer[0, chosen.rows].mean())


def by_scikit_learn(generated: Tensor, real: Tensor) -> tuple[float, float]:
    """Return both accuracies by scikit-learn, from the nearest neighbour of each row among all others."""
    union, labels = torch.cat([generated, real]).numpy(), torch.arange(len(generated) + len(real)) < len(generated)
    nearest = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(union).kneighbors(union, return_distance=False)[:, 1]
    right = (labels[torch.from_numpy(nearest)] == labels).double()
    return float(right[labels].mean()), float(right[~labels].mean())


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.7, 1.0), (0.0, 0.6), (0.0, 2.0)])
def test_equals_scikit_learn(shift: float, scale: float) -> None:
    generated, real = shift + scale * normal(800, seed=1), normal(800)
    assert sides(generated, real) == pytest.approx(by_scikit_learn(generated, real))


def test_more_real_images_are_compared_by_as_many_of_them() -> None:
    generated, real = 0.3 + normal(150, seed=1), normal(900)
    rows = compared(find_neighbours(real), 150).rows
    assert len(rows.unique()) == 150
    assert sides(generated, real) == pytest.approx(by_scikit_learn(generated, real[rows]))


def test_more_generated_images_are_compared_by_the_first_of_them() -> None:
    generated, real = 0.3 + normal(900, seed=1), normal(150)
    assert sides(generated, real) == pytest.approx(by_scikit_learn(generated[:150], real))


def test_one_distribution_gives_a_half_on_both_sides() -> None:
    generated, real = sides(normal(4000, seed=1), normal(4000))
    assert (generated, real) == pytest.approx((0.5, 0.5), abs=0.03)


def test_the_sides_distinguish_collapse_from_misfit() -> None:
    crowded, few = sides(0.85 * normal(1000, d=32, seed=1), normal(1000, d=32))
    assert crowded > 0.75
    assert few < 0.4  # the nearest neighbour of most real images is a generated one
    assert sides(normal(1000, seed=1) + 50, normal(1000)) == (1.0, 1.0)


def test_copies_are_never_recognised_and_ties_count_half() -> None:
    real = normal(300)
    assert sides(real.clone(), real) == (0.0, 0.0)
    assert sides(torch.zeros(40, 3), torch.zeros(40, 3)) == (0.5, 0.5)


def test_half_samples_are_compared_with_all_real_images() -> None:
    generated, real = 0.2 + normal(300, seed=1), normal(300)
    half_samples = torch.stack([torch.randperm(300, generator=torch.Generator().manual_seed(seed)) < 150 for seed in range(3)])
    whole = find_neighbours(generated)
    radius = torch.zeros(half_samples.shape, dtype=torch.float64)
    for half, row in zip(half_samples, radius, strict=True):
        row[half] = whole.among(half.nonzero()[:, 0]).radius(K)
    closer = overlap(find_neighbours(real), whole, half_samples, radius).closer
    found = [float(1 - part.mean()) for part in closer[1:]]
    assert found == pytest.approx([by_scikit_learn(generated[half], real)[1] for half in half_samples])


@pytest.mark.parametrize("n", [500, 200])  # all test images, and fewer
def test_half_samples_of_an_evaluation(n: int) -> None:
    load_catalogs()
    evaluator = Evaluator(DATASETS.get("digits"), samples=n, metrics=KEYS)
    evidence = evaluator._evidence(reference_images(evaluator.dataset, n))
    add_half_samples(evidence, 5)
    features, real = evidence.main.features.double(), evaluator._real.features_of("classifier").features.double()
    rows = compared(find_neighbours(real), n).rows
    assert accuracies(evidence) == pytest.approx(by_scikit_learn(features, real[rows]), abs=2.5 / n)  # float32 reorders near-ties
    for half in evidence.half_samples:
        assert accuracies(half) == pytest.approx(by_scikit_learn(features[half.rows], real[rows]), abs=2.5 / n)
    together, generated, of_real = (evidence.value(key) for key in KEYS)
    assert together == pytest.approx((generated + of_real) / 2)
    assert 0.4 < together < 0.6
    assert 0 < evidence.standard_error(KEYS[0]) < 0.1


def test_more_images_than_real_ones_have_halves_of_the_compared() -> None:
    load_catalogs()
    evaluator = Evaluator(DATASETS.get("digits"), samples=1200, metrics=KEYS)
    evidence = evaluator._evidence(reference_images(evaluator.dataset, 1200))
    add_half_samples(evidence, 5)
    half = evidence.half_samples[0]
    assert len(evidence.recognised_generated) == len(evidence.recognised_real) == 500
    assert 180 < len(half.recognised_generated) < 320
    assert len(half.recognised_real) == 500
    features, real = evidence.main.features.double(), evaluator._real.features_of("classifier").features.double()
    first = half.rows[half.rows < 500]
    assert accuracies(half) == pytest.approx(by_scikit_learn(features[first], real), abs=0.01)


def accuracies(evidence: Evidence) -> tuple[float, float]:
    return float(evidence.recognised_generated.mean()), float(evidence.recognised_real.double().mean())


def test_one_image_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="at least 2 images, not 1"):
        compared(find_neighbours(normal(20)), 1)
