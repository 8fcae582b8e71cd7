"""Tests of packed images in the cache: building, memory mapping, checks and rebuilding."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections import namedtuple
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import photos
import pytest
import torch

from bench.core.errors import UserError
from bench.data.folder import pack as folder_pack
from bench.data.folder.dataset import make
from bench.data.folder.layout import scan
from bench.data.folder.pack import CARD, IMAGES, LABELS, Packing, pack
from bench.data.folder.pixels import pixels

pytestmark = pytest.mark.usefixtures("cache_folder")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of ten images in two classes."""
    return photos.fill(tmp_path / "photos", 5, classes=("cats", "dogs"))


def packing(source: Path, *, size: int = 16) -> Packing:
    found = scan(source)
    return Packing(
        dataset=f"folder:{source},size={size}", listing=found, splits=found.split(Fraction(1, 5)), size=size, crop="center", channels=3
    )


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that receives the name of each decoded image."""
    names: list[str] = []

    def recorded(path: Path, **options: object) -> object:
        names.append(path.name)
        return pixels(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(folder_pack, "pixels", recorded)
    return names


def test_every_image_is_in_its_split_with_its_label(source: Path) -> None:
    job = packing(source)
    packed = pack(job)
    for name in ("train", "test"):
        examples = packed.split(name)  # type: ignore[arg-type]
        assert examples.labels is not None
        assert len(examples) == len(job.splits[name]) == {"train": 8, "test": 2}[name]  # type: ignore[index]
        for image, label, picture in zip(examples.data, examples.labels, job.splits[name], strict=True):  # type: ignore[index]
            np.testing.assert_array_equal(image, pixels(source / picture.name, size=16, crop="center", channels=3))
            assert label == picture.label


def test_a_split_is_a_view_of_the_file_and_writing_to_it_stays_here(source: Path) -> None:
    packed = pack(packing(source))
    train, test = packed.split("train"), packed.split("test")
    assert train.data.dtype == torch.uint8
    assert train.data.is_contiguous()
    whole = np.load(packed.entry / IMAGES, mmap_mode="r")
    assert train.data.untyped_storage().nbytes() == whole.nbytes, "the split is a copy, not a view of the whole file"
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(packed.entry / IMAGES) in maps.read_text()
    before = whole[0].copy()
    train.data[0] = 0
    np.testing.assert_array_equal(np.load(packed.entry / IMAGES)[0], before)
    assert len(train) + len(test) == 10


def test_an_entry_is_found_without_decoding(source: Path, decoded: list[str]) -> None:
    first = pack(packing(source))
    assert len(decoded) == 10
    assert pack(packing(source)) == first
    assert len(decoded) == 10
    assert sorted(path.name for path in first.entry.iterdir()) == sorted((CARD, IMAGES, LABELS))
    assert first.entry.stat().st_mode & 0o777 == 0o755


def test_a_changed_folder_is_built_again_and_replaces_the_old_entry(source: Path, decoded: list[str]) -> None:
    first, other = pack(packing(source)), pack(packing(source, size=8))
    photos.save(source / "cats" / "000.png", seed=99)
    second = pack(packing(source))
    assert len(decoded) == 30
    assert second.card.digest != first.card.digest
    assert not first.entry.exists()
    assert other.entry.exists(), "packing with size=16 removes the entry with size=8"


def test_the_digest_is_of_the_content_and_not_of_times(source: Path) -> None:
    first = pack(packing(source))
    os.utime(source / "cats" / "000.png", ns=(1, 1))
    second = pack(packing(source))
    assert second.entry != first.entry
    assert second.card.digest == first.card.digest


def _truncate(entry: Path) -> None:
    content = (entry / IMAGES).read_bytes()
    (entry / IMAGES).write_bytes(content[:-1])


def _flip(entry: Path) -> None:
    content = bytearray((entry / IMAGES).read_bytes())
    content[-1] ^= 1
    (entry / IMAGES).write_bytes(content)


def _flip_label(entry: Path) -> None:
    content = bytearray((entry / LABELS).read_bytes())
    content[-8] ^= 1
    (entry / LABELS).write_bytes(content)


def _other_header(entry: Path) -> None:
    content = (entry / IMAGES).read_bytes()
    (entry / IMAGES).write_bytes(content.replace(b"(10, 3, 16, 16)", b"(10, 3, 32, 8) "))


def _recount(entry: Path) -> None:
    (entry / CARD).write_text((entry / CARD).read_text().replace('"train": 8', '"train": 7'))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "images.npy has 7,807 bytes, not 7,808"),
        (_flip, "images.npy has the wrong SHA-256"),
        (_flip_label, "labels.npy has the wrong SHA-256"),
        (_other_header, r"images.npy contains \|u1 \(10, 3, 32, 8\)"),
        (_recount, "card.json does not fit the images"),
        (lambda entry: (entry / CARD).write_text("{"), "card.json cannot be read"),
        (lambda entry: (entry / IMAGES).unlink(), "No such file"),
        (lambda entry: (entry / IMAGES).write_bytes(b""), "images.npy has 0 bytes"),
    ],
)
def test_damage_is_logged_and_repaired(
    source: Path, damage: Callable[[Path], object], reason: str, decoded: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = pack(packing(source))
    content = (first.entry / IMAGES).read_bytes()
    damage(first.entry)
    with caplog.at_level(logging.WARNING):
        again = pack(packing(source))
    (record,) = caplog.records
    assert re.search(rf"are damaged \(.*{reason}", record.getMessage())
    assert len(decoded) == 20
    assert (again.entry / IMAGES).read_bytes() == content
    assert again.card.digest == first.card.digest


def test_a_copied_entry_is_sound_though_its_times_differ(source: Path, decoded: list[str], caplog: pytest.LogCaptureFixture) -> None:
    entry = pack(packing(source)).entry
    os.utime(entry / IMAGES, ns=(1, 1))
    assert pack(packing(source)).entry == entry
    assert len(decoded) == 10
    assert not caplog.records


def test_a_broken_image_leaves_nothing_behind(source: Path) -> None:
    (source / "dogs" / "003.png").write_bytes(b"odd")
    job = packing(source)
    with pytest.raises(UserError, match=r"dogs/003.png' is broken"):
        pack(job)
    assert [path.name for path in job.entry.parent.iterdir()] == [".lock"]


def test_a_folder_that_changes_meanwhile_is_refused(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = packing(source)
    monkeypatch.setattr(
        folder_pack, "pixels", lambda path, **options: (photos.save(source / "cats" / "new.png"), pixels(path, **options))[1]
    )
    with pytest.raises(UserError, match="changed while its images were read"):
        pack(job)
    assert not job.entry.exists()


def test_a_full_disk_is_one_line_before_and_in_the_middle(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: usage(1, 1, 1000))
        with pytest.raises(UserError, match=r"take 0.1 GB in the data cache .* 0.0 GB left: set a smaller size="):
            pack(packing(source))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot write to the data cache .*No space left on device"):
        pack(packing(source))
    assert [path.name for path in packing(source).entry.parent.iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_cleared(source: Path) -> None:
    job = packing(source)
    left = job.entry.parent / ".build-dead"
    left.mkdir(parents=True)
    (left / IMAGES).write_bytes(b"half")
    assert pack(job).entry.exists()
    assert not left.exists()


def test_memory_is_bounded_by_a_few_images_not_by_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = photos.fill(tmp_path / "many", 2)
    for index in range(2, 64):
        os.link(source / "000.png", source / f"{index:03}.png")
    monkeypatch.setattr(folder_pack, "CHUNK_BYTES", 2**18)
    job = packing(source, size=128)  # 64 x 48 KiB = 3 MiB
    pixels(source / "000.png", size=128, crop="center", channels=3)  # Pillow imports its plugins before the measurement
    tracemalloc.start()
    try:
        pack(job)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2**20 < np.prod(job.shape)


@pytest.mark.slow
def test_two_processes_at_once_build_it_once(source: Path) -> None:
    code = f"from bench.data.folder.dataset import make; print(make({str(source)!r} + ',size=16').fetch())"
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert outputs[0] == outputs[1] != ""
    assert [process.returncode for process in processes] == [0, 0]
    assert make(f"{source},size=16").fetch() == outputs[0].strip()
