"""Tests of Fashion-MNIST's table and sources, and of its images if they are cached."""

from __future__ import annotations

import pytest

from bench.data.fashion_mnist import FASHION_MNIST


def test_the_table_names_ten_classes_and_four_hashes():
    assert FASHION_MNIST.spec.classes == len(FASHION_MNIST.class_names) == 10
    assert len({file.sha256 for file in FASHION_MNIST.files}) == 4
    assert all(len(file.sha256) == 64 for file in FASHION_MNIST.files)
    assert [file.size_bytes for file in FASHION_MNIST.files] == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]


def test_sources_are_in_the_documented_order():
    assert [source.name for source in FASHION_MNIST.sources] == [
        "/usr/share/datasets/fashion-mnist",
        "torchvision's mirrors",
        "apt-get download dataset-fashion-mnist",
    ]


def test_the_real_data():
    reason = FASHION_MNIST.missing()
    if reason is not None:
        pytest.skip(reason)
    for name, size in (("train", 60_000), ("test", 10_000)):
        examples = FASHION_MNIST.split(name)
        assert examples.data.shape == (size, 1, 28, 28)
        assert examples.labels.bincount().tolist() == [size // 10] * 10
    assert FASHION_MNIST.split("train").data.double().mean().item() == pytest.approx(0.2860 * 255, abs=0.02), (
        "the mean differs from the 0.2860 by which publications normalise"
    )
