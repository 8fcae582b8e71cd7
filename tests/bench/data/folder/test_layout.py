"""Tests of folder layouts: their images, classes and splits, and the error message for each invalid layout."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import photos
import pytest

from bench.core.errors import UserError
from bench.data.folder.layout import ImageFile, listing, scan
from bench.data.folder.splits import Splits

SEVENTH = Fraction(1, 7)


def names(pictures: tuple[ImageFile, ...]) -> list[str]:
    return [picture.name for picture in pictures]


def test_a_flat_folder_is_unlabelled_and_sorted(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "c.webp", "d.bmp", "e.gif", "f.JPG"):
        photos.save(tmp_path / name)
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / ".cache").mkdir()
    found = scan(tmp_path)
    assert names(found.pictures) == ["a.jpeg", "b.PNG", "c.webp", "d.bmp", "e.gif", "f.JPG"]
    assert {picture.label for picture in found.pictures} == {-1}
    assert found.class_names == ()


def test_class_folders_give_labels_in_the_order_of_their_names(tmp_path: Path) -> None:
    photos.fill(tmp_path, 2, classes=("dogs", "cats"))
    found = scan(tmp_path)
    assert found.class_names == ("cats", "dogs")
    assert [(p.name, p.label) for p in found.pictures] == [
        ("cats/000.png", 0),
        ("cats/001.png", 0),
        ("dogs/000.png", 1),
        ("dogs/001.png", 1),
    ]


def test_a_fixed_share_is_the_test_split(tmp_path: Path) -> None:
    found = scan(photos.fill(tmp_path, 14))
    split = found.split(SEVENTH)
    assert names(split["test"]) == ["006.png", "008.png"], "the test split depends on more than the names of the files"
    assert sorted(names(split["train"]) + names(split["test"])) == names(found.pictures)
    assert len(found.split(Fraction(1, 2))["test"]) == 7
    assert len(found.split(Fraction(1, 1000))["test"]) == 1
    assert len(found.split(Fraction(999, 1000))["train"]) == 1


@pytest.mark.parametrize("classes", [(), ("cats", "dogs")])
def test_the_folders_train_and_test_are_the_splits(tmp_path: Path, classes: tuple[str, ...]) -> None:
    photos.fill(tmp_path / "train", 3, classes=classes)
    photos.fill(tmp_path / "test", 1, classes=classes)
    found = scan(tmp_path)
    split = found.split(SEVENTH)
    assert found.splits == Splits(train="train", test="test")
    assert found.class_names == classes
    assert all(name.startswith("test/") for name in names(split["test"]))
    assert (len(split["train"]), len(split["test"])) == (3 * max(1, len(classes)), max(1, len(classes)))


@pytest.mark.parametrize(("train", "test"), [("Train", "TEST"), ("training", "testing"), ("trainset", "testset"), ("train-images", "test"), ("tr", "ts"),
    ("train2017", "test2017"), ("trainA", "testA"), ("imagesTr", "imagesTs")])  # fmt: skip
def test_one_training_and_one_test_folder_of_other_names_are_the_splits(tmp_path: Path, train: str, test: str) -> None:
    photos.fill(tmp_path / train, 3, classes=("cats", "dogs"))
    photos.fill(tmp_path / test, 1, classes=("cats", "dogs"))
    found = scan(tmp_path)
    split = found.split(SEVENTH)
    assert (found.splits, found.class_names) == (Splits(train=train, test=test), ("cats", "dogs"))
    assert names(split["test"]) == [f"{test}/cats/000.png", f"{test}/dogs/000.png"]
    assert len(split["train"]) == 6


@pytest.mark.parametrize("folders", [("trainA", "trainB", "testA", "testB"), ("trainA", "trainB"), ("trainA", "testB"), ("train",), ("test_data",), ("val",),
    ("train", "val"), ("train", "train2"), ("cats", "dogs", "val"), ("car", "bus", "train"), ("car", "Test-Images"), ("train", "test", "dev"), ("tr", "ts", "val"),
    ("train2017", "test2019"), ("hold-out", "training set"), ("validation", "test")])  # fmt: skip
@pytest.mark.parametrize("classes", [(), ("cats", "dogs")])
def test_folders_with_names_of_splits_are_never_classes_unless_all_are(
    tmp_path: Path, folders: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    for folder in folders:
        photos.fill(tmp_path / folder, 1, classes=classes)
    with pytest.raises(UserError, match="classes=all") as caught:
        scan(tmp_path)
    assert "\n" not in str(caught.value)
    if len(folders) > 1 and not classes:
        assert scan(tmp_path, all_classes=True).class_names == tuple(sorted(folders))


@pytest.mark.parametrize("folders", [("trains", "cars"), ("steam train", "car"), ("tr", "de", "te"), ("trainer", "tester"), ("values", "devices"), ("1", "2"),
    ("a", "b"), ("tr", "trn"), ("images", "data")])  # fmt: skip
def test_other_names_are_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        photos.fill(tmp_path / folder, 1)
    assert scan(tmp_path).class_names == tuple(sorted(folders))


def test_a_class_may_have_the_name_of_a_split_where_that_is_asked_for(tmp_path: Path) -> None:
    for split in ("train", "test"):
        photos.fill(tmp_path / split, 1, classes=("bus", "train"))
    with pytest.raises(UserError, match="test=given,classes=all"):
        scan(tmp_path)
    found = listing(tmp_path, all_classes=True, given_splits=True)
    assert (found.class_names, found.splits) == (("bus", "train"), Splits(train="train", test="test"))
    assert found.read_again().pictures == found.pictures
    with pytest.raises(UserError, match="add ,test=given"):
        scan(tmp_path, all_classes=True)


def test_the_stamp_tells_a_new_name_size_or_time(tmp_path: Path) -> None:
    path = photos.fill(tmp_path, 2) / "001.png"
    before = scan(tmp_path).stamp
    assert scan(tmp_path).stamp == before
    stamps = {before}
    os.utime(path, ns=(1, 1))
    stamps.add(scan(tmp_path).stamp)
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(1, 1))
    stamps.add(scan(tmp_path).stamp)
    path.rename(tmp_path / "002.png")
    stamps.add(scan(tmp_path).stamp)
    assert len(stamps) == 4


def test_a_settled_folder_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos.fill(tmp_path, 2, classes=("a",))
    old = time.time_ns() - 10**12
    for folder in (tmp_path, tmp_path / "a"):
        os.utime(folder, ns=(old, old))
    first = listing(tmp_path)
    assert listing(tmp_path) is first
    photos.save(tmp_path / "a" / "new.png")
    again = listing(tmp_path)
    assert len(again.pictures) == 3
    assert listing(tmp_path) is not again, "the listing of a folder that has just changed is taken from the cache"


def test_files_of_other_kinds_are_left_out_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photos.fill(tmp_path, 2)
    for name in ("a.tiff", "b.TIFF", "notes"):
        (tmp_path / name).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert len(listing(tmp_path).pictures) == len(listing(tmp_path).pictures) == 2
    (message,) = [record.message for record in caplog.records]
    assert "ignoring files that are not images: .tiff (2), no suffix (1)" in message


def _mixed(root: Path) -> None:
    photos.fill(root, 3)
    photos.fill(root, 1, classes=("cats",))


def _mixed_split(root: Path) -> None:
    photos.fill(root / "train", 1)
    photos.fill(root / "test", 1)
    photos.fill(root / "test", 1, classes=("cats",))


def _empty_class(root: Path) -> None:
    photos.fill(root, 1, classes=("cats",))
    (root / "dogs").mkdir()
    (root / "dogs" / "a.tiff").write_bytes(b"")


def _too_deep(root: Path) -> None:
    photos.fill(root / "cats", 1)
    photos.fill(root / "cats" / "black", 1)


def _up(root: Path) -> None:
    photos.fill(root, 2, classes=("cats",))
    (root / "up").symlink_to(root.parent)


def _itself(root: Path) -> None:
    photos.fill(root, 2)
    (root / "loop.png").symlink_to("loop.png")


def _dangling(root: Path) -> None:
    photos.fill(root, 2)
    (root / "gone.png").symlink_to("nowhere.png")


def _pipe(root: Path) -> None:
    photos.fill(root, 2)
    os.mkfifo(root / "pipe.png")


def _three_splits(root: Path) -> None:
    for name in ("Train", "val", "test"):
        photos.fill(root / name, 1)


def _split_in_split(root: Path) -> None:
    photos.fill(root / "train", 1, classes=("cats", "val"))
    photos.fill(root / "test", 1, classes=("cats",))


def _splits_in_classes(root: Path) -> None:
    for name in ("train", "test"):
        photos.fill(root / "cats" / name, 1)


def _one_class_more(root: Path) -> None:
    photos.fill(root / "train", 1, classes=("cats", "dogs"))
    photos.fill(root / "test", 1, classes=("cats",))


def _half_labelled(root: Path) -> None:
    photos.fill(root / "train", 1, classes=("cats",))
    photos.fill(root / "test", 1)


def _odd_class(root: Path) -> None:
    folder = os.fsdecode(os.fsencode(root) + b"/\xff")
    photos.fill(Path(folder), 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "there are no images in .*png, jpg, jpeg, webp, bmp, gif"),
        (lambda root: photos.fill(root, 1), "one image in .*add at least one more"),
        (_mixed, r"both images \('000.png'; 3 in all\) and folders \('cats'; 1 in all\)"),
        (_mixed_split, "test' contains both images"),
        (_empty_class, r"no images in '.*dogs' .*; it contains files that are not images: .tiff \(1\)"),
        (_too_deep, "cats' contains both images|cats' contains the folder 'black', but a class folder contains only images"),
        (_up, "up' is a link to one of its parent folders"),
        (_itself, r"cannot read '.*loop.png' \(.*symbolic links\)"),
        (_dangling, r"cannot read '.*gone.png' \(No such file"),
        (_pipe, r"cannot read '.*pipe.png' \(it is not a regular file\)"),
        (_three_splits, "'Train', 'test', 'val' are names of splits: leave only one training and one test folder"),
        (_split_in_split, r"train' contains 'val', a name of a split, .*add ,test=given,classes=all to the name if it is a class"),
        (_splits_in_classes, "cats' contains the folder 'test', .*a training and a test folder at the top"),
        (_one_class_more, "has the class 'dogs' in 'train' but not in 'test'"),
        (_half_labelled, "class folders in 'train' but none in 'test'"),
        (_odd_class, "is not UTF-8: rename it"),
    ],
)
def test_a_layout_that_cannot_be_read_is_one_line(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    make(root)
    with pytest.raises(UserError, match=message) as caught:
        scan(root)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_says_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match=r"no folder '.*phtos'; did you mean 'photos'"):
        scan(tmp_path / "phtos")
    with pytest.raises(UserError, match=r"no folder '.*zzz'$"):
        scan(tmp_path / "zzz")
    with pytest.raises(UserError, match="is a file, not a folder"):
        scan(photos.save(tmp_path / "a.png"))
    for path, reason in ((Path("\0"), "null byte"), (tmp_path / ("x" * 5000), "File name too long")):
        with pytest.raises(UserError, match=reason) as caught:
            scan(path)
        assert len(str(caught.value)) < 300


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos.fill(tmp_path, 2, classes=("cats", "dogs"))
    scandir = os.scandir

    def closed(folder: Path) -> object:
        if str(folder).endswith("dogs"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match=r"cannot read the folder '.*dogs' \(Permission denied\)"):
        scan(tmp_path)
