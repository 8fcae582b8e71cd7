"""Pictures of class directions, latent arithmetic and traversals in the latent space."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor, nn

from bench.core.spec import Latent, Networks
from bench.evaluation.latent_space import STEPS, explore, traversals

CPU = torch.device("cpu")
NAMES = ("left", "right")


class TwoSides(Networks):
    """Networks with 4 x 4 images, where z1 selects the bright side and z2 the brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Linear(1, 1)

    def draw(self, n: int, noise: torch.Generator, labels: Tensor | None = None) -> Latent:
        return Latent(z=torch.randn(n, 2, generator=noise))

    def sample(self, latent: Latent) -> Tensor:
        right = (latent.z[:, 0] > 0).float()[:, None]
        lit = torch.cat([(1 - right).expand(-1, 2), right.expand(-1, 2)], dim=1)[:, None, None, :].expand(-1, 1, 4, 4)
        return lit * (0.2 + 0.6 * latent.z[:, 1].sigmoid())[:, None, None, None] * 2 - 1

    def traversals(self, latent: Latent, columns: int) -> dict[str, Latent]:
        return {"sides": latent[torch.arange(len(latent)).repeat_interleave(columns)]}


def sides(images: Tensor) -> Tensor:
    """Return 0 for images whose left side is brighter, else 1."""
    means = images.double().mean(dim=(1, 2)).unflatten(1, (2, 2)).mean(dim=2)
    return means.argmax(dim=1)


def opened(png: bytes) -> Tensor:
    return torch.tensor(list(Image.open(io.BytesIO(png)).get_flattened_data())).reshape(Image.open(io.BytesIO(png)).size[::-1])


def tiles(png: bytes, columns: int) -> list[Tensor]:
    pixels = opened(png)
    rows = (len(pixels) - 1) // 5
    return [pixels[1 + 5 * row : 5 + 5 * row, 1 + 5 * column : 5 + 5 * column] for row in range(rows) for column in range(columns)]


def test_a_direction_arrives_and_arithmetic_adds_up() -> None:
    found = explore(TwoSides(), sides, NAMES, batch_size=64, device=CPU)
    (way,) = found.rows["directions"]
    assert (way["from"], way["to"]) == NAMES
    assert way["reached"] > 0.9
    walk = tiles(found.pictures["directions"], STEPS)
    assert len(walk) == STEPS
    assert walk[0][:, :2].sum() > 0 == walk[0][:, 2:].sum()
    assert walk[-1][:, 2:].sum() > 0 == walk[-1][:, :2].sum()
    bright, dark, other, result = tiles(found.pictures["arithmetic"], 4)
    assert bright[:, :2].sum() > dark[:, :2].sum() > 0
    assert other[:, 2:].sum() > 0
    assert result[:, 2:].sum() > 1.3 * other[:, 2:].sum()  # the bright image of the other class
    assert found.rows["arithmetic"] == [{"of": "left", "to": "right"}]


def test_the_same_networks_give_the_same_pictures() -> None:
    one, two = (explore(TwoSides(), sides, NAMES, batch_size=size, device=CPU) for size in (64, 1000))
    assert one == two


def test_one_class_alone_gives_nothing() -> None:
    found = explore(TwoSides(), lambda images: torch.zeros(len(images), dtype=torch.int64), NAMES, batch_size=500, device=CPU)
    assert (found.pictures, found.rows) == ({}, {})


def test_traversals_are_of_four_latents() -> None:
    pictures = traversals(TwoSides(), CPU)
    assert list(pictures) == ["sides"]
    assert len(tiles(pictures["sides"], 10)) == 40
