"""Datasets whose files must be fetched first. They fetch missing files into the cache and use only files of the right hash."""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from bench.core.errors import UserError
from bench.data import cache
from bench.data.sources import Source, Unavailable

log = logging.getLogger(__name__)

Content = bytes | mmap.mmap
NOTHING_TO_FETCH = "the installed packages: nothing to fetch"


@runtime_checkable
class Fetched(Protocol):
    """Dataset whose files must be fetched first. A dataset without these two methods is always available."""

    def missing(self) -> str | None: ...
    def fetch(self) -> str: ...


def missing(dataset: object) -> str | None:
    """Return None if a dataset can be loaded now, else the reason why not. Uses no network."""
    return dataset.missing() if isinstance(dataset, Fetched) else None


def fetch(dataset: object) -> str:
    """Fetch the files of a dataset unless they are cached, and return their source."""
    return dataset.fetch() if isinstance(dataset, Fetched) else NOTHING_TO_FETCH


@dataclass(frozen=True, kw_only=True)
class KnownFile:
    """Record of the name, size and hash of an unpacked file."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class KnownFiles:
    """Dataset of files with known hashes, unpacked in the cache. Every use checks the hashes."""

    name: str
    title: str
    sources: tuple[Source, ...]
    licence: str = ""
    attribution: str = ""

    @property
    def files(self) -> tuple[KnownFile, ...]:
        """All files, in a fixed order."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Folder of the unpacked files."""
        return cache.cache_root() / "data" / self.name

    @property
    def by_hand(self) -> str:
        """Instruction for users whose machine reaches no source: the files, and the folder to put them into."""
        return f"the unpacked files {', '.join(file.name for file in self.files)} into {self.folder}"

    def digest(self) -> str:
        """Return the SHA-256 of the known hashes. It needs no file."""
        return hashlib.sha256("\n".join(f"{file.name} {file.sha256}" for file in self.files).encode()).hexdigest()

    def missing(self) -> str | None:
        """Return which files the cache lacks, or None. Uses no network, and checks sizes but no hashes."""
        absent = [file.name for file in self.files if _size(self.folder / file.name) != file.size_bytes]
        which = "its files are" if len(absent) == len(self.files) else ", ".join(absent)
        return f"{which} not in {self.folder}: run `ganbench data fetch {self.name}`" if absent else None

    def fetch(self) -> str:
        """Fetch all files into the cache, check their hashes and return their source. Tries the sources in order."""
        if self._complete():  # without the lock: a complete cache may be read-only
            return f"the cache {self.folder}"
        with cache.locked(self.folder):
            if self._complete():  # another process may finish first
                return f"the cache {self.folder}"
            tried = []
            for source in self.sources:
                log.info("fetching %s from %s", self.title, source.name)
                try:
                    self._take(source)
                except Unavailable as error:
                    tried.append(f"{source.name} ({error})")
                    continue
                return source.name
        raise UserError(
            f"{self.title} cannot be fetched: tried {'; '.join(tried) or 'nothing'}. Put {self.by_hand}, or use --dataset digits"
        )

    def contents(self, files: Iterable[KnownFile]) -> list[Content]:
        """Return the contents of some files, with one fetch if any is missing or corrupted.

        The contents are memory maps, and all processes of a machine share one copy. Writes of a process change neither the file nor other processes.
        """
        files = tuple(files)
        contents = [self._cached(file) for file in files]
        if None in contents:
            self.fetch()
            contents = [self._cached(file) for file in files]
        return [self._sound(file, content) for file, content in zip(files, contents, strict=True)]

    def _complete(self) -> bool:
        return self.missing() is None and all(self._cached(file) is not None for file in self.files)

    def _take(self, source: Source) -> None:
        """Store the files of one source if every hash is right. Otherwise warn and raise Unavailable."""
        found = source.read({file.name: file.size_bytes for file in self.files})
        for file in self.files:
            if _sha256(found[file.name]) != file.sha256:
                log.warning("%s from %s is corrupted (wrong SHA-256): skipping this source", file.name, source.name)
                raise Unavailable(f"{file.name} is corrupted")
        for file in self.files:
            cache.write_atomic(self.folder / file.name, found[file.name])

    def _cached(self, file: KnownFile) -> Content | None:
        """Return the content of a cached file, or None if it is missing or corrupted. Warns of a corrupted file."""
        path = self.folder / file.name
        try:
            with path.open("rb") as opened:
                content: Content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY) if os.fstat(opened.fileno()).st_size else b""
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"cannot read {path} ({error.strerror or error}): make it readable or delete it") from error
        if _sha256(content) != file.sha256:
            log.warning("%s is corrupted (wrong SHA-256): fetching it again", path)
            return None
        return content

    def _sound(self, file: KnownFile, content: Content | None) -> Content:
        if content is None:
            raise UserError(f"{self.folder / file.name} changed while it was read: check the disk, and that no other program writes there")
        return content


def _sha256(content: Content) -> str:
    return hashlib.sha256(content).hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
