"""Half-samples and the canonical order."""

from __future__ import annotations

import pytest
import torch

from bench.metrics.half_samples import HALF_SAMPLES, canonical_order, draw_half_samples, rows_of


def test_a_half_holds_half_of_the_pairs_and_no_row_twice() -> None:
    half_samples = draw_half_samples(1000)
    assert half_samples.shape == (HALF_SAMPLES, 250)
    for pairs in half_samples:
        rows = rows_of(pairs)
        assert len(rows.unique()) == 500
        assert torch.equal(rows, rows.sort().values)
        assert torch.equal(rows[0::2] + 1, rows[1::2])


def test_halves_are_always_the_same_and_differ_from_each_other() -> None:
    assert torch.equal(draw_half_samples(100), draw_half_samples(100))
    assert len({tuple(pairs.tolist()) for pairs in draw_half_samples(100)}) == HALF_SAMPLES
    assert torch.equal(draw_half_samples(100, 3), draw_half_samples(100)[:3])


@pytest.mark.parametrize("n", [10, 11, 13, 101])
def test_odd_numbers_leave_rows_out(n: int) -> None:
    for pairs in draw_half_samples(n):
        assert int(rows_of(pairs).max()) < n


def test_the_spread_over_halves_is_the_standard_error_of_a_mean() -> None:
    # Over many samples, the mean squared standard error is s^2 / n, within a sampling error of 3 %.
    n, noise = 400, torch.Generator().manual_seed(0)
    half_samples = [rows_of(pairs) for pairs in draw_half_samples(n)]
    squared = []
    for _ in range(400):
        values = torch.randn(n, generator=noise, dtype=torch.float64) * 3
        squared.append(torch.stack([values[rows].mean() for rows in half_samples]).var())
    assert float(torch.stack(squared).mean()) == pytest.approx(9 / n, rel=0.05)


@pytest.mark.parametrize("shape", [(50, 3, 4, 4), (50, 2)])
def test_the_canonical_order_is_of_the_set_alone(shape: tuple[int, ...]) -> None:
    noise = torch.Generator().manual_seed(0)
    data = torch.randint(0, 256, shape, generator=noise).to(torch.uint8) if len(shape) == 4 else torch.randn(shape, generator=noise)
    other = data[torch.randperm(len(data), generator=noise)]
    assert torch.equal(data[canonical_order(data)], other[canonical_order(other)])
    assert sorted(canonical_order(data).tolist()) == list(range(50))


def test_equal_images_do_not_lie_side_by_side() -> None:
    images = torch.arange(100, dtype=torch.uint8).repeat_interleave(10).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    ordered = images[canonical_order(images)][:, 0, 0, 0]
    together = int((ordered[0::2] == ordered[1::2]).sum())
    assert together < 20  # each of 500 pairs is equal with probability 9 / 999


def test_minus_zero_is_zero() -> None:
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    points[7, 1] = 0.0
    other = points.clone()
    other[7, 1] = -0.0
    assert torch.equal(canonical_order(points), canonical_order(other))


def test_parts_of_a_row_decide_the_order_and_stay_with_it() -> None:
    noise = torch.Generator().manual_seed(0)
    data = torch.randint(0, 2, (60, 1, 2, 2), generator=noise).to(torch.uint8)  # 16 different examples, so many are equal
    given, labels = torch.randint(0, 256, (60, 3), generator=noise).to(torch.uint8), torch.arange(60)
    other = torch.randperm(60, generator=noise)
    order, mixed = canonical_order(data, given, labels), canonical_order(data[other], given[other], labels[other])
    assert torch.equal(labels[order], labels[other][mixed])
    assert torch.equal(given[order], given[other][mixed])
    assert sorted(order.tolist()) == list(range(60))
    assert not torch.equal(order, canonical_order(data))


def test_equal_rows_are_harmless() -> None:
    data, given = torch.arange(8, dtype=torch.uint8).repeat(5)[:, None], torch.zeros(40, 2)
    other = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(data[canonical_order(data, given)], data[other][canonical_order(data[other], given[other])])


def test_the_order_without_parts_never_changes() -> None:
    data = torch.arange(12, dtype=torch.uint8)[:, None]
    assert canonical_order(data).tolist() == [4, 1, 0, 5, 11, 10, 6, 9, 8, 2, 3, 7]
