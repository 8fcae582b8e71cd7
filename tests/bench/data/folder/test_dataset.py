"""Tests of the dataset `folder:PATH`: its options, canonical name, splits, batches and training."""

from __future__ import annotations

import json
import os
import re
from fractions import Fraction
from pathlib import Path

import photos
import pytest
import small
import torch

from bench.core.config import DATASETS, config_for
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.data import catalog
from bench.data.folder import dataset as folder
from bench.data.folder.dataset import FolderDataset, make
from bench.runs.auto_choice import resolve
from bench.tracking.results import load
from bench.training.batches import BatchLoader

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("cache_folder")


@pytest.fixture
def coloured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of twelve colour images of 16x16 pixels in two classes. Its parent is the working folder."""
    monkeypatch.chdir(tmp_path)
    return photos.fill(tmp_path / "photos", 6, classes=("cats", "dogs"))


def test_it_is_a_dataset_in_every_respect(coloured: Path) -> None:
    dataset = DATASETS.get("folder:photos")
    assert isinstance(dataset, Dataset)
    assert dataset.name == f"folder:{coloured},size=16,crop=center,channels=3,test=1/7"
    assert dataset.title == "photos (folder, 16x16 RGB)"
    assert (dataset.spec.kind, dataset.spec.shape, dataset.spec.classes) == ("image", (3, 16, 16), 2)
    assert dataset.class_names == ("cats", "dogs")
    assert dataset.claims
    assert re.fullmatch("[0-9a-f]{64}", dataset.digest())
    assert [len(dataset.split(name)) for name in ("train", "test")] == [10, 2]  # type: ignore[arg-type]
    with pytest.raises(UserError, match="splits train and test, not 'valid'"):
        dataset.split("valid")  # type: ignore[arg-type]


def test_the_canonical_name_holds_every_choice_and_is_found_again(coloured: Path) -> None:
    name = DATASETS.canonical("folder:photos,test=0.25,channels=1")
    assert name == f"folder:{coloured},size=16,crop=center,channels=1,test=1/4"
    assert DATASETS.canonical(name) == name
    assert DATASETS.get(name).digest() == DATASETS.get("folder:photos,channels=1,test=1/4").digest()
    config = resolve(config_for("dcgan", {"dataset": "folder:photos,test=0.25,channels=1"}))
    assert json.loads(config.canonical())["dataset"] == name


def test_every_choice_is_in_the_fingerprint(coloured: Path) -> None:
    names = ["photos", "photos,size=32", "photos,channels=1", "photos,test=0.5", "photos,size=32,crop=none"]
    configs = [resolve(config_for("dcgan", {"dataset": f"folder:{name}"})) for name in names]
    prints = {config.fingerprint(data_digest=DATASETS.get(config.dataset).digest()) for config in configs}
    assert len(prints) == len(names)
    photos.save(coloured / "cats" / "000.png", seed=77)
    assert configs[0].fingerprint(data_digest=DATASETS.get(configs[0].dataset).digest()) not in prints


def test_size_and_channels_are_seen_where_they_can_be(tmp_path: Path) -> None:
    assert make(str(photos.fill(tmp_path / "grey", 3, size=(28, 28), mode="L"))).spec.shape == (1, 28, 28)
    photos.save(tmp_path / "grey" / "z.png", size=(28, 28))
    assert make(str(tmp_path / "grey")).spec.shape == (3, 28, 28)
    assert make(f"{tmp_path / 'grey'},channels=1").spec.shape == (1, 28, 28)


@pytest.mark.parametrize("size", [(16, 20), (65, 65), (7, 7)])
def test_a_size_that_cannot_be_seen_must_be_given(tmp_path: Path, size: tuple[int, int]) -> None:
    path = photos.fill(tmp_path / "photos", 2, size=size)
    with pytest.raises(UserError, match=rf"needs size=N, e.g. size=32: .* \('000.png' is {size[0]}x{size[1]}\)"):
        make(str(path))
    assert make(f"{path},size=32").spec.shape == (3, 32, 32)


def test_images_of_two_sizes_need_one(tmp_path: Path) -> None:
    path = photos.fill(tmp_path / "photos", 2)
    photos.save(path / "z.png", size=(32, 32))
    with pytest.raises(UserError, match=r"needs size=N.*'z.png' is 32x32"):
        make(str(path))


def test_headers_are_read_once_for_each_state_of_the_folder(coloured: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    before = make("photos").name
    monkeypatch.setattr(folder, "header", lambda path: pytest.fail(f"the header of {path} is read again"))
    assert make("photos").name == before
    assert make("photos,size=32,channels=1").spec.shape == (1, 32, 32), "the shape does not follow from the options"
    monkeypatch.undo()
    monkeypatch.setenv("GANBENCH_CACHE", str(cache_folder))
    (stored,) = cache_folder.glob("data/folder/*/look.json")
    stored.write_text("{")
    assert make(str(coloured)).name == before
    photos.save(coloured / "cats" / "new.png", size=(8, 8))
    with pytest.raises(UserError, match="needs size=N"):
        make(str(coloured))


def test_the_test_share_goes_with_the_layout(tmp_path: Path, coloured: Path) -> None:
    with pytest.raises(UserError, match="test=given needs the folders 'train' and 'test'"):
        make("photos,test=given")
    assert make("photos,test=0.5").test == Fraction(1, 2)
    for name in ("train", "test"):
        photos.fill(tmp_path / "split" / name, 3)
    given = make("split")
    assert given.name == f"folder:{tmp_path}/split,size=16,crop=center,channels=3,test=given"
    assert make(given.name.removeprefix("folder:")).name == given.name
    assert [len(given.split(name)) for name in ("train", "test")] == [3, 3]  # type: ignore[arg-type]
    with pytest.raises(UserError, match="test=1/10 does not fit the folders 'train' and 'test'"):
        make("split,test=0.1")


def test_a_class_with_the_name_of_a_split_is_part_of_the_canonical_name_and_packed(tmp_path: Path) -> None:
    photos.fill(tmp_path / "vehicles", 3, classes=("bus", "train"))
    with pytest.raises(UserError, match="'train' is a name of a split"):
        make(f"{tmp_path}/vehicles")
    found = make(f"{tmp_path}/vehicles,classes=all")
    assert found.name == f"folder:{tmp_path}/vehicles,size=16,crop=center,channels=3,test=1/7,classes=all"
    assert make(found.name.removeprefix("folder:")).name == found.name
    assert (found.class_names, len(found.split("train"))) == (("bus", "train"), 5)


def test_an_unlabelled_folder_has_no_labels(tmp_path: Path) -> None:
    dataset = make(f"{photos.fill(tmp_path / 'flat', 5)}")
    assert dataset.spec.classes == 0
    assert dataset.split("train").labels is None


def test_fetching_packs_it_and_says_where(coloured: Path, cache_folder: Path) -> None:
    assert catalog.available("folder:photos") is None
    answer = catalog.fetch("folder:photos")
    assert f"{coloured} (10 training and 2 test images, 2 classes), packed in {cache_folder}" in answer
    assert len(list(cache_folder.glob("data/folder/photos-*/*/images.npy"))) == 1


def test_a_feed_draws_batches_from_the_file_without_a_copy(coloured: Path) -> None:
    examples = make("photos").split("train")
    feed = BatchLoader(examples, batch_size=4, seed=0, device=CPU)
    assert feed.examples.data.data_ptr() == examples.data.data_ptr()
    batch = feed.next()
    assert batch.labels is not None
    assert batch.data.shape == (4, 3, 16, 16)
    scaled = examples.data.float() * (2.0 / 255.0) - 1
    for image, label in zip(batch.data, batch.labels, strict=True):
        (index,) = [i for i, candidate in enumerate(scaled) if torch.equal(candidate, image)]
        assert examples.labels is not None
        assert examples.labels[index] == label


def test_a_batch_reads_its_own_pages_and_no_others(tmp_path: Path) -> None:
    """After one batch, less than a quarter of the images is in memory, according to /proc/self/smaps."""
    smaps = Path("/proc/self/smaps")
    if not smaps.exists():
        pytest.skip("only Linux has /proc/self/smaps")
    source = photos.fill(tmp_path / "big", 1, size=(64, 64))
    for index in range(1, 400):
        os.link(source / "000.png", source / f"{index:03}.png")
    dataset: FolderDataset = make(f"{source},size=256,channels=3,test=1/400")  # 400 x 192 KiB = 75 MiB
    examples = dataset.split("train")
    BatchLoader(examples, batch_size=2, seed=0, device=CPU).next()
    mapped = re.search(rf"{re.escape(str(dataset._packed.entry))}/images.npy\n(.*?)Pss:", smaps.read_text(), re.DOTALL)
    assert mapped is not None
    resident_kb = int(re.search(r"Rss:\s+(\d+) kB", mapped[1])[1])  # type: ignore[index]
    assert resident_kb < 0.25 * examples.data.nbytes / 1024


@pytest.mark.parametrize("classes", [(), pytest.param(("cats", "dogs"), marks=pytest.mark.slow)])
def test_a_run_trains_on_it_and_draws_its_grid(tmp_path: Path, uri: str, classes: tuple[str, ...]) -> None:
    source = photos.fill(tmp_path / "photos", 48, classes=classes)
    name = f"folder:{source}"
    suite = small.Suite(name="own", idea="own data", entries=(small.Entry(variant="dcgan"),), datasets=(name,), seeds=(0,))
    settings = {path: value for path, value in small.SETTINGS.items() if path != "dataset"} | {
        "budget.images": 256,
        "recipe.batch_size": 32,
    }
    outcome = small.execute(uri, tmp_path / "runs", suite=suite, settings=settings)
    assert [result.status for result in outcome.results] == ["finished"]
    run = load(uri, ("own",)).runs.iloc[0]
    assert run["dataset"] == make(str(source)).name
    assert list(tmp_path.rglob("grids/final.png"))
