"""Tests of CIFAR-10's binary files with a synthetic archive, and with the real images if they are cached."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.core.errors import UserError
from bench.core.spec import DataShape
from bench.data import cache
from bench.data.archive import cached_archive
from bench.data.cifar10 import CIFAR10, BinaryImages, archive_path, parse
from bench.data.fetched import KnownFile
from bench.data.sources import Source

SHAPE = DataShape(kind="image", shape=(3, 4, 4), classes=10)
SIZES = {"one.bin": 7, "two.bin": 5, "test.bin": 4}


@dataclass(frozen=True, kw_only=True)
class ArchiveFixture:
    """Images and labels by file name, the archive they are packed in, and the files' contents."""

    images: dict[str, NDArray[np.uint8]]
    labels: dict[str, NDArray[np.uint8]]
    contents: dict[str, bytes]
    archive: bytes

    @property
    def known(self) -> KnownFile:
        return KnownFile(name="made.tar.gz", size_bytes=len(self.archive), sha256=hashlib.sha256(self.archive).hexdigest())

    def build(self, *sources: Source) -> BinaryImages:
        """Return the dataset of these files."""
        files = {
            name: KnownFile(name=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in self.contents.items()
        }
        return BinaryImages(
            name="made", title="Made", spec=SHAPE, class_names=tuple("0123456789"), sources=sources,
            train=(files["one.bin"], files["two.bin"]), test=(files["test.bin"],),
        )  # fmt: skip


@pytest.fixture
def photos() -> ArchiveFixture:
    """Return 7 + 5 training and 4 test images of 4x4 pixels, with records that are written independently of the parser."""
    random = np.random.default_rng(0)
    images = {name: random.integers(0, 256, (n, 3, 4, 4), dtype=np.uint8) for name, n in SIZES.items()}
    labels = {name: random.integers(0, 10, n, dtype=np.uint8) for name, n in SIZES.items()}
    contents = {
        name: b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels[name], images[name], strict=True)) for name in SIZES
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return ArchiveFixture(images=images, labels=labels, contents=contents, archive=packed.getvalue())


def in_cache(photos: ArchiveFixture) -> Source:
    return cached_archive(lambda: cache.cache_root() / "made.tar.gz", archive=photos.known, inside="cifar-10-batches-bin")


def test_an_archive_put_into_the_cache_gives_both_splits(photos: ArchiveFixture, cache_folder: Path) -> None:
    dataset = photos.build(in_cache(photos))
    assert dataset.missing() is not None
    cache_folder.mkdir()
    (cache_folder / "made.tar.gz").write_bytes(photos.archive)
    train, test = dataset.split("train"), dataset.split("test")
    assert (train.data.shape, train.data.dtype, train.data.is_contiguous()) == ((12, 3, 4, 4), torch.uint8, True)
    np.testing.assert_array_equal(train.data.numpy(), np.concatenate([photos.images["one.bin"], photos.images["two.bin"]]))
    assert train.labels is not None
    assert train.labels.dtype == torch.int64
    assert train.labels.tolist() == [*photos.labels["one.bin"], *photos.labels["two.bin"]]
    np.testing.assert_array_equal(test.data.numpy(), photos.images["test.bin"])
    assert dataset.missing() is None
    assert dataset.split("train") is train, "the split is loaded a second time"


def test_a_folder_unpacked_by_hand_will_do(photos: ArchiveFixture, source, cache_folder: Path) -> None:
    dataset = photos.build(source("shut", None))
    dataset.folder.mkdir(parents=True)
    assert dataset.folder.name == "cifar-10-batches-bin"
    for name, content in photos.contents.items():
        (dataset.folder / name).write_bytes(content)
    np.testing.assert_array_equal(dataset.split("test").data.numpy(), photos.images["test.bin"])


def test_a_corrupted_archive_is_one_line_that_says_what_to_put_where(photos: ArchiveFixture, cache_folder: Path) -> None:
    dataset = photos.build(in_cache(photos))
    cache_folder.mkdir()
    (cache_folder / "made.tar.gz").write_bytes(photos.archive[:-1])
    with pytest.raises(UserError) as caught:
        dataset.split("train")
    message = str(caught.value)
    assert "\n" not in message
    assert "made.tar.gz is corrupted" in message
    assert f"Put cifar-10-binary.tar.gz into {cache_folder / 'data' / 'made'}" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(48), "48 bytes are not a whole number of records of 49"),
        (bytes([10, *range(48)]), "there is a label 10, but only 10 classes"),
    ],
)
def test_a_file_without_whole_records_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse([content], SHAPE, name="made")


def test_the_table() -> None:
    assert [file.name for file in CIFAR10.files] == [*(f"data_batch_{index}.bin" for index in range(1, 6)), "test_batch.bin"]
    assert {file.size_bytes for file in CIFAR10.files} == {30_730_000}
    assert len({file.sha256 for file in CIFAR10.files if len(file.sha256) == 64}) == 6
    assert [source.name for source in CIFAR10.sources] == ["cifar-10-binary.tar.gz in the cache", "www.cs.toronto.edu"]
    assert CIFAR10.digest() == "23b4513d61077a051aafc92bf4b718a0768c3aa719dd6753bd4fe127acbfc443"
    assert archive_path().parent == CIFAR10.folder.parent


def test_there_is_no_third_split(photos: ArchiveFixture, cache_folder: Path) -> None:
    with pytest.raises(UserError, match="made has the splits train and test, not 'val'"):
        photos.build().split("val")  # type: ignore[arg-type]


def test_the_real_data() -> None:
    reason = CIFAR10.missing()
    if reason is not None:
        pytest.skip(reason)
    train, test = CIFAR10.split("train"), CIFAR10.split("test")
    assert train.labels is not None
    assert test.labels is not None
    assert (train.labels.bincount().tolist(), test.labels.bincount().tolist()) == ([5000] * 10, [1000] * 10)
    assert (train.data.double().mean(dim=(0, 2, 3)) / 255).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
