"""Precision and recall against two reference implementations, and the distances behind duplicates against brute force."""

from __future__ import annotations

import prdc
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_prc import prc_features_to_metric

from bench.metrics.neighbours import K, find_neighbours, share_within


def clouds(n: int, m: int, d: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Generated and real features, float64, that overlap in part."""
    noise = torch.Generator().manual_seed(seed)
    generated = 0.9 * torch.randn(n, d, generator=noise, dtype=torch.float64) + 0.5
    return generated.relu(), torch.randn(m, d, generator=noise, dtype=torch.float64).relu()


def precision_and_recall(generated: Tensor, real: Tensor) -> tuple[float, float]:
    return share_within(generated, find_neighbours(real)), share_within(real, find_neighbours(generated))


@pytest.mark.parametrize(("n", "m"), [(2000, 2000), (700, 1300)])
def test_counts_equal_torch_fidelity_in_float64(n: int, m: int) -> None:
    generated, real = clouds(n, m)
    precision, recall = precision_and_recall(generated, real)
    expected = prc_features_to_metric(generated, real, prc_neighborhood=K, verbose=False)
    assert 0.05 < precision < 0.95
    assert 0.05 < recall < 0.95
    assert round(precision * n) == round(expected["precision"] * n)
    assert round(recall * m) == round(expected["recall"] * m)


def test_equals_prdc() -> None:
    generated, real = clouds(2000, 2000, seed=1)
    expected = prdc.compute_prdc(real.numpy(), generated.numpy(), nearest_k=K)
    assert precision_and_recall(generated, real) == pytest.approx((expected["precision"], expected["recall"]), abs=1e-12)


def test_float32_flips_next_to_nothing() -> None:
    generated, real = clouds(2000, 2000, seed=2)
    exact = precision_and_recall(generated, real)
    assert precision_and_recall(generated.float(), real.float()) == pytest.approx(exact, abs=2.5 / 2000)


def test_distances_equal_brute_force() -> None:
    features, _ = clouds(300, 1)
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf).sort(dim=1).values
    found = find_neighbours(features)
    torch.testing.assert_close(found.nearest, distances[:, 0])
    torch.testing.assert_close(found.radius, distances[:, K - 1])


@pytest.mark.parametrize("block", [1, 7, 300, 1000])
def test_block_size_changes_nothing(block: int) -> None:
    generated, real = clouds(300, 200)
    whole, blocked = find_neighbours(real), find_neighbours(real, block=block)
    torch.testing.assert_close(blocked.radius, whole.radius)
    torch.testing.assert_close(blocked.nearest, whole.nearest)
    assert share_within(generated, blocked, block=block) == share_within(generated, whole)


def test_order_changes_nothing() -> None:
    generated, real = clouds(400, 400)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    assert precision_and_recall(generated[order], real.flip(0)) == precision_and_recall(generated, real)


def test_copies_are_at_distance_zero_in_float32() -> None:
    features = 100 + torch.rand(50, 24, generator=torch.Generator().manual_seed(0))
    found = find_neighbours(features.repeat(K + 1, 1))
    assert found.nearest.eq(0).all()
    assert found.radius.eq(0).all()


def test_a_manifold_of_copies_holds_exactly_its_own_points() -> None:
    features = 100 + torch.rand(50, 24, generator=torch.Generator().manual_seed(0))
    manifold = find_neighbours(features[:20].repeat(K + 1, 1))
    assert share_within(features, manifold) == 20 / 50


def test_a_set_is_inside_itself() -> None:
    generated, _ = clouds(500, 1)
    assert share_within(generated.float(), find_neighbours(generated.float())) == 1.0


def test_too_few_rows_raise() -> None:
    with pytest.raises(ValueError, match="3 rows"):
        find_neighbours(torch.zeros(3, 2))
