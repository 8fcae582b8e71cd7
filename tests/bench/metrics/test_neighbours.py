"""Neighbours and overlap, compared with two reference implementations and with brute force."""

from __future__ import annotations

import prdc
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_prc import prc_features_to_metric

from bench.metrics import neighbours
from bench.metrics.neighbours import AMONG, K_BALL, K, Neighbours, Overlap, find_neighbours, nearest_other, nearest_to, overlap


def clouds(n: int, m: int, d: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return generated and real features in float64 that overlap in part."""
    noise = torch.Generator().manual_seed(seed)
    generated = 0.9 * torch.randn(n, d, generator=noise, dtype=torch.float64) + 0.5
    return generated.relu(), torch.randn(m, d, generator=noise, dtype=torch.float64).relu()


def measured(generated: Tensor, real: Tensor, *, block: int | None = None) -> Overlap:
    """Return the overlap of two sets, without half-samples."""
    none = torch.zeros(0, len(generated))
    return overlap(find_neighbours(real, block=block), find_neighbours(generated, block=block), none.bool(), none, block=block)


def numbers(found: Overlap) -> tuple[float, float, float, float]:
    """Return precision, recall, density and coverage."""
    fractions = (found.inside, found.reached[0], found.balls / K_BALL, (found.filled[0] > 0))
    return tuple(part.double().mean().item() for part in fractions)  # type: ignore[return-value]


def random_half_samples(n: int, count: int, seed: int = 0) -> Tensor:
    """Return random half-samples of n rows as masks [count, n]."""
    noise = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(n, generator=noise) < n // 2 for _ in range(count)])


def distances(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


@pytest.mark.parametrize(("n", "m"), [(2000, 2000), (700, 1300)])
def test_precision_and_recall_count_as_torch_fidelity_does_in_float64(n: int, m: int) -> None:
    generated, real = clouds(n, m)
    precision, recall, _, _ = numbers(measured(generated, real))
    expected = prc_features_to_metric(generated, real, prc_neighborhood=K, verbose=False)
    assert 0.05 < precision < 0.95
    assert 0.05 < recall < 0.95
    assert round(precision * n) == round(expected["precision"] * n)
    assert round(recall * m) == round(expected["recall"] * m)


def test_density_and_coverage_count_as_prdc_does_in_float64() -> None:
    generated, real = clouds(2000, 2000, seed=1)
    expected = prdc.compute_prdc(real.numpy(), generated.numpy(), nearest_k=K_BALL)
    found = measured(generated, real)
    assert found.balls.sum().item() == round(expected["density"] * K_BALL * 2000)
    assert (found.filled[0] > 0).sum().item() == round(expected["coverage"] * 2000)
    expected = prdc.compute_prdc(real.numpy(), generated.numpy(), nearest_k=K)
    assert found.inside.sum().item() == round(expected["precision"] * 2000)
    assert found.reached[0].sum().item() == round(expected["recall"] * 2000)


def test_float32_flips_next_to_nothing() -> None:
    generated, real = clouds(2000, 2000, seed=2)
    exact = numbers(measured(generated, real))
    assert numbers(measured(generated.float(), real.float())) == pytest.approx(exact, abs=2.5 / 2000)


@pytest.mark.parametrize("n", [300, 3000])  # few rows are sorted as a whole, and many in groups of columns
def test_lists_equal_brute_force(n: int) -> None:
    features, _ = clouds(n, 1)
    expected = distances(features, features).fill_diagonal_(torch.inf).sort(dim=1)
    found = find_neighbours(features)
    torch.testing.assert_close(found.distance, expected.values[:, : neighbours.LISTED], rtol=1e-12, atol=0)
    assert torch.equal(found.index, expected.indices[:, : neighbours.LISTED])
    assert torch.equal(found.nearest, found.radius(1))


@pytest.mark.parametrize("listed", [24, 6])  # lists that are long enough, and lists that are too short for most rows
def test_among_is_the_search_in_the_rows_alone(listed: int) -> None:
    features, _ = clouds(900, 1)
    whole = find_neighbours(features, listed=listed)
    for half in random_half_samples(900, 3):
        rows = half.nonzero()[:, 0]
        found, expected = whole.among(rows), find_neighbours(features[rows], listed=AMONG)
        assert torch.equal(found.features, expected.features)
        assert torch.equal(found.index, expected.index)
        torch.testing.assert_close(found.distance, expected.distance, rtol=1e-12, atol=0)


def test_among_few_rows_gives_what_there_is() -> None:
    features, _ = clouds(40, 1)
    found = find_neighbours(features).among(torch.tensor([3, 17, 30]))
    assert found.distance.shape == (3, 2)
    torch.testing.assert_close(found.distance, find_neighbours(features[[3, 17, 30]]).distance)
    with pytest.raises(ValueError, match="3 rows with 2 neighbours listed have no 3 nearest"):
        found.radius(3)


def test_among_copies_finds_copies() -> None:
    features = clouds(10, 1)[0].float().repeat(40, 1)
    found = find_neighbours(features).among(torch.arange(200, 400))
    assert found.distance.eq(0).all()
    assert torch.equal(found.index % 10, (torch.arange(200) % 10)[:, None].expand(-1, AMONG))


def test_half_samples_have_their_own_radii() -> None:
    generated, real = clouds(500, 400, d=6)
    half_samples = random_half_samples(500, 4)
    whole = find_neighbours(generated)
    radius = torch.full(half_samples.shape, torch.nan, dtype=torch.float64)  # other rows are ignored
    for half, row in zip(half_samples, radius, strict=True):
        row[half] = whole.among(half.nonzero()[:, 0]).radius(K)
    found = overlap(find_neighbours(real), whole, half_samples, radius)
    for number, half in enumerate([torch.ones(500, dtype=torch.bool), *half_samples]):
        alone = generated[half]
        apart, own = distances(real, alone), distances(alone, alone).sort(dim=1).values[:, K]
        wide = distances(real, real).sort(dim=1).values[:, K_BALL]
        assert torch.equal(found.reached[number], (apart <= own).any(dim=1))
        assert torch.equal(found.filled[number] > 0, (apart <= wide[:, None]).any(dim=1))
    assert len(set(found.reached.sum(dim=1).tolist())) > 2  # the half-samples differ


@pytest.mark.parametrize("block", [1, 7, 300, 1000])
def test_block_size_changes_nothing(block: int) -> None:
    generated, real = clouds(300, 200)
    whole, blocked = find_neighbours(real), find_neighbours(real, block=block)
    torch.testing.assert_close(blocked.distance, whole.distance)
    assert torch.equal(blocked.index, whole.index)
    assert numbers(measured(generated, real, block=block)) == numbers(measured(generated, real))


def test_order_changes_nothing() -> None:
    generated, real = clouds(400, 400)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    assert numbers(measured(generated[order], real.flip(0))) == numbers(measured(generated, real))


@pytest.mark.parametrize("n", [50, 1500])
def test_copies_are_at_distance_zero_in_float32(n: int) -> None:
    features = 100 + torch.rand(n, 24, generator=torch.Generator().manual_seed(0))
    found = find_neighbours(features.repeat(K_BALL + 1, 1))
    assert found.radius(K_BALL).eq(0).all()
    assert found.distance[:, K_BALL].gt(0).all()


def test_a_manifold_of_copies_holds_exactly_its_own_points() -> None:
    features = 100 + torch.rand(50, 24, generator=torch.Generator().manual_seed(0))
    manifold = features[:20].repeat(K_BALL + 1, 1)
    found = measured(features, manifold)
    assert found.inside.sum().item() == found.inside[:20].sum().item() == 20
    assert found.balls.tolist() == [K_BALL + 1] * 20 + [0] * 30
    assert found.filled[0].gt(0).all()
    assert measured(manifold, features).reached.sum().item() == 20


def test_a_set_is_inside_itself_and_edges_count() -> None:
    generated = clouds(1000, 1)[0].float()
    found = measured(generated, generated.clone())
    assert found.inside.all()
    assert found.reached.all()
    # Each real ball contains its centre and K_BALL neighbours. The last neighbour lies exactly on the boundary.
    assert found.balls.sum().item() == (K_BALL + 1) * 1000


def test_wide_noise_reaches_everything_and_is_inside_nothing() -> None:
    noise = torch.Generator().manual_seed(0)
    real, generated = torch.randn(300, 64, generator=noise), 40 * torch.randn(300, 64, generator=noise)
    assert numbers(measured(generated, real)) == (0.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize("count", [1, 5, 500, 9000])  # one target, fewer than a group, one chunk, two chunks
def test_nearest_target_equals_brute_force(count: int) -> None:
    points, targets = (part.float() for part in clouds(200, count))
    expected = distances(points, targets).min(dim=1)
    distance, index = nearest_to(points, targets)
    torch.testing.assert_close(distance, expected.values)
    assert torch.equal(index, expected.indices)


def test_copies_of_targets_are_found_at_distance_zero() -> None:
    targets = 100 + 0.01 * torch.rand(9000, 24, generator=torch.Generator().manual_seed(0))
    distance, index = nearest_to(targets[::50], targets)
    assert distance.eq(0).all()
    assert torch.equal(index, torch.arange(0, 9000, 50))


@pytest.mark.parametrize("n", [2, 17, 9000])
def test_nearest_other_agrees_with_the_lists(n: int) -> None:
    features = clouds(n, 1)[0].float()
    torch.testing.assert_close(nearest_other(features), find_neighbours(features, listed=1).nearest)
    assert nearest_other(torch.cat([features, features[:1]]))[[0, n]].eq(0).all()


def test_threads_change_no_more_than_rounding() -> None:
    generated, real = (part.float() for part in clouds(600, 600))
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append((find_neighbours(real).distance, numbers(measured(generated, real))))
    torch.set_num_threads(before)
    torch.testing.assert_close(results[0][0], results[1][0])
    assert results[0][1] == pytest.approx(results[1][1], abs=2.5 / 600)


def test_impossible_input_raises() -> None:
    with pytest.raises(ValueError, match="at least 2 rows, not 1"):
        find_neighbours(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="at least 2 rows, not 1"):
        nearest_other(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="at least 1 rows, not 0"):
        nearest_to(torch.zeros(1, 2), torch.zeros(0, 2))
    with pytest.raises(ValueError, match="3 neighbours listed have no 5 nearest"):
        measured(clouds(4, 1)[0], clouds(4, 1)[0])
    for bad in (torch.nan, torch.inf, 1e30):
        features = torch.zeros(40, 2)
        features[7] = bad
        with pytest.raises(ValueError, match="some features are not finite"):
            find_neighbours(features)
        with pytest.raises(ValueError, match="some features are not finite"):
            nearest_to(features, torch.zeros(5, 2))
    assert isinstance(find_neighbours(torch.zeros(40, 2)), Neighbours)
