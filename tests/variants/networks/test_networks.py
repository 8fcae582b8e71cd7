"""Backbones: published sizes, every wiring, and clear refusals."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.config import NETWORKS
from bench.errors import UserError
from bench.spec import DataShape
from variants.networks.backbone import Ports, build_backbone, has_batch_norm
from variants.recipe import GanRecipe

MNIST = DataShape(kind="image", shape=(1, 28, 28), classes=10)


def linear_sizes(module: nn.Module) -> list[tuple[int, int]]:
    return [(part.in_features, part.out_features) for part in module.modules() if isinstance(part, nn.Linear)]


@pytest.mark.parametrize("name", NETWORKS.names())
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("condition", [0, 10])
@pytest.mark.parametrize("outputs", [1, 11])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
def test_every_wiring_has_the_right_shapes(name: str, copies: int, condition: int, outputs: int, shape: tuple[int, ...]) -> None:
    data = DataShape(kind="image", shape=shape, classes=10)
    ports = Ports(data=data, latent=13, copies=copies, condition=condition, outputs=outputs)
    generator, discriminator = build_backbone(name, ports, GanRecipe(width=4))
    made = generator(torch.randn(5, 13))
    assert made.shape == (5, *shape)
    assert made.abs().max() <= 1
    beside = torch.randn(5, condition) if condition else None
    assert discriminator(torch.randn(5, *ports.seen), beside).shape == (5, outputs)


@pytest.mark.parametrize(
    ("name", "generator_sizes", "discriminator_sizes"),
    [
        ("mlp", [(100, 128), (128, 256), (256, 512), (512, 1024), (1024, 784)], [(784, 512), (512, 256), (256, 1)]),
        ("mlp-small", [(100, 128), (128, 256), (256, 512), (512, 784)], [(784, 512), (512, 256), (256, 1)]),
        ("mlp-dropout", [(100, 256), (256, 512), (512, 1024), (1024, 784)], [(784, 1024), (1024, 512), (512, 256), (256, 1)]),
    ],
)
def test_published_widths(name: str, generator_sizes: list[tuple[int, int]], discriminator_sizes: list[tuple[int, int]]) -> None:
    generator, discriminator = build_backbone(name, Ports(data=MNIST, latent=100), GanRecipe())
    assert linear_sizes(generator) == generator_sizes
    assert linear_sizes(discriminator) == discriminator_sizes


def test_published_normalisation_and_dropout() -> None:
    def count(name: str, kind: type[nn.Module], which: int) -> int:
        networks = build_backbone(name, Ports(data=MNIST, latent=100), GanRecipe())
        return sum(isinstance(part, kind) for part in networks[which].modules())

    assert [count(name, nn.BatchNorm1d, 0) for name in ("mlp", "mlp-small", "mlp-dropout")] == [3, 3, 0]
    assert [count(name, nn.Dropout, 1) for name in ("mlp", "mlp-small", "mlp-dropout")] == [0, 2, 3]
    assert [count("dcgan", nn.BatchNorm2d, which) for which in (0, 1)] == [2, 2]


def test_dcgan_is_as_published() -> None:
    generator, discriminator = build_backbone("dcgan", Ports(data=MNIST, latent=100), GanRecipe())
    shapes = [tuple(parameter.shape) for parameter in generator.parameters() if parameter.dim() == 4]
    assert shapes == [(100, 224, 7, 7), (224, 112, 4, 4), (112, 1, 4, 4)]
    shapes = [tuple(parameter.shape) for parameter in discriminator.parameters() if parameter.dim() == 4]
    assert shapes == [(112, 1, 4, 4), (224, 112, 4, 4), (1, 224, 7, 7)]
    assert not any("bias" in name for name, parameter in discriminator.named_parameters() if parameter.dim() == 4)


@pytest.mark.parametrize("name", NETWORKS.names())
def test_norm_of_the_discriminator_is_a_recipe_field(name: str) -> None:
    ports = Ports(data=MNIST, latent=8)
    assert has_batch_norm(build_backbone(name, ports, GanRecipe(norm_d="batch", width=4))[1])
    assert not has_batch_norm(build_backbone(name, ports, GanRecipe(norm_d="none", width=4))[1])


@pytest.mark.parametrize("shape", [(1, 30, 30), (1, 28, 32), (1, 4, 4)])
def test_dcgan_refuses_sizes_it_cannot_make(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="square images"):
        build_backbone("dcgan", Ports(data=DataShape(kind="image", shape=shape), latent=8), GanRecipe())


def test_points_are_refused() -> None:
    with pytest.raises(UserError, match="make image data, not points"):
        build_backbone("mlp", Ports(data=DataShape(kind="points", shape=(2,)), latent=8), GanRecipe())
