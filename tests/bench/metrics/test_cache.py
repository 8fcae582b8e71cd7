"""Tensors that each machine measures once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.data.cache import ENVIRONMENT_VARIABLE
from bench.metrics.cache import Parts, cached, plain


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))


class CountingMeasure:
    """A measurement that counts its calls."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Parts:
        self.times += 1
        return {"a": torch.arange(5), "b": torch.randn(3, generator=torch.Generator().manual_seed(self.times))}


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "references").glob("*.safetensors"))


def test_it_is_measured_once(tmp_path: Path) -> None:
    measure = CountingMeasure()
    first, second = (cached("digits-test", {"version": 1}, ("a", "b"), measure) for _ in range(2))
    assert measure.times == 1
    assert torch.equal(first["b"], second["b"])
    assert [file.name.startswith("digits-test-") for file in files(tmp_path)] == [True]


def test_another_identity_or_number_of_threads_is_another_file(tmp_path: Path) -> None:
    measure = CountingMeasure()
    cached("x", {"version": 1}, ("a", "b"), measure)
    cached("x", {"version": 2}, ("a", "b"), measure)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        cached("x", {"version": 1}, ("a", "b"), measure)
    finally:
        torch.set_num_threads(before)
    assert measure.times == 3
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("damage", [b"", b"not a safetensors file at all"])
def test_a_damaged_file_is_logged_and_replaced(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    measure = CountingMeasure()
    cached("x", {}, ("a", "b"), measure)
    files(tmp_path)[0].write_bytes(damage)
    cached("x", {}, ("a", "b"), measure)
    assert measure.times == 2
    assert "damaged" in caplog.text
    cached("x", {}, ("a", "b"), measure)
    assert measure.times == 2


def test_a_file_with_other_parts_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cached("x", {}, ("c",), lambda: {"c": torch.zeros(1)})
    measure = CountingMeasure()
    cached("x", {}, ("a", "b"), measure)
    assert measure.times == 1
    assert "contains c" in caplog.text


def test_without_a_folder_it_is_measured_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "file"))
    measure = CountingMeasure()
    for _ in range(2):
        assert torch.equal(cached("x", {}, ("a", "b"), measure)["a"], torch.arange(5))
    assert measure.times == 2
    assert "every process computes x itself" in caplog.text


def test_names_of_folders_become_plain() -> None:
    assert plain("folder:/tmp/My Photos") == "folder-tmp-my-photos"
    assert len(plain("x" * 500)) == 60
