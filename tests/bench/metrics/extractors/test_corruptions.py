"""Corruptions: the training data of the extractor `distilled`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.core.config import DATASETS
from bench.metrics.extractors.corruptions import CORRUPTIONS, Corruption, corrupted

SEVERITIES = (0.0, 0.25, 0.5, 1.0)


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return DATASETS.get("digits").split("train").data[:200]


def applied(corruption: Corruption, images: Tensor, severity: float) -> Tensor:
    return corruption(images.float(), torch.full((len(images), 1, 1, 1), severity), noise())


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.__name__)
def test_severity_0_leaves_images_and_more_changes_them_more(corruption: Corruption, images: Tensor) -> None:
    changes = [float((applied(corruption, images, severity) - images.float()).abs().mean()) for severity in SEVERITIES]
    assert changes[0] == pytest.approx(0, abs=1e-3)
    assert changes == sorted(changes)
    assert changes[1] > 0.1


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.__name__)
def test_each_image_has_its_own_severity(corruption: Corruption, images: Tensor) -> None:
    severity = torch.zeros(len(images), 1, 1, 1)
    severity[::2] = 1.0
    changed = (corruption(images.float(), severity, noise()) - images.float()).abs().amax(dim=(1, 2, 3))
    assert changed[1::2].max() < 1e-3
    assert changed[::2].median() > 10


def test_corrupted_images_of_any_shape_are_repeatable_bytes() -> None:
    colour = torch.randint(0, 256, (130, 3, 10, 7), dtype=torch.uint8, generator=noise())
    first, again = corrupted(colour, noise()), corrupted(colour, noise())
    assert first.dtype == torch.uint8
    assert first.shape == colour.shape
    assert torch.equal(first, again)
    assert not torch.equal(first, colour)
