"""Export of samples. Writes are atomic and overwrite a file with --force only."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.evaluation.export import check_target, write_samples
from bench.evaluation.scatter import scatter_png

RING = DATASETS.get("ring8")
IMAGES = (torch.arange(10 * 64) % 256).to(torch.uint8).view(10, 1, 8, 8)


def test_an_array_is_restored(tmp_path: Path) -> None:
    write_samples(IMAGES, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as found:
        assert list(found) == ["images"]
        assert np.array_equal(found["images"], IMAGES.numpy())
    first = (tmp_path / "x.npz").read_bytes()
    write_samples(IMAGES, tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]


def test_points_are_restored_and_drawn(tmp_path: Path) -> None:
    points = RING.split("test").data[:300]
    write_samples(points, tmp_path / "x.npz", RING)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as found:
        assert list(found) == ["points"]
        assert np.array_equal(found["points"], points.numpy())
    write_samples(points, tmp_path / "x.png", RING)
    assert (tmp_path / "x.png").read_bytes() == scatter_png(points, RING)


@pytest.mark.parametrize(("n", "size"), [(1, (8, 8)), (10, (4 * 9 + 1, 3 * 9 + 1)), (100, (91, 91))])
def test_a_grid_holds_all_images(tmp_path: Path, n: int, size: tuple[int, int]) -> None:
    write_samples(IMAGES[:1].repeat(n, 1, 1, 1), tmp_path / "x.PNG")
    picture = Image.open(io.BytesIO((tmp_path / "x.PNG").read_bytes()))
    assert (picture.format, picture.size) == ("PNG", size)


def test_invalid_targets(tmp_path: Path) -> None:
    (tmp_path / "old.npz").write_bytes(b"old")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "nowhere")
    check_target(tmp_path / "new.npz", force=False)
    check_target(tmp_path / "old.npz", force=True)
    wrong = {
        "x.gif": "has the unknown ending '.gif'; did you mean '.png'?",
        "x": "has the unknown ending ''",
        "old.npz": "already exists: --force overwrites it",
        "link.npz": "already exists",
        "folder.png": "is a folder",
        "none/x.npz": "none' does not exist",
        "old.npz/x.npz": "cannot be written",
        f"{'a' * 300}.npz": "cannot be written",
    }
    for name, message in wrong.items():
        with pytest.raises(UserError) as error:
            check_target(tmp_path / name, force=False)
        assert message in str(error.value)
        assert len(str(error.value).splitlines()) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.png", "link.npz", "old.npz"]


def test_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written: No such file or directory"):
        write_samples(IMAGES, tmp_path / "gone" / "x.npz")
