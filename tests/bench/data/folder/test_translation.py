"""Tests of folders for image translation: pairs in two folders, pairs side by side, and two sides without pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.data.folder.dataset import FolderDataset, make
from bench.data.folder.translation import TranslationFolder

pytestmark = pytest.mark.usefixtures("cache_folder")


def save(path: Path, level: int, *, width: int = 8, height: int = 8, mode: str = "L") -> None:
    """Write an image of one level, or of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = level if mode == "L" else (level, 255 - level, 7)
    Image.new(mode, (width, height), colour).save(path)


def fill(root: Path, folders: Mapping[str, int], *, start: Mapping[str, int] | None = None, mode: str = "L") -> Path:
    """Write images with the names 000.png, 001.png, ... into folders. The level of each is its number plus a start."""
    for folder, count in folders.items():
        for index in range(count):
            save(root / folder / f"{index:03}.png", index + (start or {}).get(folder, 0), mode=mode)
    return root


def levels(images: torch.Tensor | None) -> list[int]:
    """Return the level of each image."""
    assert images is not None
    return images.flatten(1)[:, 0].tolist()


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Return a folder with 14 pairs in A and B. An image in B is lighter by 100 levels than that in A."""
    return fill(tmp_path / "pairs", {"A": 14, "B": 14}, start={"B": 100})


def test_folders_a_and_b_of_equal_names_are_pairs(pairs: Path) -> None:
    dataset = make(str(pairs))
    assert isinstance(dataset, TranslationFolder)
    assert isinstance(dataset, Dataset)
    assert (dataset.spec.task, dataset.spec.shape, dataset.spec.given, dataset.spec.classes) == ("paired", (1, 8, 8), (1, 8, 8), 0)
    assert dataset.name == f"folder:{pairs},size=8,crop=center,channels=1,test=1/7,pairs=folders"
    train, test = dataset.split("train"), dataset.split("test")
    assert (len(train), len(test), train.aligned) == (12, 2, True)
    for examples in (train, test):
        assert [level + 100 for level in levels(examples.given)] == levels(examples.data)
        assert (examples.labels, examples.given_labels) == (None, None)
    assert sorted(levels(train.given) + levels(test.given)) == list(range(14))
    assert "12 training and 2 test pairs" in dataset.fetch()
    assert dataset.missing() is None


def test_the_canonical_name_gives_the_same_dataset(pairs: Path) -> None:
    dataset = make(str(pairs))
    again = DATASETS.get(dataset.name)
    assert (again.name, again.digest()) == (dataset.name, dataset.digest())


@pytest.mark.parametrize("layout", ["{split}/{side}", "{side}/{split}"])
def test_folders_of_splits_may_be_above_or_below_the_sides(tmp_path: Path, layout: str) -> None:
    counts = {layout.format(split=split, side=side): n for split, n in (("train", 6), ("test", 3)) for side in "AB"}
    root = fill(tmp_path / "x", counts, start={layout.format(split="test", side="A"): 50, layout.format(split="test", side="B"): 50})
    dataset = make(str(root))
    assert dataset.name.endswith("test=given,pairs=folders")
    assert levels(dataset.split("train").given) == levels(dataset.split("train").data) == list(range(6))
    assert levels(dataset.split("test").given) == levels(dataset.split("test").data) == [50, 51, 52]
    with pytest.raises(UserError, match="are the splits: leave it out"):
        make(f"{root},test=0.1")


def test_train_a_train_b_test_a_test_b_are_two_sides_without_pairs(tmp_path: Path) -> None:
    root = fill(tmp_path / "x", {"trainA": 5, "trainB": 7, "testA": 2, "testB": 3}, start={"trainB": 100, "testA": 50, "testB": 150})
    dataset = make(str(root))
    assert dataset.spec.task == "unpaired"
    assert dataset.name.endswith("test=given,pairs=none")
    train, test = dataset.split("train"), dataset.split("test")
    assert not train.aligned
    assert (levels(train.given), levels(train.data)) == (list(range(5)), list(range(100, 107)))
    assert (levels(test.given), levels(test.data)) == ([50, 51], [150, 151, 152])
    assert "5 and 2 on side A, 7 and 3 on side B" in dataset.fetch()
    assert "two sides" in dataset.title


def test_sides_without_test_folders_have_a_share_of_each_side_as_test_split(tmp_path: Path) -> None:
    dataset = make(str(fill(tmp_path / "x", {"trainA": 14, "trainB": 28})))
    assert dataset.name.endswith("test=1/7,pairs=none")
    sizes = [(len(found.given), len(found.data)) for found in map(dataset.split, ("train", "test")) if found.given is not None]  # type: ignore[arg-type]
    assert sizes == [(12, 24), (2, 4)]


def test_one_of_the_sides_alone_is_a_dataset_for_generation(tmp_path: Path) -> None:
    root = fill(tmp_path / "x", {"trainA": 5, "trainB": 7, "testA": 2, "testB": 3})
    assert isinstance(make(f"{root}/trainB"), FolderDataset)


def test_options_say_otherwise(pairs: Path) -> None:
    assert make(f"{pairs},pairs=none").spec.task == "unpaired"
    classes = make(f"{pairs},classes=all")
    assert isinstance(classes, FolderDataset)
    assert classes.class_names == ("A", "B")
    digests = {make(f"{pairs}{option}").digest() for option in ("", ",pairs=none", ",classes=all")}
    assert len(digests) == 3


def test_pairs_side_by_side_are_the_halves_of_each_picture(tmp_path: Path) -> None:
    for index in range(14):
        picture = np.zeros((8, 16), dtype=np.uint8)
        picture[:, :8], picture[:, 8:] = index, 100 + index
        (tmp_path / "x").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "x" / f"{index}.png")
    dataset = make(f"{tmp_path / 'x'},pairs=side-by-side")
    assert (dataset.spec.task, dataset.spec.shape) == ("paired", (1, 8, 8))
    for split in ("train", "test"):
        examples = dataset.split(split)  # type: ignore[arg-type]
        assert [level + 100 for level in levels(examples.given)] == levels(examples.data)
    assert isinstance(make(f"{tmp_path / 'x'},size=8"), FolderDataset), "without the option, the pictures are whole"


def test_halves_are_cropped_and_scaled_each_for_itself(tmp_path: Path) -> None:
    for index in range(2):
        picture = np.zeros((32, 40), dtype=np.uint8)
        picture[:, 20:] = 255
        (tmp_path / "x").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "x" / f"{index}.png")
    for crop in ("center", "none"):
        examples = make(f"{tmp_path / 'x'},pairs=side-by-side,size=16,crop={crop}").split("train")
        assert examples.given is not None
        assert (examples.given.unique().tolist(), examples.data.unique().tolist()) == ([0], [255]), "one half is visible in the other"


def test_colour_on_one_side_makes_both_sides_colour(tmp_path: Path) -> None:
    root = fill(tmp_path / "x", {"A": 4})
    fill(root, {"B": 4}, mode="RGB")
    dataset = make(str(root))
    assert (dataset.spec.shape, dataset.spec.given) == ((3, 8, 8), (3, 8, 8))
    assert make(f"{root},channels=1").spec.shape == (1, 8, 8)


def test_images_that_are_not_square_take_the_options_of_other_folders(tmp_path: Path) -> None:
    for index in range(3):
        for side in "AB":
            save(tmp_path / "x" / side / f"{index}.png", index, width=40, height=30)
    with pytest.raises(UserError, match=r"needs size=N.*is 40x30"):
        make(str(tmp_path / "x"))
    assert make(f"{tmp_path / 'x'},size=16,crop=none").spec.shape == (1, 16, 16)


def test_suffixes_of_a_pair_may_differ_and_rows_still_fit(tmp_path: Path) -> None:
    for index in range(8):
        save(tmp_path / "x" / "A" / f"{index}.png", index)
        save(tmp_path / "x" / "B" / f"{index}.{'bmp' if index % 2 else 'png'}", index + 100)
    train = make(str(tmp_path / "x")).split("train")
    assert [level + 100 for level in levels(train.given)] == levels(train.data)


def test_a_change_of_either_side_gives_another_digest(pairs: Path) -> None:
    before = make(str(pairs)).digest()
    for side in "AB":
        save(pairs / side / "000.png", 200)
        after = make(str(pairs)).digest()
        assert after != before
        before = after


def refused(text: str) -> str:
    """Return the one line with which a folder is refused."""
    with pytest.raises(UserError) as error:
        make(text).split("train")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_names_without_a_partner_are_refused(pairs: Path) -> None:
    (pairs / "B" / "003.png").rename(pairs / "B" / "extra.png")
    message = refused(str(pairs))
    assert "has '003' on side A but not on side B (2 names in all have no partner)" in message
    assert ",pairs=none" in message
    assert ",classes=all" in message


def test_two_images_of_one_name_on_a_side_are_refused(pairs: Path) -> None:
    save(pairs / "A" / "003.bmp", 3)
    assert "side A" in refused(str(pairs))


def test_pairs_of_unequal_size_are_refused(pairs: Path) -> None:
    save(pairs / "B" / "003.png", 3, width=16)
    assert "'A/003.png' is 8x8 and 'B/003.png' is 16x8" in refused(f"{pairs},size=8")
    assert make(f"{pairs},pairs=none,size=8").spec.task == "unpaired"


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"A": 3, "B": 0}, r"there are no images in '.*/B'"),
        ({"A": 1, "B": 3}, r"there is one image in '.*/A': a side of image translation needs at least two"),
        ({"trainA": 3, "trainB": 3, "testA": 0, "testB": 2}, r"there are no images in '.*/testA'"),
        ({"trainA": 3, "trainB": 1, "testA": 2, "testB": 2}, r"there is one image in '.*/trainB'"),
        ({"trainA": 3, "trainB": 3, "testA": 2}, r"but no 'testB'"),
        ({"trainA": 3, "testB": 3}, r"but no 'trainB'"),
    ],
)
def test_an_empty_side_a_missing_side_and_a_side_of_one_image_are_refused(tmp_path: Path, folders: dict[str, int], message: str) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    assert re.search(message, refused(str(fill(tmp_path, folders))))


def test_grey_where_colour_is_needed_is_refused(pairs: Path) -> None:
    assert "channels=3 needs colour, but all images to make in" in refused(f"{pairs},channels=3")


def test_a_picture_whose_halves_do_not_divide_is_refused(tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / f"{index}.png", index, width=16 + index // 2)
    assert "2.png' is 17 pixels wide, which does not divide into two halves" in refused(f"{tmp_path},pairs=side-by-side,size=8")


def test_folders_inside_a_side_and_classes_are_refused(pairs: Path, tmp_path: Path) -> None:
    (pairs / "A" / "more").mkdir()
    assert "contains the folder 'more', but a side contains only images" in refused(str(pairs))
    assert "without class folders" in refused(f"{fill(tmp_path / 'y', {'cat': 3, 'dog': 3})},pairs=side-by-side")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("pairs=both", "pairs takes side-by-side, folders, none, not 'both'"),
        ("pairs=none,classes=all", "classes=all and pairs=none exclude each other"),
        ("pairs=folders", "needs the folders 'A' and 'B'"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, option: str, message: str) -> None:
    assert message in refused(f"{fill(tmp_path / 'x', {'.': 3})},{option}")


def test_a_broken_image_is_named(pairs: Path) -> None:
    (pairs / "A" / "005.png").write_bytes(b"no image")
    assert "005.png" in refused(str(pairs))
