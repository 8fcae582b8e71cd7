"""Colours and positions in pictures of points."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.spec import DataShape, Examples, Mixture
from bench.data.mixtures import GRID25, RING8, PlaneMixture
from bench.evaluation.scatter import INK, MODE, PAPER, SIDE, frame_of, scatter_png


@dataclass(frozen=True)
class Cloud:
    """Points without known modes, in a box of 2 x 4 around (1, 10)."""

    name: str = "cloud"
    title: str = "cloud"
    spec: DataShape = DataShape(kind="points", shape=(2,))
    class_names: tuple[str, ...] = ()
    claims: bool = False

    def digest(self) -> str:
        return "cloud"

    def split(self, name: str) -> Examples:
        return Examples(data=torch.tensor([[0.0, 8.0], [2.0, 12.0], [1.0, 10.0]]))


def picture_pixels(points: Tensor, dataset: PlaneMixture | Cloud) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(scatter_png(points, dataset))).convert("RGB")).astype(int)


def at(picture: np.ndarray, point: tuple[float, float] | Tensor, dataset: PlaneMixture | Cloud) -> np.ndarray:
    right, down = frame_of(dataset).pixels(torch.as_tensor([list(map(float, point))]))[0].tolist()
    return picture[min(int(down), SIDE - 1), min(int(right), SIDE - 1)]


def like(colour: tuple[int, ...], pixel: np.ndarray) -> bool:
    return int(np.abs(pixel - np.asarray(colour[:3])).max()) < 60


@pytest.mark.parametrize("mixture", [RING8, GRID25], ids=lambda mixture: mixture.name)
def test_modes_with_points_are_filled_and_others_are_empty_rings(mixture: PlaneMixture) -> None:
    examples = mixture.split("test")
    left_out = 3
    picture = picture_pixels(examples.data[examples.labels != left_out], mixture)
    assert picture.shape == (SIDE, SIDE, 3)
    for mode, centre in enumerate(mixture.centres):
        pixel = at(picture, centre, mixture)
        assert (pixel == PAPER).all() if mode == left_out else like(INK, pixel)
    right, down = frame_of(mixture).pixels(mixture.centres[left_out : left_out + 1])[0].round().int().tolist()
    patch = picture[max(down - 9, 0) : down + 9, max(right - 9, 0) : right + 9]
    assert (patch[..., 0] - patch[..., 2]).max() > 80  # a circle in the modes' colour, which has more red than blue
    assert MODE[0] - MODE[2] > 80


def test_a_point_lies_where_it_should() -> None:
    picture = picture_pixels(torch.tensor([[1.0, 3.0]]).repeat(20, 1), GRID25)
    assert like(INK, at(picture, (1.0, 3.0), GRID25))
    for other in ((3.0, 1.0), (1.0, -3.0), (-1.0, 3.0)):
        assert (at(picture, other, GRID25) == PAPER).all()


def test_points_outside_lie_on_the_edge_and_broken_ones_nowhere() -> None:
    empty = picture_pixels(torch.zeros(0, 2), GRID25)
    broken = torch.tensor([[float("nan"), 1.0], [1.0, float("inf")]])
    assert np.array_equal(picture_pixels(broken, GRID25), empty)
    far = picture_pixels(torch.tensor([[1e9, 1.0]]).repeat(20, 1), GRID25)
    changed = np.argwhere((far != empty).any(axis=2))
    assert len(changed)
    assert changed[:, 1].min() >= SIDE - 2


def test_data_without_known_modes_is_framed_by_its_own_points() -> None:
    cloud = Cloud()
    assert not isinstance(cloud, Mixture)
    frame = frame_of(cloud)
    assert (frame.x, frame.y) == (1.0, 10.0)
    assert frame.half == pytest.approx(2.6)
    picture = picture_pixels(torch.tensor([[1.0, 10.0]]).repeat(20, 1), cloud)
    assert like(INK, at(picture, (1.0, 10.0), cloud))
    assert (picture == PAPER).all(axis=2).mean() > 0.99  # no circles


def test_same_points_same_bytes() -> None:
    ring = DATASETS.get("ring8")
    points = ring.split("test").data
    assert scatter_png(points, ring) == scatter_png(points.clone(), ring)
