"""Tests of the ring and the grid: PacGAN's definitions, closed forms and fixed points."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from bench.core.errors import UserError
from bench.core.spec import Mixture, Split
from bench.data.mixtures import GRID25, RING8, PlaneMixture

BOTH = pytest.mark.parametrize("mixture", [RING8, GRID25], ids=lambda mixture: mixture.name)
WITHIN_3_SD = 1 - math.exp(-4.5)  # of a round Gaussian in the plane: .98889


@BOTH
def test_sizes_and_types(mixture: PlaneMixture) -> None:
    for name, size in (("train", 100_000), ("test", 2_500)):
        examples = mixture.split(name)  # type: ignore[arg-type]
        assert (examples.data.shape, examples.data.dtype) == ((size, 2), torch.float32)
        assert examples.labels is not None
        assert (examples.labels.shape, examples.labels.dtype) == ((size,), torch.int64)
    assert isinstance(mixture, Mixture)
    assert mixture.centres.shape == (mixture.spec.classes, 2)
    assert len(set(mixture.class_names)) == mixture.spec.classes


def test_the_ring_has_eight_distinct_centres_on_the_unit_circle() -> None:
    centres = RING8.centres
    assert centres.norm(dim=1) == pytest.approx([1.0] * 8, abs=1e-6)
    gaps = torch.pdist(centres)
    assert gaps.min().item() == pytest.approx(2 * math.sin(math.pi / 8), abs=1e-6), (
        "the smallest distance between centres is not the side of a regular octagon"
    )
    assert RING8.sd == 0.01


def test_the_grid_is_every_pair_of_even_numbers_up_to_four() -> None:
    assert {tuple(row) for row in GRID25.centres.tolist()} == set(itertools.product((-4, -2, 0, 2, 4), repeat=2))
    assert GRID25.sd == 0.05


@BOTH
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_true_share_of_the_points_is_within_three_sd(mixture: PlaneMixture, split: Split) -> None:
    examples = mixture.split(split)
    distances = torch.cdist(examples.data.double(), mixture.centres.double())
    share = (distances.amin(dim=1) <= 3 * mixture.sd).double().mean().item()
    assert abs(share - WITHIN_3_SD) < 4 * math.sqrt(WITHIN_3_SD * (1 - WITHIN_3_SD) / len(examples))
    assert distances.argmin(dim=1).equal(examples.labels), "a label is not that of the nearest centre"


@BOTH
@pytest.mark.parametrize("split", ["train", "test"])
def test_modes_are_equally_likely(mixture: PlaneMixture, split: Split) -> None:
    labels = mixture.split(split).labels
    assert labels is not None
    modes, n = mixture.spec.classes, len(labels)
    counts = labels.bincount(minlength=modes).double()
    chi_squared = ((counts - n / modes) ** 2 / (n / modes)).sum().item()
    assert abs(chi_squared - (modes - 1)) < 4 * math.sqrt(2 * (modes - 1)), (
        "the counts of the modes are too uneven or too even for independent draws"
    )


@BOTH
def test_every_mode_is_round_and_where_it_should_be(mixture: PlaneMixture) -> None:
    examples = mixture.split("train")
    offsets = (examples.data.double() - mixture.centres.double()[examples.labels]) / mixture.sd
    n = len(examples)
    assert offsets.mean(dim=0).abs().max() < 4 / math.sqrt(n)
    covariance = offsets.T.cov()
    assert (covariance - torch.eye(2)).abs().max() < 4 * math.sqrt(2 / n)


@BOTH
def test_no_test_point_is_a_training_point(mixture: PlaneMixture) -> None:
    train, test = ({tuple(point) for point in mixture.split(name).data.tolist()} for name in ("train", "test"))  # type: ignore[arg-type]
    assert not train & test


@pytest.mark.parametrize(
    ("mixture", "digest"),
    [
        (RING8, "c68513a23dfe138ed73140e065973c34458cad338c86d85fed27aa1e34994449"),
        (GRID25, "53de15fe8e18dbe34396b2dbfcb5fcb48474a2125d256529fcae4486bfb6f414"),
    ],
)
def test_the_points_never_change(mixture: PlaneMixture, digest: str) -> None:
    assert mixture.digest() == digest


def test_there_is_no_third_split() -> None:
    with pytest.raises(UserError, match="ring8 has the splits train and test, not 'val'"):
        RING8.split("val")  # type: ignore[arg-type]
