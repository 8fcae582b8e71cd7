"""Extractors of stacked images, which apply the classifier of the base dataset to each channel."""

from __future__ import annotations

import pytest
import torch

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Stacked
from bench.data.stacked import StackedImages
from bench.metrics.extractors import classifier_is_ready, extractor_for, kinds_of, load_extractor
from tests.support.labelled import Labelled

STACKED = StackedImages(name="stacked", title="stacked", base=DATASETS.get("digits"))


def test_features_side_by_side_and_the_class_of_the_three() -> None:
    assert isinstance(STACKED, Stacked)
    images = torch.stack([DATASETS.get("digits").split("test").data[start : start + 40, 0] for start in (0, 50, 100)], dim=1)
    stacked, base = extractor_for("classifier", STACKED)(images), load_extractor("digits")
    channels = [base(images[:, [index]]) for index in range(3)]
    torch.testing.assert_close(stacked.features, torch.cat([channel.features for channel in channels], dim=1), rtol=1e-4, atol=1e-5)
    a, b, c = (channel.predictions for channel in channels)
    assert torch.equal(stacked.predictions, 100 * a + 10 * b + c)
    assert stacked.logits is None


@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_batch_size_changes_only_rounding(batch_size: int) -> None:
    images = torch.randint(0, 256, (30, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    extractor = extractor_for("classifier", STACKED)
    whole, split = extractor(images), extractor(images, batch_size=batch_size)
    torch.testing.assert_close(split.features, whole.features, rtol=1e-4, atol=1e-5)
    assert torch.equal(split.predictions, whole.predictions)


def test_labels_are_those_of_the_data() -> None:
    test = STACKED.split("test")
    assert test.labels is not None
    stacked = extractor_for("classifier", STACKED)(test.data[:2000])
    assert stacked.predictions.eq(test.labels[:2000]).double().mean() == pytest.approx(
        load_extractor("digits").card.accuracy ** 3, abs=0.03
    )


def test_its_hash_is_not_the_bases() -> None:
    assert extractor_for("classifier", STACKED).weights_hash != load_extractor("digits").weights_hash


def test_what_the_base_lacks_is_trained_for_it() -> None:
    base = Labelled(classes=4, test=128)
    stacked = StackedImages(name="mine", title="mine", base=base)
    assert kinds_of(stacked) == ("classifier", "pixels")
    assert not classifier_is_ready(stacked)
    images = base.split("test").data[:12].view(4, 3, 8, 8)
    predicted = extractor_for("classifier", stacked)(images).predictions
    assert classifier_is_ready(stacked)
    assert predicted.tolist() == [(a * 4 + b) * 4 + c for a, b, c in (torch.arange(12) % 4).view(4, 3).tolist()]


def test_grey_images_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^images for 'stacked' must have the shape \[N, 3, 8, 8\], not \[2, 1, 8, 8\]$"):
        extractor_for("classifier", STACKED)(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
