"""CIFAR-10: 50,000 + 10,000 colour 32x32 photographs of ten classes (Krizhevsky 2009), in its binary version.

The version that torchvision loads is pickled, and ganbench unpickles nothing. A binary file has, for each image, one byte of
label and then 3,072 bytes of red, green and blue planes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split
from bench.data import cache
from bench.data.archive import cached_archive, online_archive
from bench.data.fetched import Content, KnownFile, KnownFiles

NAME = "cifar10"
INSIDE = "cifar-10-batches-bin"  # the folder that the archive unpacks to
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE = KnownFile(
    name="cifar-10-binary.tar.gz", size_bytes=170_052_171, sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
BATCH_BYTES = 10_000 * (1 + 3 * 32 * 32)


def archive_path() -> Path:
    """Return the path at which a user may put the archive."""
    return cache.cache_root() / "data" / NAME / ARCHIVE.name


@dataclass(frozen=True, kw_only=True)
class BinaryImages(KnownFiles):
    """Dataset of colour images in files with one record for each image: its label in one byte, then its planes."""

    spec: DataShape
    class_names: tuple[str, ...]
    train: tuple[KnownFile, ...]
    test: tuple[KnownFile, ...]
    claims: bool = True

    @property
    def files(self) -> tuple[KnownFile, ...]:
        """Files of both splits."""
        return (*self.train, *self.test)

    @property
    def folder(self) -> Path:
        """Folder of the unpacked files, in the dataset's folder of the cache."""
        return cache.cache_root() / "data" / self.name / INSIDE

    @property
    def by_hand(self) -> str:
        """Instruction to put the packed archive into the cache by hand."""
        return f"{ARCHIVE.name} into {self.folder.parent}"

    def split(self, name: Split) -> Examples:
        """Return images uint8 [N, C, H, W] and labels [N], fetched if missing. Each process loads them once."""
        return _load(self, self.folder, name)


@lru_cache(maxsize=2)
def _load(dataset: BinaryImages, folder: Path, name: Split) -> Examples:
    """Return one split, cached for the process: 154 MB for CIFAR-10's training images. `folder` is part of the key, because the cache can move."""
    files = {"train": dataset.train, "test": dataset.test}.get(name)
    if files is None:
        raise UserError(f"{dataset.name} has the splits train and test, not {name!r}")
    return parse(dataset.contents(files), dataset.spec, name=dataset.name)


def parse(contents: Sequence[Content], spec: DataShape, *, name: str) -> Examples:
    """Return images uint8 [N, C, H, W] and labels [N] from files of records. Raises a UserError if they do not fit the shape."""
    record = 1 + int(np.prod(spec.shape))
    ragged = [len(content) for content in contents if len(content) % record]
    if ragged:
        raise UserError(
            f"{name}: {ragged[0]:,} bytes are not a whole number of records of {record:,} bytes; delete the file and fetch it again"
        )
    rows = [np.frombuffer(content, dtype=np.uint8).reshape(-1, record) for content in contents]
    labels = np.concatenate([part[:, 0] for part in rows]).astype(np.int64)
    if len(labels) and labels.max() >= spec.classes:
        raise UserError(f"{name}: there is a label {labels.max()}, but only {spec.classes} classes; delete the file and fetch it again")
    images = torch.empty((len(labels), *spec.shape), dtype=torch.uint8)
    np.concatenate([part[:, 1:] for part in rows], out=images.view(len(labels), -1).numpy())
    return Examples(data=images, labels=torch.from_numpy(labels))


def _batch(name: str, sha256: str) -> KnownFile:
    return KnownFile(name=name, size_bytes=BATCH_BYTES, sha256=sha256)


CIFAR10 = BinaryImages(
    name=NAME,
    title="CIFAR-10",
    spec=DataShape(kind="image", shape=(3, 32, 32), classes=10),
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    train=(
        _batch("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        _batch("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        _batch("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        _batch("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        _batch("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
    ),
    test=(_batch("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),),
    sources=(cached_archive(archive_path, archive=ARCHIVE, inside=INSIDE), online_archive(URL, archive=ARCHIVE, inside=INSIDE)),
)
