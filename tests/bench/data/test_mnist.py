"""Tests of MNIST's table and sources, and of its images if they are cached."""

from __future__ import annotations

import pytest

from bench.data.fashion_mnist import FASHION_MNIST
from bench.data.mnist import MNIST


def test_the_table_differs_from_fashion_mnist_in_content_alone() -> None:
    assert [(file.name, file.size_bytes) for file in MNIST.files] == [(file.name, file.size_bytes) for file in FASHION_MNIST.files]
    assert len({file.sha256 for file in (*MNIST.files, *FASHION_MNIST.files)}) == 8
    assert all(len(file.sha256) == 64 for file in MNIST.files)
    assert MNIST.digest() == "d95a98cc28a86f51550b5a018e5afe286d09583aa2e7046d8fde47a59d1cb189"


def test_the_sources_are_torchvisions() -> None:
    assert [source.name for source in MNIST.sources] == ["torchvision's mirrors"]


def test_the_real_data() -> None:
    reason = MNIST.missing()
    if reason is not None:
        pytest.skip(reason)
    sizes = {}
    for name in ("train", "test"):
        examples = MNIST.split(name)  # type: ignore[arg-type]
        assert examples.labels is not None
        sizes[name] = (tuple(examples.data.shape), examples.labels.bincount().tolist()[:2])
    assert sizes == {"train": ((60_000, 1, 28, 28), [5923, 6742]), "test": ((10_000, 1, 28, 28), [980, 1135])}
    assert MNIST.split("train").data.double().mean().item() == pytest.approx(0.1307 * 255, abs=0.02)
