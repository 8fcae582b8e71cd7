"""The card of a cache entry: a record of its contents, and the check of its files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

_READ = 2**24  # bytes hashed at once


class FileCard(BaseModel):
    """Size, time and hash of an array file. Size and time are quick to check. If the time differs, the hash is checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    size_bytes: int
    mtime_ns: int
    sha256: str  # of the array's bytes, without the file's header, which differs between versions of NumPy


class EntryCard(BaseModel):
    """Record of the contents of a cache entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str
    stamp: str
    class_names: tuple[str, ...]
    train: int
    test: int
    shape: tuple[int, int, int]
    digest: str
    images: FileCard
    labels: FileCard


def check_array(path: Path, card: FileCard, shape: tuple[int, ...], descr: str) -> None:
    """Raise ValueError unless a file contains the array that its card describes."""
    found = path.stat()
    if found.st_size != card.size_bytes:
        raise ValueError(f"{path.name} has {found.st_size:,} bytes, not {card.size_bytes:,}")
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape or array.dtype.str != descr:
        raise ValueError(f"{path.name} contains {array.dtype.str} {array.shape}, not {descr} {shape}")
    if found.st_mtime_ns != card.mtime_ns and _sha256(array) != card.sha256:
        raise ValueError(f"{path.name} has the wrong SHA-256")


def _sha256(array: NDArray[Any]) -> str:
    """Return the hash of an array's bytes. It reads the array in pieces."""
    content, flat = hashlib.sha256(), array.reshape(-1)
    step = max(1, _READ // flat.itemsize)
    for start in range(0, len(flat), step):
        content.update(np.ascontiguousarray(flat[start : start + step]).tobytes())
    return content.hexdigest()


def file_card(path: Path, sha256: str) -> FileCard:
    """Return the card of a new file with this hash of its array."""
    found = path.stat()
    return FileCard(size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, sha256=sha256)
