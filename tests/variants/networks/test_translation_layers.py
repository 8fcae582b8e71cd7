"""Padding, doubling and dropout of translators against their closed forms."""

from __future__ import annotations

import pytest
import torch

from variants.networks.translation_layers import ResidualBlock, crop_to, doubling, draw_mask, drop, multiples, norm, pad_to


@pytest.mark.parametrize(
    ("size", "factor", "least", "expected"),
    [((28, 28), 32, 0, (32, 32)), ((8, 9), 4, 0, (8, 12)), ((1, 3), 4, 8, (8, 8)), ((64, 33), 32, 0, (64, 64))],
)
def test_multiples(size: tuple[int, int], factor: int, least: int, expected: tuple[int, int]) -> None:
    assert multiples(size, factor, least=least) == expected


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (28, 28), (8, 3)])
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_cropping_undoes_padding(size: tuple[int, int], padding: str) -> None:
    images = torch.randn(2, 3, *size)
    larger = pad_to(images, (32, 32), padding)  # type: ignore[arg-type]  # a text of the parametrisation
    assert larger.shape == (2, 3, 32, 32)
    assert torch.equal(crop_to(larger, size), images)


def test_padding_reflects_and_repeats_the_edge_of_small_images() -> None:
    row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3).expand(1, 1, 3, 3)
    assert pad_to(row, (3, 6))[0, 0, 0].tolist() == [2, 1, 2, 3, 2, 1]
    assert pad_to(row, (3, 10))[0, 0, 0].tolist() == [1, 1, 1, 1, 2, 3, 3, 3, 3, 3]
    assert pad_to(row, (3, 6), "zeros")[0, 0, 0].tolist() == [0, 1, 2, 3, 0, 0]
    assert pad_to(row, (3, 3)) is row


@pytest.mark.parametrize("way", ["transposed", "resize", "shuffle"])
@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 3)])
def test_doubling(way: str, kernel: int, size: tuple[int, int]) -> None:
    assert doubling(6, 5, way, kernel=kernel)(torch.randn(2, 6, *size)).shape == (2, 5, 2 * size[0], 2 * size[1])


def test_norms() -> None:
    maps = 3 + 2 * torch.randn(4, 5, 8, 8)
    (instance,) = norm("instance", 5)
    assert not list(instance.parameters())
    outputs = instance(maps)
    torch.testing.assert_close(outputs.mean(dim=(2, 3)), torch.zeros(4, 5), rtol=0, atol=1e-5)
    assert torch.equal(outputs, instance.eval()(maps))
    assert len(list(norm("instance", 5, affine=True)[0].parameters())) == 2
    assert norm("none", 5) == []


def test_dropout_has_the_mean_of_its_input() -> None:
    mask = draw_mask(200, (4, 8, 8), 0.25, torch.Generator().manual_seed(0))
    maps = torch.ones(200, 4, 8, 8)
    dropped = drop(maps, mask, 0.25)
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    assert drop(maps, None, 0.25) is maps


def test_a_residual_block_adds_its_branch() -> None:
    block = ResidualBlock(4, "none", torch.nn.ReLU, dropout=0.5)
    maps = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(maps), maps + block.second(block.first(maps)))
    nothing = block(maps, torch.zeros(2, 4, 6, 6, dtype=torch.bool))
    torch.testing.assert_close(nothing, maps + block.second(torch.zeros_like(maps)))
