"""Image datasets in the idx format of MNIST: parsing, and a dataset made of four such files whose hashes are known."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.data import cache
from bench.data.sources import Source, Unavailable
from bench.errors import UserError
from bench.spec import DataShape, Examples, Split

log = logging.getLogger(__name__)

_UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes, *, name: str = "idx file") -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes: magic 0 0 8 ndim, big-endian uint32 sizes, then the data (LeCun's MNIST page)."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise UserError(f"{name} is not an idx file")
    kind, dimensions = content[2], content[3]
    if kind != _UNSIGNED_BYTE:
        raise UserError(f"{name} holds idx type {kind:#04x}, not unsigned bytes (0x08)")
    start = 4 + 4 * dimensions
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], dtype=">u4")) if len(content) >= start else ()
    count = int(np.prod(shape, dtype=np.int64))
    if len(shape) != dimensions or len(content) - start != count:
        raise UserError(f"{name} is cut off or too long: {len(content)} bytes for the shape {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


@dataclass(frozen=True, kw_only=True)
class IdxFile:
    """One file as it must be once unpacked."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """The two files of a split."""

    images: IdxFile
    labels: IdxFile


@dataclass(frozen=True, kw_only=True)
class IdxImages:
    """Grey images with labels, kept unpacked in the cache. Every load checks the hashes: 47 MB take well under 0.1 s."""

    name: str
    title: str
    spec: DataShape
    class_names: tuple[str, ...]
    train: SplitFiles
    test: SplitFiles
    sources: tuple[Source, ...]
    claims: bool = True

    @property
    def files(self) -> tuple[IdxFile, ...]:
        """All four files."""
        return (self.train.images, self.train.labels, self.test.images, self.test.labels)

    @property
    def folder(self) -> Path:
        """Where the unpacked files lie."""
        return cache.cache_root() / "data" / self.name

    def digest(self) -> str:
        """SHA-256 over the known hashes of the four files: no need to have them."""
        return hashlib.sha256("\n".join(f"{file.name} {file.sha256}" for file in self.files).encode()).hexdigest()

    def split(self, name: Split) -> Examples:
        """Images uint8 [N, 1, H, W] and labels [N], fetched if need be and loaded once a process."""
        return _load(self, self.folder, name)

    def missing(self) -> str | None:
        """Why the files are not in the cache, or None where they are. Touches no network; hashes are checked at a load."""
        absent = [file.name for file in self.files if _size(self.folder / file.name) != file.size_bytes]
        return f"{', '.join(absent)} not in {self.folder}: `ganbench data fetch {self.name}`" if absent else None

    def fetch(self) -> str:
        """Have all files in the cache, checked, and say where they came from. Sources are tried in their order."""
        if self._complete():  # asked without the lock: a cache that is complete may be read-only
            return f"the cache {self.folder}"
        with cache.locked(self.folder):
            if self._complete():  # another process was first
                return f"the cache {self.folder}"
            tried = []
            for source in self.sources:
                log.info("%s: trying %s", self.title, source.name)
                try:
                    self._take(source)
                except Unavailable as error:
                    tried.append(f"{source.name} ({error})")
                    continue
                return source.name
        names = ", ".join(f"{file.name}[.gz]" for file in self.files)
        raise UserError(
            f"{self.title} cannot be had: tried {'; '.join(tried) or 'nothing'}. Put {names} into {self.folder}, unpacked, or use --dataset digits"
        )

    def _complete(self) -> bool:
        return self.missing() is None and all(self._cached(file) is not None for file in self.files)

    def _take(self, source: Source) -> None:
        """Store the files of one source if every hash is right; a wrong one is a warning and the source is given up."""
        found = source.read({file.name: file.size_bytes for file in self.files})
        for file in self.files:
            if _sha256(found[file.name]) != file.sha256:
                log.warning("%s from %s is corrupted (wrong SHA-256): this source is skipped", file.name, source.name)
                raise Unavailable(f"{file.name} is corrupted")
        for file in self.files:
            cache.write_atomic(self.folder / file.name, found[file.name])

    def _cached(self, file: IdxFile) -> bytes | None:
        """The content of a cached file, or None where it is absent or, with a warning, corrupted."""
        path = self.folder / file.name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"cannot read {path} ({error.strerror or error})") from error
        if _sha256(content) != file.sha256:
            log.warning("%s is corrupted (wrong SHA-256): it is fetched again", path)
            return None
        return content

    def _contents(self, files: Iterable[IdxFile]) -> list[NDArray[np.uint8]]:
        """The arrays in some cached files, with one fetch if any is absent or corrupted."""
        files = tuple(files)
        contents = [self._cached(file) for file in files]
        if None in contents:
            self.fetch()
            contents = [self._cached(file) for file in files]
        return [parse_idx(self._sound(file, content), name=file.name) for file, content in zip(files, contents, strict=True)]

    def _sound(self, file: IdxFile, content: bytes | None) -> bytes:
        if content is None:
            raise UserError(f"{self.folder / file.name} changed while it was read: is the disk sound, or does another program write there?")
        return content


@lru_cache(maxsize=4)
def _load(dataset: IdxImages, folder: Path, name: Split) -> Examples:
    """One split, kept for the life of the process. `folder` is in the key because the cache can be moved."""
    files = {"train": dataset.train, "test": dataset.test}.get(name)
    if files is None:
        raise UserError(f"{dataset.name} has the splits train and test, not {name!r}")
    images, labels = dataset._contents((files.images, files.labels))
    if images.shape[1:] != dataset.spec.shape[1:] or len(images) != len(labels):
        raise UserError(f"{dataset.name}: images {images.shape} and labels {labels.shape} do not fit {dataset.spec.shape}")
    return Examples(data=torch.from_numpy(images[:, None].copy()), labels=torch.from_numpy(labels.astype(np.int64)))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
