"""The real side: measured once, stored, read back bit for bit, and measured anew where the file is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from bench.config import DATASETS
from bench.metrics import reference
from bench.metrics.extractors import Extractor, load_extractor
from bench.metrics.reference import Reference, load_reference


@pytest.fixture
def extractor() -> Extractor:
    return load_extractor("digits")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    return tmp_path


def load(extractor: Extractor) -> Reference:
    return load_reference(DATASETS.get("digits"), extractor)


def assert_equal(a: Reference, b: Reference) -> None:
    assert torch.equal(a.features, b.features)
    assert torch.equal(a.neighbours.radius, b.neighbours.radius)
    assert torch.equal(a.neighbours.nearest, b.neighbours.nearest)
    assert a.shares.tolist() == b.shares.tolist()
    assert (a.pair_distance, a.duplicate_threshold) == (b.pair_distance, b.duplicate_threshold)


def test_stored_equals_measured(cached: Path, extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = load(extractor)
    assert len(list(cached.rglob("digits-*.safetensors"))) == 1
    monkeypatch.setattr(reference, "_measure", None)  # a second measurement would fail
    assert_equal(load(extractor), measured)


@pytest.mark.parametrize("content", [b"", b"no tensors"])
def test_a_damaged_file_is_said_and_replaced(
    cached: Path, extractor: Extractor, content: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = load(extractor)
    (file,) = cached.rglob("digits-*.safetensors")
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert_equal(load(extractor), measured)
    assert str(file) in caplog.text
    monkeypatch.setattr(reference, "_measure", None)  # a third measurement would fail
    assert_equal(load(extractor), measured)


def test_a_changed_byte_changes_no_number(cached: Path, extractor: Extractor, caplog: pytest.LogCaptureFixture) -> None:
    measured = load(extractor)
    (file,) = cached.rglob("digits-*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1000] ^= 0x40
    file.write_bytes(bytes(content))
    with caplog.at_level(logging.WARNING):
        assert_equal(load(extractor), measured)
    assert "is damaged" in caplog.text


def test_a_cache_that_cannot_be_written_changes_no_number(
    tmp_path: Path, extractor: Extractor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    measured = load(extractor)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert_equal(load(extractor), measured)
    assert "measure the real images itself" in caplog.text


def test_other_weights_are_other_files(cached: Path, extractor: Extractor) -> None:
    load(extractor)
    other = Extractor(extractor.card.model_copy(update={"weights_sha256": "0" * 64}), extractor.card.network())
    load(other)
    assert len(list(cached.rglob("digits-*.safetensors"))) == 2


def test_real_digits_are_what_they_are(extractor: Extractor) -> None:
    real = load(extractor)
    assert real.features.shape == (500, extractor.card.dims)
    assert real.shares.sum() == pytest.approx(1.0)
    assert real.shares.min() > 0.08  # ten classes in nearly equal shares
    assert real.duplicate_threshold > 0.0
