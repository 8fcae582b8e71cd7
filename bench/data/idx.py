"""Image datasets in the idx format of MNIST: a parser, and a dataset of four such files with known hashes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split
from bench.data.fetched import Content, KnownFile, KnownFiles

_UNSIGNED_BYTE = 0x08


def parse_idx(content: Content, *, name: str = "idx file") -> NDArray[np.uint8]:
    """Return the array in an idx file of unsigned bytes.

    Such a file has the magic bytes 0 0 8 ndim, then the sizes as big-endian uint32, then the data (LeCun's MNIST page).
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise UserError(f"{name} is not an idx file; delete it and fetch it again")
    kind, dimensions = content[2], content[3]
    if kind != _UNSIGNED_BYTE:
        raise UserError(f"{name} has the idx type {kind:#04x}, not unsigned bytes (0x08); delete it and fetch it again")
    start = 4 + 4 * dimensions
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], dtype=">u4")) if len(content) >= start else ()
    count = int(np.prod(shape, dtype=np.int64))
    if len(shape) != dimensions or len(content) - start != count:
        raise UserError(f"{name} is too short or too long: {len(content)} bytes for the shape {shape}; delete it and fetch it again")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """The two files of a split."""

    images: KnownFile
    labels: KnownFile


@dataclass(frozen=True, kw_only=True)
class IdxImages(KnownFiles):
    """Dataset of grey images with labels."""

    spec: DataShape
    class_names: tuple[str, ...]
    train: SplitFiles
    test: SplitFiles
    claims: bool = True

    @property
    def files(self) -> tuple[KnownFile, ...]:
        """All four files."""
        return (self.train.images, self.train.labels, self.test.images, self.test.labels)

    def split(self, name: Split) -> Examples:
        """Return images uint8 [N, 1, H, W] and labels [N], fetched if missing. Each process loads them once."""
        return _load(self, self.folder, name)


@lru_cache(maxsize=4)
def _load(dataset: IdxImages, folder: Path, name: Split) -> Examples:
    """Return one split, cached for the process. `folder` is part of the key, because the cache can move."""
    files = {"train": dataset.train, "test": dataset.test}.get(name)
    if files is None:
        raise UserError(f"{dataset.name} has the splits train and test, not {name!r}")
    both = (files.images, files.labels)
    images, labels = (parse_idx(content, name=file.name) for file, content in zip(both, dataset.contents(both), strict=True))
    if images.shape[1:] != dataset.spec.shape[1:] or len(images) != len(labels):
        raise UserError(
            f"{dataset.name}: images {images.shape} and labels {labels.shape} do not fit {dataset.spec.shape}; delete the files and fetch them again"
        )
    return Examples(data=torch.from_numpy(images[:, None]), labels=torch.from_numpy(labels.astype(np.int64)))
