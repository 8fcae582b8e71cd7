"""Bins of given histograms, and of samples of one distribution and of two distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import Tensor

from bench.metrics.ndb import assign, counts_of, fit_bins, jensen_shannon, ndb


def islands(n: int, seed: int = 0) -> Tensor:
    """Return points around ten distant centres."""
    noise = torch.Generator().manual_seed(seed)
    centres = 20 * torch.eye(10)
    return centres[torch.randint(10, (n,), generator=noise)] + torch.randn(n, 10, generator=noise)


@pytest.mark.parametrize(("rows", "bins"), [(2, 2), (60, 2), (500, 10), (5100, 100)])
def test_there_is_a_bin_for_each_50_rows_up_to_100(rows: int, bins: int) -> None:
    assert fit_bins(islands(rows)).shape == (bins, 10)


def test_bins_are_where_the_data_is_and_always_the_same() -> None:
    train = islands(500)
    centres = fit_bins(train)
    assert torch.equal(fit_bins(train), centres)
    bins = assign(train, centres)
    for cell in range(10):
        torch.testing.assert_close(centres[cell], train[bins == cell].mean(dim=0), rtol=1e-4, atol=1e-4)


def test_rows_go_to_the_nearest_centre() -> None:
    features, centres = islands(2500), islands(30, seed=1)
    assert torch.equal(assign(features, centres), torch.cdist(features.double(), centres.double()).argmin(dim=1))
    assert counts_of(torch.tensor([0, 2, 2]), 4).tolist() == [1, 0, 2, 0]


def test_few_different_rows_are_as_many_bins() -> None:
    assert fit_bins(torch.ones(500, 3)).tolist() == [[1.0, 1.0, 1.0]]
    assert len(fit_bins(torch.eye(3).repeat(200, 1))) == 3


def test_one_distribution_differs_in_about_a_twentieth_of_the_bins() -> None:
    noise = np.random.default_rng(0)
    shares = noise.dirichlet(np.full(100, 5.0))
    values = [ndb(noise.multinomial(5000, shares), noise.multinomial(60_000, shares)) for _ in range(40)]
    assert np.mean(values) == pytest.approx(0.05, abs=0.01)


def test_a_difference_counts_from_the_five_percent_level() -> None:
    # The pooled share of 100 + 100 images is 0.5, and its error is 0.0707. So 1.96 errors are a difference of 0.1386.
    assert ndb(torch.tensor([57, 43]), torch.tensor([44, 56])) == 0.0
    assert ndb(torch.tensor([57, 43]), torch.tensor([43, 57])) == 1.0


def test_lost_modes_differ_and_empty_bins_do_not() -> None:
    train = torch.tensor([1000, 1000, 1000, 0])
    assert ndb(torch.tensor([300, 300, 300, 0]), train) == 0.0
    assert ndb(torch.tensor([900, 0, 0, 0]), train) == 0.75
    assert ndb(torch.tensor([7, 0]), torch.tensor([9, 0])) == 0.0


def test_divergence_is_scipys_and_between_zero_and_log_two() -> None:
    p, q = np.array([5, 3, 0, 2]), np.array([10, 0, 10, 20])
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-12)
    assert jensen_shannon(torch.tensor(p), torch.tensor(3 * p)) == pytest.approx(0.0, abs=1e-15)
    assert jensen_shannon(np.array([1, 0]), np.array([0, 9])) == pytest.approx(math.log(2))


def test_impossible_input_raises() -> None:
    with pytest.raises(ValueError, match="at least 2 rows, not 1"):
        fit_bins(torch.zeros(1, 2))
    for function in (fit_bins, lambda rows: assign(rows, torch.zeros(2, 2))):
        with pytest.raises(ValueError, match="some features are not finite"):
            function(torch.full((4, 2), torch.nan))
    with pytest.raises(ValueError, match="all zero"):
        ndb(torch.tensor([0, 0]), torch.tensor([1, 1]))
    with pytest.raises(ValueError, match="negative"):
        jensen_shannon(np.array([2, -1]), np.array([1, 1]))
