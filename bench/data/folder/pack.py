"""A folder's images as one memory-mapped array in the cache. The first process that needs it builds it, in bounded memory.

An entry of the cache is a folder with `images.npy` (uint8 [N, C, H, W], the training images first), `labels.npy` (int64 [N])
and `card.json`. ganbench builds it under another name and renames it when it is complete, so an entry is never partial.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from bench.core.errors import UserError
from bench.core.spec import Examples, Split
from bench.data import cache
from bench.data.folder.card import EntryCard, FileCard, check_array, file_card
from bench.data.folder.layout import ImageFile
from bench.data.folder.name import quoted
from bench.data.folder.pixels import Crop, Half, pixels
from bench.data.progress import progress

log = logging.getLogger(__name__)

PACK_VERSION = 1  # part of an entry's key: increase it if the same files give other bytes
BUILD_SECONDS = 6 * 3600.0  # longest wait for another process that builds the same entry
CHUNK_BYTES = 2**24  # of decoded images that are written at once
MOST_THREADS = 8  # each has one complete image in memory
_HEADROOM = 64 * 2**20  # bytes left free on the disk
IMAGES, LABELS, CARD = "images.npy", "labels.npy", "card.json"


class Scanned(Protocol):
    """The state of a folder of images when it was read."""

    @property
    def root(self) -> Path: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def stamp(self) -> str: ...
    def read_again(self) -> Scanned: ...


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Images to pack, and the options of packing."""

    dataset: str  # the canonical name, with the value of every option
    listing: Scanned
    splits: dict[Split, tuple[ImageFile, ...]]
    size: int
    crop: Crop
    channels: int
    half: Half = ""  # of each picture

    @property
    def pictures(self) -> tuple[ImageFile, ...]:
        """All images in the order of the array."""
        return (*self.splits["train"], *self.splits["test"])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array."""
        return (sum(map(len, self.splits.values())), self.channels, self.size, self.size)

    @cached_property
    def key(self) -> str:
        """Name of the entry. It differs for other options and after a change of the folder."""
        return hashlib.sha256(f"{PACK_VERSION}\0{self.dataset}\0{self.listing.stamp}".encode()).hexdigest()[:16]

    @property
    def entry(self) -> Path:
        """Folder of the entry."""
        return source_folder(self.listing.root) / self.key


def source_folder(root: Path) -> Path:
    """Return the cache folder of all entries of one folder of images."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", root.name).strip("-")[:40] or "root"
    return cache.cache_root() / "data" / "folder" / f"{slug}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A complete entry of the cache."""

    entry: Path
    card: EntryCard

    def split(self, name: Split) -> Examples:
        """Return one split over the memory map. The system reads pages on use, and processes share them.

        The map is copy-on-write, so writes to the tensor do not change the file.
        """
        part = slice(self.card.train) if name == "train" else slice(self.card.train, None)
        try:
            images = torch.from_numpy(np.load(self.entry / IMAGES, mmap_mode="c", allow_pickle=False))
            labels = torch.from_numpy(np.load(self.entry / LABELS, allow_pickle=False)) if self.card.class_names else None
        except (OSError, ValueError) as error:
            raise UserError(f"the cache entry {self.entry} cannot be read ({error}): delete it and run again") from error
        return Examples(data=images[part], labels=None if labels is None else labels[part])


def pack(packing: Packing) -> Packed:
    """Return the entry of these images, and build it if it is missing or damaged. Warns of a damaged entry."""
    found = _found(packing)  # without the lock: a complete cache may be read-only
    if found is not None:
        return found
    with cache.locked(source_folder(packing.listing.root), timeout_seconds=BUILD_SECONDS):
        return _found(packing, quiet=True) or _build(packing)  # another process may finish first


def _found(packing: Packing, *, quiet: bool = False) -> Packed | None:
    """Return the entry if it exists and is complete, else None. Warns of a damaged entry."""
    if not packing.entry.exists():
        return None
    try:
        card = EntryCard.model_validate_json((packing.entry / CARD).read_bytes())
        if card != _card(packing, images=card.images, labels=card.labels):
            raise ValueError(f"{CARD} does not fit the images")
        check_array(packing.entry / IMAGES, card.images, packing.shape, "|u1")
        check_array(packing.entry / LABELS, card.labels, packing.shape[:1], "<i8")
    except (OSError, ValueError, EOFError, ValidationError) as error:
        reason = f"{CARD} cannot be read" if isinstance(error, ValidationError) else str(error)
        if not quiet:
            log.warning("the cached images of %s are damaged (%s): building them again", packing.listing.root, reason)
        return None
    return Packed(entry=packing.entry, card=card)


def _build(packing: Packing) -> Packed:
    """Decode all images into a new entry. The caller must hold the lock."""
    root = packing.listing.root
    folder = packing.entry.parent
    _check_space(folder, packing.shape)
    for leftover in folder.glob(".build-*"):  # of a killed process: this process holds the lock, so no other one builds an entry
        shutil.rmtree(leftover, ignore_errors=True)
    log.info("%s: building %s from %s images", root, packing.entry, f"{packing.shape[0]:,}")
    with _writing(folder):
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=folder))
        try:
            card = _write(packing, work)
            if packing.listing.read_again().stamp != packing.listing.stamp:
                raise UserError(f"{quoted(root)} changed while its images were read: run again when nothing writes there")
            work.chmod(0o755)  # a temporary folder is private, but users may share an entry
            shutil.rmtree(packing.entry, ignore_errors=True)  # it is damaged, or `_found` returns it
            work.rename(packing.entry)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    _drop_outdated(packing)
    return Packed(entry=packing.entry, card=card)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write to the data cache {folder} ({error.strerror or error}): set {cache.ENVIRONMENT_VARIABLE} to a writable folder with space"
        ) from error


def _check_space(folder: Path, shape: tuple[int, ...]) -> None:
    needed, free = int(np.prod(shape, dtype=np.int64)) + _HEADROOM, shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"the images take {needed / 1e9:,.1f} GB in the data cache {folder}, which has {free / 1e9:,.1f} GB left: "
            f"set a smaller size=, or point {cache.ENVIRONMENT_VARIABLE} at another disk"
        )


def _write(packing: Packing, work: Path) -> EntryCard:
    """Write the three files of an entry and return its card."""
    labels = np.array([picture.label for picture in packing.pictures], dtype="<i8")
    images_sha256 = _write_images(packing, work / IMAGES)
    labels_sha256 = hashlib.sha256(labels.tobytes()).hexdigest()
    np.save(work / LABELS, labels, allow_pickle=False)
    card = _card(packing, images=file_card(work / IMAGES, images_sha256), labels=file_card(work / LABELS, labels_sha256))
    (work / CARD).write_text(card.model_dump_json(indent=2))
    return card


def _card(packing: Packing, *, images: FileCard, labels: FileCard) -> EntryCard:
    """Return the card of these images with these files. The digest covers what training sees: images, labels and the split."""
    train, test = len(packing.splits["train"]), len(packing.splits["test"])
    content = [packing.shape, train, images.sha256, labels.sha256]
    return EntryCard(
        dataset=packing.dataset,
        stamp=packing.listing.stamp,
        class_names=packing.listing.class_names,
        train=train,
        test=test,
        shape=packing.shape[1:],
        digest=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        images=images,
        labels=labels,
    )


def _write_images(packing: Packing, path: Path) -> str:
    """Write all images into an .npy file in chunks, and return the hash of their bytes."""
    content = hashlib.sha256()
    what = f"reading {packing.listing.root.name or packing.listing.root}"
    with path.open("wb") as file, progress(what, packing.shape[0]) as advance:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": packing.shape})
        for chunk in _decoded(packing):
            data = chunk.tobytes()
            file.write(data)
            content.update(data)
            advance(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    return content.hexdigest()


def _decoded(packing: Packing) -> Iterator[NDArray[np.uint8]]:
    """Yield the images in order, in chunks. Pillow releases the GIL while it decodes, so threads use several cores."""
    decode = partial(_decode, root=packing.listing.root, size=packing.size, crop=packing.crop, channels=packing.channels, half=packing.half)
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        for part in _chunks(packing.pictures, max(1, CHUNK_BYTES // int(np.prod(packing.shape[1:])))):
            try:
                yield np.stack(list(pool.map(decode, part)))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _decode(picture: ImageFile, *, root: Path, size: int, crop: Crop, channels: int, half: Half) -> NDArray[np.uint8]:
    return pixels(root / picture.name, size=size, crop=crop, channels=channels, half=half)


def _chunks(pictures: Sequence[ImageFile], size: int) -> Iterator[Sequence[ImageFile]]:
    for start in range(0, len(pictures), size):
        yield pictures[start : start + size]


def _drop_outdated(packing: Packing) -> None:
    """Remove entries of the same dataset that are older than the last change of the folder. A process that has one open can still read it."""
    for path in packing.entry.parent.glob(f"*/{CARD}"):
        if path.parent == packing.entry:
            continue
        try:
            card = EntryCard.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            continue  # not a readable entry
        if card.dataset == packing.dataset:
            log.info("removing %s, which is older than the last change of %s", path.parent, packing.listing.root)
            shutil.rmtree(path.parent, ignore_errors=True)
