"""Synthetic idx files and a dataset of them. With these, the tests of this folder need neither a network nor the real data."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.core.spec import DataShape
from bench.data.fetched import KnownFile
from bench.data.idx import IdxImages, SplitFiles
from bench.data.sources import Source, Unavailable


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return an array as an idx file, written independently of the parser."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@dataclass(frozen=True, kw_only=True)
class IdxFixture:
    """The contents of four idx files, and the dataset of them."""

    contents: Mapping[str, bytes]
    arrays: Mapping[str, NDArray[np.uint8]]
    build: Callable[..., IdxImages]


def fake_source(name: str, contents: Mapping[str, bytes] | None, log: list[str] | None = None) -> Source:
    """Return a source with these contents, or an unavailable one if there are none. Each use is recorded in `log`."""

    def read(sizes: Mapping[str, int]) -> dict[str, bytes]:
        if log is not None:
            log.append(name)
        if contents is None:
            raise Unavailable("it is closed")
        return {key: contents[key] for key in sizes}

    return Source(name=name, read=read)


@pytest.fixture
def idx_files() -> IdxFixture:
    """Return the files and the dataset of 12 training and 5 test images of 4x3 pixels."""
    random = np.random.default_rng(0)
    arrays = {
        "train-images": random.integers(0, 256, (12, 4, 3), dtype=np.uint8),
        "train-labels": random.integers(0, 10, 12, dtype=np.uint8),
        "test-images": random.integers(0, 256, (5, 4, 3), dtype=np.uint8),
        "test-labels": random.integers(0, 10, 5, dtype=np.uint8),
    }
    contents = {name: idx_bytes(array) for name, array in arrays.items()}

    def file(name: str) -> KnownFile:
        return KnownFile(name=name, size_bytes=len(contents[name]), sha256=hashlib.sha256(contents[name]).hexdigest())

    def build(*sources: Source) -> IdxImages:
        return IdxImages(
            name="made",
            title="Made",
            spec=DataShape(kind="image", shape=(1, 4, 3), classes=10),
            class_names=tuple("0123456789"),
            train=SplitFiles(images=file("train-images"), labels=file("train-labels")),
            test=SplitFiles(images=file("test-images"), labels=file("test-labels")),
            sources=sources,
        )

    return IdxFixture(contents=contents, arrays=arrays, build=build)


@pytest.fixture
def source() -> Callable[..., Source]:
    """Return `fake_source`, for test files that cannot import this one."""
    return fake_source


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an empty cache folder for the test, and return its path."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
