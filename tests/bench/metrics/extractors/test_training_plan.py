"""Training plans for datasets. Their networks can be built, and their trainings have a bounded length."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from bench.core.errors import UserError
from bench.core.spec import Examples, Split
from bench.metrics.extractors.classifier import Classifier
from bench.metrics.extractors.training_plan import MOST_EPOCHS, PLANS, WORK, plan_for, untrainable, widths_for, work_of
from tests.support.labelled import Labelled


@dataclass(frozen=True, kw_only=True)
class EmptyImages(Labelled):
    """A dataset of any number of empty images."""

    def split(self, name: Split) -> Examples:
        n = self.train if name == "train" else self.test
        return Examples(data=torch.zeros(n, 0), labels=torch.arange(n) % self.classes)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 48), (3, 128, 128)])
def test_a_network_of_any_image_can_be_built(shape: tuple[int, int, int]) -> None:
    plan = plan_for(Labelled(shape=shape, test=128))
    network = Classifier(shape=shape, widths=plan.widths, dims=plan.dims, classes=3).eval()
    assert network(torch.zeros(2, *shape, dtype=torch.uint8)).features.shape == (2, 64)
    assert plan_for(Labelled(shape=shape, test=20)).dims == 10  # so that the test images have a regular covariance
    left = min(shape[1:]) >> len(plan.widths)
    assert left >= 3 or len(plan.widths) <= 2


@pytest.mark.parametrize(
    ("images", "shape"), [(50_000, (3, 32, 32)), (60_000, (1, 28, 28)), (1_000_000, (3, 64, 64)), (5_000, (3, 128, 128))]
)
def test_work_is_bounded_and_spent(images: int, shape: tuple[int, int, int]) -> None:
    plan = plan_for(EmptyImages(shape=shape, train=images))
    images_shown = plan.epochs * min(images, plan.epoch_images or images)
    assert 0.6 * WORK < images_shown * work_of(shape, plan.widths) < 1.2 * WORK


@pytest.mark.parametrize("images", [50, 300, 1_000, 5_000])
def test_few_images_are_shown_often_enough(images: int) -> None:
    plan = plan_for(EmptyImages(train=images))
    assert plan.epochs >= MOST_EPOCHS
    assert 200 <= plan.epochs * (images // plan.batch_size) <= 3_000
    assert plan.outliers >= 4  # one outlier of each kind


def test_mirrored_only_where_that_is_known_to_be_sensible() -> None:
    assert not plan_for(Labelled()).flip
    assert plan_for(Labelled(name="cifar10", shape=(3, 32, 32))).flip


def test_the_table_comes_first() -> None:
    assert plan_for(Labelled(name="digits")) == PLANS["digits"]
    assert widths_for(28, 64) == PLANS["fashion-mnist"].widths  # the rule gives the widths of the tuned plan


REASONS = [
    (Labelled(classes=0), "it has no labelled images"),
    (Labelled(classes=1), "its training images are all of one class"),
    (Labelled(train=49), "it has 49 training images, and a classifier needs at least 50"),
    (Labelled(shape=(1, 3, 9)), "its images are smaller than 4 pixels"),
]


@pytest.mark.parametrize(("dataset", "reason"), REASONS)
def test_data_that_nothing_can_be_learned_from(dataset: Labelled, reason: str) -> None:
    assert untrainable(dataset) == reason
    with pytest.raises(UserError, match=f"^no classifier can be trained on patterns: {reason}$"):
        plan_for(dataset)


def test_data_that_something_can_be_learned_from() -> None:
    assert untrainable(Labelled()) is None
    assert untrainable(replace(Labelled(), train=50)) is None
