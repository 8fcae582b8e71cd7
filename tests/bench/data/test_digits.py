"""Tests of the embedded digits, which are scikit-learn's images in a fixed split."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from bench.core.errors import UserError
from bench.data.digits import Digits


def test_sizes_and_types():
    for name, size in (("train", 1297), ("test", 500)):
        examples = Digits().split(name)
        assert examples.data.shape == (size, 1, 8, 8)
        assert examples.data.dtype == torch.uint8
        assert examples.data.is_contiguous()
        assert examples.labels.shape == (size,)
        assert examples.labels.dtype == torch.int64


def test_both_splits_together_are_the_original_images():
    images, labels = load_digits(return_X_y=True)
    expected = sorted((*np.round(image * 255 / 16).astype(int), label) for image, label in zip(images, labels, strict=True))
    splits = [Digits().split(name) for name in ("train", "test")]
    found = sorted(
        (*image.flatten().tolist(), label.item()) for split in splits for image, label in zip(split.data, split.labels, strict=True)
    )
    assert [tuple(map(int, row)) for row in expected] == found


def test_classes_are_in_equal_shares_in_both_splits():
    counts = {name: Digits().split(name).labels.bincount().double() for name in ("train", "test")}
    whole = counts["train"] + counts["test"]
    assert ((counts["test"] - whole * 500 / 1797).abs() < 1).all()


def test_the_split_never_changes():
    assert Digits().digest() == "d98e190f2986be4a9df6cb4ef6fae432138872e94559dcb98b31e9aa1e9fa0ee"


def test_they_support_no_claim_and_have_no_third_split():
    assert not Digits().claims
    with pytest.raises(UserError, match="'validation'"):
        Digits().split("validation")
